"""A row over all Izhikevich neurons at once: `touch_izh` without branches, so that it vectorises.

Where many neurons take a step in the same row, which behaviours each has on is anyone's guess, and
wrong guesses cost more than the work. Here every neuron goes through everything, 32 at a time: all
values are int8 and all choices are selections. Only rows come here, so that the kind of a touch is
that of the row, excitatory or inhibitory, and nothing happens that time references make happen.
Each function has its twin in `izh_kernel`, where the names are explained.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_backends.eventcore.machine import NEURONS
from nm_backends.fixed import kernel
from nm_odin.learning import refresh_flags

__all__ = ["touch_row"]

_LOWEST, _HIGHEST = np.int8(-8), np.int8(7)
_ZERO, _ONE, _EIGHT, _NIBBLE = np.int8(0), np.int8(1), np.int8(8), np.int8(15)
_SEVEN = np.int16(7)


@kernel(inline=True)
def _plus(a: np.int8, b: np.int8) -> np.int8:
    """Add modulo 16, -8..7."""
    wrapped: np.int8 = np.int8((np.int8(np.int8(a + b) + _EIGHT) & _NIBBLE) - _EIGHT)
    return wrapped


@kernel(inline=True)
def _core(n: Any, k: int, core: np.int8, up: bool, step: bool, strong: bool) -> np.int8:
    """Return the membrane before a spike's reset."""
    resonates = n.reson_en[k] != _ZERO
    outward = (n.reson_sign[k] & _ONE == _ZERO) == up
    upward = outward if resonates else up
    floor = _LOWEST if (n.neg_en[k] != _ZERO) & (not resonates) else _ZERO
    at_end = core == (_HIGHEST if upward else floor)
    blocked = (n.refrac[k] != _ZERO) | (up & (n.class2_en[k] != _ZERO) & (not strong))
    late = (n.spklat_en[k] != _ZERO) & (n.dapdel_cnt[k] != _ZERO)
    phasic = (n.phasic_lock[k] != _ZERO) & (core == _ZERO)
    stays = at_end | (blocked & (not resonates)) | late | phasic | (not step)
    moved = _plus(core, _ONE if upward else np.int8(-1))
    return core if stays else moved


@kernel(inline=True)
def _fires(
    n: Any, k: int, core: np.int8, threshold: np.int8, sign: np.int8, induced: bool, sharp: bool
) -> bool:
    """Return whether the neuron fires; the first enabled behaviour decides.

    ``sharp`` is what decides with ``reson_sharp_en``; ``induced`` is ``inhin_lock``.
    """
    reached, at_zero = core == threshold, core == _ZERO
    plain = reached & ((n.reson_en[k] == _ZERO) | (sign == _ZERO))
    spike = at_zero if induced else plain
    spike = reached | ((n.bist_lock[k] != _ZERO) & at_zero) if n.bist_en[k] != _ZERO else spike
    spike = reached if n.rebound_en[k] != _ZERO else spike
    spike = spike & (n.spklat_en[k] == _ZERO)
    decided: bool = sharp if n.reson_sharp_en[k] != _ZERO else spike
    return decided


@kernel(inline=True)
def _refractory(n: Any, k: int, core: np.int8, fresh: bool, before: bool) -> bool:
    can = (n.dap_en[k] == _ZERO) & (n.rfr[k] != _ZERO) & (n.reson_en[k] == _ZERO)
    after: bool = can if fresh else (core != _ZERO) & before
    return after


@kernel(inline=True)
def _induced(
    n: Any, k: int, core: np.int8, threshold: np.int8, refractory: bool, before: bool
) -> bool:
    opposite = _plus(core, threshold) == _ZERO
    after: bool = before | ((n.inhin_en[k] != _ZERO) & (not refractory) & opposite)
    return after


@kernel(inline=True)
def _threshold_change(
    n: Any, k: int, up: bool, step: bool, spike: bool, threshold: np.int8, together: np.int8
) -> np.int8:
    """Return ``thrmod``; a threshold that follows steps or spikes moves, others do not."""
    before, by_spikes = n.thrmod[k], n.thr_sel_of[k] != _ZERO
    rises = spike if by_spikes else step & up
    falls = (not by_spikes) & step & (not up)
    full = (np.int8(_HIGHEST - threshold) & _NIBBLE) < together
    burst = _HIGHEST if full else _plus(before, together)
    single = before if threshold == _HIGHEST else _plus(before, _ONE)
    higher = burst if n.burst_incr[k] != _ZERO else single
    lower = before if threshold == _ONE else _plus(before, np.int8(-1))
    after = higher if rises else (lower if falls else before)
    return after if (n.thrvar_en[k] != _ZERO) & (n.acc_en[k] == _ZERO) else before


