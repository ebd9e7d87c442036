"""From a network to a system: refuse what no cut can help, cut, and compile part by part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp

from nm_backends.errors import UserError
from nm_backends.network import Network, Population
from nm_backends.partition import Level, all_alike, cut, have_metis, levels
from nm_backends.program import CompileOptions, Program
from nm_backends.registry import rules_of
from nm_backends.result import RawRun
from nm_backends.rules import CompileError, Report
from nm_backends.system import rules
from nm_backends.system.pieces import fed, piece, source_of
from nm_backends.system.program import Part, System
from nm_backends.system.running import SystemRunner, loops
from nm_backends.tables import counted

__all__ = ["Chips", "chips_needed", "compile_system"]

Chips = int | Literal["auto", "time"]


def compile_system(
    network: Network,
    report: Report,
    backend: Any,
    options: CompileOptions,
    calibration: np.ndarray | None,
    chips: Chips,
) -> System:
    """Cut a lowered network over chips of one kind, and compile every part.

    Parameters
    ----------
    report
        Findings of the lowering; what is found here is added.
    backend
        Of the chip.
    calibration
        Input counts uint8 ``[time, batch, channels]``, or None. Every part is calibrated on what
        its sources do in the float model.
    chips
        How many; ``"auto"``, as few as possible; ``"time"``, one that is all parts in turn.

    Raises
    ------
    CompileError
        With everything that is in the way.
    """
    if options.learn:
        raise UserError("learn: several chips do not learn together", "compile for one chip")
    _check_whole(network, report, backend)
    sent = None if calibration is None else _float_spikes(network, calibration)
    chosen = _chosen(network, report, backend, sent, chips)
    parts = [_part(network, one, report, backend, options, sent) for one in chosen]
    if not report.ok:
        raise CompileError(report)
    system = System(backend.spec.name, network, parts, chips == "time", report, options)
    _check_time(system, report)
    _describe(system, calibration, sent)
    return system


def chips_needed(network: Network, backend: Any) -> int:
    """Return how many chips of a kind hold a network that the host may cut; 0 where none do."""
    report = Report(backend.spec.name, network.source)
    try:
        _check_whole(network, report, backend)
        return len(_chosen(network, report, backend, None, "auto"))
    except CompileError:
        return 0


@dataclass(frozen=True)
class _Chosen:
    level: int
    neurons: dict[str, np.ndarray]


def _check_whole(network: Network, report: Report, backend: Any) -> None:
    """Ask all rules that a cut does not change."""
    if not hasattr(backend, "check_part") or not hasattr(backend, "map_part"):
        report.add(
            rules.no_systems.at(
                f"{backend.spec.name} cannot be one of several chips that the host connects",
                found="no way for spikes of hidden neurons to the host",
            )
        )
        raise CompileError(report)
    for rule in (*backend.rules, *rules_of(backend.spec.name)):
        if rule.check is not None and rule.code not in backend.lifted:
            report.extend(rule.check(network, backend.spec))
    if not report.ok:
        raise CompileError(report)


def _float_spikes(network: Network, calibration: np.ndarray) -> dict[str, np.ndarray]:
    from nm_backends.lowering.reference import run_network

    layers, read = run_network(network.model, calibration)
    edges = np.cumsum([p.size for p in network.inputs])[:-1]
    inputs = np.split(calibration, edges, axis=2)
    given = {p.name: x for p, x in zip(network.inputs, inputs, strict=True)}
    return given | layers | read


def _chosen(
    network: Network,
    report: Report,
    backend: Any,
    sent: dict[str, np.ndarray] | None,
    chips: Chips,
) -> list[_Chosen]:
    """Cut level by level; where chips are left over, the fullest levels get more."""
    stages = [_Stage(network, level, backend, sent) for level in _levels(network, report, backend)]
    labels = [stage.cut(report) for stage in stages]
    blind = [s for s, n in zip(stages, labels, strict=True) if n.any() and not all_alike(s.sources)]
    if blind and not have_metis():
        names = " ".join(blind[0].names)
        report.add(rules.cut_in_order.at("pymetis is not installed", node=names))
    if not report.ok:
        raise CompileError(report)
    needed = sum(int(label.max()) + 1 for label in labels)
    if isinstance(chips, int) and needed > chips:
        each = ", ".join(
            f"{int(label.max()) + 1} for {' '.join(stage.names)}"
            for stage, label in zip(stages, labels, strict=True)
        )
        report.add(
            rules.too_few_chips.at(
                f"{needed} chips are needed: {each}",
                found=f"{needed} chips",
                limit=f"{chips} chips",
            )
        )
        raise CompileError(report)
    if isinstance(chips, int):
        labels = _spread(stages, labels, chips)
    return [
        _Chosen(level, stage.neurons(np.flatnonzero(label == chip)))
        for level, (stage, label) in enumerate(zip(stages, labels, strict=True))
        for chip in range(int(label.max()) + 1)
    ]


def _levels(network: Network, report: Report, backend: Any) -> list[Level]:
    if not hasattr(backend, "levels"):
        return [Level(names) for names in levels(network)]
    found: list[Level] = backend.levels(network, backend.check_part, report)
    if not report.ok:
        raise CompileError(report)
    return found


class _Stage:
    """The neurons of one level, numbered through."""

    def __init__(
        self, network: Network, level: Level, backend: Any, sent: dict[str, np.ndarray] | None
    ) -> None:
        self.network, self.level, self.names, self.backend = network, level, level.names, backend
        sizes = [network.populations[name].size for name in self.names]
        self.first = np.concatenate([[0], np.cumsum(sizes)])
        self.size = int(self.first[-1])
        whole = self.piece(np.arange(self.size))
        self.sources, self.activity = _reach(whole, self.names, network, sent)

    def neurons(self, index: np.ndarray) -> dict[str, np.ndarray]:
        """Return neurons of this level by population."""
        found = {}
        for name, a, b in zip(self.names, self.first, self.first[1:], strict=False):
            mine = index[(index >= a) & (index < b)] - a
            if mine.size:
                found[name] = mine
        added = {n: np.arange(self.network.populations[n].size) for n in self.level.summed}
        return found | added

    def piece(self, index: np.ndarray) -> Network:
        return piece(self.network, self.neurons(index), hasattr(self.backend, "levels"))

    def problems(self, index: np.ndarray) -> list[Any]:
        """Return what keeps neurons from one chip."""
        return list(self.backend.check_part(self.piece(index)))

    def cut(self, report: Report, least: int = 1, largest: int | None = None) -> np.ndarray:
        """Return the chip of each neuron, as few as possible; zeros and errors where none will."""
        if self.level.whole:
            return np.zeros(self.size, np.int64)
        least = max(least, -(-self.size // self.backend.spec.neurons))
        label = cut(self.sources, self.activity, lambda n: not self.problems(n), least, largest)
        if label is not None:
            return label
        for n in range(self.size):
            if problems := self.problems(np.array([n])):
                name = next(iter(self.neurons(np.array([n]))))
                report.add(rules.neuron_too_large.at("a single neuron does not fit", node=name))
                report.extend(problems)
                break
        return np.zeros(self.size, np.int64)


def _spread(stages: list[_Stage], labels: list[np.ndarray], chips: int) -> list[np.ndarray]:
    """Give chips that are left over to the levels with the most neurons per chip."""
    labels, spare = list(labels), chips - sum(int(label.max()) + 1 for label in labels)
    while spare > 0:
        count = [int(label.max()) + 1 for label in labels]
        load = [s.size / n if s.size > n else 0.0 for s, n in zip(stages, count, strict=True)]
        at = int(np.argmax(load))
        if not load[at]:
            break
        more = stages[at].cut(Report(), count[at] + 1, count[at] + spare)
        gained = int(more.max()) + 1 - count[at]
        if gained <= 0:
            break
        labels[at], spare = more, spare - gained
    return labels


def _reach(
    whole: Network, names: list[str], network: Network, sent: dict[str, np.ndarray] | None
) -> tuple[sp.csr_array, np.ndarray]:
    """Return which source of a level reaches which of its neurons, and how often it spikes."""
    ends = np.cumsum([0, *(whole.populations[name].size for name in names)])
    first = dict(zip(names, ends, strict=False))
    base, total = {}, 0
    for p in whole.inputs:
        base[p.name], total = total, total + p.size
    rows, columns = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for projection in whole.projections:
        if projection.pre not in base or projection.post not in first:
            continue
        matrix = projection.weights.tocoo()
        there = matrix.data != 0
        rows.append(matrix.row[there] + base[projection.pre])
        columns.append(matrix.col[there] + first[projection.post])
    at = np.concatenate(rows), np.concatenate(columns)
    size = (total, int(ends[-1]))
    sources = sp.csr_array((np.ones(at[0].size), at), shape=size)
    if sent is None:
        return sources, np.ones(total)
    counts = fed(whole, network, sent).sum(axis=(0, 1), dtype=np.int64)
    return sources, counts.astype(np.float64)


def _part(
    network: Network,
    chosen: _Chosen,
    report: Report,
    backend: Any,
    options: CompileOptions,
    sent: dict[str, np.ndarray] | None,
) -> Part:
    part = piece(network, chosen.neurons, hasattr(backend, "levels"))
    counts = None if sent is None else fed(part, network, sent)
    counts = counts if counts is not None and counts.any() else None
    made = backend.map_part(part, options, counts)
    report.extend(made.report.diagnostics)
    found = replace(made.report, chip=backend.spec.name, source=network.source)
    program = Program(
        backend.spec.name, part, made.image, made.layout, made.resources, made.fit, found, options,
        made.metadata,
    )  # fmt: skip
    return Part(program, chosen.level, chosen.neurons)


def _check_time(system: System, report: Report) -> None:
    """Refuse to be in turn what has to go on step by step."""
    looped = [group for group in loops(system) if len(group) > 1]
    if not system.shared or not looped:
        return
    names = sorted({name for i in looped[0] for name in system.parts[i].neurons})
    report.add(
        rules.loop_in_time.at(
            f"{', '.join(names)}: {len(looped[0])} parts hear each other", node=names[0]
        )
    )
    raise CompileError(report)


def _describe(
    system: System, calibration: np.ndarray | None, sent: dict[str, np.ndarray] | None
) -> None:
    """Say what the system is, and what the calibration spikes showed."""
    late = [p.name for p in system.network.projections if p.delay and p.pre in _kept(system)]
    message = f"{counted(len(system.parts), 'part')}; the host carries the spikes between them"
    system.metadata = {"chips": system.chips, "parts": len(system.parts)}
    if calibration is not None and sent is not None:
        raw = SystemRunner(system).execute(system, calibration, (), None)
        measured, said = _measured(raw, sent, system.network.output)
        links = {n: v for n, v in raw.counters.items() if n.startswith("link:")}
        carried = sum(int(v.sum()) for n, v in links.items() if not n.startswith("link:in"))
        each = carried / max(1, calibration.shape[1])
        system.metadata |= {**measured, "carried_spikes_per_sample": each}
        message += f" ({each:.1f} per sample); {said}"
    if late:
        message += f"; one step later, as in the model: {', '.join(late)}"
    system.report.add(rules.carried_by_host.at(message))


def _measured(
    raw: RawRun, wanted: dict[str, np.ndarray], shown: Population
) -> tuple[dict[str, object], str]:
    """Return how well the output agrees with the model, as numbers and in words."""
    from nm_backends.agreement import agreement, readout_agreement

    if shown.spiking:
        fired, due = raw.layers[shown.name], wanted[shown.name]
        same = float(agreement(fired, due))
        said = f"spikes of {shown.name} agree with the model by {same:.1%}"
        whole = float(readout_agreement(fired, due))
        return {"spike_agreement": same, "readout_agreement": whole}, said
    last, due = raw.potentials[shown.name][-1:], wanted[shown.name][-1:]
    whole = float((last.argmax(axis=2) == due.argmax(axis=2)).mean()) if last.size else 1.0
    said = f"the largest membrane of {shown.name} is the model's in {whole:.1%} of the samples"
    return {"readout_agreement": whole}, said


def _kept(system: System) -> set[str]:
    """Return the populations whose spikes the host keeps for a step."""
    names = {p.name for part in system.parts for p in part.program.network.inputs}
    found = (source_of(name, system.network) for name in names)
    return {name for name, late in found if late}
