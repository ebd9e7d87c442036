"""The Izhikevich neuron of ODIN, touched once: `touch_izh` (``izh_neuron.v`` and its blocks).

Not Izhikevich's equations but their behaviours, each by a mechanism of its own that parameters
switch on; `izh_fields` describes them. All 4-bit signed values wrap around.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_backends.fixed import kernel
from nm_odin.learning import calcium_step, refresh_flag

__all__ = ["EXCITATORY", "INHIBITORY", "NO_INPUT", "REFERENCE", "accumulated", "touch_izh"]

NO_INPUT, REFERENCE, EXCITATORY, INHIBITORY = range(4)  # kinds of touches
_POSITIVE, _NEGATIVE, _TO_POSITIVE, _TO_NEGATIVE = range(4)  # reson_sign
_ACCUMULATOR = 0x7FF


@kernel(inline=True)
def _wrap(value: int) -> int:
    """Return ``value`` modulo 16, -8..7."""
    return (value + 8 & 15) - 8


@kernel(inline=True)
def accumulated(neurons: Any, k: int, change: int) -> bool:
    """Add ``change`` to the accumulator; is that a step (``izh_input_accumulator.v``)."""
    before = np.int64(neurons.accumulated[k])
    after = before + change & _ACCUMULATOR
    neurons.accumulated[k] = after
    return bool((before ^ after) & neurons.step_bit[k] != 0)


@kernel(inline=True)
def _toward_zero(core: int) -> int:
    return core + 1 if core < 0 else core - (core > 0)


@kernel(inline=True)
def _core_at_reference(n: Any, core: int, step: bool) -> int:
    if n.reson_en:
        return _wrap(core - 1) if n.reson_sign == _TO_NEGATIVE else core
    if n.refrac:
        return core if n.burst_lock else _wrap(core + 1)
    if n.acc_en:
        return core if n.spkout_done else _wrap(core - n.stim_str_tmp)
    if n.dap_en and n.dapdel_cnt == 1 and core != 0:
        return 0
    return _toward_zero(core) if step else core


@kernel(inline=True)
def _core_after_step(n: Any, core: int, up: bool, strong: bool) -> int:
    """Return the membrane after a step; a resonating one moves away from 0 or back by its phase."""
    if n.reson_en:
        outward = up == (n.reson_sign == _POSITIVE or n.reson_sign == _TO_POSITIVE)
        if outward:
            return core if core == 7 else _wrap(core + 1)
        return core if core == 0 else _wrap(core - 1)
    if n.refrac:
        return core
    if up:
        held = n.class2_en and not strong
        return core if held or core == 7 else core + 1
    return core if core == (-8 if n.neg_en else 0) else _wrap(core - 1)


@kernel(inline=True)
def _core(n: Any, kind: int, step: bool, strong: bool) -> int:
    """Return the membrane before a spike's reset (``izh_neuron_state.v``)."""
    core: int = np.int64(n.core)
    if (n.spklat_en and n.dapdel_cnt != 0) or (n.phasic_lock and core == 0):
        return core
    if kind == REFERENCE:
        return _core_at_reference(n, core, step)
    return _core_after_step(n, core, kind == EXCITATORY, strong) if step else core


@kernel(inline=True)
def _phase(n: Any, kind: int, core: int) -> int:
    """Return the phase of the subthreshold oscillation."""
    sign: int = np.int64(n.reson_sign)
    if not n.reson_en:
        return _POSITIVE
    if kind != REFERENCE:
        return sign
    if n.core == 0:
        return _POSITIVE
    if n.reson_sign == _TO_NEGATIVE:
        return _POSITIVE if core == 0 else _NEGATIVE
    if n.reson_sign == _POSITIVE:
        return _TO_NEGATIVE
    return _TO_POSITIVE if n.reson_sign == _NEGATIVE else _POSITIVE


