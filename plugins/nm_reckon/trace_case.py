"""Replaying a random case: some samples, with everything recorded at every tick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nm_backends.image import Image
from nm_backends.trace import Trace, TraceError, load_trace
from nm_reckon.comparison import Comparison
from nm_reckon.sample import Sample, SampleLog
from nm_reckon.spec import INPUTS, NEURONS
from nm_reckon.trace_layout import CASE, SimulatorClass, case_image, check_generators

__all__ = ["load_case", "replay_case", "weights_in"]

RECORD = ("spikes", "outputs", "lfsr", "cycles")


def load_case(path: str) -> Trace:
    """Read a random case and check that its samples make sense.

    Raises
    ------
    TraceError
        Naming the array.
    """
    trace = load_trace(path, CASE, meta=False)
    check_generators(trace, "lfsr_init")
    ticks = len(trace["target_valid"])
    start = np.concatenate([[0], np.cumsum(trace["n_ticks"].astype(np.int64))])
    if not np.array_equal(trace["tick_start"], start) or start[-1] != ticks:
        raise TraceError(f"{trace.name}: array tick_start: not the sums of n_ticks, {ticks} in all")
    for name in ("ev_tick", "out_tick", "cap_tick"):
        steps = np.diff(trace[name].astype(np.int64))
        if (steps < (name == "cap_tick")).any() or (trace[name] >= ticks).any():
            raise TraceError(f"{trace.name}: array {name}: not ascending below {ticks}")
    if trace["SPI_REGRESSION"] and (trace["label_tick"] >= 0).any():
        raise TraceError(f"{trace.name}: array label_tick: a label, but SPI_REGRESSION is 1")
    return trace


def weights_in(memories: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the weights of an image, int8 ``[pre, post]``, as ``inp``, ``rec`` and ``out``."""
    return {
        "inp": memories["input_weight"].view(np.int8).reshape(INPUTS, NEURONS),
        "rec": memories["recurrent_weight"].view(np.int8).reshape(NEURONS, NEURONS),
        "out": memories["output_weight"][:NEURONS].view(np.int8),
    }


def replay_case(trace: Trace, simulator_class: SimulatorClass) -> Comparison:
    """Run the samples of a case from its initial state, up to the first that differs."""
    comparison = Comparison()
    image = case_image(trace)
    seeded = simulator_class(image, dirty=trace["dirty_init"]).lfsr
    comparison.state("lfsr_init", trace["lfsr_init"], seeded, -1, "generator")
    simulator = simulator_class(
        image, dirty=trace["dirty_init"].astype(np.uint8), lfsr=trace["lfsr_init"].astype(np.uint32)
    )
    for number in range(len(trace["n_ticks"])):
        if comparison.divergence:
            break
        part = _Part(trace, number)
        simulator.set_register("SPI_DO_EPROP", int(trace["do_eprop_sample"][number]))
        log = simulator.sample(part.sample(), RECORD, part.captured.tolist())
        _compare_ticks(comparison, part, log)
        _compare_state(comparison, part, simulator.image())
    return comparison


@dataclass
class _Part:
    """One sample of a case: which rows of the trace's arrays are its own."""

    trace: Trace
    number: int

    @property
    def at(self) -> slice:
        """Its ticks."""
        first, last = self.trace["tick_start"][self.number : self.number + 2].tolist()
        return slice(first, last)

    def rows(self, ticks: str) -> slice:
        """Return which elements of an ascending array of ticks lie within the sample."""
        first, last = np.searchsorted(self.trace[ticks], [self.at.start, self.at.stop])
        return slice(int(first), int(last))

    @property
    def captured(self) -> np.ndarray:
        """Ticks within the sample after which the neuron memory was captured."""
        return np.asarray(self.trace["cap_tick"][self.rows("cap_tick")] - self.at.start)

    def sample(self) -> Sample:
        """Return what the host did."""
        trace, at, events = self.trace, self.at, self.rows("ev_tick")
        return Sample(
            ticks=at.stop - at.start,
            ev_tick=(trace["ev_tick"][events] - at.start).astype(np.int32),
            ev_addr=trace["ev_addr"][events].astype(np.uint8),
            target_valid=trace["target_valid"][at].astype(np.uint8),
            infer_acc=trace["infer_acc"][at].astype(np.uint8),
            label=int(trace["label"][self.number]),
            label_tick=int(trace["label_tick"][self.number]),
            label_on_request=trace["label_on_request"][at].astype(np.uint8),
            reg_target=trace["reg_target"][at].astype(np.int16),
        )


def _compare_ticks(comparison: Comparison, part: _Part, log: SampleLog) -> None:
    """Compare what was recorded at each tick, in the order of the chip's phases."""
    trace, at, number = part.trace, part.at, part.number
    ticks, origin = np.arange(at.stop - at.start), (at.start,)
    spikes = np.unpackbits(trace["spikes"][at].astype(np.uint8), axis=1, bitorder="little")
    comparison.ticks("spikes", spikes, log.spikes, number, ticks, "neuron", origin)
    # before the first step there is nothing to see
    stepped, later = trace["oneur_step"][at][1:], (at.start + 1,)
    comparison.ticks("oneur_step", stepped, log.oneur_step[1:], number, ticks[1:], "", later)
    captures = part.rows("cap_tick")
    caught, first = part.captured, (captures.start,)
    if len(caught):
        step, ready = (trace[f"cap_mem_{when}"][captures] for when in ("step", "ready"))
        comparison.ticks("cap_mem_step", step, log.mem_step, number, caught, "byte", first)
        comparison.ticks("cap_mem_ready", ready, log.mem_ready, number, caught, "byte", first)
    counts = trace["winner_count"][at]
    comparison.ticks("winner_count", counts, log.winner_count, number, ticks, "", origin)
    outputs = part.rows("out_tick")
    data = trace["out_data"][outputs], log.out_data
    when = trace["out_tick"][outputs] - at.start, log.out_tick
    comparison.outputs(data, when, number, outputs.start)
    ready = trace["oneur_ready"][at]
    comparison.ticks("oneur_ready", ready, log.oneur_ready, number, ticks, "", origin)
    comparison.ticks("lfsr", trace["lfsr"][at], log.lfsr, number, ticks, "generator", origin)
    comparison.ticks("cycles", trace["cycles"][at], log.cycles, number, ticks, "phase", origin)


def _compare_state(comparison: Comparison, part: _Part, image: Image) -> None:
    trace, number = part.trace, part.number
    for name, weights in weights_in(image.memories).items():
        change = weights - trace[f"w_{name}_init"].astype(np.int8)  # both modulo 256
        comparison.state(
            f"dw_{name}", trace[f"dw_{name}"][number], change, number, "neuron", (number,)
        )
    after = trace["neur_mem_after"][number]
    comparison.state("neur_mem_after", after, image.memories["neuron"], number, "byte", (number,))
