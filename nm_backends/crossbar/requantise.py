"""New weights for a program: as the image was chosen, with what the weights have moved since."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.crossbar.choose import demanded_rows
from nm_backends.crossbar.hosted import hosted_in
from nm_backends.crossbar.layout import Choices, plan, row_signs
from nm_backends.crossbar.mapping import resources
from nm_backends.crossbar.realised import integers_in
from nm_backends.crossbar.sharing import shared_rows
from nm_backends.crossbar.wiring import Wiring, wire
from nm_backends.errors import UserError
from nm_backends.fit import relative_error
from nm_backends.program import Fit

if TYPE_CHECKING:
    from nm_backends.crossbar.chip import CrossbarChip
    from nm_backends.crossbar.integers import Integers
    from nm_backends.crossbar.layout import Plan
    from nm_backends.network import Network
    from nm_backends.program import Program

__all__ = ["choices_of", "refuse_shared_rows", "requantise", "with_integers"]

_MEASURED = ("readout_agreement", "calibration_samples")


def requantise(chip: CrossbarChip, program: Program, network: Network) -> Program:
    """Return ``program`` with the weights and biases of ``network``, nothing else changed.

    Scales, thresholds, leaks and the order of events stay as they are in the image. So do the
    integers, but for what the weights have moved: a calibration chose them, and plain rounding
    would throw that away. Unchanged weights give the same image.

    Where weights changed their signs and the rows (or second copies of neurons) for that are not
    there, the signs of the image stay and weights of the other sign become 0.

    Raises
    ------
    UserError
        Where input channels share rows, so that their weights cannot move apart.
    """
    refuse_shared_rows(program)
    old = wire(program.network, program.options.learn)
    new = wire(network, program.options.learn)
    new.hosted = hosted_in(chip, program.layout, new)
    base = integers_in(chip, program, old)
    held, before = _aligned(old, new, base.weights), _aligned(old, new, old.weights)
    form = chip.spec.weights
    moved = np.rint(held + base.scale * (new.weights - before))
    lateral = (held != 0) & (before == 0) & ~new.plastic  # synapses that the model does not have
    moved = np.where((new.weights != 0) | new.plastic | lateral, moved, 0)
    integers = base.with_(
        weights=np.clip(moved, form.minimum, form.maximum).astype(np.int64),
        bias=np.rint(base.bias + base.scale * (new.bias - old.bias)).astype(np.int64),
    )
    choices = choices_of(program)
    lost = 0
    if not _fits(chip, new, integers, choices):
        integers, lost = _as_before(old, new, base, integers)
    return with_integers(
        chip, replace(program, network=network), new, integers, choices,
        requantised=True, weights_without_a_row=lost,
    )  # fmt: skip


def refuse_shared_rows(program: Program) -> None:
    """Refuse a program in which input channels share rows."""
    if shared_rows(program):
        raise UserError(
            f"{shared_rows(program)} input channels share a row with others: their weights cannot "
            "become different",
            "compile with CompileOptions(share_rows='never'), with fewer input channels",
        )


def choices_of(program: Program) -> Choices:
    """Return how the host drives a program."""
    said: Any = program.metadata["row_pairs"]
    if isinstance(said, dict):
        said = tuple(bool(said[p.name]) for p in program.network.neurons)
    return Choices(str(program.metadata["order"]), said if isinstance(said, tuple) else bool(said))


def with_integers(
    chip: CrossbarChip,
    program: Program,
    wiring: Wiring,
    integers: Integers,
    choices: Choices,
    **said: object,
) -> Program:
    """Return ``program`` with other integers; ``said`` is added to its metadata."""
    made = plan(wiring, integers, chip, choices)
    kept = {name: value for name, value in program.metadata.items() if name not in _MEASURED}
    return replace(
        program,
        image=chip.pack(made.contents),
        layout=made.layout,
        resources=resources(chip, wiring, made),
        fit=_fit(program.fit, wiring, integers, made),
        metadata={**kept, **said},
    )


def _aligned(old: Wiring, new: Wiring, values: np.ndarray) -> np.ndarray:
    """Return rows of ``old``'s sources in the order of ``new``'s; 0 for those that are new."""
    found = np.zeros((len(new.weights), values.shape[1]), values.dtype)
    places = {key: i for i, key in enumerate(zip(old.channel, old.delay, strict=True))}
    for i, key in enumerate(zip(new.channel, new.delay, strict=True)):
        if key in places:
            found[i] = values[places[key]]
    found[new.inputs :] = values[old.inputs :]
    return found


def _fits(chip: CrossbarChip, wiring: Wiring, integers: Integers, choices: Choices) -> bool:
    signs = row_signs(wiring, integers)[wiring.inputs :]
    copies = int(signs.all(axis=1).sum()) if chip.row_pairs else 0
    rows = demanded_rows(chip, wiring, integers, choices)
    return rows <= chip.spec.rows and wiring.neurons + copies <= chip.spec.neurons


def _as_before(
    old: Wiring, new: Wiring, base: Integers, integers: Integers
) -> tuple[Integers, int]:
    """Keep weights and biases of the signs that the image has; return how many were lost."""
    there = _aligned(old, new, row_signs(old, base))
    there[: new.inputs][new.hosted] = True
    weights = integers.weights
    kept = np.where(weights < 0, there[:, :1], there[:, 1:])
    bias = integers.bias
    signs = (bool((base.bias < 0).any()), bool((base.bias > 0).any()))
    kept_bias = np.where(bias < 0, signs[0], signs[1])
    lost = int(((weights != 0) & ~kept).sum() + ((bias != 0) & ~kept_bias).sum())
    return integers.with_(weights=weights * kept, bias=bias * kept_bias), lost


def _fit(fit: Fit, wiring: Wiring, integers: Integers, made: Plan) -> Fit:
    """Return the fit with the errors of the new weights; nothing was measured with them."""
    fits = {}
    for name, span in wiring.spans():
        asked = np.vstack([wiring.weights[:, span], wiring.bias[None, span]])
        held = np.vstack([integers.weights[:, span], made.bias[None, span]])
        fits[name] = replace(
            fit.populations[name],
            weight_error=relative_error(asked, held / integers.scale[span]),
            weights=int((asked != 0).sum()),
            zeroed=int(((asked != 0) & (held == 0)).sum()),
            spike_agreement=None,
        )
    return Fit(fits)
