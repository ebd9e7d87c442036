"""The description of a study: a TOML file or the same as a mapping, checked field by field.

::

    models = ["digits.nir"]      # .nir, .nmb, or "module:name" of a live model
    chips = ["odin", "reckon"]   # default: all that are registered
    seeds = [0, 1, 2]            # or {first = 0, count = 100}

    [data]                       # .npz or .npy files, or "module:name" of a dataset
    test = "test.npz"            # what is measured; labels beside the spikes
    calibrate = "typical.npz"    # train, validation: for [learn]

    [samples]                    # so many of each, drawn by the seed; default: all
    test = 100

    [discretisation]             # fields of nm_backends.Discretisation
    dt = [1e-4, 1e-3]

    [compile]                    # fields of nm_backends.CompileOptions, chips
    scale = ["maxabs", "auto"]

    [learn]                      # layers, epochs, shuffle, readout; options of all chips
    layers = ["fc2"]
    epochs = 3
    [learn.odin]                 # options of one chip; "@seed" is the seed of the trial
    thetamem = {low = 10, high = 40, steps = 4}

    [assumptions.morphic]        # what is assumed about a chip

    [random]                     # instead of the whole grid
    trials = 100

A list is a list of choices; ``{low, high, log, steps}`` is a range.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from nm_backends.discretisation import RESETS, Discretisation
from nm_backends.errors import UserError, did_you_mean
from nm_backends.program import CompileOptions
from nm_backends.study.axes import Axis, axis_of

if TYPE_CHECKING:
    from nm_backends.learning_options import LearningOptions

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["ROLES", "Plan", "Study", "read_study"]

ROLES = ("test", "calibrate", "train", "validation")
_TOP = ("name", "models", "chips", "seeds", "data", "samples", "discretisation", "compile", "learn",
        "assumptions", "random", "tune")  # fmt: skip
_LEARN = ("layers", "epochs", "shuffle", "readout")
_PLANS = {
    "random": ("trials", "seed"),
    "tune": ("trials", "seed", "maximise", "minimise", "batch", "prune"),
}
_READOUTS = ("count", "first")


@dataclass(frozen=True)
class Plan:
    """How trials are chosen.

    Parameters
    ----------
    kind
        ``grid`` (all combinations), ``random``, or ``tune`` (`nm_backends.study.tuning`).
    trials, seed
        How many, and the seed of the choice (not for a grid).
    objective, maximise
        The metric that is tuned.
    batch
        Trials that are chosen at once in tuning: each batch knows the results of those before.
    prune
        Whether tuning gives up on bad learning curves.
    """

    kind: Literal["grid", "random", "tune"] = "grid"
    trials: int = 0
    seed: int = 0
    objective: str = "accuracy"
    maximise: bool = True
    batch: int = 4
    prune: bool = True


@dataclass(frozen=True)
class Study:
    """A checked description.

    Parameters
    ----------
    models, data
        Name to what it is: a path, ``module:name``, or an object; data by role.
    chips
        Names of the chips.
    axes
        Everything else, in the order of the file, seeds last.
    folder
        What relative paths start from.
    learns
        Chips that learn; all of them where none has options of its own.
    """

    name: str
    models: dict[str, Any]
    chips: tuple[str, ...]
    data: dict[str, dict[str, Any]]
    axes: tuple[Axis, ...]
    plan: Plan
    folder: Path
    learns: tuple[str, ...] = ()

    def axes_of(self, chip: str) -> list[Axis]:
        """Return the axes that a chip has."""
        return [axis for axis in self.axes if self._concerns(axis, chip)]

    def _concerns(self, axis: Axis, chip: str) -> bool:
        table, *rest = axis.name.split(".")
        if table == "learn" and chip not in self.learns:
            return False
        return len(rest) < 2 or rest[0] in (chip, "options")


def read_study(given: Any) -> Study:
    """Read and check a description.

    Parameters
    ----------
    given
        Path of a TOML file, or a mapping of the same form, in which models and data may also be
        objects: a graph or live model; spikes, ``(spikes, labels)``, event lists, datasets.

    Raises
    ------
    UserError
        With the file, the table and the field, what stands there, and what was expected.
    """
    if isinstance(given, Study):
        return given
    if isinstance(given, Mapping):
        return _Reader("study", dict(given), Path.cwd(), "study").study()
    path = Path(given)
    return _Reader(str(path), _toml(path), path.resolve().parent, path.stem).study()


def _toml(path: Path) -> dict[str, Any]:
    expected = "expected a study in TOML; see nm_backends/study/description.py"
    try:
        found: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
        return found
    except FileNotFoundError:
        raise UserError(f"{path}: no such file", expected) from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", expected) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not TOML: {error}", expected) from None


@dataclass(frozen=True)
class _Reader:
    file: str
    given: dict[str, Any]
    folder: Path
    stem: str

    def study(self) -> Study:
        for key in self.given:
            if key not in _TOP:
                raise UserError(f"{self.file}: unknown {key!r}", did_you_mean(key, _TOP))
        name = self.given.get("name", self.stem)
        self._expect(isinstance(name, str) and name, "name", name, "a text")
        chips = self._chips()
        learn, learns = self._learn(chips)
        axes = [*self._discretisation(), *self._compile(chips), *self._assumptions(chips), *learn]
        axes += [*self._samples(), self._seeds()]
        return Study(
            name, self._models(), chips, self._data(), tuple(axes), self._plan(), self.folder,
            learns,
        )  # fmt: skip

    def _expect(self, right: Any, field: str, found: Any, expected: str) -> None:
        if not right:
            raise UserError(f"{self.file}: {field} is {found!r}, expected {expected}")

    def _table(self, name: str, inside: Mapping[str, Any] | None = None) -> dict[str, Any]:
        found = (self.given if inside is None else inside).get(name.rpartition(".")[2], {})
        self._expect(isinstance(found, Mapping), f"[{name}]", found, "a table")
        return dict(found)

    def _known(self, table: str, key: str, known: Any) -> None:
        if key not in known:
            raise UserError(f"{self.file}: [{table}] has no {key!r}", did_you_mean(key, known))

    def _models(self) -> dict[str, Any]:
        found = self.given.get("models")
        if isinstance(found, str | os.PathLike):
            found = [found]
        if isinstance(found, list | tuple):
            texts = all(isinstance(m, str | os.PathLike) for m in found)
            self._expect(texts, "models", found, "paths, or a table of names")
            named = {Path(str(m)).name: m for m in found}
            if len(named) < len(found):
                named = {str(m): m for m in found}
            found = named
        table = dict(found) if isinstance(found, Mapping) else {}
        self._expect(table, "models", found, "a list of .nir or .nmb files, or a table of names")
        return table

    def _chips(self) -> tuple[str, ...]:
        from nm_backends.registry import chips, registry

        found = self.given.get("chips")
        if found is None:
            return tuple(sorted(chips()))
        names = [found] if isinstance(found, str) else found
        right = isinstance(names, list | tuple) and names and all(isinstance(n, str) for n in names)
        self._expect(right, "chips", found, "a list of names (nmb chips)")
        for name in names:
            try:
                registry().chip(name)
            except UserError as error:
                raise UserError(f"{self.file}: chips: {error}", error.hint) from None
        return tuple(dict.fromkeys(names))

    def _seeds(self) -> Axis:
        found = self.given.get("seeds", [0])
        if isinstance(found, Mapping):
            first, count = found.get("first", 0), found.get("count")
            right = set(found) <= {"first", "count"} and _whole(first) and _whole(count, 1)
            self._expect(right, "seeds", dict(found), "{first = 0, count = 10}")
            found = list(range(first, first + count))
        axis = axis_of("seed", found, f"{self.file}: seeds")
        right = axis.span is None and all(map(_whole, axis.choices))
        self._expect(right, "seeds", found, "whole numbers, 0 or more")
        return axis

    def _data(self) -> dict[str, dict[str, Any]]:
        table = self._table("data")
        several = table and all(isinstance(v, Mapping) for v in table.values())
        sets = {n: self._table(f"data.{n}", table) for n in table} if several else {"data": table}
        for name, roles in sets.items():
            where = f"data.{name}" if several else "data"
            for role in roles:
                self._known(where, role, ROLES)
            if "test" not in roles:
                raise UserError(
                    f"{self.file}: [{where}] has no 'test': there is nothing to measure with",
                    "give spikes (and labels) that decide nothing",
                )
        return sets

    def _samples(self) -> list[Axis]:
        axes = []
        for role, value in self._table("samples").items():
            self._known("samples", role, ROLES)
            axis = axis_of(f"samples.{role}", value, f"{self.file}: [samples] {role}")
            right = all(_whole(v, 1) for v in axis.choices)
            self._expect(right, f"[samples] {role}", value, "whole numbers, 1 or more")
            axes.append(axis)
        return axes

    def _discretisation(self) -> list[Axis]:
        known = [f.name for f in fields(Discretisation) if f.name != "assumed"]
        axes = []
        for key, value in self._table("discretisation").items():
            self._known("discretisation", key, known)
            axes.append(self._axis("discretisation", key, value))
            for one in axes[-1].choices:
                self._check_field(f"[discretisation] {key}", one, Discretisation, key)
        return axes

    def _compile(self, chips: tuple[str, ...]) -> list[Axis]:
        options = [f.name for f in fields(CompileOptions) if f.name not in ("learn", "assumptions")]
        return [
            axis
            for table, key, value in self._by_chip("compile", chips, [*options, "chips"])
            for axis in [self._axis(table, key, value)]
            if self._right_options(axis, table, key)
        ]

    def _right_options(self, axis: Axis, table: str, key: str) -> bool:
        for one in axis.choices:
            if key == "chips":
                right = _whole(one, 1) or one in ("auto", "time")
                self._expect(right, f"[{table}] chips", one, "a number, 'auto' or 'time'")
            else:
                self._check_field(f"[{table}] {key}", one, CompileOptions, key)
        return True

    def _assumptions(self, chips: tuple[str, ...]) -> list[Axis]:
        from nm_backends.assumptions import assume
        from nm_backends.registry import get_backend

        axes = []
        for table, key, value in self._by_chip("assumptions", chips, ()):
            axis = self._axis(table, key, value)
            for one in axis.values() if axis.span is None else ():
                try:
                    assume(get_backend(table.rpartition(".")[2]), {key: one})
                except UserError as error:
                    raise UserError(f"{self.file}: [{table}] {error}", error.hint) from None
            axes.append(axis)
        return axes

    def _learn(self, chips: tuple[str, ...]) -> tuple[list[Axis], tuple[str, ...]]:
        table = self._table("learn")
        if not table:
            return [], ()
        own = [name for name in table if name in chips and isinstance(table[name], Mapping)]
        if "layers" not in table:
            raise UserError(
                f"{self.file}: [learn] has no 'layers'", "name the nodes whose synapses may learn"
            )
        axes = []
        for key, value in table.items():
            if key in own or key == "options":
                inner = self._table(f"learn.{key}", table)
                for chip in (own or chips) if key == "options" else (key,):
                    self._check_options(f"learn.{key}", chip, inner)
                prefix = f"learn.{key}"
                axes += [self._axis(prefix, name, item) for name, item in inner.items()]
                continue
            self._known("learn", key, (*_LEARN, "options", *chips))
            axes.append(self._axis("learn", key, value, takes_list=key == "layers"))
            span = axes[-1].span
            for one in axes[-1].choices if span is None else (span.low, span.high):
                self._check_learn(key, one)
        learns = tuple(own) or chips
        for chip in learns:
            self._check_values(chip, axes)
        return axes, learns

    def _check_options(self, table: str, chip: str, given: Mapping[str, Any]) -> None:
        """Refuse names that a chip's learning does not know, where the chip says what it knows."""
        options = _options_of(chip)
        for name, value in given.items():
            if options is not None and not options.knows(name, value):
                raise UserError(
                    f"{self.file}: [{table}] has no {name!r}: {chip} does not learn with it",
                    did_you_mean(name, options.known()),
                )

    def _check_values(self, chip: str, axes: list[Axis]) -> None:
        """Refuse values that no trial of a chip could learn with."""
        from nm_backends.study.learning_values import impossible_values

        options = _options_of(chip)
        prefixes = ("learn.options.", f"learn.{chip}.")  # a chip's own stand for those of all
        mine = [axis for prefix in prefixes for axis in axes if axis.name.startswith(prefix)]
        for axis, value, error in impossible_values(options, mine) if options else ():
            table, _, name = axis.name.rpartition(".")
            raise UserError(
                f"{self.file}: [{table}] {name} is {value!r}, with which {chip} cannot learn: "
                f"{error}",
                error.hint,
            )

    def _check_learn(self, key: str, value: Any) -> None:
        field = f"[learn] {key}"
        if key == "epochs":
            self._expect(_whole(value), field, value, "0 (no learning) or more")
        elif key == "shuffle":
            self._expect(isinstance(value, bool), field, value, "true or false")
        elif key == "readout":
            self._expect(value in _READOUTS, field, value, " or ".join(_READOUTS))
        else:
            right = isinstance(value, list) and value and all(isinstance(n, str) for n in value)
            self._expect(right, field, value, "a list of node names")

    def _by_chip(self, name: str, chips: tuple[str, ...], known: Any) -> list[tuple[str, str, Any]]:
        """Return (table, field, value) of a table that may have tables of single chips."""
        found = []
        for key, value in self._table(name).items():
            if key in chips and isinstance(value, Mapping):
                for inner, item in value.items():
                    if known:
                        self._known(f"{name}.{key}", inner, known)
                    found.append((f"{name}.{key}", inner, item))
            else:
                self._known(name, key, (*known, *chips))
                self._expect(known, f"[{name}] {key}", value, "a table of a chip's own")
                found.append((name, key, value))
        return found

    def _axis(self, table: str, key: str, value: Any, *, takes_list: bool = False) -> Axis:
        where = f"{self.file}: [{table}] {key}"
        return axis_of(f"{table}.{key}", value, where, takes_list=takes_list)

    def _check_field(self, field: str, value: Any, cls: type, key: str) -> None:
        """Check a value against the words, and the plain types, that a data class takes."""
        words, kinds = _accepted(cls, key)
        if isinstance(value, Mapping):
            self._expect(Mapping in kinds, field, value, _said(words, kinds))
            return
        if key == "dt":
            number = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
            self._expect(number, field, value, "seconds, more than 0")
            return
        plain = type(value) in kinds or (type(value) is int and float in kinds)
        self._expect(value in words or plain, field, value, _said(words, kinds))

    def _plan(self) -> Plan:
        kinds = [kind for kind in _PLANS if kind in self.given]
        if not kinds:
            return Plan()
        self._expect(len(kinds) == 1, "kind of study", kinds, "[random] or [tune], not both")
        kind = kinds[0]
        table = self._table(kind)
        for key in table:
            self._known(kind, key, _PLANS[kind])
        for key, low in (("trials", 1), ("seed", 0), ("batch", 1)):
            if key in table or key == "trials":
                right = _whole(table.get(key), low)
                expected = f"a whole number, {low} or more"
                self._expect(right, f"[{kind}] {key}", table.get(key), expected)
        kept = ("trials", "seed", "batch", "prune")
        chosen: dict[str, Any] = {k: table[k] for k in kept if k in table}
        self._expect(isinstance(table.get("prune", True), bool), "[tune] prune", table.get("prune"),
                     "true or false")  # fmt: skip
        if kind == "tune":
            chosen |= self._objective(table)
        return Plan(kind, **chosen)  # type: ignore[arg-type]

    def _objective(self, table: Mapping[str, Any]) -> dict[str, Any]:
        from nm_backends.study.metrics import NUMBERS

        both = [name for name in ("maximise", "minimise") if name in table]
        self._expect(len(both) == 1, "[tune]", both, "maximise = METRIC or minimise = METRIC")
        metric = table[both[0]]
        if metric not in NUMBERS:
            raise UserError(
                f"{self.file}: [tune] {both[0]} is {metric!r}, no metric",
                did_you_mean(str(metric), NUMBERS),
            )
        return {"objective": metric, "maximise": both[0] == "maximise"}


