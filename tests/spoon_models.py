"""Small SPOON networks and set-ups for tests."""

import numpy as np

from nm_spoon.graphs import spoon_graph
from nm_spoon.setup import Setup

ASSUMED = {"pixels": 100, "kernels": 3, "kernel_taps": 9, "features": 40, "hidden": 8, "outputs": 4}


def small_graph(seed=0, pool="max", signed=False, biases=False, stride=1):
    """6 x 6 pixels, three 3 x 3 kernels, 8 hidden neurons, 4 outputs."""
    rng = np.random.default_rng(seed)
    side = (6 - 3) // stride + 1
    features = 3 * (side // 2) ** 2 if pool != "none" else 3 * side**2
    given = [rng.normal(0, 0.1, n) for n in (3, 8, 4)] if biases else (None, None, None)
    return spoon_graph(
        rng.normal(0, 0.35, (8, features)), rng.normal(0, 0.4, (4, 8)),
        rng.normal(0.1, 0.25, (3, 1, 3, 3)), shape=(1, 6, 6), stride=stride, pool=pool,
        biases=tuple(given), signed=signed,
    )  # fmt: skip


def images(seed, number=40, shape=(6, 6)):
    rng = np.random.default_rng(seed)
    found = rng.integers(0, 256, (number, *shape)) * (rng.random((number, *shape)) < 0.7)
    return found.astype(np.uint8)


def random_setup(rng, *, shape=(1, 5, 6), kernels=2, size=(3, 2), stride=1, top=0, left=0,
                 pool=0, signed=False, large=127):  # fmt: skip
    """A set-up of random integers; kernels reach over the edges of the input as told."""
    rows = (shape[1] + 2 * top - size[0]) // stride + 1
    columns = (shape[2] + 2 * left - size[1]) // stride + 1
    half = 2 if pool else 1
    features = kernels * (rows // half) * (columns // half)

    def integers(*form, most=large):
        return rng.integers(-most - 1, most + 1, form).astype(np.int32)

    registers = {
        "INPUT_CHANNELS": shape[0], "INPUT_HEIGHT": shape[1], "INPUT_WIDTH": shape[2],
        "CONV_KERNELS": kernels, "KERNEL_HEIGHT": size[0], "KERNEL_WIDTH": size[1],
        "CONV_STRIDE": stride, "CONV_TOP": top, "CONV_LEFT": left, "MAP_HEIGHT": rows,
        "MAP_WIDTH": columns, "CONV_SHIFT": 7, "POOL_MODE": pool, "HIDDEN_NEURONS": 5,
        "HIDDEN_SHIFT": 8, "HIDDEN_SIGNED": int(signed), "OUTPUT_NEURONS": 3, "OUTPUT_SHIFT": 7,
        "OUTPUT_MID": 128, "LEARN": 3, "RATE_HIDDEN": 6, "RATE_OUTPUT": 11, "LFSR": 0xACE1,
    }  # fmt: skip
    return Setup(
        registers, integers(shape[0] * size[0] * size[1], kernels), integers(kernels, most=500),
        integers(features, 5), integers(5, most=500), integers(5, 3), integers(3, most=500),
        rng.integers(0, 2, (3, 5)).astype(np.int32) * 2 - 1,
    )  # fmt: skip
