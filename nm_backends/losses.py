"""Where a run lost spikes and charge, by node and neuron, and what that means as findings.

Kinds of losses, as in ``result.losses[kind][node]`` (int64 per neuron, all samples together):

``dropped``
    Spikes lost because the scheduler was full.
``merged``
    Input spikes lost because an input fires once per step (by input node and channel).
``saturated_low``, ``saturated_high``
    How often the membrane stopped at its lower or upper limit (``record=("losses",)`` only).
``active``, ``fired``
    No losses, but what tells neurons that never fire and that always fire: steps with a spike, and
    spikes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nm_backends.program import Program
    from nm_backends.result import Result
    from nm_backends.rules import Diagnostic, Rule
    from nm_backends.system.program import System

__all__ = ["OFTEN", "Tally", "activity", "add_losses", "findings", "predict", "total"]

OFTEN = 0.9
"""Share of steps from which on a neuron counts as one that always fires."""

Nodes = Mapping[str, np.ndarray]


def activity(layers: Nodes) -> dict[str, dict[str, np.ndarray]]:
    """Return ``active`` and ``fired`` of spikes ``[time, batch, *shape]`` by node."""
    fired = {n: total(spikes).sum(axis=0) for n, spikes in layers.items()}
    active = {
        n: total(spikes > 0).sum(axis=0) if spikes.max(initial=0) > 1 else fired[n]
        for n, spikes in layers.items()
    }
    return {"active": active, "fired": fired}


def total(spikes: np.ndarray) -> np.ndarray:
    """Return spikes ``[time, ...]``, uint8 or bool, added up over time, int64.

    Bytes are added up as long as they cannot run over, which is several times faster.
    """
    at_once = 255 // max(1, int(spikes.max(initial=0)))
    found = np.zeros(spikes.shape[1:], np.int64)
    for first in range(0, len(spikes), at_once):
        found += np.add.reduce(spikes[first : first + at_once], axis=0, dtype=np.uint8)
    return found


def add_losses(so_far: dict[str, dict[str, np.ndarray]], more: Mapping[str, Nodes]) -> None:
    """Add counts by kind and node to those of samples before."""
    for kind, nodes in more.items():
        known = so_far.setdefault(kind, {})
        for node, counts in nodes.items():
            known[node] = known[node] + counts if node in known else counts


@dataclass(frozen=True)
class Tally:
    """What was counted in runs of one network.

    Parameters
    ----------
    counts
        As ``result.losses``.
    steps
        Steps of all samples together.
    """

    counts: dict[str, dict[str, np.ndarray]]
    steps: int

    @classmethod
    def of(cls, results: Sequence[Result]) -> Tally:
        """Add up runs."""
        counts = {
            kind: {node: np.sum([r.losses[kind][node] for r in results], axis=0) for node in nodes}
            for kind, nodes in results[0].losses.items()
        }
        return cls(counts, sum(r.steps * len(r.prediction) for r in results))

    @property
    def silent(self) -> dict[str, np.ndarray]:
        """Which neurons never fired, by node, bool ``[*shape]``."""
        return {name: steps == 0 for name, steps in self.counts["active"].items()}

    @property
    def tireless(self) -> dict[str, np.ndarray]:
        """Which neurons fired in `OFTEN` of all steps or more, by node, bool ``[*shape]``."""
        due = max(OFTEN * self.steps, 1)
        return {name: steps >= due for name, steps in self.counts["active"].items()}

    def summary(self) -> dict[str, int]:
        """Return what each kind of loss comes to, and how many neurons never and always fired."""
        found = {
            kind: sum(int(counts.sum()) for counts in nodes.values())
            for kind, nodes in self.counts.items()
            if kind not in ("active", "fired")
        }
        for name in ("silent", "tireless"):
            found[f"{name}_neurons"] = sum(int(n.sum()) for n in getattr(self, name).values())
        return found


def predict(program: Program | System, spikes: Any) -> list[Diagnostic]:
    """Run a program and its model on spikes, and say what the chip will lose.

    Parameters
    ----------
    spikes
        As for ``program.run``.

    Raises
    ------
    UserError
        The spikes do not belong to the model.
    """
    from nm_backends.errors import UserError
    from nm_backends.loss_rules import never_comes_to_rest
    from nm_backends.run import reference

    wanted = reference(program.network, spikes)
    try:
        result = program.run(spikes, record=("losses",))
    except UserError as error:  # not about the spikes: the model took them
        return [never_comes_to_rest.at(str(error), hint=error.hint)]
    return list(findings(program, [result], [wanted]))


def findings(
    program: Program | System, results: Sequence[Result], wanted: Sequence[Result]
) -> Iterator[Diagnostic]:
    """Yield what runs with ``record=("losses",)`` lost, beside those of the model."""
    chip = Tally.of(results)
    yield from _counted(program, chip)
    yield from _activity(chip, Tally.of(wanted))
    yield from _late(results)


def _counted(program: Program | System, chip: Tally) -> Iterator[Diagnostic]:
    from nm_backends.loss_rules import dropped_spikes, merged_spikes, stopped_low

    lost = chip.counts
    heard = {p.pre for p in program.network.projections if p.weights.nnz}
    for name in sorted(heard & lost.get("dropped", {}).keys()):  # outputs are seen all the same
        counts = lost["dropped"][name]
        sent = int(lost["fired"][name].sum())
        yield from _at(
            dropped_spikes, name, counts, f"{{total}} of {sent:,} spikes do not reach other neurons"
        )
    for name, counts in lost.get("merged", {}).items():
        yield from _at(
            merged_spikes, name, counts, "{total} input spikes merge with others of their step"
        )
    for name, counts in lost.get("saturated_low", {}).items():
        yield from _at(
            stopped_low, name, counts, "membranes stop at their lower limit {total} times"
        )
    yield from _stopped_high(program, chip)


def _stopped_high(program: Program | System, chip: Tally) -> Iterator[Diagnostic]:
    """Yield where excitation was lost: more often than a reset to zero threw it away anyway."""
    from nm_backends.loss_rules import stopped_high

    for name, counts in chip.counts.get("saturated_high", {}).items():
        population = program.network.populations[name]
        if population.spiking and not population.reset.startswith("subtract"):
            counts = np.where(counts > chip.counts["fired"][name], counts, 0)
        yield from _at(
            stopped_high, name, counts, "membranes stop at their upper limit {total} times"
        )


def _at(rule: Rule, node: str, counts: np.ndarray, message: str) -> Iterator[Diagnostic]:
    """Yield a finding if anything was counted."""
    flat = counts.reshape(-1)
    where = np.flatnonzero(flat)
    if where.size:
        total = f"{int(flat.sum()):,}"
        yield rule.at(
            message.format(total=total) + f" in {where.size:,} of {flat.size:,}",
            node=node,
            neurons=(int(where[0]), int(where[-1])),
            found=f"{total}, most ({int(flat.max()):,}) at {int(flat.argmax())}",
            limit="0",
            hint=f"nmb explain {rule.code}",
        )


def _activity(chip: Tally, model: Tally) -> Iterator[Diagnostic]:
    """Yield which neurons changed to never or always firing."""
    from nm_backends.loss_rules import dead_neurons, neurons_always_fire

    for rule, which, what in (
        (dead_neurons, "silent", "never fire on the chip"),
        (neurons_always_fire, "tireless", "fire in nearly every step on the chip"),
    ):
        for name, there in getattr(chip, which).items():
            where = np.flatnonzero(there & ~getattr(model, which)[name])
            if where.size:
                due = int(model.counts["fired"][name].reshape(-1)[where].sum())
                yield rule.at(
                    f"{where.size:,} of {there.size:,} neurons {what}, and not so in the model",
                    node=name,
                    neurons=(int(where[0]), int(where[-1])),
                    found=f"{int(there.sum()):,} neurons on the chip",
                    limit=f"{due:,} spikes of these {where.size:,} in the model",
                    hint=f"nmb explain {rule.code}",
                )


def _late(results: Sequence[Result]) -> Iterator[Diagnostic]:
    from nm_backends.loss_rules import slower_than_real_time

    known = [found.real_time for found in results if found.real_time is not None]
    if not known:
        return
    factors = np.concatenate([np.atleast_1d(found.factor.value) for found in known])
    late, source = int((factors < 1).sum()), known[0].factor
    if late:
        yield slower_than_real_time.at(
            f"{late:,} of {factors.size:,} samples take the chip longer than they last",
            found=f"up to {1 / factors.min():.3g} times as long",
            limit="1",
            source=f"{source.source}, {source.status}",
            hint=f"nmb explain {slower_than_real_time.code}",
        )
