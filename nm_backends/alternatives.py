"""What else holds a network that one chip does not: more chips of the kind, or another kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nm_backends.network import Network
    from nm_backends.rules import Diagnostic

__all__ = ["alternatives"]

_MOST = 4096  # neurons; cutting larger networks takes longer than a check should


def alternatives(network: Network, backend: Any) -> Iterator[Diagnostic]:
    """Yield what would hold a network that breaks rules of ``backend``; all rules are asked.

    Nothing is said of networks so large that asking would take long.
    """
    if sum(p.size for p in network.neurons) > _MOST:
        return
    from nm_backends.fit_rules import other_chips
    from nm_backends.system.rules import several_will_do

    chip = backend.spec.name
    count, how = _several(network, backend)
    if count:
        yield several_will_do.at(
            f"{count} {chip} will do, {how}" if count > 1 else f"one {chip} will do, {how}",
            hint='nmb compile --chips auto; nmb.compile(..., chips="auto")',
        )
    names = [name for name in _names() if name != chip and _keeps_rules(network, name)]
    if names:
        yield other_chips.at(
            f"no rule of {', '.join(names)} is in the way",
            hint="nmb compare MODEL --spikes SPIKES.npz says how well and at what cost",
        )


def _several(network: Network, backend: Any) -> tuple[int, str]:
    """Return how many chips of the kind hold a network (0: none do), and how."""
    from nm_backends.mesh import is_meshed, meshes
    from nm_backends.system.compiling import chips_needed

    if is_meshed(backend):
        *_, (size, _, found) = meshes(network, backend, max(backend.mesh_sizes))
        return size if found.ok else 0, "which route spikes among themselves"
    count = chips_needed(network, backend)
    if count == 1:
        return 1, "if the host is the synapse of inputs for which there is no room"
    return count, "if the host carries the spikes between them"


def _names() -> list[str]:
    from nm_backends.registry import chips

    return sorted(chips())


def _keeps_rules(network: Network, chip: str) -> bool:
    from nm_backends.first_order import first_order
    from nm_backends.mesh import asked
    from nm_backends.registry import get_backend

    backend = get_backend(chip)
    fitted, _ = first_order(network.model, backend.spec)
    return asked(fitted, backend).ok
