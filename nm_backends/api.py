"""Lowering for users: any model that a frontend knows, not only NIR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nm_backends.frontends import prepare

if TYPE_CHECKING:
    from nm_backends.discretisation import Discretisation
    from nm_backends.network import Network

__all__ = ["lower"]


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
