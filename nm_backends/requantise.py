"""A program whose network has got other weights: the image follows, without compiling anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nm_backends.errors import UserError

if TYPE_CHECKING:
    from nm_backends.network import Network
    from nm_backends.program import Program

__all__ = ["requantise"]


def requantise(program: Program, network: Network, calibrate: Any = None) -> Program:
    """Return a program with the weights and biases of another network.

    Parameters
    ----------
    program
        What was compiled. It is not changed.
    network
        ``program.network`` with other weights and biases.
    calibrate
        For chips whose backend has no quick way and compiles anew: spikes, as for
        `nm_backends.compile`.

    Returns
    -------
    Program
        Scales, thresholds and, as far as the signs of the weights allow, the placement are those of
        ``program``. Unchanged weights give the same image. Its report is that of ``program``.

    Raises
    ------
    UserError
        The networks differ in more than weights and biases.
    """
    from nm_backends.assumptions import backend_of
    from nm_backends.compiler import compile_model

    _check_same(program.network, network)
    quick = getattr(backend_of(program), "requantise", None)
    if quick is None:
        return compile_model(network, program.chip, calibrate=calibrate, options=program.options)
    made: Program = quick(program, network)
    return made


def _check_same(old: Network, new: Network) -> None:
    for what, before, after in (
        ("populations", _populations(old), _populations(new)),
        ("projections", _projections(old), _projections(new)),
    ):
        if before != after:
            odd = sorted(map(str, before ^ after))[0]
            raise UserError(
                f"requantise: the networks differ in their {what}: {odd}",
                "compile the other network",
            )


def _populations(network: Network) -> set[Any]:
    return {(p.name, p.shape, p.node_type, p.reset) for p in network.populations.values()}


def _projections(network: Network) -> set[Any]:
    return {(p.pre, p.post, p.delay, p.weights.shape) for p in network.projections}
