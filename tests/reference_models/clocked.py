"""Controller, scheduler and AER links, evaluated clock cycle by clock cycle."""

from dataclasses import dataclass, field

WAIT, TREF, BIST, SYNAPSE, PUSH, POP_NEUR, POP_VIRT, AER_POP, WAIT_REQDN = range(9)


@dataclass
class Host:
    """The other end of both links."""

    driving: str = "idle"
    schedule: list = field(default_factory=list)
    ack_delay: int = 0
    release_delay: int = 0
    idle_cycles: int = 8


class ClockedCore:
    """Everything but neurons and synapses; subclasses give the methods at the end."""

    depth = 32
    row_tail = False  # a state AER_POP after the row frees the queue entry
    monitor = 255  # neuron whose turn puts out the popped row (source = controller)
    last = 255  # highest neuron of a sweep

    def __init__(self, closed, from_rows):
        self.closed, self.from_rows = closed, from_rows
        self.state, self.count, self.neuron = WAIT, 0, 0
        self.queue = []
        self.request_flops = [0, 0]
        self.out_req, self.busy, self.ack_flops = 0, 0, [0, 0, 0]
        self.latched = None

    def run(self, events, host=None, max_cycles=2_000_000):
        """Send events until the chip has been idle for 8 cycles; return the log as lists."""
        host = host or Host()
        self.events, self.host, self.cycle = [int(e) for e in events], host, 0
        self.index, self.accepted = 0, -1  # next event to request; last one accepted
        self.req_in, self.ack_out = 0, 0
        self.release, self.answer, self.idle = None, 0, 0
        names = ("req", "accept", "ack", "done", "core", "stall", "reqdn", "pops", "drops")
        self.log = {name: [0] * len(events) for name in names}
        self.out = []
        settled = host.idle_cycles if host.driving == "idle" else 8
        while True:
            self._host_in()
            if self.index >= len(self.events) and self.idle >= settled:
                break
            self._host_out()
            self._clock()
            self.cycle += 1
            assert self.cycle < max_cycles, "never idle"
        self.log["total"] = self.cycle
        return self.log

    # The host acts within the cycle in which it sees something.
    def _host_in(self):
        acknowledge = self.state == WAIT_REQDN
        quiet = self.state == WAIT and self.drained() and not self.busy
        quiet = quiet and not self.req_in and not any(self.request_flops)
        self.idle = self.idle + 1 if quiet else 0
        if self.req_in and acknowledge:
            self.release = self.host.release_delay if self.release is None else self.release - 1
            if self.release == 0:
                self.req_in, self.release = 0, None
        elif not self.req_in and not acknowledge and self.index < len(self.events):
            due = {
                "idle": self.idle >= self.host.idle_cycles,
                "back_to_back": True,
                "scheduled": not self.host.schedule or self.cycle >= self.host.schedule[self.index],
            }
            if due[self.host.driving]:
                self.req_in, self.address = 1, self.events[self.index]
                self.log["req"][self.index] = self.cycle
                self.index += 1
                self.idle = 0

    def _host_out(self):
        if self.out_req != self.ack_out:
            if self.answer == self.host.ack_delay:
                self.ack_out, self.answer = self.out_req, 0
            else:
                self.answer += 1

    def _account(self):
        """Count this cycle for the event accepted last."""
        event, log = self.accepted, self.log
        if self.state == WAIT:
            return
        log["done"][event] = self.cycle + 1
        if self.state == WAIT_REQDN:
            log["reqdn"][event] += 1
            log["ack"][event] = log["ack"][event] or self.cycle
        else:
            log["stall" if self.busy else "core"][event] += 1

    def _clock(self):
        self._account()
        state, busy, count = self.state, self.busy, self.count
        served = self.place()
        write = count & 1 and not busy
        following, pop, spike, row_out = state, False, None, False
        if state == WAIT:
            following = self._arbitrate()
        elif state == PUSH:
            self.enqueue(self.pushed(self.address))
            following = WAIT_REQDN
        elif state == TREF:
            everyone, neuron = self.tref_target(self.address)
            neuron = self.neuron if everyone else neuron
            if write:
                spike = self.touch(neuron, 0, True)
                if not everyone or neuron == self.last:
                    following = WAIT_REQDN
        elif state == SYNAPSE and write:
            spike = self.synapse_event(self.address)
            following = WAIT_REQDN
        elif state == BIST and write:
            if self.bistability_word(self.address, count >> 1):
                following = WAIT_REQDN
        elif state == POP_NEUR:
            row, neuron = self.head()[1], self.neuron
            if neuron % 8 == 0 and not count & 1:
                self.row_read(row, neuron)
            if write:
                spike = self.row_write(row, neuron)
                row_out = neuron == self.monitor
                if neuron == self.last:
                    following, pop = (AER_POP, False) if self.row_tail else (WAIT, True)
        elif state == POP_VIRT and not write:
            self.virtual_read(*self.head())
        elif state == POP_VIRT:
            spike = self.virtual_write(*self.head())
            following, pop = WAIT, True
        elif state == AER_POP and not busy:
            following, pop = WAIT, True
        elif state == WAIT_REQDN and not self.request_flops[1]:
            following = WAIT

        address = None
        if spike is not None:
            if self.closed:
                self.push(spike)
            address = None if self.from_rows else spike
        if self.from_rows and row_out:
            address = self.head()[1]
        if pop:
            self.pop(served)
            self.log["pops"][self.accepted] += 1
        self._clock_output(address)
        if state == WAIT:
            self.count = self.neuron = 0
        elif not busy:
            self.neuron += count & 1
            self.count += 1
        if state == WAIT and following in (TREF, BIST, SYNAPSE, PUSH):
            self.accepted += 1
            self.log["accept"][self.accepted] = self.cycle + 1
        self.request_flops = [self.req_in, self.request_flops[0]]
        self.state = following

    def _arbitrate(self):
        if self.busy:
            return WAIT
        request = self.request_flops[1]
        kind = self.kind(self.address) if request else None
        if len(self.queue) < self.depth and request and kind != BIST:
            return kind
        if self.holds():
            return POP_VIRT if self.head()[0] else POP_NEUR
        return BIST if request else WAIT

    def _clock_output(self, address):
        _, ack, ack_before = self.ack_flops
        if address is not None and not ack:
            self.out.append((address, self.accepted, self.cycle + 1))
            self.out_req = self.busy = 1
        elif ack:
            self.out_req, self.busy = 0, 1
        elif ack_before:
            self.out_req = self.busy = 0
        self.ack_flops = [self.ack_out, *self.ack_flops[:2]]

    # The scheduler.
    def drained(self):
        return not self.queue

    def holds(self):
        """Return whether there is something to serve now."""
        return bool(self.queue)

    def head(self):
        """Return (payload, neuron) that the controller sees."""
        return self.queue[0]

    def place(self):
        """Return what the next pop will free."""
        return "main" if self.queue else None

    def pop(self, place):
        self.queue.pop(0)

    def enqueue(self, item):
        self.queue.append(item)

    def push(self, spike):
        if len(self.queue) < self.depth:
            self.enqueue((0, spike))
        else:
            self.log["drops"][self.accepted] += 1

    # Events from the scheduler, by cycle.
    def row_read(self, row, neuron):
        self.latched = self.read_group(row, neuron)

    def row_write(self, row, neuron):
        if neuron % 8 == 0:
            self.learn_group(row, neuron)
        return self.touch(neuron, self.latched[neuron % 8], False)

    def virtual_read(self, payload, neuron):
        pass

    def virtual_write(self, payload, neuron):
        return self.touch(neuron, *self.virtual(payload))

    # What a chip adds.
    def kind(self, address):
        """Return the state that serves an input event."""
        raise NotImplementedError

    def pushed(self, address):
        """Return (payload, neuron) that an input event puts into the scheduler."""
        raise NotImplementedError

    def tref_target(self, address):
        """Return (all neurons, neuron)."""
        raise NotImplementedError

    def virtual(self, payload):
        """Return (signed weight, time reference)."""
        raise NotImplementedError

    def read_group(self, row, neuron):
        """Return the 8 signed weights from ``neuron`` on."""
        raise NotImplementedError

    def touch(self, neuron, weight, reference):
        """Update one neuron; return its address if it emits a spike."""
        raise NotImplementedError

    def learn_group(self, row, neuron):
        """Update the 8 synapses from ``neuron`` on."""
