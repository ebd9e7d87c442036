"""The cores of a mesh as `nm_backends.crossbar` sees them: what goes where, what the host sends."""

from __future__ import annotations

import numpy as np

from nm_backends.chip import ChipSpec
from nm_backends.crossbar.integers import Integers
from nm_backends.crossbar.layout import Choices, Plan
from nm_backends.crossbar.wiring import Wiring
from nm_backends.errors import UserError
from nm_backends.program import Resource
from nm_backends.quantize import Quantized, binarised
from nm_morphic.alike import agreed
from nm_morphic.allot import Allotment, NoRoom, Row
from nm_morphic.bias import BiasRows, bias_rows
from nm_morphic.image import Contents
from nm_morphic.room import obstacle_of
from nm_morphic.sent import slots
from nm_morphic.spec import CORES, L1_ROWS, L2_ROWS, NEURONS, ROWS, SHARING
from nm_morphic.spread import Spread, placed
from nm_morphic.wanted import listens

__all__ = ["MorphicFloor"]

_FIRST = {"excitatory_first": 1, "inhibitory_first": -1}
_NOBODY = -1


class MorphicFloor:
    """See `nm_backends.crossbar.chip.Floor`.

    Parameters
    ----------
    spec
        Of the whole mesh.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self.spec = spec
        self.chips = spec.neurons // (CORES * NEURONS)
        self.rows = self.chips * CORES * ROWS
        self.sharing = SHARING[int(spec.quantities["row_sharing"].value)]
        self._spread: tuple[Wiring, dict[tuple[bytes, int], Spread | NoRoom]] | None = None
        self._known: tuple[int, int, np.ndarray, np.ndarray, np.ndarray, Spread] | None = None

    def spread(self, wiring: Wiring, choices: Choices) -> Spread | NoRoom:
        """Return the network on its cores, or why it has no place there."""
        held = self._spread
        if held is None or held[0] is not wiring:
            held = self._spread = (wiring, {})
        paired, first = choices.by_neuron(wiring), _FIRST.get(choices.order, 0)
        known, key = held[1], (paired.tobytes(), first)
        if key not in known:
            known[key] = placed(wiring, paired, first, self.chips, self.sharing)
        return known[key]

    def by_range(self, wiring: Wiring, split: bool) -> Quantized:
        """Return -1 and +1 (and 0 where rows have one sign), nearest to the real weights."""
        high, leak = self.spec.threshold.maximum, self.spec.leak.maximum
        limit = np.where(wiring.decay == 0, min(high, leak), high)
        there = None if split else listens(wiring, np.zeros(wiring.neurons, bool))[0]
        return binarised(wiring.weights, wiring.threshold, wiring.strict, limit, there)

    def room(self, wiring: Wiring) -> bool:
        """Say whether all sources and neurons find a place, before anything is quantised."""
        return obstacle_of(wiring, self.chips) is None

    def fits(self, wiring: Wiring, integers: Integers, choices: Choices) -> bool:
        """Say whether there is a place for everything."""
        return isinstance(self.spread(wiring, choices), Spread)

    def plan(self, wiring: Wiring, integers: Integers, choices: Choices) -> Plan:
        """Place ``integers``, and list what the host sends.

        Raises
        ------
        UserError
            They have no place.
        """
        found = self.spread(wiring, choices)
        if isinstance(found, NoRoom):
            each = choices.split
            asked = "auto" if isinstance(each, tuple) else "always" if each else "never"
            raise UserError(f"row_pairs={asked!r}: {found}", "leave row_pairs at 'auto'")
        made, cores = found.made, self.chips * CORES
        bias = bias_rows(integers.bias, made, found.paired)
        values, changed = self._values(integers, found)
        values = np.concatenate([values, *(v[None] for v in bias.values)])
        rows = [*made.rows, *bias.rows]
        used = values.any(axis=1) | np.isin([r.source for r in rows], _learning(wiring))
        layout = self._layout(wiring, integers, made, rows, values, used, bias, choices)
        layout |= _shares(rows, changed)
        at = _places(rows)
        packed = np.zeros((self.rows, NEURONS // 8), np.uint8)
        mode = _modes(found, cores)
        packed[at] = _packed(values, mode[at // ROWS] != 0)
        contents = Contents(
            packed, made.routes, *_flags(at[used], layout["row_sign"], cores),
            mode, _fields(integers, made, self.spec),
            np.zeros(cores, np.int64),
        )  # fmt: skip
        return Plan(contents, layout, made, bias.realised)

    def _values(self, integers: Integers, found: Spread) -> tuple[np.ndarray, np.ndarray]:
        """Return what the rows of sources add to the neurons of their cores, int8 ``[n, 512]``.

        And how many synapses of each neuron are others as sources share rows.
        """
        if self._known is None or self._known[:2] != (id(integers.weights), id(found)):
            asked = _row_values(integers.weights, found.made)
            sign = np.array([row.sign for row in found.made.rows], np.int64)
            values = agreed(asked, _places(found.made.rows), sign)
            changed = _changed(asked != values, found.made)
            # The key holds as long as what it names: both are kept.
            kept = integers.weights, found
            self._known = (id(integers.weights), id(found), values, changed, *kept)
        return self._known[2:4]

    def _layout(
        self, wiring: Wiring, integers: Integers, made: Allotment, rows: list[Row],
        values: np.ndarray, used: np.ndarray, bias: BiasRows, choices: Choices,
    ) -> dict[str, np.ndarray]:  # fmt: skip
        driven = [i for i, row in enumerate(made.rows) if row.source < wiring.inputs and used[i]]
        balance = values.sum(axis=1, dtype=np.int64)[driven]
        sent = slots(
            wiring, [made.rows[i] for i in driven], balance, bias, choices.order,
            bool(integers.leak.any()),
        )  # fmt: skip
        source = np.full(self.rows, _NOBODY, np.int64)
        sign = np.zeros(self.rows, np.int64)
        for row in rows:
            source[row.core * ROWS + row.row] = row.source
            sign[row.core * ROWS + row.row] = row.sign
        return sent | {
            "lift": np.zeros_like(integers.threshold),
            "scale": integers.scale,
            "address": made.first,
            "copy": made.second,
            "row_source": source,
            "row_sign": sign,
        }

    def resources(self, wiring: Wiring, made: Plan) -> list[Resource]:
        """Return what a placed network takes of the cores; rows are those of the fullest core."""
        allotted: Allotment = made.placement
        cores = allotted.neuron.size // NEURONS
        level = np.array([np.searchsorted((NEURONS, NEURONS + L1_ROWS), r.row, "right")
                          for r in allotted.rows], np.int64)  # fmt: skip
        remote = np.array([r.source >= wiring.inputs for r in allotted.rows], bool)
        taken = (made.layout["row_source"] != _NOBODY).reshape(cores, ROWS)
        places = int((allotted.neuron >= 0).sum())
        held = int(np.unpackbits(made.contents.rows).sum())
        found = [
            Resource("neurons", places, self.spec.neurons),
            Resource("second copies", places - wiring.neurons, self.spec.neurons - wiring.neurons),
            Resource("rows", int(taken.sum(axis=1).max()), ROWS),
            Resource("synapses", held, self.spec.synapses),
            Resource("cores", len(allotted.free), cores),
        ]
        at = _places(allotted.rows)
        far = {(r.core // CORES, r.row) for r, there in zip(allotted.rows, remote & (level == 2),
                                                            strict=True) if there}  # fmt: skip
        routed = [
            Resource("L1 rows", np.unique(at[remote & (level == 1)]).size, cores * L1_ROWS),
            Resource("L2 rows", len(far), self.chips * L2_ROWS),
        ]
        return [*found, *(resource for resource in routed if resource.used)]


def _places(rows: list[Row]) -> np.ndarray:
    """Return rows counted over all cores, int64."""
    return np.array([row.core * ROWS + row.row for row in rows], np.int64)


def _changed(there: np.ndarray, made: Allotment) -> np.ndarray:
    """Count what changed (bool ``[rows, 512]``) by neuron, int64 ``[neurons]``."""
    found = np.zeros(made.first.size, np.int64)
    core = np.array([row.core for row in made.rows], np.int64)
    home = made.first // NEURONS
    for c in np.unique(core[there.any(axis=1)]).tolist():
        here = np.flatnonzero(home == c)
        found[here] = there[core == c][:, made.first[here] % NEURONS].sum(axis=0)
    return found


def _shares(rows: list[Row], changed: np.ndarray) -> dict[str, np.ndarray]:
    """Return who drives rows besides those in ``row_source``, if anybody does."""
    at, source = _places(rows), np.array([row.source for row in rows], np.int64)
    last = {place: i for i, place in enumerate(at.tolist())}
    more = np.setdiff1d(np.arange(at.size), np.array([*last.values()], np.int64))
    if not more.size:
        return {}
    return {"shared_row": at[more], "shared_source": source[more], "shared_changes": changed}


def _learning(wiring: Wiring) -> np.ndarray:
    return np.flatnonzero(wiring.plastic.any(axis=1))


def _row_values(weights: np.ndarray, made: Allotment) -> np.ndarray:
    source = np.array([row.source for row in made.rows], np.int64)
    core = np.array([row.core for row in made.rows], np.int64)
    sign = np.array([row.sign for row in made.rows], np.int64)
    values = np.zeros((source.size, NEURONS), np.int8)
    for c in np.unique(core):
        here = np.flatnonzero(core == c)
        who = made.neuron[c * NEURONS : (c + 1) * NEURONS]
        wide = np.where(who >= 0, weights[source[here]][:, who], 0)
        one = sign[here, None]
        values[here] = np.where((one == 0) | (wide * one > 0), wide, 0)
    return values


def _modes(found: Spread, cores: int) -> np.ndarray:
    """Return WEIGHT_MODE of each core, int64: 1 where its neurons hear rows of one sign."""
    mode = np.full(cores, int(found.paired.all()))
    mode[found.core] = found.paired
    return mode


def _packed(values: np.ndarray, split: np.ndarray) -> np.ndarray:
    bits = np.where(split[:, None], values != 0, values > 0)
    return np.packbits(bits, axis=1, bitorder="little")


def _flags(used: np.ndarray, sign: np.ndarray, cores: int) -> tuple[np.ndarray, np.ndarray]:
    connected = np.zeros(cores * ROWS, np.uint8)
    connected[used] = 1
    inhibitory = (sign < 0).astype(np.uint8)
    return connected.reshape(cores, ROWS), inhibitory.reshape(cores, ROWS)


def _fields(integers: Integers, made: Allotment, spec: ChipSpec) -> dict[str, np.ndarray]:
    there = made.neuron >= 0

    def at(values: np.ndarray, rest: int) -> np.ndarray:
        return np.where(there, values[made.neuron], rest)

    return {
        "core": at(integers.start, 0),
        "thr": at(integers.threshold, spec.threshold.maximum),
        "leak_str": at(integers.leak, 0),
        "neur_disable": (~there).astype(np.int64),
    }
