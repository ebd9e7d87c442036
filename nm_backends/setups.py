"""Images written by hand: what a chip's rules about set-ups say of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from nm_backends.chip import ChipSpec
from nm_backends.errors import UserError
from nm_backends.image import Image
from nm_backends.image_check import check_image
from nm_backends.rules import Report, Rule, Severity

__all__ = ["Finding", "check_setups"]

S = TypeVar("S")
Finding = Callable[[Any], Iterable[dict[str, Any]]]


def check_setups(
    image: Image,
    spec: ChipSpec,
    decode: Callable[[Image], S],
    findings: Iterable[tuple[Severity, Finding]],
    rules: Mapping[str, Rule],
) -> Report:
    """Ask every finding about an image.

    Parameters
    ----------
    decode
        Makes of an image that fits the chip what the findings look at.
    findings
        Each yields keyword arguments of `Rule.at`; its severity is that of its rule.
    rules
        The rule of each finding, by the finding's name.

    Raises
    ------
    UserError
        When it is no image of this chip.
    """
    problems = check_image(image, spec)
    if problems:
        raise UserError(f"image of {spec.name}: " + "; ".join(problems))
    setup, report = decode(image), Report(spec.name, "set-up")
    for _, finding in findings:
        rule = rules[finding.__name__]
        report.extend(rule.at(**found) for found in finding(setup))
    return report
