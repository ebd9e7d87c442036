"""What a framework's frontend has to say about its modules; the rest is shared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from nm_backends.discretisation import Framework
    from nm_backends.frontends.neurons import Neuron
    from nm_backends.lowering.findings import Findings
    from nm_backends.network import SpikeCmp

__all__ = ["Dialect"]


class Dialect(Protocol):
    """One framework of spiking neurons on PyTorch.

    ``exporter`` is how its users call its own NIR exporter.
    """

    framework: Framework
    spike_cmp: SpikeCmp
    exporter: str

    def is_neuron(self, module: Any) -> bool:
        """Whether a module has a state of its own."""

    def is_timed(self, module: Any) -> bool:
        """Whether a neuron takes all time steps in one call: ``[time, batch, ...]``."""

    def axes(self, module: Any) -> tuple[int | None, int | None]:
        """Return how many axes a module takes and gives for one sample; None: as many as come."""

    def neuron(self, module: Any, name: str, notes: Findings) -> Neuron | None:
        """Return what a neuron module computes, or None with the reason in ``notes``."""

    def dt(self, neurons: Sequence[Any]) -> float:
        """Return the time step of a model with these neurons, in seconds."""

    def reset(self, model: Any) -> None:
        """Forget all states that the modules of ``model`` hold."""

    def run(self, model: Any, inputs: Sequence[Any]) -> list[Any]:
        """Call the model once for each input, states carried on; return all results."""