@kernel(inline=True)
def _spikes(
    n: Any, core: int, phase: int, threshold: int, kind: int, step_up: bool, pulse: int
) -> bool:
    """Return whether the neuron fires; the first enabled behaviour decides, by this priority.

    ``pulse`` is 1 after a lone interval of strong excitation, 2 of inhibition, else 0.
    """
    if n.reson_sharp_en:
        return step_up and n.dapdel_cnt == n.reson_sharp_amt
    if n.spklat_en:
        return kind == REFERENCE and n.dapdel_cnt == 1
    reached = core == threshold
    if n.rebound_en:
        return reached or pulse & 2 != 0
    if n.bist_en:
        return reached or (core == 0 if n.bist_lock else pulse & 1 != 0)
    if n.inhin_lock:
        return core == 0
    return reached and (not n.reson_en or phase == _POSITIVE)


@kernel(inline=True)
def _induced(n: Any, threshold: int, quiet: bool) -> bool:
    """Return whether inhibition keeps the neuron firing from now on."""
    if n.inhin_en and not n.refrac and _wrap(-np.int64(n.core)) == threshold:
        return True
    return n.inhin_lock != 0 and not quiet


@kernel(inline=True)
def _refractory(n: Any, core: int, spike: bool, induced: bool) -> bool:
    if spike or induced:
        return not n.dap_en and n.rfr != 0 and not n.reson_en
    return core != 0 and n.refrac != 0


@kernel(inline=True)
def _set_locks(n: Any, kind: int, spike: bool, now_strong: bool, was_strong: bool) -> None:
    """Silence a phasic neuron, or end the bursts of a mixed one, until strong input ends."""
    over = kind == REFERENCE and n.spkout_done and (n.core == 0 or n.refrac) and now_strong
    if (spike and (now_strong or was_strong)) or over:
        n.phasic_lock, n.mixed_lock = n.phasic_en, n.mixed_en
    elif not was_strong:
        n.phasic_lock, n.mixed_lock = 0, 0
    n.spkout_done = kind != REFERENCE and (spike or n.spkout_done)


@kernel(inline=True)
def _set_delay(n: Any, kind: int, spike: bool, reached: bool, step_up: bool) -> None:
    """Count time references since a step (sharp resonance), or to go (latency, afterpotential)."""
    if n.reson_sharp_en:
        if kind == REFERENCE and n.dapdel_cnt != 7:
            n.dapdel_cnt += 1
        elif step_up:
            n.dapdel_cnt = 0
    elif (n.dap_en and spike) or (n.spklat_en and reached):
        n.dapdel_cnt = n.dapdel
    elif kind == REFERENCE and n.dapdel_cnt != 0:
        n.dapdel_cnt -= 1


@kernel(inline=True)
def _accommodated(n: Any) -> int:
    """Return the threshold change that follows the last interval's steps, limited to 1..7."""
    steps: int = np.int64(n.stim_str_tmp)
    if _wrap(steps + n.thr) >= 0:
        return steps
    return _wrap((7 if steps >= 0 else 1) - n.thr)


@kernel(inline=True)
def _threshold_tick(n: Any) -> bool:
    if n.thrleak == 0:
        return False
    tick = bool(n.thrleak_cnt == n.thrleak - 1)
    n.thrleak_cnt = 0 if tick else n.thrleak_cnt + 1 & 15
    return tick


@kernel(inline=True)
def _set_threshold(
    n: Any, kind: int, threshold: int, spike: bool, together: int, step: bool
) -> None:
    """Move the threshold (``izh_effective_threshold.v``)."""
    tick = n.thrvar_en and kind == REFERENCE and _threshold_tick(n)
    if n.acc_en:
        if kind == REFERENCE:
            n.thrmod = _accommodated(n)
    elif not n.thrvar_en:
        return
    elif spike if n.thr_sel_of else step and kind == EXCITATORY:
        if n.burst_incr:
            n.thrmod = 7 if (7 - threshold & 15) < together else _wrap(n.thrmod + together)
        elif threshold != 7:
            n.thrmod = _wrap(n.thrmod + 1)
    elif not n.thr_sel_of and step and kind == INHIBITORY:
        if threshold != 1:
            n.thrmod = _wrap(n.thrmod - 1)
    elif tick:
        n.thrmod = _toward_zero(np.int64(n.thrmod))


