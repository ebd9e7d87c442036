"""tinyODIN, one neuron at a time."""

from reference_models.clocked import PUSH, TREF, ClockedCore


class TinyOdinReference(ClockedCore):
    depth = 128
    row_tail = True

    def __init__(self, words, synapses, registers):
        super().__init__(not registers["SPI_OPEN_LOOP"], bool(registers["SPI_AER_SRC_CTRL_nNEUR"]))
        self.last = self.monitor = int(registers["SPI_MAX_NEUR"])
        self.words = [int.from_bytes(bytes(word), "little") for word in words]
        self.synapses = [[int(w) - 16 * (int(w) > 7) for w in row] for row in synapses]
        self.below, self.above = [0] * 256, [0] * 256  # times that a membrane stopped at a limit

    def memory(self):
        return [list(word.to_bytes(4, "little")) for word in self.words]

    def kind(self, address):
        return TREF if address >> 8 & 1 else PUSH

    def pushed(self, address):
        if address >> 9 & 1:
            return address >> 4 & 15, address & 15
        return 0, address & 255

    def tref_target(self, address):
        return address & 255 == 255, address & 255

    def virtual(self, payload):
        return payload - 16 * (payload > 7), False

    def read_group(self, row, neuron):
        return self.synapses[row][neuron : neuron + 8]

    def touch(self, neuron, weight, reference):
        word = self.words[neuron]
        membrane, threshold = word & 0xFFF, word >> 12 & 0xFFF
        leak, disabled = word >> 24 & 0x7F, word >> 31
        if membrane > 2047:
            membrane -= 4096
        if reference:
            membrane = max(membrane - leak, 0) if membrane >= 0 else min(membrane + leak, 0)
        else:
            self.below[neuron] += membrane + weight < -2048
            self.above[neuron] += membrane + weight > 2047
            membrane = min(max(membrane + weight, -2048), 2047)
        spike = membrane >= 0 and membrane >= threshold
        self.words[neuron] = word & ~0xFFF | (0 if spike else membrane & 0xFFF)
        return neuron if spike and not disabled else None