@kernel(inline=True)
def _touch(neurons: Any, n: Any, k: int, up: bool) -> None:
    """Touch neuron ``k`` in a row; ``neurons.spikes`` gets how many spikes count for calcium."""
    step = neurons.touch[k] > 1
    was_strong = n.stim_str[k] >= n.stim_thr[k]
    now_strong = n.stim_str_tmp[k] >= n.stim_thr[k]
    before, threshold = n.core[k], _plus(n.thr[k], n.thrmod[k])
    core = _core(n, k, before, up, step, was_strong | now_strong)
    resonates, phase, rfr = n.reson_en[k] != _ZERO, n.reson_sign[k], n.rfr[k]
    sign = phase if resonates else _ZERO
    was_induced, was_refractory = n.inhin_lock[k] != _ZERO, n.refrac[k] != _ZERO
    sharp = step & up & (n.dapdel_cnt[k] == n.reson_sharp_amt[k])
    spike = _fires(n, k, core, threshold, sign, was_induced, sharp)
    phasic, mixed, spikes = n.phasic_lock[k], n.mixed_lock[k], n.spk_ref[k]
    burst = _ZERO if mixed != _ZERO else spikes
    several = _HIGHEST if burst == _HIGHEST else np.int8(burst + _ONE)
    together = several if n.burst_incr[k] != _ZERO else _ONE

    induced = _induced(n, k, before, threshold, was_refractory, was_induced)
    refractory = _refractory(n, k, core, spike | induced, was_refractory)
    reached = (core == threshold) & (before != threshold)
    restart = ((n.dap_en[k] != _ZERO) & spike) | ((n.spklat_en[k] != _ZERO) & reached)
    count, whole = n.dapdel_cnt[k], n.dapdel[k]
    delay = whole if restart else count
    sharp_delay = _ZERO if step & up else count
    n.dapdel_cnt[k] = sharp_delay if n.reson_sharp_en[k] != _ZERO else delay

    lock = spike & (now_strong | was_strong)
    can_phasic, can_mixed = n.phasic_en[k], n.mixed_en[k]
    phasic = can_phasic if lock else (phasic if was_strong else _ZERO)
    mixed = can_mixed if lock else (mixed if was_strong else _ZERO)
    n.phasic_lock[k], n.mixed_lock[k] = phasic, mixed
    n.spkout_done[k] |= np.int8(spike)
    n.thrmod[k] = _threshold_change(n, k, up, step, spike, threshold, together)
    n.burst_lock[k] |= np.int8(spike & (burst != _ZERO))
    n.inhin_lock[k], n.refrac[k] = np.int8(induced), np.int8(refractory)
    sign = _ONE if spike & resonates else sign
    n.reson_sign[k] = sign
    positive = (n.dap_en[k] != _ZERO) | resonates
    reset = rfr if positive else np.int8(-rfr)
    core = reset if spike else core
    n.core[k] = core

    steps = n.stim_str_tmp[k]
    end = _HIGHEST if up else np.int8(-7)
    counted = _plus(steps, _ONE if up else np.int8(-1))
    n.stim_str_tmp[k] = counted if step & (steps != end) else steps

    threshold = _plus(n.thr[k], n.thrmod[k])
    again = _induced(n, k, core, threshold, refractory, induced)
    restless = _fires(n, k, core, threshold, sign, induced, False)
    restless |= ((phasic != _ZERO) | (mixed != _ZERO)) & (not was_strong)
    restless |= again != induced
    restless |= _refractory(n, k, core, again, refractory) != refractory
    chosen = neurons.izhikevich[k] != 0
    neurons.restless[k] = np.uint8(restless & chosen)
    neurons.spikes[k] = together if spike & chosen else _ZERO


@kernel()
def _touch_up(neurons: Any) -> None:
    n = neurons.izh
    for k in range(NEURONS):
        _touch(neurons, n, k, True)


@kernel()
def _touch_down(neurons: Any) -> None:
    n = neurons.izh
    for k in range(NEURONS):
        _touch(neurons, n, k, False)


@kernel()
def _calcium(neurons: Any) -> None:
    """Count the spikes of a row, see `calcium.calcium_step`; then set all flags."""
    calcium, theta = neurons.calcium, neurons.theta
    for k in range(NEURONS):
        enabled = neurons.calcium_enabled[k] != 0
        more = min(np.int16(calcium[k] + neurons.spikes[k]), _SEVEN)
        now = more if enabled else calcium[k]
        calcium[k] = now
        above = enabled & (now >= theta[0, k])
        neurons.calcium_up[k] = above & (now < theta[2, k])
        neurons.calcium_down[k] = above & (now < theta[1, k])
    refresh_flags(neurons)


@kernel()
def touch_row(neurons: Any, up: bool) -> int:
    """Touch all Izhikevich neurons in a row, list enabled ones that fire; return how many.

    The accumulators must be up to date, and ``touch`` tell who has a step, see `sum_inputs`.
    """
    if up:
        _touch_up(neurons)
    else:
        _touch_down(neurons)
    cores, membrane, core = neurons.cores, neurons.membrane, neurons.izh.core
    for k in range(NEURONS):
        value = np.int16(core[k]) if neurons.izhikevich[k] else membrane[k]
        membrane[k] = value
        cores[k] = value
    if neurons.learning:
        _calcium(neurons)
    fired = 0
    for k in range(NEURONS):
        neurons.fired_izh[fired] = k
        fired += (neurons.spikes[k] != _ZERO) & (neurons.enabled[k] != 0)
    return fired
