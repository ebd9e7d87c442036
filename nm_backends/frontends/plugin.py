"""The frontends that come with nm-backends, registered without importing a framework."""

from __future__ import annotations

import sys
from collections.abc import Callable

from nm_backends.entries import FrontendEntry
from nm_backends.hookspecs import hookimpl

__all__ = ["nm_register_frontends"]

_FRAMEWORKS = {
    "snntorch": "snnTorch modules: Leaky, RLeaky, Synaptic, RSynaptic, Lapicque",
    "norse": "Norse modules: LIF, LIFBox, LIFRecurrent, LI, IAF, in SequentialState or Lift",
    "spikingjelly": "SpikingJelly modules: IFNode, LIFNode, ParametricLIFNode, one or many steps",
}


@hookimpl
def nm_register_frontends(register: Callable[[FrontendEntry], None]) -> None:
    """Register one frontend for each framework."""
    summary = "Lava networks, by any of their processes: LIF, Dense, DelayDense, Sparse, Conv"
    register(FrontendEntry("lava", summary, _is_lava_process, "nm_backends.frontends.lava:load"))
    for name, summary in _FRAMEWORKS.items():
        loader = f"nm_backends.frontends.{name}:load"
        register(FrontendEntry(name, summary, _holds_modules_of(name), loader))


def _is_lava_process(model: object) -> bool:
    base = getattr(sys.modules.get("lava.magma.core.process.process"), "AbstractProcess", None)
    return base is not None and isinstance(model, base)


def _holds_modules_of(framework: str) -> Callable[[object], bool]:
    def claims(model: object) -> bool:
        torch = sys.modules.get("torch")
        if torch is None or framework not in sys.modules:
            return False
        return isinstance(model, torch.nn.Module) and any(
            any(base.__module__.partition(".")[0] == framework for base in type(part).__mro__)
            for part in model.modules()
        )

    return claims
