"""Integers that disturb membranes least on what the sources sent, rather than one by one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nm_backends.network import Network
from nm_backends.quantize import best_integers, source_moments
from nm_reckon.scaling import Integers
from nm_reckon.schedule import BIAS, START
from nm_reckon.spec import SPEC
from nm_reckon.topology import Topology

__all__ = ["Refiner"]

_SAMPLES = 32  # of the calibration spikes; moments hardly change with more
_DAMPING = 1e-3


@dataclass(frozen=True, eq=False)
class _Part:
    """The neurons of one population (or outputs): the sources that reach it and their moments."""

    span: slice
    sources: np.ndarray
    moments: np.ndarray


class Refiner:
    """Refines integers by what every source sent in the float model.

    A source is an event of the host or a neuron, relays included; all that reach a population in
    the same tick belong together.

    Parameters
    ----------
    spikes
        Input counts uint8 ``[time, batch, channels]``.
    fired
        Spikes uint8 ``[time, batch, neurons]``.
    """

    def __init__(
        self, network: Network, wired: Topology, spikes: np.ndarray, fired: np.ndarray
    ) -> None:
        self.wired = wired
        self._spikes, self._fired = spikes[:, :_SAMPLES], fired[:, :_SAMPLES]
        signals = self._signals()
        into = np.vstack([wired.w_in, wired.w_rec])
        ticks = wired.schedule.ticks_per_step
        self._neurons = [
            self._part(name, span, into, wired.decay[span] ** ticks, signals)
            for name, span in wired.spans()
        ]
        out = np.vstack([np.zeros((len(wired.w_in), wired.outputs)), wired.w_out])
        self._outputs = [
            self._part(name, span, out, wired.output_decay[span] ** ticks, signals)
            for name, span in wired.output_spans()
        ]

    def refined(self, integers: Integers) -> Integers:
        """Return the same with better weights; scales, thresholds and whole weights stay."""
        shifts, events = integers.shifts, len(integers.w_in)
        size = integers.w_rec.shape[0]
        units = np.repeat([1 << shifts.winp, 1 << shifts.wrec], [events, size])
        wanted = np.vstack([self.wired.w_in, self.wired.w_rec]) * integers.scale / units[:, None]
        held = np.vstack([integers.w_in, integers.w_rec])
        for part in self._neurons:
            _descend(part, wanted, held, units)
        outputs = integers.w_out.copy()
        for part in self._outputs:
            of = replace(part, sources=part.sources - events)
            real = self.wired.w_out * integers.out_scale / (1 << shifts.wout)
            _descend(of, real, outputs, np.ones(size))
        return replace(integers, w_in=held[:events], w_rec=held[events:], w_out=outputs)

    def _part(
        self, name: str, span: slice, weights: np.ndarray, decay: np.ndarray,
        signals: list[tuple[int, np.ndarray]],
    ) -> _Part:  # fmt: skip
        plan = self.wired.schedule
        used = np.flatnonzero((weights[:, span] != 0).any(axis=1))
        sent = np.zeros((*self._fired.shape[:2], used.size))
        for i, source in enumerate(used.tolist()):
            arrives, signal = signals[source]
            late = (arrives - plan.lag[name]) // plan.ticks_per_step
            sent[late:, :, i] = signal[: len(signal) - late]
        keeps = float(np.median(decay)) if decay.size else 0.0
        return _Part(span, used, source_moments(sent, keeps))

    def _signals(self) -> list[tuple[int, np.ndarray]]:
        """Return of every source the tick in which its step 0 acts, and what it sent."""
        wired, plan = self.wired, self.wired.schedule
        shape = self._fired.shape[:2]
        own = {BIAS: np.ones(shape), START: np.zeros(shape)}
        own[START][:1] = 1.0
        found = [
            (shift, own[c] if c < 0 else (self._spikes[:, :, c] > 0).astype(np.float64))
            for shift, c in plan.events
        ]
        events = list(found)
        for name, span in wired.spans():
            found += [
                (plan.lag[name] + 1, self._fired[:, :, n].astype(np.float64))
                for n in range(span.start, span.stop)
            ]
        for kind, source in plan.relays:
            arrives, signal = events[source] if kind == "input" else found[len(events) + source]
            found.append((arrives + 1, signal))
        return found


def _descend(part: _Part, wanted: np.ndarray, held: np.ndarray, units: np.ndarray) -> None:
    """Set the integers of one population, in place."""
    if not part.sources.size:
        return
    units = units[part.sources].astype(np.float64)
    moments = part.moments * np.outer(units, units)
    mean = float(np.mean(np.diag(moments)))
    damped = moments + np.diag(units**2) * max(_DAMPING * mean / float(np.mean(units**2)), 1e-9)
    real = wanted[part.sources][:, part.span]
    held[part.sources, part.span] = best_integers(real, SPEC.weights, damped)[0]
