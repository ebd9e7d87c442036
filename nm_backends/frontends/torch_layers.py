"""PyTorch's own layers as NIR nodes. SpikingJelly's layers of the same names extend these."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import nir
import numpy as np
from torch import nn

from nm_backends.frontends import rules as F

if TYPE_CHECKING:
    from nm_backends.lowering.findings import Findings

__all__ = [
    "FOLDABLE",
    "NORMS",
    "affine_of_norm",
    "axes_of",
    "is_dropout",
    "layer_node",
    "passes",
    "to_array",
]

Shape = tuple[int, ...]
_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
FOLDABLE = (nn.Linear, nn.Conv1d, nn.Conv2d)
_AXES = {
    nn.Linear: (1, 1),
    nn.Conv1d: (2, 2),
    nn.Conv2d: (3, 3),
    nn.AvgPool1d: (2, 2),
    nn.AvgPool2d: (3, 3),
    nn.AdaptiveAvgPool2d: (3, 3),
    nn.MaxPool2d: (3, 3),
    nn.BatchNorm2d: (3, 3),
}
_REASONS = {
    "MaxPool": "a maximum of spikes is no weighted sum; use AvgPool2d or a strided convolution",
    "ReLU": "an activation between spiking neurons; leave it out or use a spiking neuron",
    "LSTM": "a gated recurrent layer is no spiking neuron",
    "GRU": "a gated recurrent layer is no spiking neuron",
    "LayerNorm": "it divides by a deviation that changes with every input; use BatchNorm",
    "GroupNorm": "it divides by a deviation that changes with every input; use BatchNorm",
}


def to_array(tensor: Any) -> np.ndarray:
    """Return a tensor or number as float64 without its gradient."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu().double().numpy()
    return np.array(tensor, dtype=np.float64)


def is_dropout(module: Any) -> bool:
    """Whether a layer lets everything pass in evaluation."""
    package = type(module).__module__.partition(".")[0]
    named = package == "spikingjelly" and type(module).__name__.startswith("Dropout")
    return named or isinstance(module, _DROPOUTS)


def passes(module: Any) -> bool:
    """Whether a layer changes nothing in evaluation."""
    return isinstance(module, nn.Identity) or is_dropout(module)


def axes_of(module: Any) -> tuple[int | None, int | None]:
    """Return how many axes a layer takes and gives for one sample; None where it does not say."""
    for kind, axes in _AXES.items():
        if isinstance(module, kind):
            return axes
    return (None, None)


def layer_node(name: str, module: Any, into: Shape, out: Shape, notes: Findings) -> Any | None:
    """Return the NIR node of a layer, or None with the reason in ``notes``."""
    for kind, make in _MAKERS.items():
        if isinstance(module, kind) and _computes_like(module, kind):
            return make(name, module, into, out, notes)
    called = type(module).__name__
    reason = next((text for word, text in _REASONS.items() if word in called), "")
    notes.add(F.unmapped_layer.at(f"{called} cannot be mapped", node=name, hint=reason))
    return None


def _computes_like(module: Any, kind: type[nn.Module]) -> bool:
    """Whether a subclass (SpikingJelly has one of each layer) leaves the computation as it is."""
    return type(module).forward is kind.forward or type(module).__name__ == kind.__name__


def _refuse(name: str, notes: Findings, message: str, hint: str = "") -> None:
    notes.add(F.unmapped_option.at(message, node=name, hint=hint))


def _linear(name: str, module: Any, into: Shape, out: Shape, notes: Findings) -> Any:
    weight = to_array(module.weight)
    if module.bias is None:
        return nir.Linear(weight)
    return nir.Affine(weight, to_array(module.bias))


