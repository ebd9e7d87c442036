"""A host that sends back to back: queues, losses and time against a plain simulation."""

import numpy as np
import pytest
from crossbar_networks import bernoulli, layers
from reference_models.morphic import MorphicReference
from test_morphic_engine import random_chip, random_events

import nm_backends as nmb
from nm_morphic.assumptions import Assumptions
from nm_morphic.batch import run_batch
from nm_morphic.events import CORE_SHIFT, REFERENCE
from nm_morphic.image import joined

SWEEP = 1024


class Plain:
    """All that is to happen in one list, searched for what comes next; no heap, no rings."""

    def __init__(self, images, columns, held):
        self.mesh, self.held = MorphicReference(images, columns, held), held
        self.queues = [[] for _ in self.mesh.cores]  # the first may be being served
        self.ends = [None] * len(self.queues)  # of its sweep, and whether it was an event
        self.coming, self.out, self.sent = [], [], []

    def send(self, events):
        host, now = 0, 0
        for c, row in events:
            while not (self.idle() if row < 0 else self.place(c, row)) or self.due() <= host:
                now = self.advance()
            now = max(now, host)
            self.sent.append(now)
            host = now + self.held.host_interval
            if row < 0:
                for core in range(len(self.queues)):
                    self.sweep(core, now, None)
            elif self.mesh.cores[c].register["ROW_ENABLE"][row]:
                self.enter(c, row)
                self.begin(now)
        while not self.idle():
            now = self.advance()
        return now

    def idle(self):
        return not self.coming and all(end is None for end in self.ends)

    def place(self, c, row):
        closed = not self.mesh.cores[c].register["ROW_ENABLE"][row]
        return closed or len(self.queues[c]) < self.held.fifo_depth

    def due(self):
        times = [end[0] for end in self.ends if end] + [spike[0] for spike in self.coming]
        return min(times, default=float("inf"))

    def advance(self):
        now = self.due()
        for c, end in enumerate(self.ends):
            if end and end[0] == now:
                self.ends[c] = None
                self.queues[c] = self.queues[c][end[1] :]
        self.begin(now)
        for spike in sorted(s for s in self.coming if s[0] == now):
            self.coming.remove(spike)
            _, _, c, row = spike
            if not self.mesh.cores[c].register["ROW_ENABLE"][row]:
                continue
            if len(self.queues[c]) < self.held.fifo_depth:
                self.enter(c, row)
                self.begin(now)
            else:
                self.mesh.cores[c].dropped += 1
        return now

    def enter(self, c, row):
        self.queues[c].append(row)
        self.mesh.cores[c].fifo_max = max(self.mesh.cores[c].fifo_max, len(self.queues[c]))

    def begin(self, now):
        for c, queue in enumerate(self.queues):
            if queue and self.ends[c] is None:
                self.sweep(c, now, queue[0])

    def sweep(self, c, now, row):
        core = self.mesh.cores[c]
        self.ends[c] = (now + SWEEP, row is not None)
        for k in core.reference() if row is None else core.row(row):
            when, neuron = now + 2 * k + 1, core.neurons[k]
            self.out.append((when, c * 512 + k))
            near = [(c, k)] + [(c - c % 4 + t, neuron.l1_row) for t in neuron.cores]
            self.coming += [(when, (c, k), target, line) for target, line in near]
            far = self.mesh.hops(c // 4, neuron)
            if far:
                later = when + len(far) * self.held.hop_latency * SWEEP
                self.coming += [(later, (c, k), 4 * far[-1] + t, neuron.l2_row) for t in range(4)]


@pytest.mark.parametrize(("seed", "depth", "interval"), [(1, 32, 4), (2, 2, 600), (3, 8, 3000)])
def test_a_mesh_equals_a_plain_simulation(seed, depth, interval):
    held = Assumptions(fifo_depth=depth, host_interval=interval)
    rng = np.random.default_rng(seed)
    images = [random_chip(rng, at, (2, 1), held, 0.002) for at in range(2)]
    drawn = random_events(rng, 2, 60)
    events = [(4 * chip + core, row) for chip, core, row in drawn.tolist()]
    events = [(0, -1) if row < 0 else (c, row) for c, row in events]
    words = [REFERENCE if row < 0 else c << CORE_SHIFT | row for c, row in events]
    log = run_batch(
        joined(images), np.array(words, np.uint32), np.array([0, len(words)]), assumptions=held,
        columns=2, driving="back_to_back",
    )  # fmt: skip
    plain = Plain(images, 2, held)
    assert plain.send(events) == log.cycles[0]
    plain.out.sort()
    assert log.out_addr.tolist() == [address for _, address in plain.out]
    due = np.searchsorted(plain.sent, [when for when, _ in plain.out], side="right") - 1
    assert log.out_event.tolist() == due.tolist()
    cores = plain.mesh.cores
    assert len(plain.out) > 15
    assert log.drops[0] == sum(core.dropped for core in cores)
    assert log.drops[0] > 0 or depth > 2
    assert log.pops[0] == sum(core.served for core in cores)
    assert log.more["queue_max"][0] == max(core.fifo_max for core in cores)


@pytest.fixture(scope="module")
def spikes():
    return bernoulli(8, 4, 20, 0.5)


def made(interval):
    model = layers(20, 16, 5, mean=0.4, spread=0.2)
    return nmb.compile(model, "morphic", assumptions={"host_interval": interval})


def test_a_slow_host_gets_what_one_gets_that_waits(spikes):
    waiting, slow = (made(1 << 20).run(spikes, driving=d) for d in ("idle", "back_to_back"))
    assert np.array_equal(waiting.spikes, slow.spikes)
    for name in ("sops", "dropped", "events_out", "queue_max"):
        assert np.array_equal(waiting.counters[name], slow.counters[name])


def test_a_fast_host_fills_queues_and_loses_spikes(spikes):
    waiting, fast = (made(4).run(spikes, driving=d) for d in ("idle", "back_to_back"))
    assert (fast.counters["cycles"] < waiting.counters["cycles"]).all()
    assert fast.counters["queue_max"].tolist() == [32] * 4
    assert (fast.counters["dropped"] > 0).all()
    assert fast.latency.formula == (
        "cycles / f_clk; cycles of a simulation of discrete events, sweep by sweep"
    )