@kernel(inline=True)
def _set_stimulation(n: Any, kind: int, step: bool, now_strong: bool) -> None:
    """Count steps; at a time reference, close the interval (``izh_stimulation_strength.v``)."""
    steps = np.int64(n.stim_str_tmp)
    if kind == REFERENCE:
        inhibited = steps < 0 and -steps >= n.stim_thr
        n.inhexc_prev = inhibited << 1 | now_strong
        n.stim0_prev = (n.stim0_prev & 1) << 1 | (steps != 0)
        n.stim_str, n.stim_str_tmp = steps, 0
    elif step and kind == EXCITATORY and steps != 7:
        n.stim_str_tmp = _wrap(steps + 1)
    elif step and kind == INHIBITORY and steps != -7:
        n.stim_str_tmp = _wrap(steps - 1)


@kernel(inline=True)
def _is_restless(n: Any) -> bool:
    """Return whether a touch without input would make the neuron fire or change it."""
    core, threshold = np.int64(n.core), _wrap(n.thr + n.thrmod)
    if _spikes(n, core, np.int64(n.reson_sign), threshold, NO_INPUT, False, 0):
        return True
    if (n.phasic_lock or n.mixed_lock) and n.stim_str < n.stim_thr:
        return True
    induced = _induced(n, threshold, False)
    refractory = _refractory(n, core, False, induced)
    return bool(induced != (n.inhin_lock != 0) or refractory != (n.refrac != 0))


@kernel(inline=True)
def touch_izh(neurons: Any, k: int, kind: int, step: bool, burst_end: bool) -> int:
    """Touch neuron ``k``, its accumulator being up to date; return its event.

    Parameters
    ----------
    kind
        `REFERENCE`, `EXCITATORY`, `INHIBITORY`, or `NO_INPUT` for a write by SPI.
    step
        The accumulator's step bit has flipped.
    burst_end
        The last spike of the neuron's own burst is being served.

    Returns
    -------
    0, or ``1 | spk_ref << 1 | isi_ref << 4`` when it fires, be it disabled or not.
    """
    n = neurons.izh[k]
    reference, step_up = kind == REFERENCE, step and kind == EXCITATORY
    was_strong, now_strong = n.stim_str >= n.stim_thr, n.stim_str_tmp >= n.stim_thr
    quiet = reference and n.stim_str_tmp == 0
    pulse = np.int64(n.inhexc_prev) if quiet and n.stim0_prev < 2 else 0
    threshold = _wrap(n.thr + n.thrmod)
    core = _core(n, kind, step, was_strong or now_strong)
    phase = _phase(n, kind, core)
    spike = _spikes(n, core, phase, threshold, kind, step_up, pulse)
    burst = np.int64(0) if n.mixed_lock else np.int64(n.spk_ref)
    event = (1 | burst << 1 | (0 if n.mixed_lock else np.int64(n.isi_ref)) << 4) if spike else 0
    together = min(burst + 1, 7) if n.burst_incr else 1

    induced = _induced(n, threshold, quiet)
    refractory = _refractory(n, core, spike, induced)
    reached = core == threshold and n.core != threshold
    _set_locks(n, kind, spike, now_strong, was_strong)
    _set_delay(n, kind, spike, reached, step_up)
    _set_threshold(n, kind, threshold, spike, together, step)
    if n.bist_en and pulse & 1:
        n.bist_lock ^= 1
    if spike and burst != 0:
        n.burst_lock = 1
    elif burst_end:
        n.burst_lock = 0
    n.inhin_lock, n.refrac = induced, refractory
    n.reson_sign = _NEGATIVE if spike and n.reson_en else phase
    if spike:
        core = np.int64(n.rfr) if n.dap_en or n.reson_en else -np.int64(n.rfr)
    n.core = core
    _set_stimulation(n, kind, step, now_strong)
    neurons.restless[k] = _is_restless(n)
    neurons.cores[k] = neurons.membrane[k] = core
    if neurons.learning:
        calcium_step(neurons, k, together if spike else 0, reference)
        refresh_flag(neurons, k)
    return event
