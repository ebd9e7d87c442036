"""From a model to a program: lower, check, map; all findings at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

from nm_backends.assumptions import assumptions_of, backend_for, backend_of
from nm_backends.errors import UserError
from nm_backends.first_order import first_order
from nm_backends.fit_rules import one_state
from nm_backends.frontends import as_sample, lower_any
from nm_backends.mesh import asked, is_meshed, smallest_mesh
from nm_backends.network import Network
from nm_backends.program import CompileOptions, Program
from nm_backends.rules import CompileError, Report
from nm_backends.typical import judge, typical_input

if TYPE_CHECKING:
    from nm_backends.chip import Backend
    from nm_backends.discretisation import Discretisation
    from nm_backends.spikes import Prepared
    from nm_backends.system.compiling import Chips
    from nm_backends.system.program import System

__all__ = ["check", "check_program", "compile_model"]


def check(
    model: Any,
    chip: str,
    discretisation: Discretisation | None = None,
    *,
    sample: Any = None,
    spikes: Any = None,
    calibrate: Any = None,
    assumptions: Mapping[str, Any] | None = None,
    chips: Chips | None = None,
) -> Report:
    """Say everything that is in the way of a model on a chip, and what it will cost.

    Where the model does not fit, the report also says what would hold it: more chips, or others.

    Parameters
    ----------
    model
        A `Network`, or whatever `nm_backends.lower` takes.
    chip
        Name of a registered chip.
    sample
        One batch of input, for models of a framework; see `nm_backends.lower`.
    spikes
        Input in any form that ``program.run`` takes: the model is compiled and run on it, and the
        findings say where spikes and charge will be lost (`nm_backends.loss_rules`).
    calibrate, assumptions
        For that compilation, see `compile_model`.
    chips
        As for `compile_model`, on which the model is then compiled.

    Returns
    -------
    Report
        ``ok`` exactly when `compile_model` succeeds (and, with ``spikes``, the chip can run them).

    Raises
    ------
    UserError
        When ``spikes`` or ``calibrate`` do not belong to the model.
    """
    sample = as_sample(spikes, calibrate) if sample is None else sample
    _check_chips(chips)
    network, report, backend = _checked(
        model, chip, discretisation, sample, CompileOptions(assumptions=assumptions or {})
    )
    if chips is None and network is not None and not report.ok:
        from nm_backends.alternatives import alternatives

        report.extend(list(alternatives(network, backend)))
    if network is None or (chips is None and (spikes is None or not report.ok)):
        return report
    how: dict[str, Any] = {"calibrate": calibrate, "assumptions": assumptions, "chips": chips}
    try:
        program: Program | System = compile_model(network, chip, **how)
    except CompileError as refused:
        return refused.report
    return program.check(spikes)


def check_program(program: Program, spikes: Any = None) -> Report:
    """Say what was found when a program was compiled, and what its image would do to the chip.

    With ``spikes`` also where spikes and charge are lost when it runs on them.
    """
    report = replace(program.report, diagnostics=list(program.report.diagnostics))
    check_setup = getattr(backend_of(program), "check_setup", None)
    if check_setup is not None:
        report.extend(check_setup(program.image).diagnostics)
    if spikes is not None:
        from nm_backends.losses import predict

        report.extend(predict(program, spikes))
    return report


@overload
def compile_model(
    model: Any,
    chip: str,
    discretisation: Discretisation | None = None,
    calibrate: Any = None,
    options: CompileOptions | None = None,
    *,
    sample: Any = None,
    chips: None = None,
    targets: Any = None,
    assumptions: Mapping[str, Any] | None = None,
) -> Program: ...
@overload
def compile_model(
    model: Any,
    chip: str,
    discretisation: Discretisation | None = None,
    calibrate: Any = None,
    options: CompileOptions | None = None,
    *,
    sample: Any = None,
    chips: Chips | None,
    targets: Any = None,
    assumptions: Mapping[str, Any] | None = None,
) -> Program | System: ...
def compile_model(
    model: Any,
    chip: str,
    discretisation: Discretisation | None = None,
    calibrate: Any = None,
    options: CompileOptions | None = None,
    *,
    sample: Any = None,
    chips: Chips | None = None,
    targets: Any = None,
    assumptions: Mapping[str, Any] | None = None,
) -> Program | System:
    """Quantise and place a model.

    Parameters
    ----------
    model, chip, discretisation, sample
        As for `check`; without ``sample``, a live model is run on the calibration spikes.
    calibrate
        Typical input spikes, in any form that ``program.run`` takes: scales, leaks, thresholds and
        the order of events are then chosen so that the chip does what the model does on them.
    options
        Choices; see `CompileOptions`.
    chips
        None: one chip. A number: the network is cut over so many chips of this kind at most.
        ``"auto"``: over as few as possible, if it does not fit one. ``"time"``: likewise, but a
        single chip is all of them in turn, programmed anew after each part (feed-forward networks).
        Chips that route spikes among themselves become one mesh and have one program.
    targets
        The label of each calibration sample ``[batch]`` (a dataset brings its own): the fit report
        then has the accuracy of the model and of the chip on them. They decide nothing.
    assumptions
        What to assume about the chip instead of the defaults (``nmb chips NAME --assumptions``),
        beside those of ``options``. The program keeps them.

    Returns
    -------
    Program or System
        ``program.report`` holds everything that was found. A `System`
        (`nm_backends.system.program`) has several programs, and is run, saved and exported alike.

    Raises
    ------
    CompileError
        When the model cannot be lowered or does not fit; with all findings.
    UserError
        When the calibration spikes do not belong to the model.
    """
    sample = as_sample(calibrate) if sample is None else sample
    _check_chips(chips)
    chosen = options or CompileOptions()
    if assumptions:
        chosen = replace(chosen, assumptions={**chosen.assumptions, **assumptions})
    network, report, backend = _checked(model, chip, discretisation, sample, chosen)
    if network is not None and chips is not None and is_meshed(backend):
        backend = smallest_mesh(network, report, backend, chips)
        chosen, chips = replace(chosen, chips=backend.chips), None
    several = isinstance(chips, int) and chips > 1
    if network is None or not (report.ok or several or isinstance(chips, str)):
        raise CompileError(report)
    given = typical_input(network, calibrate, targets, chosen, backend)
    network = _fitted(network, backend, report, given.prepared)
    if chips is not None and (several or not report.ok):
        from nm_backends.system.compiling import compile_system

        said = [d for d in report.diagnostics if d.code == one_state.code]
        found = replace(report, diagnostics=[*network.model.report.diagnostics, *said])
        made: Program | System = compile_system(
            network, found, backend, chosen, given.spikes, chips
        )
    else:
        made = _mapped(network, report, backend, chosen, given.spikes)
    judge(made, network.model, given)
    return made


def _fitted(network: Network, backend: Backend, report: Report, given: Prepared | None) -> Network:
    """Fit anew, by typical input, what the chip's neurons do not have; see `first_order`."""
    if network.asked is None or given is None:
        return network
    better, found = first_order(network.asked, backend.spec, given)
    before, after = (asked(one, backend) for one in (network, better))
    if report.ok and not after.ok:
        return network  # the input leads out of what the chip can do
    kept = [d for d in report.diagnostics if d not in before.diagnostics]
    report.diagnostics = [*kept, *after.diagnostics]
    _update(report, Report(diagnostics=found))
    return better