def _conv(name: str, module: Any, into: Shape, out: Shape, notes: Findings) -> Any | None:
    if module.padding_mode != "zeros":
        _refuse(name, notes, f"padding_mode is {module.padding_mode!r}", "use 'zeros'")
        return None
    bias = np.zeros(module.out_channels) if module.bias is None else to_array(module.bias)
    padding = module.padding if isinstance(module.padding, str) else tuple(module.padding)
    flat = isinstance(module, nn.Conv1d)
    kind = nir.Conv1d if flat else nir.Conv2d

    def size(value: Any) -> Any:
        return int(value[0]) if flat and not isinstance(value, str) else value

    return kind(
        input_shape=into[1] if flat else into[1:],
        weight=to_array(module.weight),
        stride=size(tuple(module.stride)),
        padding=size(padding),
        dilation=size(tuple(module.dilation)),
        groups=module.groups,
        bias=bias,
    )


def _pool(name: str, module: Any, into: Shape, out: Shape, notes: Findings) -> Any | None:
    padded = np.any(np.asarray(module.padding))
    divisor = getattr(module, "divisor_override", None)
    if module.ceil_mode or divisor is not None or (padded and not module.count_include_pad):
        options = "ceil_mode=False, count_include_pad=True and no divisor_override"
        _refuse(name, notes, f"{type(module).__name__} must have {options}")
        return None
    kernel, stride, padding = (
        _numbers(v, len(into) - 1)
        for v in (module.kernel_size, module.stride or module.kernel_size, module.padding)
    )
    if isinstance(module, nn.AvgPool2d):
        return nir.AvgPool2d(np.array(kernel), np.array(stride), np.array(padding))
    weight = np.full((into[0], 1, kernel[0]), 1 / kernel[0])
    return nir.Conv1d(into[1], weight, stride[0], padding[0], 1, into[0], np.zeros(into[0]))


def _adaptive(name: str, module: Any, into: Shape, out: Shape, notes: Findings) -> Any | None:
    if any(i % o for i, o in zip(into[1:], out[1:], strict=True)):
        message = f"the windows of AdaptiveAvgPool2d overlap: {into[1:]} to {out[1:]}"
        _refuse(name, notes, message, "choose an output size that divides the input size")
        return None
    kernel = np.array([i // o for i, o in zip(into[1:], out[1:], strict=True)])
    return nir.AvgPool2d(kernel, kernel, np.zeros(2, dtype=np.int64))


def _flatten(name: str, module: Any, into: Shape, out: Shape, notes: Findings) -> Any | None:
    if len(out) != 1:
        message = f"it turns {into} into {out}"
        _refuse(name, notes, message, "flatten all axes of a sample")
        return None
    return nir.Flatten({"input": np.array(into)}, start_dim=0, end_dim=-1)


def affine_of_norm(module: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return factor and offset of batch normalisation in evaluation, per channel."""
    deviation = np.sqrt(to_array(module.running_var) + module.eps)
    factor = 1 / deviation if module.weight is None else to_array(module.weight) / deviation
    offset = -to_array(module.running_mean) * factor
    return factor, offset if module.bias is None else offset + to_array(module.bias)


def _norm(name: str, module: Any, into: Shape, out: Shape, notes: Findings) -> Any | None:
    if module.running_mean is None:
        _refuse(name, notes, "batch normalisation without running averages", "track_running_stats")
        return None
    factor, offset = affine_of_norm(module)
    channels = into[0]
    if len(into) == 1:
        return nir.Affine(np.diag(factor), offset)
    weight = factor.reshape(channels, 1, *(1,) * (len(into) - 1))
    if len(into) == 2:
        return nir.Conv1d(into[1], weight, 1, 0, 1, channels, offset)
    return nir.Conv2d(into[1:], weight, 1, 0, 1, channels, offset)


def _numbers(value: Any, count: int) -> tuple[int, ...]:
    given = value if isinstance(value, tuple) else (value,) * count
    return tuple(int(n) for n in given)


_MAKERS: dict[type, Callable[[str, Any, Shape, Shape, Findings], Any]] = {
    nn.Linear: _linear,
    nn.Conv1d: _conv,
    nn.Conv2d: _conv,
    nn.AvgPool1d: _pool,
    nn.AvgPool2d: _pool,
    nn.AdaptiveAvgPool2d: _adaptive,
    nn.Flatten: _flatten,
    nn.BatchNorm1d: _norm,
    nn.BatchNorm2d: _norm,
}
