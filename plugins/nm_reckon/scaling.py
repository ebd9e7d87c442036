"""Real weights as 8-bit integers, a threshold per pair, and where the radix points lie.

A membrane counts in units of which a weight is ``1 << shift``: the larger the shift, the finer are
membrane and leak, until thresholds and membranes reach the end of 16 bits. Spikes are binary, so
each neuron's weights may be scaled to the threshold that it shares with its partner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nm_backends.quantize import integer_thresholds, quantize_maxabs
from nm_reckon.pairing import pair_up, partners
from nm_reckon.spec import ALPHA_ONE, KAPPA_ONE, SPEC
from nm_reckon.topology import Topology

__all__ = [
    "Integers", "Peaks", "Shifts", "integers_of", "loss_of", "places", "ranked_shifts",
    "set_relays",
]  # fmt: skip

LARGEST = SPEC.membrane.maximum
_SHIFTS = range(8)
_RELAY_SPAN = 6  # a relay's weight is a power of two of 8 bits
_MEMORY = 50.0  # ticks over which rounding errors add up, at most
_RATE = 0.1  # spikes per tick and source where nothing was measured


@dataclass(frozen=True)
class Shifts:
    """``SPI_FP_LOC_WINP``, ``SPI_FP_LOC_WREC`` and ``SPI_FP_LOC_WOUT``."""

    winp: int
    wrec: int
    wout: int


@dataclass(frozen=True, eq=False)
class Peaks:
    """How far membranes go.

    Parameters
    ----------
    membrane
        In thresholds, float64 ``[neurons]``, 1 or more.
    output
        In the user's units, float64 ``[outputs]``.
    rate_in, rate_rec
        Events and spikes per tick, float64 ``[events]``, ``[neurons]``.
    """

    membrane: np.ndarray
    output: np.ndarray
    rate_in: np.ndarray
    rate_rec: np.ndarray

    @classmethod
    def guessed(cls, wired: Topology) -> Peaks:
        """Return what holds for most networks, from the weights alone."""
        drawn = np.abs(np.vstack([wired.w_in, wired.w_rec])).sum(axis=0) / wired.height
        left = np.abs(wired.w_out).sum(axis=0)
        memory = 1.0 / np.maximum(1.0 - np.clip(wired.output_decay, 0.0, 1.0), 0.1)
        return cls(
            np.clip(drawn, 1.0, 8.0),
            left * memory,
            np.full(len(wired.w_in), _RATE),
            np.full(wired.size, _RATE),
        )


@dataclass(frozen=True, eq=False)
class Integers:
    """A `Topology` in chip units.

    Parameters
    ----------
    place
        Neuron of the chip, int64 ``[neurons]``.
    w_in, w_rec, w_out
        int64, shaped as in `Topology`, relays' weights included.
    threshold, alpha
        int64 ``[neurons]``; alpha as the chip has it, both alike within a pair.
    kappa
        Leak factor of the outputs.
    scale, out_scale
        Chip units per unit of the user's membrane, float64 ``[neurons]``, ``[outputs]``.
    rounding
        ``SPI_EN_STOCH_ROUND``.
    """

    place: np.ndarray
    w_in: np.ndarray
    w_rec: np.ndarray
    w_out: np.ndarray
    threshold: np.ndarray
    alpha: np.ndarray
    kappa: int
    scale: np.ndarray
    out_scale: np.ndarray
    shifts: Shifts
    subtracts: bool
    rounding: int = 0


def places(wired: Topology) -> tuple[np.ndarray, np.ndarray]:
    """Return the place of every neuron, and the leak factor that it then shares."""
    code = np.clip(np.rint(wired.decay * ALPHA_ONE), 0x7000, ALPHA_ONE).astype(np.int64)
    strongest = np.abs(np.vstack([wired.w_in, wired.w_rec])).max(axis=0, initial=0.0)
    relay = np.arange(wired.size) >= wired.neurons
    place = pair_up(2 * relay + wired.strict, code, strongest / wired.height)
    shared = code.copy()
    for a, b in partners(place):
        if a >= 0 and b >= 0:
            shared[[a, b]] = (code[a] + code[b] + 1) // 2
    return place, shared


def integers_of(
    wired: Topology, where: tuple[np.ndarray, np.ndarray], shifts: Shifts, peaks: Peaks,
    subtracts: bool,
) -> Integers:  # fmt: skip
    """Choose the best integers for given radix points.

    Parameters
    ----------
    where
        See `places`.
    subtracts
        Whether a spike takes the threshold away; then the threshold must be the exact one.
    """
    place, alpha = where
    ones = 2.0 ** -np.array([shifts.winp, shifts.wrec])
    stacked = np.vstack([wired.w_in * ones[0], wired.w_rec * ones[1]]) / wired.height
    words = partners(place)
    limit = _limits(wired, words, peaks)
    both, strict = _of_pairs(stacked, words), np.asarray(_of_words(wired.strict, words).any(axis=1))
    scale = quantize_maxabs(
        both, np.ones(len(words)), strict & (not subtracts), SPEC.weights, limit
    ).scale
    if subtracts:
        scale = np.maximum(1.0, np.floor(scale * (1 + 1e-12)))
        height = scale.astype(np.int64)
    else:
        height = integer_thresholds(np.ones(len(words)), scale, strict)
    word = place // 2
    whole = _rounded(stacked * scale[word])
    w_in, w_rec = np.split(whole, [len(wired.w_in)])
    w_out, out_scale = _outputs(wired, shifts.wout, peaks)
    made = Integers(
        place, w_in, w_rec, w_out, np.minimum(height[word], LARGEST), alpha,
        kappa_of(wired), scale[word] / wired.height, out_scale, shifts, subtracts,
    )  # fmt: skip
    set_relays(wired, made)
    return made


def kappa_of(wired: Topology) -> int:
    """Return the leak factor of the outputs; 1 where nothing but spikes is read."""
    if not wired.outputs:
        return KAPPA_ONE
    return int(np.clip(np.rint(np.median(wired.output_decay) * KAPPA_ONE), 0, KAPPA_ONE))


def ranked_shifts(
    wired: Topology, where: tuple[np.ndarray, np.ndarray], peaks: Peaks, most: int
) -> list[Shifts]:
    """Return the radix points that promise the smallest errors, best first.

    The rounding of a weight counts as noise whenever its source fires, the cut of a leak as a
    constant pull; both as far as the membrane remembers. Among equals the smaller shift wins.
    """
    wout = _output_shift(wired, peaks)
    found = []
    for winp in _SHIFTS:
        for wrec in _SHIFTS:
            if wired.schedule.relays and abs(winp - wrec) > _RELAY_SPAN:
                continue
            shifts = Shifts(winp, wrec, wout)
            found.append((_promise(wired, where, shifts, peaks), winp + wrec, shifts))
    found.sort(key=lambda entry: (float(f"{entry[0]:.6e}"), entry[1], entry[2].winp))
    return [shifts for _, _, shifts in found[:most]]


def loss_of(wired: Topology, integers: Integers, peaks: Peaks) -> float:
    """Return the mean square error of membranes, in thresholds, that integers lead to."""
    scale = integers.scale
    w_in = (integers.w_in << integers.shifts.winp) / scale - wired.w_in
    w_rec = (integers.w_rec << integers.shifts.wrec) / scale - wired.w_rec
    real = slice(0, wired.neurons)
    noise = peaks.rate_in @ w_in[:, real] ** 2 + peaks.rate_rec @ w_rec[:, real] ** 2
    memory, pull = _memories(integers.alpha[real] / ALPHA_ONE)
    own = (scale * wired.height)[real]
    pull = np.where(integers.rounding, 0.0, pull / own)
    return float((noise * memory / wired.height[real] ** 2 + pull**2).sum())


def _promise(
    wired: Topology, where: tuple[np.ndarray, np.ndarray], shifts: Shifts, peaks: Peaks
) -> float:
    words = partners(where[0])
    strongest = np.zeros(wired.size)
    for weights, shift in ((wired.w_in, shifts.winp), (wired.w_rec, shifts.wrec)):
        largest = np.abs(weights).max(axis=0, initial=0.0) / wired.height
        strongest = np.maximum(strongest, largest / (1 << shift))
    with np.errstate(divide="ignore"):
        fill = SPEC.weights.maximum / strongest
    limit = _limits(wired, words, peaks)
    scale = np.minimum(_of_words(fill, words, np.inf).min(axis=1), limit)[where[0] // 2]
    real = slice(0, wired.neurons)
    memory, pull = _memories(where[1][real] / ALPHA_ONE)
    noise = np.zeros(wired.neurons)
    for weights, shift, rate in (
        (wired.w_in, shifts.winp, peaks.rate_in),
        (wired.w_rec, shifts.wrec, peaks.rate_rec),
    ):
        active = rate @ (weights[:, real] != 0)
        noise += active * ((1 << shift) / scale[real]) ** 2 / 12
    return float((noise * memory + (pull / scale[real]) ** 2).sum())


def _memories(alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return over how many ticks noise adds up, and where cutting pulls a membrane to."""
    gone = np.maximum(1.0 - alpha, 1e-12)
    memory = np.minimum(_MEMORY, 1.0 / np.maximum(1.0 - alpha**2, 1e-12))
    return memory, np.where(alpha >= 1.0, 0.0, 0.5 * np.minimum(_MEMORY, 1.0 / gone))


