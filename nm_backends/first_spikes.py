"""The first spike of each input channel: all that chips with time-to-first-spike codes look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError

__all__ = ["FirstSpikes", "first_of", "holds_values", "latency_code"]

if TYPE_CHECKING:
    from nm_backends.program import Program
    from nm_backends.system.program import System

_AT_ONCE = 32  # samples that are counted together
_MAX_STEPS = 1 << 16


@dataclass(frozen=True, eq=False)
class FirstSpikes:
    """When each input channel spikes for the first time, sample by sample.

    Taken wherever spikes are: a chip that hears later spikes too gets them as counts.

    Parameters
    ----------
    step
        Step of the first spike, int32 ``[batch, channels]``; -1: none.
    steps
        Steps of a sample.
    later
        Spikes after the first of their channel, int64 ``[batch]``.
    timeless
        Whether they stand for values, so that results on a chip that reads first spikes need no
        more than their last step.
    """

    step: np.ndarray
    steps: int
    later: np.ndarray
    timeless: bool = False

    @classmethod
    def of(cls, counts: np.ndarray | FirstSpikes) -> FirstSpikes:
        """Return the first of spikes uint8 ``[time, batch, channels]``."""
        if isinstance(counts, FirstSpikes):
            return counts
        there = counts > 0
        first = there.argmax(axis=0) if len(counts) else np.zeros(counts.shape[1:], np.int64)
        step = np.where(there.any(axis=0), first, -1).astype(np.int32)
        total = counts.sum(axis=(0, 2), dtype=np.int64)
        return cls(step, len(counts), total - (step >= 0).sum(axis=1))

    @classmethod
    def joined(cls, parts: list[FirstSpikes]) -> FirstSpikes:
        """Return the samples of several, one after another."""
        return cls(
            np.concatenate([part.step for part in parts]),
            parts[0].steps,
            np.concatenate([part.later for part in parts]),
            all(part.timeless for part in parts),
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(time, batch, channels)`` of the counts."""
        return (self.steps, *self.step.shape)

    def samples(self, chosen: slice | np.ndarray) -> FirstSpikes:
        """Return some of the samples."""
        return FirstSpikes(self.step[chosen], self.steps, self.later[chosen], self.timeless)

    def part(self, first: int, end: int) -> np.ndarray:
        """Return counts uint8 ``[time, samples, channels]`` of samples ``first`` to ``end``."""
        step = self.step[first:end]
        counts = np.zeros((self.steps, *step.shape), np.uint8)
        sample, channel = np.nonzero(step >= 0)
        counts[step[sample, channel], sample, channel] = 1
        return counts

    def held(self) -> np.ndarray:
        """Return spikes uint8 ``[time, batch, channels]`` in every step from the first on.

        Models that count spikes then see what the first one says.
        """
        at = np.arange(self.steps)[:, None, None]
        return np.asarray((self.step >= 0) & (at >= self.step), np.uint8)


def first_of(source: Any, samples: slice) -> FirstSpikes:
    """Return the first spikes of some samples of what has ``shape`` and ``part(first, end)``."""
    if isinstance(source, FirstSpikes):
        return source.samples(samples)
    first, end, _ = samples.indices(source.shape[1])
    starts = range(first, max(end, first + 1), _AT_ONCE)
    return FirstSpikes.joined(
        [FirstSpikes.of(source.part(i, min(i + _AT_ONCE, end))) for i in starts]
    )


def latency_code(images: Any, steps: int = 255) -> FirstSpikes:
    """Return images as first spikes: the brighter a pixel, the earlier; black ones are silent.

    A pixel ``x`` of 1 to 255 spikes in step ``(255 - x) * steps // 255``.

    Parameters
    ----------
    images
        ``[batch, *shape]``: uint8, or numbers of 0 to 1 (then 255 times as much, rounded).
    steps
        Steps of a sample; 255 keep all values apart.

    Raises
    ------
    UserError
        Values out of range, or no axis for the batch.
    """
    given = np.asarray(images.detach() if hasattr(images, "detach") else images)
    if given.ndim < 2 or given.dtype.kind not in "biuf":
        raise UserError(
            f"images: {given.dtype}{list(given.shape)}, expected numbers [batch, *shape]",
            "a single image needs an axis for the batch: image[None]",
        )
    if not isinstance(steps, int) or not 1 <= steps <= _MAX_STEPS:
        raise UserError(f"steps is {steps!r}, expected 1 to {_MAX_STEPS}")
    whole = given.dtype.kind in "iu"
    low, high = (given.min(), given.max()) if given.size else (0, 0)
    if not (low >= 0 and high <= (255 if whole else 1)):
        raise UserError(
            f"images: {low:g} to {high:g}, expected {'0 to 255' if whole else '0 to 1'}"
        )
    value = given if whole else np.rint(given.astype(np.float64) * 255)
    flat = value.reshape(len(given), -1).astype(np.int32)
    step = np.where(flat > 0, (255 - flat) * steps // 255, -1).astype(np.int32)
    return FirstSpikes(step, steps, np.zeros(len(step), np.int64), timeless=True)


def holds_values(program: Program | System) -> bool:
    """Say whether layers hold a value per sample, computed from first spikes, instead of spikes."""
    from nm_backends.assumptions import backend_of

    return bool(getattr(backend_of(program), "first_spikes", False))
