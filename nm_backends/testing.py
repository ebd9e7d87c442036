"""The conformance suite: what every chip must do, whoever wrote it.

A plugin runs it on itself (``examples/toy_chip_plugin/README.md``)::

    import pytest

    pytest.register_assert_rewrite("nm_backends.testing")  # failures then show the values
    from nm_backends.testing import cases_for

    @pytest.mark.parametrize("case", cases_for("toy"), ids=str)
    def test_conformance(case):
        case.run("toy")

A case that a chip cannot pass is named, with the reason, in ``ChipEntry(unsupported=...)``.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.specimens import conventions, random_model, random_spikes

if TYPE_CHECKING:
    from nm_backends.discovery import Candidate
    from nm_backends.image import Image
    from nm_backends.program import Program
    from nm_backends.registry import Plugin

__all__ = [
    "CASES",
    "Case",
    "cases_for",
    "conventions",
    "random_model",
    "random_spikes",
    "temporary_plugin",
]

COUNTERS = ("events_in", "events_out", "sops", "cycles", "dropped")


@dataclass(frozen=True)
class Case:
    """A property of every chip; ``run(chip)`` raises AssertionError where it does not hold."""

    name: str
    run: Callable[[str], None]

    def __str__(self) -> str:
        return self.name


CASES: list[Case] = []


def cases_for(chip: str) -> list[Case]:
    """Return the cases that a registered chip must pass.

    Raises
    ------
    ValueError
        When the chip excludes a case that does not exist, or gives no reason.
    """
    from nm_backends.registry import registry

    unsupported = registry().chip(chip)[0].unsupported
    unknown = set(unsupported) - {case.name for case in CASES}
    if unknown:
        raise ValueError(f"chip {chip!r} does not support unknown cases: {sorted(unknown)}")
    return [case for case in CASES if case.name not in unsupported]


@contextmanager
def temporary_plugin(candidate: Candidate) -> Iterator[Plugin]:
    """Load a plugin that is not installed, for the length of a ``with`` block.

    Examples
    --------
    >>> with temporary_plugin(Candidate("toy", "toy_chip", "toy-chip-plugin", "0.1.0")):
    ...     cases = cases_for("toy")                    # doctest: +SKIP
    """
    from nm_backends.registry import get_backend, registry

    plugin = registry().add(candidate)
    try:
        yield plugin
    finally:
        registry().remove(plugin)
        get_backend.cache_clear()


def _case(function: Callable[[str], None]) -> Callable[[str], None]:
    CASES.append(Case(function.__name__, function))
    return function


def _program(chip: str) -> Program:
    """Return a program of its own for each case; all are copies of one compilation."""
    from nm_backends.registry import get_backend

    return deepcopy(_compiled(chip, type(get_backend(chip))))


@lru_cache
def _compiled(chip: str, backend: type) -> Program:  # another class compiles anew
    return _compile(chip)


def _compile(chip: str) -> Program:
    from nm_backends.compiler import compile_model

    return compile_model(random_model(0), chip, conventions(), random_spikes(1))


def _same(a: np.ndarray, b: np.ndarray, what: str) -> None:
    np.testing.assert_array_equal(a, b, err_msg=what)


def _same_image(a: Image, b: Image) -> None:
    differences = a.differences(b)
    assert not differences, f"{len(differences)} differences, such as {differences[0]}"


def _same_result(a: Any, b: Any) -> None:
    _same(a.spikes, b.spikes, "spikes")
    for kind in ("layers", "membranes", "counters"):
        mine, theirs = getattr(a, kind), getattr(b, kind)
        assert mine.keys() == theirs.keys(), kind
        for name in mine:
            _same(mine[name], theirs[name], f"{kind}[{name}]")


@_case
def description_is_complete(chip: str) -> None:
    """Every figure has a source, and everything has a name once."""
    from nm_backends.registry import get_backend

    spec = get_backend(chip).spec
    assert spec.sources, "the spec names no source"
    for name, quantity in spec.quantities.items():
        assert quantity.source, f"{name} has no source"
        assert quantity.unit, f"{name} has no unit"
    for group in (spec.memories, spec.registers):
        names = [item.name for item in group]
        assert len(set(names)) == len(names), f"a name stands twice: {names}"


@_case
def rules_are_explained(chip: str) -> None:
    """Every rule has a code of its own and says the limit, why, and how to fix it."""
    from nm_backends.registry import chip_rules, core_rules, get_backend

    backend = get_backend(chip)
    assert {r.code for r in chip_rules(chip)} == {r.code for r in backend.rules}
    taken = {rule.code for rule in core_rules()}
    for rule in backend.rules:
        assert re.fullmatch(r"[A-Z]+\d{3}", rule.code), rule.code
        assert rule.code not in taken, f"{rule.code} is a rule of the core"
        assert len(rule.explanation.splitlines()) > 2, f"{rule.code}: explain more"


@_case
def compiles_the_same_twice(chip: str) -> None:
    """Check that the same model gives the same image."""
    _same_image(_compile(chip).image, _compile(chip).image)


@_case
def saved_and_loaded(chip: str) -> None:
    """Check that a program that was saved and loaded is the same, and does the same."""
    from nm_backends.artifact import load_single

    program = _program(chip)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.nmb"
        program.save(path)
        again = load_single(path, "one was saved")
    _same_image(program.image, again.image)
    spikes = random_spikes(3)
    _same_result(program.run(spikes), again.run(spikes))


@_case
def programming_stream_is_complete(chip: str) -> None:
    """Check that the programming stream holds the whole image."""
    from nm_backends.registry import get_backend

    backend, image = get_backend(chip), _program(chip).image
    _same_image(image, backend.read_stream(backend.write_stream(image)))


@_case
def exported_and_read_back(chip: str) -> None:
    """Check that the files for the real chip say the same as the program."""
    from nm_backends.export import read_export

    program = _program(chip)
    with tempfile.TemporaryDirectory() as folder:
        program.export(folder)
        _same_image(program.image, read_export(folder))


@_case
def events_are_exported(chip: str) -> None:
    """Check that the events that drive the real chip can be written and read back."""
    from nm_backends.export import read_events
    from nm_backends.registry import get_backend

    program, spikes = _program(chip), random_spikes(2)
    backend: Any = get_backend(chip)
    trailing = backend.plan_events(program, spikes).trailing
    with tempfile.TemporaryDirectory() as folder:
        program.export(folder, spikes)
        samples = read_events(folder)
    assert len(samples) == spikes.shape[1]
    steps = spikes.shape[0] + trailing  # most chips need none
    assert all(len(sample.steps) == steps for sample in samples)
    assert all(sample.words.size for sample in samples)


@_case
def input_is_left_alone(chip: str) -> None:
    """Check that spikes are read only, and may be of any numeric type and order."""
    program, spikes = _program(chip), random_spikes(10)
    expected = program.run(spikes)
    locked = spikes.copy()
    locked.flags.writeable = False
    _same_result(expected, program.run(locked))
    for other in (spikes.astype(bool), spikes.astype(np.float32), np.asfortranarray(spikes)):
        _same_result(expected, program.run(other))
    _same(spikes, random_spikes(10), "input after the run")


@_case
def batch_equals_singles(chip: str) -> None:
    """Check that samples do not touch each other."""
    program, spikes = _program(chip), random_spikes(4)
    together = program.run(spikes, record=("membrane",))
    for i in range(spikes.shape[1]):
        alone = program.run(spikes[:, i : i + 1], record=("membrane",))
        for name, layer in together.layers.items():
            _same(layer[:, i], alone.layers[name][:, 0], f"spikes of {name}, sample {i}")
        for name, values in together.membranes.items():
            _same(values[:, i], alone.membranes[name][:, 0], f"membrane of {name}, sample {i}")
        for name, counts in together.counters.items():
            _same(counts[i], alone.counters[name][0], f"{name} of sample {i}")


@_case
def runs_the_same_twice(chip: str) -> None:
    """Two runs give the same bits, whatever the number of threads."""
    program, spikes = _program(chip), random_spikes(5)
    _same_result(program.run(spikes), program.run(spikes))
    from nm_backends.registry import get_backend

    backend = get_backend(chip)
    one, two = (backend.execute(program, spikes, (), threads) for threads in (1, 2))
    for name in one.layers:
        _same(one.layers[name], two.layers[name], f"{name} with 1 and 2 threads")


@_case
def silence_stays_silent(chip: str) -> None:
    """Without input there are no spikes."""
    program = _program(chip)
    result = program.run(np.zeros((10, 2, 12), np.uint8))
    assert not result.spikes.any()
    assert not any(layer.any() for layer in result.layers.values())
    assert not result.counters["dropped"].any()


@_case
def axes_are_those_of_the_input(chip: str) -> None:
    """Results have the axes of the input, with or without the batch."""
    program, spikes = _program(chip), random_spikes(6)
    many, one = program.run(spikes), program.run(spikes[:, 0])
    assert many.spikes.shape == (20, 5, 4)
    assert one.spikes.shape == (20, 4)
    assert many.readout.shape == (5, 4)
    assert set(many.layers) == {"if1", "if2"}
    assert many.layers["if1"].shape == (20, 5, 10)
    _same(many.spikes[:, 0], one.spikes, "first sample with and without the batch axis")


@_case
def steps_are_the_run(chip: str) -> None:
    """Step by step comes out what a run gives, bit for bit; a reset begins again.

    Chips that are not run step by step (without ``open_session``) have nothing to show.
    """
    from nm_backends.registry import get_backend

    if not hasattr(get_backend(chip), "open_session"):
        return
    program, spikes = _program(chip), random_spikes(7)
    result = program.run(spikes, record=("membrane",))
    session = program.session(batch=spikes.shape[1])
    for _ in range(2):
        session.reset()
        for step, now in enumerate(spikes):
            _same(session.step(now), result.spikes[step], f"spikes of step {step}")
            for name, membranes in session.membranes.items():
                _same(membranes, result.membranes[name][step], f"membranes of step {step}, {name}")
        for name, counted in result.counters.items():
            _same(session.counters[name], counted, f"counters[{name}]")
        for name, said in session.decisions.items():
            _same(said, result.metadata[name], f"decision {name}")


@_case
def membranes_are_recorded(chip: str) -> None:
    """``record=("membrane",)`` gives the membrane of every neuron at the end of each step."""
    result = _program(chip).run(random_spikes(7), record=("membrane",))
    assert result.membranes["if1"].shape == (20, 5, 10)
    assert result.membranes["if2"].shape == (20, 5, 4)


@_case
def operations_are_counted(chip: str) -> None:
    """Counters are whole numbers, one per sample, and grow with the input."""
    result = _program(chip).run(random_spikes(8))
    for name in COUNTERS:
        counts = result.counters[name]
        assert counts.shape[0] == 5, name
        assert np.issubdtype(counts.dtype, np.integer), name
        assert (counts >= 0).all(), name
    assert (result.counters["sops"] > 0).all()
    assert (result.counters["cycles"] > 0).all()


@_case
def estimates_have_sources(chip: str) -> None:
    """Energy and latency come with formula, source and status, or not at all."""
    result = _program(chip).run(random_spikes(9))
    for estimate in (result.energy, result.latency):
        if estimate is not None:
            assert estimate.formula
            assert estimate.source
            assert np.all(np.asarray(estimate.value) >= 0)
            assert estimate.status in {
                "measured",
                "published",
                "computed",
                "extrapolated",
                "unconfirmed",
            }


@_case
def resources_are_reported(chip: str) -> None:
    """Check that what is used is at most what there is."""
    resources = _program(chip).resources
    assert resources
    for resource in resources:
        assert 0 <= resource.used <= resource.available, resource


@_case
def check_agrees_with_compile(chip: str) -> None:
    """Check that ``check`` accepts what can be compiled, and that every code is known."""
    from nm_backends.compiler import check, compile_model
    from nm_backends.registry import chip_rules, core_rules, get_backend
    from nm_backends.rules import CompileError

    limit = get_backend(chip).spec.neurons
    known = {rule.code for rule in [*core_rules(), *chip_rules(chip)]}
    sizes = [(3, 2), (12, 10, 4), (1, 1), (4, limit // 2, 3), (4, limit + 1), (4, limit, 1)]
    for seed, shape in enumerate(sizes):
        model = random_model(seed, shape, density=0.5)
        report = check(model, chip, conventions())
        assert report.codes <= known, report.codes - known
        refused = None
        try:
            compile_model(model, chip, conventions())
        except CompileError as error:
            refused = error.report
        assert report.ok == (refused is None), f"{shape}: check {report}, compile {refused}"
        assert refused is None or refused.errors, "refused without an error"


@_case
def too_many_neurons_are_refused(chip: str) -> None:
    """One neuron more than there is: an error that names the layer or the count."""
    from nm_backends.compiler import check
    from nm_backends.registry import get_backend

    limit = get_backend(chip).spec.neurons
    report = check(random_model(0, (2, limit + 1), density=0.2), chip, conventions())
    assert not report.ok
    assert any(str(limit) in str(finding) for finding in report.errors)


@_case
def verify(chip: str) -> None:
    """Check that a file that is no trace is refused by name."""
    from nm_backends.errors import UserError
    from nm_backends.registry import get_backend

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "not_a_trace.npz"
        np.savez(path, nothing=np.zeros(1))
        message = "a file without a trace was verified"
        try:
            get_backend(chip).verify(str(path))
        except UserError as error:
            message = str(error)
        assert "not_a_trace.npz" in message, message
