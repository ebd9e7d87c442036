"""ODIN's monitoring mode: the output link sends states, evaluated clock cycle by clock cycle."""

from reference_models.bursts import BurstReference
from reference_models.odin import OdinReference


class Monitored:
    """Mixed into a core: sends what is written to one neuron and to one of its synapses."""

    def __init__(self, words, synapses, registers, *state):
        super().__init__(words, synapses, registers, *state)
        self.row = int(registers["SPI_MONITOR_SYN_ADDR"])
        self.neuron_state = self.nibble = None  # written in this cycle
        self.waiting = []  # words of the same write that are still to be sent

    def touch(self, neuron, *change):
        spike = super().touch(neuron, *change)
        if neuron == self.monitor:
            word = self.words[neuron]
            lif = word & 1
            core = word >> 70 & 255 if lif else word >> 82 & 15
            calcium = word >> (78 if lif else 116) & 7
            sign = 0 if lif else word >> 106 & 3
            upper = self.up[neuron] << 6 | self.down[neuron] << 5 | calcium << 2 | sign
            self.neuron_state = (upper, core)
        return spike

    def _written(self, row, first):
        if (row, first // 8) == (self.row, self.monitor // 8):
            self.nibble = self.synapses[row][self.monitor]

    def learn_group(self, row, neuron):
        super().learn_group(row, neuron)
        self._written(row, neuron)

    def synapse_event(self, address):
        spike = super().synapse_event(address)
        self._written(address >> 8 & 255, address & 255)
        return spike

    def bistability_word(self, address, word):
        done = super().bistability_word(address, word)
        row = address >> 8 & 255 if address & 0x80 else word // 32
        self._written(row, 8 * (word % 32))
        return done

    def _clock_output(self, address):
        """Send the words; ``address`` is a spike, or the row at the monitored neuron's turn."""
        words = []
        if self.neuron_state is not None:
            upper, core = self.neuron_state
            words += [(address == self.monitor) << 7 | upper, core]
        if self.nibble is not None:
            words.append(0xF0 | self.nibble)
        self.neuron_state = self.nibble = None
        assert not (words and self.busy), "a write while the link is busy"
        _, ack, ack_before = self.ack_flops
        if ack:
            self.out_req = 0
        elif ack_before:
            self.out_req, self.busy = 0, int(bool(self.waiting))
        elif words or (self.waiting and not self.out_req):
            word, *self.waiting = words or self.waiting
            self.out.append((word, self.accepted, self.cycle + 1))
            self.out_req = self.busy = 1
        self.ack_flops = [self.ack_out, *self.ack_flops[:2]]


class MonitorReference(Monitored, OdinReference):
    """Without the burst queues."""


class MonitorBurstReference(Monitored, BurstReference):
    """With the burst queues."""