def _options_of(chip: str) -> type[LearningOptions] | None:
    """Return the class of a chip's learning options, where it says what it learns with."""
    from nm_backends.registry import get_backend

    known = getattr(get_backend(chip), "learning_options", None)
    return known() if known is not None else None


def _whole(value: Any, low: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= low


def _accepted(cls: type, key: str) -> tuple[list[Any], set[Any]]:
    """Return the words and the types that a field of a data class takes."""
    words: list[Any] = list(RESETS) if key == "reset" else []
    kinds: set[Any] = set()
    pending = [get_type_hints(cls)[key]]
    while pending:
        hint = pending.pop()
        origin = get_origin(hint)
        if origin is Literal:
            words += [word for word in get_args(hint) if word not in words]
        elif isinstance(origin, type) and issubclass(origin, Mapping):
            kinds.add(Mapping)
        elif get_args(hint):
            pending += get_args(hint)
        elif hint is not type(None):
            kinds.add(hint)
    return words, kinds


def _said(words: list[Any], kinds: set[Any]) -> str:
    names = {float: "a number", int: "a whole number", bool: "true or false", str: "a text",
             Mapping: "a table of nodes"}  # fmt: skip
    return " or ".join([*map(repr, words), *sorted(names.get(kind, str(kind)) for kind in kinds)])