def _mapped(
    network: Network,
    report: Report,
    backend: Backend,
    options: CompileOptions,
    calibration: Any,
) -> Program:
    """Map a network onto one chip."""
    mapping = backend.map(network, options, calibration)
    _update(report, mapping.report)
    if not report.ok:
        raise CompileError(report)
    return Program(
        report.chip or backend.spec.name,
        network,
        mapping.image,
        mapping.layout,
        mapping.resources,
        mapping.fit,
        report,
        options,
        mapping.metadata,
    )


def _check_chips(chips: Any) -> None:
    number = isinstance(chips, int) and not isinstance(chips, bool) and chips >= 1
    if not (chips is None or number or chips in ("auto", "time")):
        raise UserError(f"chips is {chips!r}, expected a number, 'auto' or 'time'")


def _checked(
    model: Any,
    chip: str,
    discretisation: Discretisation | None,
    sample: Any,
    options: CompileOptions,
) -> tuple[Network | None, Report, Backend]:
    """Lower a model and ask all rules of the chip, and those that plugins add."""
    backend = backend_for(chip, options)
    network, lowered = lower_any(model, discretisation, sample)
    held = assumptions_of(backend)
    report = replace(lowered, chip=chip, diagnostics=list(lowered.diagnostics), assumptions=held)
    if network is not None:
        network, fitted = first_order(network.model, backend.spec)
        report.extend([*asked(network, backend).diagnostics, *fitted])
    return network, report, backend


def _update(report: Report, measured: Report) -> None:
    """Add what the mapper found; where it repeats a warning with a measurement, that one stays."""
    said = {(d.code, d.node) for d in measured.diagnostics}
    report.diagnostics = [d for d in report.diagnostics if (d.code, d.node) not in said]
    report.extend(measured.diagnostics)
