"""Linear nodes as matrices, against naive loops over the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nir_graphs import QUIET, affine, conv, graph, inp, lif, linear, node, out, pool

from nm_backends.lowering import lower, lower_collect

SMALL = settings(max_examples=40, deadline=None)


def naive_conv(x, weight, stride, pads, dilation, groups):
    """Compute a grouped convolution, output by output; ``pads``: (before, after) per axis."""
    filters, per_group, kh, kw = weight.shape
    padded = np.pad(x, ((0, 0), *pads))
    high = (padded.shape[1] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    wide = (padded.shape[2] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    result = np.zeros((filters, high, wide))
    for f in range(filters):
        first = f // (filters // groups) * per_group
        for y in range(high):
            for z in range(wide):
                rows = y * stride[0] + dilation[0] * np.arange(kh)
                cols = z * stride[1] + dilation[1] * np.arange(kw)
                patch = padded[first : first + per_group][:, rows][:, :, cols]
                result[f, y, z] = (patch * weight[f]).sum()
    return result


def naive_pool(x, kernel, stride, padding, average):
    padded = np.pad(x, ((0, 0), (padding[0],) * 2, (padding[1],) * 2))
    high = (padded.shape[1] - kernel[0]) // stride[0] + 1
    wide = (padded.shape[2] - kernel[1]) // stride[1] + 1
    result = np.zeros((x.shape[0], high, wide))
    for y in range(high):
        for z in range(wide):
            top, left = y * stride[0], z * stride[1]
            patch = padded[:, top : top + kernel[0], left : left + kernel[1]]
            result[:, y, z] = patch.mean(axis=(1, 2)) if average else patch.sum(axis=(1, 2))
    return result


def weights_of(nodes, shape):
    """Lower Input -> nodes -> Output; return matrix, bias and output shape."""
    middle = {f"n{i}": n for i, n in enumerate(nodes)}
    network = lower(graph({"input": inp(*shape), **middle, "output": node("Output")}), QUIET)
    (projection,) = network.projections
    return projection.weights, network.output.bias, network.output.shape


def check(nodes, shape, expected, seed=0):
    """Compare the lowered chain with ``expected(x)`` on random input."""
    x = np.random.default_rng(seed).integers(-4, 5, shape).astype(float)
    matrix, bias, given_shape = weights_of(nodes, shape)
    wanted = expected(x)
    assert given_shape == wanted.shape
    np.testing.assert_allclose(
        (x.reshape(-1) @ matrix + bias).reshape(wanted.shape), wanted, atol=1e-9
    )


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@SMALL
@given(
    st.integers(1, 3), st.integers(1, 2), st.integers(1, 3), pairs, pairs,
    st.tuples(st.integers(0, 2), st.integers(0, 2)), pairs, st.integers(0, 2**16),
)  # fmt: skip
def test_conv2d(groups, per_group, per_filter, kernel, stride, padding, dilation, seed):
    rng = np.random.default_rng(seed)
    shape = (groups * per_group, 7, 9)
    weight = rng.integers(-3, 4, (groups * per_filter, per_group, *kernel)).astype(float)
    bias = rng.integers(-3, 4, groups * per_filter).astype(float)
    fields = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    made = conv(
        weight,
        shape[1:],
        **{k: np.array(v) for k, v in fields.items()},
    )
    made["bias"] = bias
    pads = [(p, p) for p in padding]

    def expected(x):
        return naive_conv(x, weight, stride, pads, dilation, groups) + bias[:, None, None]

    check([made], shape, expected, seed)


@SMALL
@given(
    st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2), st.integers(1, 2)
)
def test_conv1d(kernel, stride, padding, dilation, groups):
    rng = np.random.default_rng(kernel)
    weight = rng.integers(-3, 4, (2 * groups, 2, kernel)).astype(float)
    made = conv(
        weight, 11, dims=1, stride=stride, padding=padding, dilation=dilation, groups=groups
    )

    def expected(x):
        deep = naive_conv(
            x[:, None],
            weight[:, :, None],
            (1, stride),
            [(0, 0), (padding,) * 2],
            (1, dilation),
            groups,
        )
        return deep[:, 0]

    check([made], (2 * groups, 11), expected)


@SMALL
@given(pairs, pairs, st.booleans(), st.integers(0, 1))
def test_pooling(kernel, stride, average, pad):
    padding = (min(pad, kernel[0] - 1), 0)
    made = pool("AvgPool2d" if average else "SumPool2d", kernel, stride, padding)
    check([made], (2, 6, 8), lambda x: naive_pool(x, kernel, stride, padding, average))


@SMALL
@given(st.integers(1, 5), st.integers(1, 3), st.integers(1, 2), st.integers(5, 9))
def test_padding_same(kernel, dilation, stride, size):
    weight = np.arange(1.0, 1 + kernel).reshape(1, 1, 1, kernel)
    made = conv(weight, (3, size), padding="same", dilation=dilation, stride=stride)
    wide = -(-size // stride)
    total = max((wide - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    pads = [(0, 0), (total // 2, total - total // 2)]
    high = -(-3 // stride)
    total_high = max((high - 1) * stride + 1 - 3, 0)
    pads[0] = (total_high // 2, total_high - total_high // 2)

    def expected(x):
        result = naive_conv(x, weight, (stride, stride), pads, (dilation, dilation), 1)
        assert result.shape == (1, high, wide)
        return result

    check([made], (1, 3, size), expected)


@SMALL
@given(st.integers(0, 2**16))
def test_chain_of_everything_is_one_matrix_and_one_bias(seed):
    """Conv -> Scale -> AvgPool -> Flatten -> Affine -> Scale, biases pushed to the end."""
    rng = np.random.default_rng(seed)
    kernel, bias = rng.normal(size=(3, 2, 3, 3)), rng.normal(size=3)
    scale, last = rng.normal(size=(3, 6, 6)), rng.normal(size=4)
    weight, offset = rng.normal(size=(4, 27)), rng.normal(size=4)
    nodes = [
        conv(kernel, (6, 6), padding=1) | {"bias": bias},
        node("Scale", scale=scale),
        pool("AvgPool2d", (2, 2)),
        node("Flatten", input_type=np.array([3, 3, 3]), start_dim=0, end_dim=-1),
        affine(weight, offset),
        node("Scale", scale=last),
    ]

    def expected(x):
        y = naive_conv(x, kernel, (1, 1), [(1, 1), (1, 1)], (1, 1), 1) + bias[:, None, None]
        y = naive_pool(y * scale, (2, 2), (2, 2), (0, 0), average=True)
        return (weight @ y.reshape(-1) + offset) * last

    check(nodes, (2, 6, 6), expected, seed)


def test_linear_with_leading_axes_is_block_diagonal():
    weight = np.random.default_rng(0).normal(size=(2, 4, 3))
    check([linear(weight)], (2, 3), lambda x: np.einsum("aoi,ai->ao", weight, x))


def test_integer_and_float32_weights_are_kept_exactly():
    for dtype in (np.int8, np.float32, bool):
        weight = np.array([[1, 0], [1, 1]], dtype=dtype)
        matrix, _, _ = weights_of([node("Linear", weight=weight)], (2,))
        assert matrix.dtype == np.float64
        assert matrix.toarray().tolist() == [[1.0, 1.0], [0.0, 1.0]]


def test_flatten_follows_start_and_end_dim():
    made = node("Flatten", input_type=np.array([2, 3, 4]), start_dim=1, end_dim=2)
    assert weights_of([made], (2, 3, 4))[2] == (2, 12)


def test_same_padding_with_stride_is_a_warning():
    made = conv(np.ones((1, 1, 3, 3)), (5, 5), padding="same", stride=2)
    tree = graph({"input": inp(1, 5, 5), "c": made, "f": lif(1, 3, 3), "output": out(1, 3, 3)})
    network = lower(tree, QUIET)
    assert network.report.codes == {"NMB115"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stride": 0}, "kernel, stride and dilation are at least 1"),
        ({"dilation": np.array([1, -1])}, "kernel, stride and dilation are at least 1"),
        ({"dilation": 4}, "a kernel of 3 (dilation 4) does not fit"),
        ({"groups": 2}, "groups must divide the 3 output channels"),
        ({"padding": -1}, "a kernel of 3 (dilation 1) does not fit"),
    ],
)
def test_windows_that_cannot_be_laid(fields, message):
    made = conv(np.ones((3, 1, 3, 3)), (5, 5), **fields)
    tree = graph({"input": inp(1, 5, 5), "c": made, "output": node("Output")})
    _, report = lower_collect(tree, QUIET)
    assert [(d.code, d.node, d.message) for d in report.errors] == [("NMB019", "c", message)]


def test_too_many_synapses_are_refused_before_memory_is_used():
    made = conv(np.ones((64, 64, 5, 5)), (128, 128), padding=2)
    tree = graph({"input": inp(64, 128, 128), "big": made, "output": node("Output")})
    _, report = lower_collect(tree, QUIET)
    (finding,) = report.errors
    assert (finding.code, finding.node) == ("NMB014", "big")
    assert finding.found == f"{64 * 64 * 25 * 128 * 128:,}"


def test_a_product_of_matrices_may_be_too_large_too():
    wide = conv(np.ones((1, 1, 1, 1)), (1500, 1500))
    nodes = {"input": inp(1, 1500, 1500), "a": wide, "sum": linear(np.ones((1, 1500 * 1500)))}
    tree = graph({**nodes, "spread": linear(np.ones((300, 1))), "output": node("Output")})
    _, report = lower_collect(tree, QUIET)
    assert [(d.code, d.node) for d in report.errors] == [("NMB014", "spread")]
