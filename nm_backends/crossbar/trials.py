"""How good a set of integers is: runs on the chip's own engine, compared with the float model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.agreement import agreement, count_error, decision_error
from nm_backends.crossbar.chip import CrossbarChip
from nm_backends.crossbar.execute import SLOTS, run_coded
from nm_backends.crossbar.integers import Integers
from nm_backends.crossbar.layout import Choices, plan
from nm_backends.crossbar.wiring import Wiring, fired_sources
from nm_backends.eventcore.errors import LivelockError
from nm_backends.lowering.reference import run_network
from nm_backends.network import Network
from nm_backends.quantize import source_moments

if TYPE_CHECKING:
    from nm_backends.crossbar.events import Encoded

__all__ = ["Judgement", "Outcome", "Target", "Trials"]

_DECISIONS = 4.0


@dataclass
class Target:
    """What the float model does on the calibration spikes.

    Parameters
    ----------
    spikes
        Input counts uint8 ``[time, batch, channels]``.
    fired
        Spikes uint8 ``[time, batch, neurons]``.
    sent
        What every source sent, float64 ``[time, batch, sources]``.
    membranes
        Membranes at the end of each step, measured from the reset potential and from the step
        before on (what the leak acts on), float64 ``[time * batch, neurons]``.
    """

    spikes: np.ndarray
    fired: np.ndarray
    sent: np.ndarray
    membranes: np.ndarray

    @classmethod
    def of(cls, network: Network, wiring: Wiring, spikes: np.ndarray) -> Target:
        """Run the float model."""
        layers, membranes = run_network(network.model, spikes, membrane=True)
        fired = np.concatenate([layers[name] for name in wiring.names], axis=2)
        shifted = [
            membranes[p.name] - (0.0 if p.v_reset is None else p.v_reset) for p in network.neurons
        ]
        flat = np.concatenate(shifted, axis=2).reshape(-1, wiring.neurons)
        return cls(spikes, fired, fired_sources(wiring, spikes, layers), flat)

    def of_samples(self, which: np.ndarray) -> Target:
        """Return the same for some of the samples."""
        steps, batch, neurons = self.fired.shape
        membranes = self.membranes.reshape(steps, batch, neurons)[:, which]
        return Target(
            self.spikes[:, which],
            self.fired[:, which],
            self.sent[:, which],
            membranes.reshape(-1, neurons),
        )

    def moments(self, decay: float, sources: np.ndarray) -> np.ndarray:
        """Return the mean product of what any two of ``sources`` leave on a membrane."""
        return source_moments(self.sent[:, :, sources], decay)


@dataclass
class Outcome:
    """What the chip did: counts ``[time, batch, neurons]``, and counters.

    ``endless`` is set where it never became idle; nothing else then means anything.
    """

    fired: np.ndarray
    counters: dict[str, np.ndarray]
    endless: LivelockError | None = None


@dataclass(frozen=True)
class Judgement:
    """What `Trials.errors` and `Trials.score` say of an outcome."""

    errors: np.ndarray
    score: float


@dataclass
class Trials:
    """Tries integers and choices on the calibration spikes."""

    chip: CrossbarChip
    wiring: Wiring
    target: Target
    _sent: dict[bytes, Encoded] = field(default_factory=dict)
    _judged: dict[tuple[Choices, bytes], Judgement] = field(default_factory=dict)

    def run(self, integers: Integers, choices: Choices) -> Outcome:
        """Run the calibration spikes on the chip's engine."""
        made = plan(self.wiring, integers, self.chip, choices)
        image = self.chip.pack(made.contents)
        try:
            run = run_coded(self.chip, image, made.layout, self._encoded(made.layout))
        except LivelockError as error:
            return Outcome(np.zeros_like(self.target.fired), {"sops": np.zeros(1)}, error)
        return Outcome(run.spikes, run.counters)

    def judged(self, integers: Integers, choices: Choices) -> Judgement:
        """Return what `run` is worth; a search comes back to the same integers again and again."""
        key = choices, integers.digest()
        if key not in self._judged:
            outcome = self.run(integers, choices)
            errors = self.errors(outcome)
            self._judged[key] = Judgement(errors, self.score(outcome, errors))
        return self._judged[key]

    def events(self, integers: Integers, choices: Choices) -> int:
        """Count the input events of all samples."""
        layout = plan(self.wiring, integers, self.chip, choices).layout
        return int(self._encoded(layout).words.size)

    def on(self, which: np.ndarray) -> Trials:
        """Return trials on some of the samples; these, where that is all of them."""
        if which.size == self.target.spikes.shape[1]:
            return self
        return Trials(self.chip, self.wiring, self.target.of_samples(which))

    def _encoded(self, layout: dict[str, np.ndarray]) -> Encoded:
        """Encode the spikes once for all trials that send the same."""
        from nm_backends.crossbar.events import encode_spikes

        key = b"".join(layout[name].tobytes() for name in SLOTS)
        if key not in self._sent:
            if len(self._sent) > 4:
                self._sent.clear()
            self._sent[key] = encode_spikes(layout, self.target.spikes)
        return self._sent[key]

    def errors(self, outcome: Outcome) -> np.ndarray:
        """Return by how many spikes each neuron is off, float64 ``[neurons]``."""
        errors = count_error(outcome.fired, self.target.fired)
        return errors if outcome.endless is None else np.full_like(errors, np.inf)

    def score(self, outcome: Outcome, errors: np.ndarray | None = None) -> float:
        """Return one number, less is better.

        What counts most is how unsure the last population's spike counts are of the model's
        decisions. Among ways that decide alike, the one whose spikes are nearer to the model's will
        do better on other spikes: so a quarter of the last population's spikes off per spike of the
        model is added, and a quarter of the share of all spikes that do not coincide. ``errors``
        saves counting once more.
        """
        if outcome.endless is not None:
            return float("inf")
        *_, (_, span) = self.wiring.spans()
        fired, wanted = outcome.fired[:, :, span], self.target.fired[:, :, span]
        missed = count_error(fired, wanted) if errors is None else errors[span]
        off = missed.sum() / max(1.0, float(wanted.sum(dtype=np.int64)))
        apart = 1.0 - agreement(outcome.fired, self.target.fired)
        return _DECISIONS * decision_error(fired, wanted) + 0.25 * (float(off) + apart)
