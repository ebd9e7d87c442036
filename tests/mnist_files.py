"""Files as MNIST has them, of random strokes."""

import gzip
import struct

import numpy as np

KINDS = {"images-idx3-ubyte": 0x803, "labels-idx1-ubyte": 0x801}


def idx(data, magic):
    return struct.pack(f">{1 + data.ndim}I", magic, *data.shape) + data.tobytes()


def mnist_like(folder, train=30, test=12, zipped=False):
    """Write four files as MNIST has them, with random strokes; return what they hold."""
    rng, held = np.random.default_rng(0), {}
    for part, number in (("train", train), ("t10k", test)):
        images = np.zeros((number, 28, 28), np.uint8)
        images[:, 6:22, 10:18] = rng.integers(0, 256, (number, 16, 8))
        labels = rng.integers(0, 10, number).astype(np.uint8)
        for (kind, magic), data in zip(KINDS.items(), (images, labels), strict=True):
            content = idx(data, magic)
            name = f"{part}-{kind}{'.gz' if zipped else ''}"
            (folder / name).write_bytes(gzip.compress(content) if zipped else content)
        held[part] = images, labels
    return held
