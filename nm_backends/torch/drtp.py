"""Learning without a backward pass: feedback alignment and direct random target projection.

`Feedback` wraps a feed-forward model and replaces what its hidden layers learn from, in one
interface for six methods. With activations ``y_k = f(W_k y_(k-1) + b_k)``, targets ``y*`` and fixed
random matrices ``B_k``, the gradient of the loss with respect to ``y_k`` is taken to be

======== ===============================================================================
BP       the true one
FA       the true chain, with a fixed random matrix in the place of each transposed weight
DFA      ``B_k^T (y_K - y*)``
sDFA     ``B_k^T sign(y_K - y*)``
DRTP     ``B_k^T y*``: known before the forward pass ends, the row of the label
shallow  0: only the output layer learns
======== ===============================================================================

The output layer always learns from its own loss. Source: C. Frenkel, M. Lefebvre, D. Bol, "Learning
without feedback: fixed random learning signals allow for feedforward training of deep neural
networks", Front. Neurosci. 15:629892, 2021.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from nm_backends.errors import UserError
from nm_backends.torch.hook_points import Points, find, first_of

__all__ = ["METHODS", "Feedback"]

METHODS = ("BP", "FA", "DFA", "sDFA", "DRTP", "shallow")
_ALIGNED = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)
_READOUTS: dict[str | None, Callable[[Any], torch.Tensor]] = {
    None: first_of,
    "sigmoid": lambda output: torch.sigmoid(first_of(output)),
    "softmax": lambda output: torch.softmax(first_of(output), dim=-1),
}


@dataclass
class _Call:
    """One run of the model: its targets, and its outputs once they are known."""

    targets: torch.Tensor | None = None
    outputs: torch.Tensor | None = None


class Feedback(torch.nn.Module):  # type: ignore[misc]
    """A model whose hidden layers learn by one of `METHODS`, whatever the loss and the optimiser.

    ``loss(feedback(inputs, targets), ...).backward()`` fills the gradients of the model's own
    parameters; evaluation, optimisers and exporters see the model as it was.

    Parameters
    ----------
    model
        Any feed-forward torch or snnTorch model. It is changed by hooks only; `remove` takes them
        away.
    method
        One of `METHODS`, in whatever case.
    sample
        One batch of inputs, which shows how the model is built; it runs in evaluation mode.
    layers
        Names of the modules that end the hidden layers. None: the first activation or spiking
        neuron after each layer with weights but the last, which is before the pooling in
        convolutional blocks that pool last.
    readout
        From what the model gives to ``y_K`` ``[batch, outputs]``, on which the error of DFA and
        sDFA is taken: None as it is, ``softmax`` and ``sigmoid`` where the loss holds these, or a
        function, such as ``lambda spikes: spikes.mean(0)`` for ``[time, batch, outputs]``.
    scale
        Factor of the signals of DFA, sDFA and DRTP, see the notes.
    seed
        Of the random matrices; None: torch's own generator.
    batch_axis
        Of the hidden layers' outputs: 1 where they are ``[time, batch, ...]``.

    Attributes
    ----------
    matrices
        Buffers by name of the hidden layer: ``B_k`` ``[outputs, *shape of a sample]`` (DFA, sDFA,
        DRTP); by name of the layer with weights: what stands for its weight backward (FA). Uniform
        within ``sqrt(6 / fan_in)``, fan_in being the units of the hidden layer, or those that the
        weight reads.

    Raises
    ------
    UserError
        An unknown method, a model without clear hidden layers, or targets that do not fit.

    Notes
    -----
    Faithful to the published algorithm including its scaling: a loss that averages over the batch
    (and over outputs) divides the gradients of the output layer by their number, and so those of
    all layers in BP and FA; the signals of DFA, sDFA and DRTP are not divided, so hidden layers get
    sums over the batch. Rates are therefore not comparable between the two groups; ``scale=1/n``
    divides the signals.

    In models that run over time the signal is applied to the spikes of every step, as it is known
    at every step in DRTP: this is the signal on the sum of the spikes, ``scale=1/steps`` makes it
    the one on their mean. Within a hidden layer gradients go through its membranes and its
    surrogate as always.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        method: str = "DRTP",
        *,
        sample: torch.Tensor,
        layers: Sequence[str] | None = None,
        readout: str | Callable[[Any], torch.Tensor] | None = None,
        scale: float = 1.0,
        seed: int | None = None,
        batch_axis: int = 0,
    ) -> None:
        super().__init__()
        self.model, self.method = model, _method(method)
        self.scale, self.batch_axis = scale, batch_axis
        self._readout = readout if callable(readout) else _known_readout(readout)
        self._call = _Call()
        self._handles: list[Any] = []
        points = find(model, sample, layers)
        self.outputs = self._outputs(points.output).shape[1]
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        self._names: list[str] = []
        if self.method == "FA":
            self._align(points, generator)
        elif self.method != "BP":
            self._replace(points, generator)

    def forward(self, *inputs: Any, targets: torch.Tensor | None = None) -> Any:
        """Run the model.

        Parameters
        ----------
        inputs
            Those of the model.
        targets
            Labels ``[batch]``, integers, or targets ``[batch, outputs]``. Needed where gradients
            will be taken of DFA, sDFA and DRTP.

        Returns
        -------
        Any
            What the model returns.
        """
        call = self._call = _Call(None if targets is None else self._targets(targets))
        try:
            output = self.model(*inputs)
        finally:
            self._call = _Call()
        if targets is not None:
            call.outputs = self._outputs(output).detach()
        return output

    def remove(self) -> torch.nn.Module:
        """Take the hooks away and return the model, which learns by BP again."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        return self.model

    def _outputs(self, output: Any) -> torch.Tensor:
        found = self._readout(output)
        if not isinstance(found, torch.Tensor) or found.ndim != 2:
            shape = list(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            raise UserError(
                f"the model's output is {shape}, expected [batch, outputs]",
                "say what stands for it: readout=lambda output: ...",
            )
        return found

    def _targets(self, targets: torch.Tensor) -> torch.Tensor:
        if targets.ndim == 1 and not targets.is_floating_point():
            if targets.numel() and not 0 <= int(targets.min()) <= int(targets.max()) < self.outputs:
                raise UserError(f"targets: labels outside of 0 to {self.outputs - 1}")
            return torch.nn.functional.one_hot(targets.long(), self.outputs)
        if targets.ndim != 2 or targets.shape[1] != self.outputs:
            raise UserError(
                f"targets are {list(targets.shape)} {targets.dtype}, "
                f"expected labels [batch] or [batch, {self.outputs}]"
            )
        return targets

    @property
    def matrices(self) -> dict[str, torch.Tensor]:
        """The fixed random matrices by name of a layer, see `Feedback`."""
        return {name: self._matrix(name) for name in self._names}

    def _matrix(self, name: str) -> torch.Tensor:
        found: torch.Tensor = getattr(self, f"_matrix{self._names.index(name)}")
        return found

    def _draw(self, name: str, like: torch.Tensor, generator: torch.Generator | None) -> None:
        """Draw one of `matrices`, in the shape of ``like``."""
        bound = math.sqrt(6 / like[0].numel())
        matrix = torch.empty(like.shape).uniform_(-bound, bound, generator=generator)
        self.register_buffer(f"_matrix{len(self._names)}", matrix.to(like))
        self._names.append(name)

    def _align(self, points: Points, generator: torch.Generator | None) -> None:
        """Lead gradients past each layer but the first through a random matrix."""
        for name in points.weighted[1:]:
            layer = self.model.get_submodule(name)
            if type(layer) not in _ALIGNED:
                kinds = ", ".join(kind.__name__ for kind in _ALIGNED)
                raise UserError(
                    f"FA: {name!r} is a {type(layer).__name__}, expected one of {kinds}"
                )
            self._draw(name, layer.weight.detach(), generator)
            before, after = _detour(layer, partial(self._matrix, name))
            self._handles.append(layer.register_forward_pre_hook(before))
            self._handles.append(layer.register_forward_hook(after))

    def _replace(self, points: Points, generator: torch.Generator | None) -> None:
        """Replace the gradient at the end of each hidden layer."""
        like = next(self.model.parameters())
        for name, shape in points.hidden.items():
            if self.method != "shallow":
                units = shape[self.batch_axis + 1 :]
                self._draw(name, like.new_empty(self.outputs, *units), generator)
            layer = self.model.get_submodule(name)
            self._handles.append(layer.register_forward_hook(self._hook(name)))

    def _hook(self, name: str) -> Callable[[Any, Any, Any], None]:
        def replace(_: Any, __: Any, output: Any) -> None:
            activation, call = first_of(output), self._call
            if activation.requires_grad:
                activation.register_hook(lambda gradient: self._signal(name, call, gradient))

        return replace

    def _signal(self, name: str, call: _Call, gradient: torch.Tensor) -> torch.Tensor:
        """Return what stands for the gradient at the end of a hidden layer."""
        if self.method == "shallow":
            return torch.zeros_like(gradient)
        if call.targets is None or call.outputs is None:
            raise UserError(
                f"{self.method} was asked for gradients of a run that had no targets",
                "run feedback(inputs, targets=labels), not the model itself",
            )
        signal: torch.Tensor = call.targets
        if self.method != "DRTP":
            signal = call.outputs - signal
        if self.method == "sDFA":
            signal = signal.sign()
        matrix = self._matrix(name)
        projected = self.scale * (signal.to(matrix) @ matrix.flatten(1))
        return projected.unflatten(1, matrix.shape[1:]).to(gradient).expand_as(gradient)


def _method(method: str) -> str:
    for known in METHODS:
        if known.lower() == method.lower():
            return known
    raise UserError(f"no method {method!r}", f"known: {', '.join(METHODS)}")


def _known_readout(name: str | None) -> Callable[[Any], torch.Tensor]:
    if name not in _READOUTS:
        raise UserError(f"no readout {name!r}", "known: softmax, sigmoid, or a function")
    return _READOUTS[name]


def _detour(
    layer: torch.nn.Module, weight: Callable[[], torch.Tensor]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return hooks before and after a layer: its input learns as if it had another weight."""
    passed: list[torch.Tensor] = []

    def before(_: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        passed[:] = inputs[:1]
        return (inputs[0].detach(), *inputs[1:])

    def after(_: Any, __: Any, output: torch.Tensor) -> torch.Tensor | None:
        given = passed.pop()
        if not given.requires_grad:
            return None
        aside = _linear(layer, given, weight())
        return output + (aside - aside.detach())

    return before, after


def _linear(layer: Any, given: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return what a layer makes of an input with another weight and no bias."""
    if isinstance(layer, torch.nn.Linear):
        return torch.nn.functional.linear(given, weight)
    made: torch.Tensor = layer._conv_forward(given, weight, None)
    return made
