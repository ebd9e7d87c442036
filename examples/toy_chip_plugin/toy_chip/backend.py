"""The toy chip: how a network becomes its memories, and what it does with them.

Memories: ``synapse`` [96, 32], two's complement bytes (rows 0..63 are inputs, row 64 + n is neuron
n); ``neuron`` [32, 2], the 16-bit threshold, low byte first. Register ``NEURONS``: how many are
evaluated. In each time step the chip visits its neurons in order; each adds the weights of all rows
that have fired in this step, saturates at 16 bits, and fires (and returns to 0) at its threshold.
"""

import numpy as np

from nm_backends.chip import ChipSpec, IntFormat, Memory, Quantity, Register, Transaction
from nm_backends.errors import UserError
from nm_backends.image import Image
from nm_backends.program import Fit, Mapping, PopulationFit, Resource
from nm_backends.result import Estimate, RawRun
from nm_backends.rules import Report
from toy_chip.rules import INPUTS, NEURONS, RULES, SOURCE

ROWS = INPUTS + NEURONS
SPEC = ChipSpec(
    name="toy",
    summary="32 integrate-and-fire neurons, 64 inputs (made up)",
    neurons=NEURONS,
    rows=ROWS,
    synapses=ROWS * NEURONS,
    weights=IntFormat(8, -128, 127),
    membrane=IntFormat(16, -32768, 32767),
    threshold=IntFormat(15, 0, 32767),
    leak=IntFormat(1, 0, 0),
    node_types=("IF",),
    memories=(Memory("synapse", ROWS * NEURONS, 8), Memory("neuron", NEURONS, 16)),
    registers=(Register("NEURONS", 0, 6, "neurons evaluated"),),
    quantities={"f_clk": Quantity(1e6, "Hz", SOURCE, "unconfirmed")},
    sources=(SOURCE,),
)
SYNAPSE, NEURON = 0x10000, 0x20000  # where the memories begin in the address space


