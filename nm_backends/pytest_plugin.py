"""Fixtures for a user's own tests, which say whether a model still fits its chip, and how well.

They are there wherever nm-backends is installed::

    def test_deployment(nmb_fits):
        nmb_fits(model, "tinyodin", sample=batch)

    def test_accuracy(nmb_deploys):
        nmb_deploys(model, loader, ["tinyodin"], accuracy=0.9)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from nm_backends.deployment import DeploymentReport
    from nm_backends.rules import Report

__all__ = ["nmb_deploys", "nmb_fits"]


@pytest.fixture
def nmb_fits() -> Callable[..., Report]:
    """Give a function like `nm_backends.check`; the test fails with the findings if it is not ok.

    ``warnings=False`` lets the test fail for warnings too; ``allowed`` names codes that may stay.
    """

    def fits(
        model: Any, chip: str, *, warnings: bool = True, allowed: tuple[str, ...] = (), **how: Any
    ) -> Report:
        from nm_backends.compiler import check

        report = check(model, chip, **how)
        unwanted = [] if warnings else [d for d in report.warnings if d.code not in allowed]
        if not report.ok or unwanted:
            pytest.fail(str(report), pytrace=False)
        return report

    return fits


@pytest.fixture
def nmb_deploys() -> Callable[..., DeploymentReport]:
    """Give a function like `nm_backends.deployment_report`; the test fails below its limits.

    ``accuracy`` is the least on every chip, ``loss`` the most that a chip may be below floating
    point.
    """

    def deploys(
        *args: Any, accuracy: float = 0.0, loss: float = 1.0, **how: Any
    ) -> DeploymentReport:
        from nm_backends.comparing import deployment_report

        found = deployment_report(*args, **how)
        least = max(accuracy, (found.accuracy or 0.0) - loss)
        poor = [c.chip for c in found.chips.values() if (c.accuracy or 0.0) < least]
        if poor or not found.ok:
            below = f"below {least:.1%} on {', '.join(poor)}" if poor else "does not fit"
            pytest.fail(f"{below}\n{found}", pytrace=False)
        return found

    return deploys
