"""Shape rules of single nodes: what they take and what they give."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nm_backends.lowering import repairs as W
from nm_backends.lowering import rules as E
from nm_backends.lowering.model import Node
from nm_backends.rules import Diagnostic, Report

__all__ = ["Shape", "ShapeError", "Window", "expected_input", "output_shape", "window"]

Shape = tuple[int, ...]
_STATES = {
    "Scale": ("scale",),
    "Threshold": ("threshold",),
    "Delay": ("delay",),
}
_NEURON_FIELDS = ("tau", "tau_mem", "tau_syn", "r", "v_leak", "v_threshold", "v_reset", "w_in")


class ShapeError(Exception):
    """A shape that does not fit, with what was wanted and found."""

    def __init__(
        self, message: str, wanted: object = "", found: object = "", hint: str = ""
    ) -> None:
        super().__init__(message)
        self.message, self.wanted, self.found, self.hint = message, wanted, found, hint

    def finding(self, node: str, source: str) -> Diagnostic:
        """Return the finding for ``node``, which is fed by ``source``."""
        origin = f" from {source}" if source != node else ""
        found = f"{self.found}{origin}" if self.found != "" else origin.strip()
        kernel = isinstance(self, KernelError)
        rule = E.bad_kernel if kernel else E.shape_mismatch
        return rule.at(self.message, node=node, found=found, limit=self.wanted, hint=self.hint)


class KernelError(ShapeError):
    """A window that cannot be laid over its input."""


def parameter_fields(node: Node) -> tuple[str, ...]:
    """Return the names of the fields that have the shape of the node itself."""
    return _STATES.get(node.kind, _NEURON_FIELDS)


def expected_input(node: Node, incoming: Shape | None, report: Report | None) -> Shape | None:
    """Return the shape that ``node`` needs; 0 stands for any length, None for anything.

    With ``incoming`` given, the answer is exact, and what had to be repaired is reported.
    """
    if node.kind in ("Affine", "Linear"):
        return _linear(node)
    if node.kind in ("Conv1d", "Conv2d"):
        return _conv(node, incoming, report)
    if node.kind in ("SumPool2d", "AvgPool2d"):
        return _pool(incoming)
    if node.kind == "Flatten":
        declared = node.fields.get("input_type")
        if incoming is None and declared and all(n > 0 for n in declared):
            return tuple(declared)
        return None
    if node.kind in _STATES or node.is_neuron:
        return _elementwise(node, incoming, report)
    return None


def _linear(node: Node) -> Shape | None:
    weight = node.fields.get("weight")
    if weight is None:
        return None
    if weight.ndim < 2:
        raise ShapeError("a weight matrix has at least two dimensions", "(out, in)", weight.shape)
    return (*weight.shape[:-2], weight.shape[-1])


def _conv(node: Node, incoming: Shape | None, report: Report | None) -> Shape | None:
    weight = node.fields.get("weight")
    dims = 1 if node.kind == "Conv1d" else 2
    if weight is None:
        return None
    if weight.ndim != dims + 2:
        raise ShapeError(f"{node.kind} weights have {dims + 2} dimensions", "", weight.shape)
    channels = int(weight.shape[1]) * _groups(node)
    noted = node.fields.get("input_shape")
    noted = tuple(noted) if noted and len(noted) == dims and all(n > 0 for n in noted) else None
    if incoming is None:
        return (channels, *(noted or (0,) * dims))
    if len(incoming) == dims and channels == 1:
        incoming = (1, *incoming)
    while len(incoming) > dims + 1 and incoming[0] == 1:
        incoming = incoming[1:]
    if len(incoming) != dims + 1 or incoming[0] != channels:
        if noted and math.prod(incoming) == channels * math.prod(noted):
            return (channels, *noted)
        wanted = (channels, *(noted or ("any",) * dims))
        raise ShapeError(f"{node.kind} receives the wrong shape", wanted, incoming)
    if noted != incoming[1:] and report is not None:
        has = f"notes input_shape {noted}" if noted else "notes no input_shape"
        message = f"{node.kind} {has}; it receives {incoming[1:]}, which is used"
        report.add(W.conv_input_shape.at(message, node=node.name))
    return incoming


def _groups(node: Node) -> int:
    groups = _pair(node.fields.get("groups", 1))[0]
    out = int(node.fields["weight"].shape[0])
    if groups < 1 or out % groups:
        raise KernelError(f"groups must divide the {out} output channels", out, groups)
    return groups


def _pool(incoming: Shape | None) -> Shape:
    if incoming is None:
        return (0, 0, 0)
    while len(incoming) > 3 and incoming[0] == 1:
        incoming = incoming[1:]
    if len(incoming) != 3:
        raise ShapeError("pooling needs (channels, height, width)", "3 dimensions", incoming)
    return incoming


def _elementwise(node: Node, incoming: Shape | None, report: Report | None) -> Shape | None:
    """Return the node's shape: its largest parameter, fitted to what arrives."""
    arrays = {n: node.fields[n] for n in parameter_fields(node) if n in node.fields}
    arrays = {n: a for n, a in arrays.items() if isinstance(a, np.ndarray)}
    try:
        own = np.broadcast_shapes(*(a.shape for a in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{n} {a.shape}" for n, a in arrays.items())
        raise ShapeError("the parameters have different shapes", "one shape", shapes) from None
    if incoming is None:
        return own if math.prod(own) > 1 or len(own) == 1 else None
    shape = _fit(own, incoming)
    if report is not None:
        _report_fit(node, arrays, own, shape, report)
    return shape


def _fit(own: Shape, incoming: Shape) -> Shape:
    """Return the shape of a node with parameters of shape ``own`` that receives ``incoming``."""
    while len(own) > len(incoming) and own[0] == 1:
        own = own[1:]
    if len(own) == len(incoming) and all(o in (1, i) for o, i in zip(own, incoming, strict=True)):
        return incoming
    if math.prod(own) == 1:
        return incoming
    if math.prod(own) == math.prod(incoming):
        return own
    raise ShapeError("the parameters do not fit what the node receives", own, incoming)


def _report_fit(
    node: Node, arrays: dict[str, np.ndarray], own: Shape, shape: Shape, report: Report
) -> None:
    if len(own) > len(shape):
        message = f"the parameters have shape {own}; the node has {shape}"
        report.add(W.batch_parameters.at(message, node=node.name))
    size = math.prod(shape)
    small = [
        f"{n} {a.shape}" for n, a in arrays.items() if a.size < size and n not in node.defaulted
    ]
    if small:
        message = f"used for all {size} elements: {', '.join(small)}"
        report.add(W.broadcast_field.at(message, node=node.name))


def output_shape(node: Node, into: Shape, report: Report) -> Shape:
    """Return what ``node`` gives when it takes ``into``."""
    if node.kind in ("Affine", "Linear"):
        return _linear_output(node)
    if node.kind in ("Conv1d", "Conv2d"):
        return _conv_output(node, into, report)
    if node.kind in ("SumPool2d", "AvgPool2d"):
        return (into[0], *(axis.out for axis in window(node, into)))
    if node.kind == "Flatten":
        return _flatten(node, into, report)
    return into


def _linear_output(node: Node) -> Shape:
    weight, bias = node.fields["weight"], node.fields.get("bias")
    out = (*weight.shape[:-2], weight.shape[-2])
    if bias is not None and bias.size > 1 and bias.size != math.prod(out):
        raise ShapeError("the bias does not have the size of the output", out, bias.shape)
    return tuple(int(n) for n in out)


def _conv_output(node: Node, into: Shape, report: Report) -> Shape:
    channels = int(node.fields["weight"].shape[0])
    bias = node.fields.get("bias")
    if bias is not None and bias.size not in (1, channels):
        raise ShapeError("the bias has one value per output channel", (channels,), bias.shape)
    axes = window(node, into)
    same = isinstance(node.fields.get("padding"), str) and node.fields["padding"] == "same"
    if same and any(a.stride > 1 for a in axes):
        message = f"padding 'same' with stride {axes[-1].stride}: the output is {axes[-1].out} wide"
        report.add(W.same_with_stride.at(message, node=node.name))
    return (channels, *(axis.out for axis in axes))


def _flatten(node: Node, into: Shape, report: Report) -> Shape:
    start, end = (int(_pair(node.fields[f])[0]) for f in ("start_dim", "end_dim"))
    declared = node.fields.get("input_type")
    if declared and len(declared) == len(into) + 1:
        if start > 0 or start < -len(into):
            message = f"Flatten counts a batch axis: input_type {tuple(declared)}, gets {into}"
            report.add(W.flatten_batch.at(message, node=node.name))
        start, end = (max(d - 1, 0) if d > 0 else d for d in (start, end))
    first = start if start >= 0 else max(start + len(into), 0)
    last = end if end >= 0 else end + len(into)
    if first >= len(into):  # only a batch axis makes sense of start_dim=1 on a vector
        return into
    last = min(max(last, first), len(into) - 1)
    return (*into[:first], math.prod(into[first : last + 1]), *into[last + 1 :])


@dataclass(frozen=True)
class Window:
    """A sliding window along one axis."""

    size: int
    kernel: int
    stride: int
    before: int
    after: int
    dilation: int

    @property
    def out(self) -> int:
        """Number of positions."""
        span = self.dilation * (self.kernel - 1) + 1
        return (self.size + self.before + self.after - span) // self.stride + 1


def window(node: Node, into: Shape) -> tuple[Window, ...]:
    """Return the windows of a convolution or pooling over the spatial axes of ``into``."""
    spatial = into[1:]
    if node.kind in ("Conv1d", "Conv2d"):
        kernels = tuple(int(k) for k in node.fields["weight"].shape[2:])
    else:
        kernels = _axes(node, "kernel_size", len(spatial))
    strides = kernels if node.fields.get("stride") is None else _axes(node, "stride", len(spatial))
    dilations = _axes(node, "dilation", len(spatial)) if "dilation" in node.fields else (1,) * 2
    axes = []
    for i, size in enumerate(spatial):
        kernel, stride, dilation = kernels[i], strides[i], dilations[i]
        if min(kernel, stride, dilation) < 1:
            raise KernelError(
                "kernel, stride and dilation are at least 1", 1, (kernel, stride, dilation)
            )
        before, after = _padding(node, i, len(spatial), size, kernel, stride, dilation)
        axis = Window(size, kernel, stride, before, after, dilation)
        if min(before, after) < 0 or dilation * (kernel - 1) + 1 > size + before + after:
            message = f"a kernel of {kernel} (dilation {dilation}) does not fit"
            raise KernelError(message, f"{size} padded by {before + after}", kernel)
        axes.append(axis)
    return tuple(axes)


def _padding(
    node: Node, axis: int, axes: int, size: int, kernel: int, stride: int, dilation: int
) -> tuple[int, int]:
    padding = node.fields.get("padding", 0)
    if isinstance(padding, str):
        if padding == "valid":
            return 0, 0
        total = max((-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
        return total // 2, total - total // 2
    amount = _axes(node, "padding", axes)[axis]
    return amount, amount


def _axes(node: Node, name: str, count: int) -> tuple[int, ...]:
    values = _pair(node.fields[name])
    return values if len(values) == count else (values[0],) * count


def _pair(value: object) -> tuple[int, ...]:
    return tuple(int(v) for v in np.asarray(value).reshape(-1))
