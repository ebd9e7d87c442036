"""Parameters of Lava's processes, in floating or fixed point, as numbers per step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

__all__ = ["Arithmetic", "Neurons", "by_delay", "convolution", "guess", "neurons", "weights"]

Arithmetic = Literal["floating_pt", "fixed_pt"]
_UNITY = 4096  # decays have 12 bits
_SHIFT = 64  # membranes are kept with 6 more bits than weights and thresholds
_WEIGHT_BITS = 8


@dataclass(frozen=True)
class Neurons:
    """One LIF process: per step, in the unit of its threshold.

    Parameters
    ----------
    du, dv
        Share of the current and of the membrane that is lost in a step, 0 to 1, ``[size]``.
    bias, threshold, u0, v0
        As in Lava, ``[size]``.
    rounding
        By how much current and membrane can be off after one step, as Lava rounds them.
    """

    du: np.ndarray
    dv: np.ndarray
    bias: np.ndarray
    threshold: np.ndarray
    u0: np.ndarray
    v0: np.ndarray
    rounding: tuple[float, float] = (0.0, 0.0)


def init(process: Any, name: str) -> np.ndarray:
    """Return the initial value of a Var."""
    return np.asarray(getattr(process, name).init)


def neurons(process: Any, arithmetic: Arithmetic) -> Neurons:
    """Return the parameters of a LIF process."""
    size = int(np.prod(process.s_out.shape))

    def spread(values: np.ndarray) -> np.ndarray:
        flat = np.asarray(values, np.float64)
        shaped = flat if flat.size == 1 else flat.reshape(process.s_out.shape)
        return np.array(np.broadcast_to(shaped, process.s_out.shape)).reshape(size)

    get = partial(init, process)
    if arithmetic == "floating_pt":
        du, dv, bias, vth, u, v = (
            spread(get(name)) for name in ("du", "dv", "bias_mant", "vth", "u", "v")
        )
        return Neurons(du, dv, bias, vth, u, v)
    du = spread(get("du").astype(np.uint16)) + 1  # Loihi's offset of one
    dv = spread(get("dv").astype(np.uint16))
    mantissa, exponent = get("bias_mant").astype(np.int32), get("bias_exp").astype(np.int64)
    left, right = np.maximum(exponent, 0), np.maximum(-exponent, 0)
    bias = np.where(exponent >= 0, mantissa << left, mantissa >> right)
    rounded = (1 / _SHIFT if (du < _UNITY).any() else 0.0, 1 / _SHIFT if dv.any() else 0.0)
    return Neurons(
        du / _UNITY,
        dv / _UNITY,
        spread(bias) / _SHIFT,
        spread(get("vth").astype(np.int32)),
        spread(get("u").astype(np.int32)) / _SHIFT,
        spread(get("v").astype(np.int32)) / _SHIFT,
        rounded,
    )


def weights(process: Any, matrix: Any, arithmetic: Arithmetic, kind: str) -> tuple[Any, float]:
    """Return effective weights (same type as ``matrix``), and how far their sum is rounded."""
    if arithmetic == "floating_pt":
        return matrix.astype(np.float64), 0.0
    whole = matrix.astype(np.int32)
    if kind == "Conv":  # its fixed-point model knows neither exponent nor number of bits
        return whole.astype(np.float64), 0.0
    given = process.proc_params.get
    values = whole if isinstance(whole, np.ndarray) else whole.data
    sign = getattr(given("sign_mode", None), "name", None) or _sign_mode(whole)
    values = _truncated(values, sign, given("num_weight_bits", _WEIGHT_BITS))
    exponent = int(given("weight_exp", 0) or 0)
    lost = exponent < 0 and bool((values % 2**-exponent).any())
    values = values * 2.0**exponent
    if isinstance(whole, np.ndarray):
        return values, float(lost)
    result = whole.astype(np.float64)
    result.data = values
    return result, float(lost)


def _sign_mode(matrix: Any) -> str:
    if matrix.min() >= 0:
        return "EXCITATORY"
    return "INHIBITORY" if matrix.max() <= 0 else "MIXED"


def _truncated(values: np.ndarray, sign: str, bits: int) -> np.ndarray:
    """Clip to 8 bits and a sign, and drop the bits that the synapses do not have."""
    mixed = sign == "MIXED"
    turned = -values if sign == "INHIBITORY" else values
    low = -(1 << _WEIGHT_BITS) if mixed else 0
    turned = np.clip(turned, low, (1 << _WEIGHT_BITS) - 1)
    drop = _WEIGHT_BITS - int(bits) + mixed
    turned = (turned >> drop) << drop
    return np.asarray(-turned if sign == "INHIBITORY" else turned)


def convolution(process: Any) -> Any:
    """Return the matrix of a Conv process, ``[outputs, inputs]``, both flat in C order."""
    from lava.proc.conv.utils import conv_to_sparse
    from scipy.sparse import csr_matrix

    shapes = tuple(process.input_shape), tuple(int(n) for n in process.output_shape)
    options = [tuple(np.ravel(init(process, name))) for name in ("stride", "padding", "dilation")]
    groups, kernel = int(np.ravel(init(process, "groups"))[0]), init(process, "weight")
    post, pre, values = conv_to_sparse(*shapes, kernel, *options, groups)
    inputs, outputs = (int(np.prod(shape)) for shape in shapes)
    return csr_matrix((values, (post, pre)), shape=(outputs, inputs))


def by_delay(process: Any, matrix: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Cut a matrix into those synapses that wait the same number of steps more than one."""
    delays = getattr(process, "delays", None)
    if delays is None:
        yield 0, matrix
        return
    given = delays.init
    waits = np.broadcast_to(given.toarray() if hasattr(given, "toarray") else given, matrix.shape)
    there = np.unique(waits[matrix != 0]) if (matrix != 0).any() else np.zeros(1, int)
    for wait in there:
        yield int(wait), np.where(waits == wait, matrix, 0.0)


def guess(neuron_processes: list[Any], connections: list[Any]) -> tuple[Arithmetic, bool]:
    """Return the arithmetic that the parameters speak of, and whether they do."""
    decays = [init(p, n) for p in neuron_processes for n in ("du", "dv")]
    if any((d > 1).any() for d in decays):
        return "fixed_pt", True
    if any(_has_bits(p) for p in connections) or any(
        init(p, "bias_exp").any() for p in neuron_processes
    ):
        return "fixed_pt", True
    numbers = decays + [init(p, n) for p in neuron_processes for n in ("vth", "bias_mant")]
    for process in connections:
        found = process.weights if hasattr(process, "weights") else process.weight
        numbers.append(np.asarray(getattr(found.init, "data", found.init)))
    return "floating_pt", any((np.asarray(n, float) % 1).any() for n in numbers)


def _has_bits(process: Any) -> bool:
    given = process.proc_params.get
    return bool(given("weight_exp", 0)) or given("num_weight_bits", 8) != 8
