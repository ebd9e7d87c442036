"""Lowering for users: any model that a frontend knows, not only NIR."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from nm_backends.frontends import lower_any
from nm_backends.rules import CompileError

if TYPE_CHECKING:
    from nm_backends.discretisation import Discretisation
    from nm_backends.network import Network

__all__ = ["lower"]


def lower(model: Any, discretisation: Discretisation | None = None, sample: Any = None) -> Network:
    """Lower any model to a `Network` in discrete time; say on stderr what had to be assumed.

    Parameters
    ----------
    model
        Path of a ``.nir`` file, a ``nir.NIRGraph``, or an object that a frontend claims.
    discretisation
        What the model does not say. Whatever had to be assumed or repaired is also a warning in
        ``network.report``.
    sample
        One batch of input, for models of a framework: they are run on it to see how their layers
        are connected and whether the network does what they do.

    Raises
    ------
    CompileError
        With everything that is wrong, not just the first finding.
    """
    network, report = lower_any(model, discretisation, sample)
    if network is None:
        raise CompileError(report)
    if network is not model:
        for finding in network.report.warnings:
            print(finding, file=sys.stderr)
    return network