def _limits(wired: Topology, words: np.ndarray, peaks: Peaks) -> np.ndarray:
    """Return the largest threshold of each word at which its membranes still fit."""
    highest = _of_words(peaks.membrane, words).max(axis=1, initial=1.0)
    return np.asarray(np.floor(LARGEST / np.maximum(1.0, highest)))


def _of_words(values: np.ndarray, words: np.ndarray, missing: float = 0) -> np.ndarray:
    """Return values of the two neurons of each word, ``[words, 2]``."""
    padded = np.append(values, missing)
    return np.asarray(padded[words])


def _of_pairs(matrix: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Return the weights of both neurons of each word in one column."""
    padded = np.hstack([matrix, np.zeros((len(matrix), 1))])
    return np.vstack([padded[:, words[:, 0]], padded[:, words[:, 1]]])


def _rounded(values: np.ndarray) -> np.ndarray:
    form = SPEC.weights
    return np.asarray(np.clip(np.rint(values), form.minimum, form.maximum), np.int64)


def _output_shift(wired: Topology, peaks: Peaks) -> int:
    """Return the largest shift at which the largest output weight fills its 8 bits."""
    largest, peak = np.abs(wired.w_out).max(initial=0.0), peaks.output.max(initial=0.0)
    if not largest or not wired.outputs:
        return 0
    fits = [s for s in _SHIFTS if (SPEC.weights.maximum << s) / largest * peak <= LARGEST]
    exact = kappa_of(wired) == KAPPA_ONE  # no leak, so nothing to be had from finer membranes
    return 0 if exact else max(fits, default=0)


def _outputs(wired: Topology, shift: int, peaks: Peaks) -> tuple[np.ndarray, np.ndarray]:
    """Return output weights and their one scale: outputs are compared with each other."""
    if not wired.outputs:
        return np.zeros(wired.w_out.shape, np.int64), np.ones(0)
    column = wired.w_out.reshape(-1, 1) / (1 << shift)
    peak = np.array([max(peaks.output.max(initial=0.0), 1e-9)])
    strict, limit = np.zeros(1, bool), np.array([LARGEST])
    scale = quantize_maxabs(column, peak, strict, SPEC.weights, limit).scale
    return _rounded(column * scale).reshape(wired.w_out.shape), np.full(wired.outputs, scale[0])


def set_relays(wired: Topology, made: Integers) -> None:
    """Let one event bring a relay exactly to its threshold."""
    shifts = made.shifts
    height = 1 << max(shifts.winp, shifts.wrec)
    for r, (kind, source) in enumerate(wired.schedule.relays):
        neuron = wired.neurons + r
        weights, shift = (made.w_in, shifts.winp) if kind == "input" else (made.w_rec, shifts.wrec)
        weights[source, neuron] = height >> shift
        made.threshold[neuron] = height
        made.alpha[neuron] = ALPHA_ONE
