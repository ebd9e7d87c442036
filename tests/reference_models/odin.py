"""ODIN, one neuron at a time."""

from reference_models import izhikevich
from reference_models.clocked import BIST, PUSH, SYNAPSE, TREF, ClockedCore


class OdinReference(ClockedCore):
    def __init__(self, words, synapses, registers, up, down):
        super().__init__(not registers["SPI_OPEN_LOOP"], bool(registers["SPI_AER_SRC_CTRL_nNEUR"]))
        self.monitor = int(registers["SPI_MONITOR_NEUR_ADDR"])
        self.sign = [int(bit) for bit in registers["SPI_SYN_SIGN"]]
        self.update_all = int(registers["SPI_UPDATE_UNMAPPED_SYN"])
        self.propagate_all = int(registers["SPI_PROPAGATE_UNMAPPED_SYN"])
        self.learn_single = int(registers["SPI_SDSP_ON_SYN_STIM"])
        self.words = [int.from_bytes(bytes(word), "little") for word in words]
        self.synapses = [[int(w) for w in row] for row in synapses]
        self.up, self.down = [int(f) for f in up], [int(f) for f in down]
        self.below, self.above = [0] * 256, [0] * 256  # stops of LIF membranes at a limit

    def memory(self):
        return [list(word.to_bytes(16, "little")) for word in self.words]

    def kind(self, address):
        if address >> 16:
            return SYNAPSE
        return {0x7F: TREF, 0: BIST}.get(address & 0x7F, PUSH)

    def pushed(self, address):
        return address >> 3 & 31, address >> 8 & 255

    def tref_target(self, address):
        return not address >> 7 & 1, address >> 8 & 255

    def virtual(self, payload):
        weight = payload >> 2
        return (-weight if payload & 2 else weight), bool(payload & 1)

    def _weight(self, row, neuron):
        nibble = self.synapses[row][neuron]
        if not (nibble & 8 or self.propagate_all):
            return 0
        return -(nibble & 7) if self.sign[row] else nibble & 7

    def read_group(self, row, neuron):
        return [self._weight(row, n) for n in range(neuron, neuron + 8)]

    def _update(self, row, neuron, up, down):
        nibble = self.synapses[row][neuron]
        weight = nibble & 7
        if not (nibble & 8 or self.update_all):
            return
        if (up and weight == 7) or (down and weight == 0):
            return
        self.synapses[row][neuron] += 1 if up else -1 if down else 0

    def learn_group(self, row, neuron):
        for n in range(neuron, neuron + 8):
            self._update(row, n, self.up[n], self.down[n])

    def synapse_event(self, address):
        row, neuron = address >> 8 & 255, address & 255
        weight = self._weight(row, neuron)
        if self.learn_single:
            self._update(row, neuron, self.up[neuron], self.down[neuron])
        return self.touch(neuron, weight, False)

    def bistability_word(self, address, word):
        single = address >> 7 & 1
        row = address >> 8 & 255 if single else word >> 5
        for n in range(8 * (word & 31), 8 * (word & 31) + 8):
            high = (self.synapses[row][n] & 7) >= 4
            self._update(row, n, high, not high)
        return word == (31 if single else 8191)

    def touch(self, neuron, weight, reference, burst_end=False):
        word, self.burst = self.words[neuron], None
        if word & 1:
            return self._touch_lif(neuron, weight, reference)
        event = "tref" if reference else "inh" if weight < 0 else "exc"
        word, flags, spike = izhikevich.touch(word, event, abs(weight), burst_end)
        self.words[neuron] = word
        self.up[neuron], self.down[neuron] = flags
        self.burst = spike
        return neuron if spike and not word >> 127 else None

    def _touch_lif(self, neuron, weight, reference):
        word = self.words[neuron]

        def bits(low, width):
            return word >> low & (1 << width) - 1

        membrane, calcium, counter = bits(70, 8), bits(78, 3), bits(81, 5)
        if reference:
            membrane = max(membrane - bits(1, 7) * bits(8, 1), 0)
        else:
            self.below[neuron] += membrane + weight < 0
            self.above[neuron] += membrane + weight > 255
            membrane = min(max(membrane + weight, 0), 255)
        spike = membrane >= bits(9, 8)
        membrane = 0 if spike else membrane
        learns, tick = bits(17, 1), False
        if learns and bits(35, 5) and reference:
            tick = counter == bits(35, 5) - 1
            counter = 0 if tick else (counter + 1) % 32
        if learns and spike and not tick:
            calcium = min(calcium + 1, 7)
        elif learns and tick and not spike:
            calcium = max(calcium - 1, 0)
        high = membrane >= bits(18, 8)
        above = learns and calcium >= bits(26, 3)
        self.up[neuron] = int(high and above and calcium < bits(32, 3))
        self.down[neuron] = int(not high and above and calcium < bits(29, 3))
        state = membrane | calcium << 8 | counter << 11
        self.words[neuron] = word & ~(0xFFFF << 70) | state << 70
        return neuron if spike and not bits(127, 1) else None
