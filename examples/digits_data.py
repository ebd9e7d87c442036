"""Handwritten digits as 16x16 images, and their rank-order code.

Two sources: the 8x8 digits that ship with scikit-learn (nothing to fetch), and MNIST from the four
idx files that the user has. Both become 8-bit images ``[samples, 16, 16]``, deskewed as in the
published experiments on ODIN.
"""

from typing import NamedTuple

import numpy as np

from nm_backends.errors import UserError
from nm_backends.idx_files import read_mnist

SIZE = 16
CLASSES = 10
TEST_DIGITS = 360  # the last of scikit-learn's 1,797; nothing is chosen on them


class Samples(NamedTuple):
    """Images uint8 ``[samples, 16, 16]`` and labels int64 ``[samples]``."""

    images: np.ndarray
    labels: np.ndarray


def asked_for(options, parser):
    """Return the name of a source, and `Samples` to train and to test with; or end with an error.

    Parameters
    ----------
    options
        ``mnist``, the folder of MNIST's files or None, and ``samples``, how many to train with.
    parser
        Of the command line; it tells what is wrong with the files.
    """
    try:
        if options.mnist:
            return f"MNIST in {options.mnist}", mnist(options.mnist, options.samples or 6000)
        return "scikit-learn's digits", scikit_digits(options.samples)
    except UserError as error:
        parser.error(f"{error}\n{error.hint}".rstrip())


def scikit_digits(train=None):
    """Return scikit-learn's digits: `Samples` to train with (all or the first), those to test."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images, labels = prepared(digits.images, 16), digits.target.astype(np.int64)
    first = slice(None, -TEST_DIGITS)
    trained = Samples(images[first][:train], labels[first][:train])
    return trained, Samples(images[-TEST_DIGITS:], labels[-TEST_DIGITS:])


def mnist(directory, train=6000):
    """Return the first ``train`` training images of MNIST, and its test images.

    Parameters
    ----------
    directory
        Holds ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte``
        and ``t10k-labels-idx1-ubyte``, plain or with ``.gz``.

    Raises
    ------
    UserError
        A file is missing, is no idx file, or does not fit the others.
    """
    return _mnist_part(directory, "train", train), _mnist_part(directory, "t10k", None)


def _mnist_part(directory, part, most):
    images, labels = read_mnist(directory, part, most)
    return Samples(prepared(images, 255), labels)


def prepared(images, white):
    """Return images ``[samples, height, width]`` of 0..``white``, deskewed, uint8 of 0..255.

    Whole numbers, because the last digit of a float may differ between machines, and with it the
    order of two pixels that are as good as equal.
    """
    floats = deskewed(resized(images * (255 / white), SIZE))
    return np.rint(floats.clip(0, 255)).astype(np.uint8)


def resized(images, size):
    """Return square images at another size: bilinear, averaging where it becomes smaller."""
    old = images.shape[1]
    centres = (np.arange(size) + 0.5) * old / size - 0.5
    weights = 1 - np.abs(np.arange(old) - centres[:, None]) / max(old / size, 1.0)
    weights = weights.clip(0)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights @ images @ weights.T


def deskewed(images):
    """Return images whose rows are shifted so that the axis of each digit stands upright."""
    y, x = np.mgrid[: images.shape[1], : images.shape[2]]
    mass = np.maximum(images.sum(axis=(1, 2)), 1e-9)

    def mean(values):
        return ((images * values).sum(axis=(1, 2)) / mass)[:, None, None]

    dx, dy = x - mean(x), y - mean(y)
    slope = mean(dx * dy) / np.maximum(mean(dy * dy), 1e-9)
    source = x + slope * dy
    left = np.floor(source).astype(int)
    part = source - left

    def pixels(columns):
        inside = (columns >= 0) & (columns < images.shape[2])
        return np.take_along_axis(images, columns * inside, axis=2) * inside

    return pixels(left) * (1 - part) + pixels(left + 1) * part


def rank_order(images, pixels, group):
    """Return spikes uint8 ``[time, samples, 256]``: the brightest pixels fire once, in that order.

    Parameters
    ----------
    images
        uint8 ``[samples, 16, 16]``; of equal pixels the upper left one fires first.
    pixels
        How many fire, a multiple of ``group``.
    group
        How many fire in one step.
    """
    flat = images.reshape(len(images), -1)
    order = np.argsort(255 - flat, axis=1, kind="stable")[:, :pixels]
    spikes = np.zeros((pixels // group, *flat.shape), np.uint8)
    step = np.arange(pixels) // group
    spikes[step, np.arange(len(flat))[:, None], order] = 1
    return spikes
