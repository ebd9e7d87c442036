"""The functions of the public API that combine several rooms of the house."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from nm_backends.frontends import prepare

if TYPE_CHECKING:
    import numpy as np

    from nm_backends.discretisation import Discretisation
    from nm_backends.network import Network
    from nm_backends.result import Result

__all__ = ["lower", "reference"]


def lower(model: Any, discretisation: Discretisation | None = None) -> Network:
    """Lower any model to a `Network` in discrete time.

    Parameters
    ----------
    model
        Path of a ``.nir`` file, a ``nir.NIRGraph``, or an object that a frontend claims.
    discretisation
        What the model does not say. Whatever had to be assumed is a warning in ``network.report``.

    Raises
    ------
    CompileError
        With everything that is wrong, not just the first finding.
    """
    from nm_backends.lowering import lower as lower_graph

    return lower_graph(*prepare(model, discretisation))


def reference(
    model: Any,
    spikes: np.ndarray | Mapping[str, np.ndarray],
    discretisation: Discretisation | None = None,
    record: Collection[str] = (),
) -> Result:
    """Run a model in float64, on no chip: the yardstick for every chip.

    Parameters
    ----------
    model
        As for `lower`, or a `Network`.
    spikes
        ``[time, batch, *input shape]``, without the batch axis for one sample.
    record
        ``("membrane",)`` keeps the membranes.
    """
    from nm_backends.lowering.reference import reference as run

    return run(lower(model, discretisation), spikes, record)