class ToyBackend:
    """Implements `nm_backends.chip.Backend`."""

    spec = SPEC
    rules = RULES

    def map(self, network, options, calibration):
        """Scale each neuron so that its largest weight or threshold fills the format."""
        row = {}
        for populations, base in ((network.inputs, 0), (network.neurons, INPUTS)):
            for p in populations:
                row[p.name] = base
                base += p.size
        weights = np.zeros((ROWS, NEURONS))
        for q in network.projections:
            pre, post = network.populations[q.pre], network.populations[q.post]
            there = slice(row[pre.name], row[pre.name] + pre.size)
            here = slice(row[post.name] - INPUTS, row[post.name] - INPUTS + post.size)
            weights[there, here] += q.weights.toarray() * post.gain * pre.graded
        image = Image(
            {
                "synapse": np.zeros((ROWS, NEURONS), np.uint8),
                "neuron": np.zeros((NEURONS, 2), np.uint8),
            },
            {"NEURONS": sum(p.size for p in network.neurons)},
        )
        first = {p.name: row[p.name] - INPUTS for p in network.neurons}
        fits = {}
        for p in network.neurons:
            here = slice(first[p.name], first[p.name] + p.size)
            fits[p.name] = self._fill(image, p, here, weights[:, here])
        resources = [
            Resource("neurons", image.registers["NEURONS"], NEURONS),
            Resource("inputs", network.input_size, INPUTS),
            Resource("synapses", int(np.count_nonzero(image.memories["synapse"])), SPEC.synapses),
        ]
        layout = {"first": np.array(list(first.values()))}
        return Mapping(image, layout, resources, Fit(fits), Report("toy", network.source))

    def _fill(self, image, p, here, weights):
        largest = np.abs(weights).max(axis=0)
        scale = np.minimum(127 / np.where(largest, largest, 1), 32766 / p.threshold)
        integers = np.rint(weights * scale)
        # v > thr and v >= thr differ only where thr * scale is a whole number
        exact = p.threshold * scale
        threshold = np.floor(exact) + 1 if p.spike_cmp == ">" else np.ceil(exact)
        threshold = np.maximum(threshold, 1).astype("<u2")
        image.memories["synapse"][:, here] = integers.astype(np.int8).view(np.uint8)
        image.memories["neuron"][here] = threshold.view(np.uint8).reshape(-1, 2)
        norm = np.abs(weights).sum()
        error = np.abs(integers / scale - weights).sum() / norm if norm else 0.0
        return PopulationFit(
            name=p.name,
            scale=float(scale.mean()),
            threshold_asked=p.threshold.copy(),
            threshold=threshold / scale,
            leak_asked=np.zeros(p.size),
            leak=np.zeros(p.size),
            weight_error=float(error),
            threshold_error=float(np.mean(np.abs(threshold / scale / p.threshold - 1))),
            leak_error=0.0,
            weights=int(np.count_nonzero(weights)),
            clipped=0,
            zeroed=int(np.count_nonzero((weights != 0) & (integers == 0))),
        )

    def execute(self, program, spikes, record, threads):
        """Run the image; the loop over neurons is the chip's own order."""
        image = program.image
        weights = image.memories["synapse"].view(np.int8).astype(np.int64)
        threshold = image.memories["neuron"].copy().view("<u2")[:, 0]
        count = int(image.registers["NEURONS"])
        steps, batch, inputs = spikes.shape
        fired = np.zeros((steps, batch, ROWS), np.int64)
        fired[:, :, :inputs] = spikes
        membranes = np.zeros((steps, batch, NEURONS), np.int64)
        v = np.zeros((batch, NEURONS), np.int64)
        for t in range(steps):
            for n in range(count):
                v[:, n] = np.clip(v[:, n] + fired[t] @ weights[:, n], -32768, 32767)
                spike = v[:, n] >= threshold[n]
                v[spike, n] = 0
                fired[t, :, INPUTS + n] = spike
            membranes[t] = v
        out = fired[:, :, INPUTS:]
        layers, potentials = {}, {}
        for p, at in zip(program.network.neurons, program.layout["first"].tolist(), strict=True):
            layers[p.name] = out[:, :, at : at + p.size].astype(np.uint8)
            if "membrane" in record:
                potentials[p.name] = membranes[:, :, at : at + p.size]
        events = fired.sum(axis=(0, 2))
        counters = {
            "events_in": spikes.sum(axis=(0, 2), dtype=np.int64),
            "events_out": out.sum(axis=(0, 2)),
            "sops": events * count,
            "cycles": np.full(batch, steps * count),
            "dropped": np.zeros(batch, np.int64),
        }
        return RawRun(layers, potentials, counters)

    def write_stream(self, image):
        """Program the memories byte by byte, then set the register that starts the chip."""
        stream = []
        for base, name in ((SYNAPSE, "synapse"), (NEURON, "neuron")):
            data = image.memories[name].ravel().tolist()
            stream += [Transaction(base + i, value) for i, value in enumerate(data)]
        return [*stream, Transaction(0, int(image.registers["NEURONS"]))]

    def read_stream(self, stream):
        """Do what the chip does with `write_stream`'s transactions."""
        memory = np.zeros(NEURON + 2 * NEURONS, np.uint8)
        for transaction in stream:
            memory[transaction.address] = transaction.data
        synapse = memory[SYNAPSE : SYNAPSE + ROWS * NEURONS].reshape(ROWS, NEURONS)
        neuron = memory[NEURON:].reshape(NEURONS, 2)
        return Image(
            {"synapse": synapse.copy(), "neuron": neuron.copy()}, {"NEURONS": int(memory[0])}
        )

    def estimate(self, counters):
        """One neuron per clock cycle; nobody has measured the energy of a made-up chip."""
        seconds = np.asarray(counters["cycles"]) / SPEC.quantities["f_clk"].value
        return {
            "energy": None,
            "latency": Estimate(seconds, "s", "cycles / f_clk", SOURCE, "unconfirmed"),
        }

    def verify(self, path):
        """Refuse: there are no traces."""
        raise UserError(f"{path}: the toy chip has no hardware to compare with")
