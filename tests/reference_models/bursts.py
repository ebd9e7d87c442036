"""ODIN with its burst queues: what the scheduler shows is looked at in every clock cycle."""

from reference_models.odin import OdinReference


class Undefined(Exception):
    """The chip would use a word that was never written, or lose an entry."""


class BurstReference(OdinReference):
    def __init__(self, words, synapses, registers, up, down, slot=0, count=0):
        super().__init__(words, synapses, registers, up, down)
        self.period = int(registers["SPI_BURST_TIMEREF"]) + 1
        self.slot, self.prescaler = slot, count
        self.bursts = [[] for _ in range(57)]
        self.entries = [0] * 57
        self.stored, self.reads, self.writes = [None] * 32, 0, 0
        self.latch = [0] * 8

    def _clock(self):
        super()._clock()
        self.prescaler += 1
        if self.prescaler == self.period:
            self.slot, self.prescaler = (self.slot + 1) % 57, 0

    def drained(self):
        return not self.queue and not any(self.bursts)

    def holds(self):
        return bool(self.queue or self.bursts[self.slot])

    def head(self):
        if self.bursts[self.slot]:
            return 0, self.bursts[self.slot][0][0]
        if self.stored[self.reads % 32] is None:
            raise Undefined("never written")
        return self.stored[self.reads % 32]

    def place(self):
        if self.bursts[self.slot]:
            return self.slot
        return "main" if self.queue else None

    def pop(self, place):
        if place == "main":
            self.queue.pop(0)
            self.reads += 1
        elif place is not None:
            self.bursts[place].pop(0)

    def enqueue(self, item):
        super().enqueue(item)
        self.stored[self.writes % 32] = item
        self.writes += 1

    def push(self, spike):
        super().push(spike)
        spikes, interval = self.burst or (0, 0)
        for j in range(1, spikes + 1):
            slot = (self.slot + j * (interval + 1)) % 57
            self.entries[slot] += 1
            if self.entries[slot] > 4:
                raise Undefined("fifth entry")
            self.bursts[slot].append((spike, j == spikes))

    # Synapse words are read in one cycle and written in the next.
    def word(self, row, neuron):
        return self.synapses[row][neuron & ~7 : (neuron & ~7) + 8]

    def row_read(self, row, neuron):
        self.latch = self.word(row, neuron)

    def seen(self, neuron, row):
        nibble = self.latch[neuron % 8]
        weight = nibble & 7 if nibble & 8 or self.propagate_all else 0
        return -weight if self.sign[row] else weight

    def row_write(self, row, neuron):
        weight = self.seen(neuron, row)
        current = self.bursts[self.slot]
        ends = bool(current) and current[0] == (neuron, True)
        if neuron % 8 == 0:
            before = self.word(row, neuron)
            self.synapses[row][neuron : neuron + 8] = self.latch
            self.learn_group(row, neuron)
            self.latch = before
        return self.touch(neuron, weight, False, ends)

    def synapse_event(self, address):
        self.latch = self.word(address >> 8 & 255, address & 255)
        return super().synapse_event(address)

    def bistability_word(self, address, word):
        row = address >> 8 & 255 if address & 0x80 else word >> 5
        self.latch = self.word(row, 8 * (word & 31))
        return super().bistability_word(address, word)

    def virtual_read(self, payload, neuron):
        self.source = neuron

    def virtual_write(self, payload, neuron):
        self.words[neuron] = self.words[self.source]
        if payload:
            return self.touch(neuron, *self.virtual(payload))
        return self.touch(neuron, self.seen(neuron, 0), False)
