"""All chips of a system, and the host between them.

Chips that hear each other only forwards run one after the other, each over the whole time and all
samples at once. Chips in a loop (a recurrent layer that was cut) go step by step, all samples at
once: a call per chip and step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.assumptions import backend_of
from nm_backends.errors import UserError
from nm_backends.lowering.cycles import grouped
from nm_backends.result import Estimate, RawRun
from nm_backends.system.pieces import fed, source_of

if TYPE_CHECKING:
    from nm_backends.session import ChipSession
    from nm_backends.system.program import Part, System

__all__ = [
    "SystemRunner", "chip_inputs", "link_pairs", "loops", "open_sessions", "programming_words",
    "step_parts",
]  # fmt: skip


class SystemRunner:
    """Stands where the backend of a single chip stands in `nm_backends.run`."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.backend = backend_of(system)
        self.spec = self.backend.spec
        self.links = link_pairs(system)
        self.drivings = getattr(self.backend, "drivings", ("idle",))

    def execute(
        self,
        system: System,
        spikes: np.ndarray,
        record: Sequence[str],
        threads: int | None,
        **how: Any,
    ) -> RawRun:
        """Run all chips on counts uint8 ``[time, batch, channels of all inputs]``.

        Of chips that hear each other, and so are run step by step, losses by neuron are not known.
        """
        sent = _split_inputs(system, spikes)
        potentials: dict[str, np.ndarray] = {}
        membranes: dict[str, np.ndarray] = {}
        losses: dict[str, dict[str, np.ndarray]] = {}
        counters: list[dict[str, np.ndarray]] = [{} for _ in system.parts]
        kept = membranes if "membrane" in record else None
        for group in loops(system):
            if len(group) > 1 or (group[0], group[0]) in self.links:
                self._stepwise(group, sent, kept, counters, how)
                continue
            part = system.parts[group[0]]
            given = fed(part.program.network, system.network, sent)
            raw = self.backend.execute(part.program, given, record, threads, **how)
            for name, index in part.neurons.items():
                if name in raw.potentials:
                    _add(potentials, system, name, index, raw.potentials[name])
                else:
                    _put(sent, system, name, index, raw.layers[name])
                if name in raw.membranes:
                    _put(membranes, system, name, index, raw.membranes[name])
                for kind in (kind for kind, nodes in raw.losses.items() if name in nodes):
                    empty = np.zeros(_size(system, name), np.int64)
                    whole = losses.setdefault(kind, {}).setdefault(name, empty)
                    whole[index] += raw.losses[kind][name]
            counters[group[0]] = raw.counters
        layers = {p.name: sent[p.name] for p in system.network.neurons if p.spiking}
        return RawRun(layers, membranes, self.totals(counters, sent), potentials, losses=losses)

    def estimate(self, counters: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return energy and latency of the chips; what the host takes is not known."""
        chips = range(len(self.system.parts))
        of = [self.backend.estimate(_of_chip(counters, i)) for i in chips]
        found: dict[str, Any] = {"links": _links(counters)}
        energies = [e["energy"] for e in of if e.get("energy") is not None]
        if len(energies) == len(of):
            text = f"sum over {len(of)} chips, but while they wait, of {energies[0].formula}"
            found["energy"] = _summed(energies, text)
        else:
            found["energy_note"] = of[0].get("energy_note", "")
        found["links_note"] = "no figures for the energy and time of links: the host is yours"
        latencies = [e["latency"] for e in of if e.get("latency") is not None]
        if len(latencies) == len(of):
            slowest = [
                max((latencies[i] for i in level), key=lambda e: e.mean)
                for level in _by_level(self.system)
            ]
            text = "sum over layers of the slowest chip, without the host: " + slowest[0].formula
            found["latency"] = _summed(slowest, text)
        if self.system.shared:
            found["reprogramming"] = programming_words(self.system)
        return found

    def _stepwise(
        self,
        group: list[int],
        sent: dict[str, np.ndarray],
        membranes: dict[str, np.ndarray] | None,
        counters: list[dict[str, np.ndarray]],
        how: Mapping[str, Any],
    ) -> None:
        """Run chips that hear each other, all samples at once, a step at a time."""
        if how:
            raise UserError(
                "driving: chips in a loop are driven idle, step by step", "leave driving out"
            )
        system, parts = self.system, [self.system.parts[i] for i in group]
        steps, batch = next(iter(sent.values())).shape[:2]
        if steps == 0 or batch == 0:
            raise UserError("no steps or no samples: chips in a loop have nothing to run")
        for part in parts:
            for name in part.neurons:
                sent.setdefault(name, np.zeros((steps, batch, _size(system, name)), np.uint8))
        sessions = open_sessions(system, parts, batch)
        before = {name: np.zeros_like(counts[0]) for name, counts in sent.items()}
        for t in range(steps):
            now = {name: counts[t] for name, counts in sent.items()}
            step_parts(system, parts, sessions, now, before)
            before = now
            if membranes is None:
                continue
            for part, session in zip(parts, sessions, strict=True):
                for name, values in session.membranes().items():
                    whole = _room(membranes, system, name, steps, values)
                    whole[t][:, part.neurons[name]] = values
        for i, session in zip(group, sessions, strict=True):
            counters[i] = session.counters()

    def totals(
        self, chips: list[dict[str, np.ndarray]], sent: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Return sums over chips, those of each chip, and what went over each link."""
        found: dict[str, np.ndarray] = {}
        for counters in chips:
            for name, values in counters.items():
                if name != "cycles":
                    found[name] = found[name] + values if name in found else values.copy()
        slowest = [
            np.max([chips[i]["cycles"] for i in at], axis=0) for at in _by_level(self.system)
        ]
        found["cycles"] = np.sum(np.array(slowest), axis=0)
        for i, counters in enumerate(chips):
            found |= {f"chip{i}:{name}": values for name, values in counters.items()}
        return found | _carried(self.links, sent)


def open_sessions(system: System, parts: Sequence[Part], batch: int) -> list[ChipSession]:
    """Return a session for each of some parts of a system."""
    make = getattr(backend_of(system), "open_session", None)
    if make is None:
        raise UserError(f"{system.chip!r} is not run step by step: chips in a loop cannot run")
    return [make(part.program, batch, None) for part in parts]


def step_parts(
    system: System,
    parts: Sequence[Part],
    sessions: Sequence[ChipSession],
    now: Mapping[str, np.ndarray],
    before: Mapping[str, np.ndarray],
) -> None:
    """Run one step of chips, each after those that it hears within the step.

    Parameters
    ----------
    now, before
        Counts of all populations in this step and in the last, uint8 ``[batch, size]``; what the
        chips fire is written to ``now``.
    """
    for part, session in zip(parts, sessions, strict=True):
        heard = [source_of(p.name, system.network) for p in part.program.network.inputs]
        given = np.concatenate([(before if late else now)[name] for name, late in heard], axis=1)
        fired = session.step(np.ascontiguousarray(given, np.uint8), None)
        for name, counts in fired.items():
            now[name][:, part.neurons[name]] = counts


def loops(system: System) -> list[list[int]]:
    """Return the parts in groups that hear each other, each after those that it hears."""
    names = [str(i) for i in range(len(system.parts))]
    pairs = [(p, q) for p, q in link_pairs(system) if p >= 0]
    return [sorted(map(int, group)) for group in grouped(names, pairs)]


def link_pairs(system: System) -> dict[tuple[int, int], dict[str, np.ndarray]]:
    """Return which part hears which (-1: the input), and by which neurons of each population."""
    found: dict[tuple[int, int], dict[str, np.ndarray]] = {}
    for q, part in enumerate(system.parts):
        for name, heard in _heard(part, system).items():
            if system.network.populations[name].is_input:
                found.setdefault((-1, q), {})[name] = np.flatnonzero(heard)
                continue
            for p, other in enumerate(system.parts):
                if name in other.neurons and (which := other.neurons[name])[heard[which]].size:
                    found.setdefault((p, q), {})[name] = which[heard[which]]
    return found


def _heard(part: Part, system: System) -> dict[str, np.ndarray]:
    """Return which neurons of which populations a part listens to."""
    found: dict[str, np.ndarray] = {}
    for projection in part.program.network.projections:
        if projection.pre in part.neurons:
            continue
        name, _ = source_of(projection.pre, system.network)
        there = np.diff(projection.weights.indptr) > 0
        found[name] = found[name] | there if name in found else there
    return {name: there for name, there in found.items() if there.any()}


def _carried(
    links: Mapping[tuple[int, int], dict[str, np.ndarray]], sent: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return spikes per sample on every link: once each, however many events they become."""
    found = {}
    for (p, q), neurons in sorted(links.items()):
        spikes = [
            sent[name][:, :, which].sum(axis=(0, 2), dtype=np.int64)
            for name, which in neurons.items()
        ]
        found[f"link:{'in' if p < 0 else p}->{q}"] = np.sum(spikes, axis=0)
    return found


def _links(counters: Mapping[str, np.ndarray]) -> dict[str, int]:
    head = "link:"
    return {n.removeprefix(head): int(v.sum()) for n, v in counters.items() if n.startswith(head)}


def _of_chip(counters: Mapping[str, np.ndarray], chip: int) -> dict[str, np.ndarray]:
    head = f"chip{chip}:"
    return {n.removeprefix(head): v for n, v in counters.items() if n.startswith(head)}


def _by_level(system: System) -> list[list[int]]:
    """Return the parts of every level; one after the other where one chip is all of them."""
    if system.shared:
        return [[i] for i in range(len(system.parts))]
    at = [part.level for part in system.parts]
    return [[i for i, one in enumerate(at) if one == level] for level in sorted(set(at))]


def _summed(estimates: Sequence[Estimate], formula: str) -> Estimate:
    total = np.sum(np.array([e.value for e in estimates]), axis=0)
    first = estimates[0]
    return Estimate(total, first.unit, formula, first.source, first.status)


def programming_words(system: System) -> dict[str, float]:
    """Return what it takes to program one chip as each part once: SPI words and bits.

    And the least time in seconds, where the chip says how fast its SPI may be.
    """
    backend = backend_of(system)
    words = sum(
        len(sent.words) for p in system.parts for sent in backend.write_stream(p.program.image)
    )
    bits, known = words * backend.spec.spi_bits, backend.spec.quantities
    found: dict[str, float] = {"spi_words": words, "spi_bits": bits}
    if "cycles_sck" in known:
        found["seconds"] = bits * known["cycles_sck"].value / known["f_clk"].value
    return found


def chip_inputs(system: System, spikes: np.ndarray) -> list[np.ndarray]:
    """Return what every chip is given for input counts: uint8 ``[time, batch, channels]`` each."""
    raw = SystemRunner(system).execute(system, spikes, (), None)
    sent = _split_inputs(system, spikes) | raw.layers
    return [fed(part.program.network, system.network, sent) for part in system.parts]


def _split_inputs(system: System, spikes: np.ndarray) -> dict[str, np.ndarray]:
    inputs = system.network.inputs
    edges = np.cumsum([p.size for p in inputs])[:-1]
    return {p.name: part for p, part in zip(inputs, np.split(spikes, edges, axis=2), strict=True)}


def _size(system: System, name: str) -> int:
    return system.network.populations[name].size


def _room(
    store: dict[str, np.ndarray], system: System, name: str, steps: int, values: np.ndarray
) -> np.ndarray:
    if name not in store:
        store[name] = np.zeros((steps, values.shape[-2], _size(system, name)), values.dtype)
    return store[name]


def _put(
    store: dict[str, np.ndarray], system: System, name: str, index: np.ndarray, values: np.ndarray
) -> None:
    """Write what a piece of a population did, ``[time, batch, piece]``, where it belongs."""
    _room(store, system, name, len(values), values)[:, :, index] = values


def _add(
    store: dict[str, np.ndarray], system: System, name: str, index: np.ndarray, values: np.ndarray
) -> None:
    """Add membranes, of which several chips may have a share, as `_put` writes spikes."""
    _room(store, system, name, len(values), values)[:, :, index] += values
