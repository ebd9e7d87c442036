"""The Izhikevich neuron of ODIN, touched once: `touch_izh` (``izh_neuron.v`` and its blocks).

Not Izhikevich's equations but their behaviours, each by a mechanism of its own that parameters
switch on; `izh_fields` describes them. All 4-bit signed values wrap around.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_backends.eventcore.calcium import calcium_step
from nm_backends.fixed import kernel
from nm_odin.learning import refresh_flag

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
def _core_at_reference(n: Any, k: int, core: int, step: bool) -> int:
    if n.reson_en[k]:
        return _wrap(core - 1) if n.reson_sign[k] == _TO_NEGATIVE else core
    if n.refrac[k]:
        return core if n.burst_lock[k] else _wrap(core + 1)
    if n.acc_en[k]:
        return core if n.spkout_done[k] else _wrap(core - n.stim_str_tmp[k])
    if n.dap_en[k] and n.dapdel_cnt[k] == 1 and core != 0:
        return 0
    return _toward_zero(core) if step else core


@kernel(inline=True)
def _core_after_step(n: Any, k: int, core: int, up: bool, strong: bool) -> int:
    """Return the membrane after a step; a resonating one moves away from 0 or back by its phase."""
    if n.reson_en[k]:
        outward = up == (n.reson_sign[k] == _POSITIVE or n.reson_sign[k] == _TO_POSITIVE)
        if outward:
            return core if core == 7 else _wrap(core + 1)
        return core if core == 0 else _wrap(core - 1)
    if n.refrac[k]:
        return core
    if up:
        held = n.class2_en[k] and not strong
        return core if held or core == 7 else core + 1
    return core if core == (-8 if n.neg_en[k] else 0) else _wrap(core - 1)


@kernel(inline=True)
def _core(n: Any, k: int, kind: int, step: bool, strong: bool) -> int:
    """Return the membrane before a spike's reset (``izh_neuron_state.v``)."""
    core: int = np.int64(n.core[k])
    if (n.spklat_en[k] and n.dapdel_cnt[k] != 0) or (n.phasic_lock[k] and core == 0):
        return core
    if kind == REFERENCE:
        return _core_at_reference(n, k, core, step)
    return _core_after_step(n, k, core, kind == EXCITATORY, strong) if step else core


@kernel(inline=True)
def _phase(n: Any, k: int, kind: int, core: int) -> int:
    """Return the phase of the subthreshold oscillation."""
    sign: int = np.int64(n.reson_sign[k])
    if not n.reson_en[k]:
        return _POSITIVE
    if kind != REFERENCE:
        return sign
    if n.core[k] == 0:
        return _POSITIVE
    if n.reson_sign[k] == _TO_NEGATIVE:
        return _POSITIVE if core == 0 else _NEGATIVE
    if n.reson_sign[k] == _POSITIVE:
        return _TO_NEGATIVE
    return _TO_POSITIVE if n.reson_sign[k] == _NEGATIVE else _POSITIVE


@kernel(inline=True)
def _spikes(
    n: Any, k: int, core: int, phase: int, threshold: int, kind: int, step_up: bool, pulse: int
) -> bool:
    """Return whether the neuron fires; the first enabled behaviour decides, by this priority.

    ``pulse`` is 1 after a lone interval of strong excitation, 2 of inhibition, else 0.
    """
    if n.reson_sharp_en[k]:
        return step_up and n.dapdel_cnt[k] == n.reson_sharp_amt[k]
    if n.spklat_en[k]:
        return kind == REFERENCE and n.dapdel_cnt[k] == 1
    reached = core == threshold
    if n.rebound_en[k]:
        return reached or pulse & 2 != 0
    if n.bist_en[k]:
        return reached or (core == 0 if n.bist_lock[k] else pulse & 1 != 0)
    if n.inhin_lock[k]:
        return core == 0
    return reached and (not n.reson_en[k] or phase == _POSITIVE)


@kernel(inline=True)
def _induced(n: Any, k: int, threshold: int, quiet: bool) -> bool:
    """Return whether inhibition keeps the neuron firing from now on."""
    if n.inhin_en[k] and not n.refrac[k] and _wrap(-np.int64(n.core[k])) == threshold:
        return True
    return n.inhin_lock[k] != 0 and not quiet


@kernel(inline=True)
def _refractory(n: Any, k: int, core: int, spike: bool, induced: bool) -> bool:
    if spike or induced:
        return not n.dap_en[k] and n.rfr[k] != 0 and not n.reson_en[k]
    return core != 0 and n.refrac[k] != 0


@kernel(inline=True)
def _set_locks(n: Any, k: int, kind: int, spike: bool, now_strong: bool, was_strong: bool) -> None:
    """Silence a phasic neuron, or end the bursts of a mixed one, until strong input ends."""
    over = kind == REFERENCE and n.spkout_done[k] and (n.core[k] == 0 or n.refrac[k]) and now_strong
    if (spike and (now_strong or was_strong)) or over:
        n.phasic_lock[k], n.mixed_lock[k] = n.phasic_en[k], n.mixed_en[k]
    elif not was_strong:
        n.phasic_lock[k], n.mixed_lock[k] = 0, 0
    n.spkout_done[k] = kind != REFERENCE and (spike or n.spkout_done[k])


@kernel(inline=True)
def _set_delay(n: Any, k: int, kind: int, spike: bool, reached: bool, step_up: bool) -> None:
    """Count time references since a step (sharp resonance), or to go (latency, afterpotential)."""
    if n.reson_sharp_en[k]:
        if kind == REFERENCE and n.dapdel_cnt[k] != 7:
            n.dapdel_cnt[k] += 1
        elif step_up:
            n.dapdel_cnt[k] = 0
    elif (n.dap_en[k] and spike) or (n.spklat_en[k] and reached):
        n.dapdel_cnt[k] = n.dapdel[k]
    elif kind == REFERENCE and n.dapdel_cnt[k] != 0:
        n.dapdel_cnt[k] -= 1


@kernel(inline=True)
def _accommodated(n: Any, k: int) -> int:
    """Return the threshold change that follows the last interval's steps, limited to 1..7."""
    steps: int = np.int64(n.stim_str_tmp[k])
    if _wrap(steps + n.thr[k]) >= 0:
        return steps
    return _wrap((7 if steps >= 0 else 1) - n.thr[k])


@kernel(inline=True)
def _threshold_tick(n: Any, k: int) -> bool:
    if n.thrleak[k] == 0:
        return False
    tick = bool(n.thrleak_cnt[k] == n.thrleak[k] - 1)
    n.thrleak_cnt[k] = 0 if tick else n.thrleak_cnt[k] + 1 & 15
    return tick


@kernel(inline=True)
def _set_threshold(
    n: Any, k: int, kind: int, threshold: int, spike: bool, together: int, step: bool
) -> None:
    """Move the threshold (``izh_effective_threshold.v``)."""
    tick = n.thrvar_en[k] and kind == REFERENCE and _threshold_tick(n, k)
    if n.acc_en[k]:
        if kind == REFERENCE:
            n.thrmod[k] = _accommodated(n, k)
    elif not n.thrvar_en[k]:
        return
    elif spike if n.thr_sel_of[k] else step and kind == EXCITATORY:
        if n.burst_incr[k]:
            n.thrmod[k] = 7 if (7 - threshold & 15) < together else _wrap(n.thrmod[k] + together)
        elif threshold != 7:
            n.thrmod[k] = _wrap(n.thrmod[k] + 1)
    elif not n.thr_sel_of[k] and step and kind == INHIBITORY:
        if threshold != 1:
            n.thrmod[k] = _wrap(n.thrmod[k] - 1)
    elif tick:
        n.thrmod[k] = _toward_zero(np.int64(n.thrmod[k]))


@kernel(inline=True)
def _set_stimulation(n: Any, k: int, kind: int, step: bool, now_strong: bool) -> None:
    """Count steps; at a time reference, close the interval (``izh_stimulation_strength.v``)."""
    steps = np.int64(n.stim_str_tmp[k])
    if kind == REFERENCE:
        inhibited = steps < 0 and -steps >= n.stim_thr[k]
        n.inhexc_prev[k] = inhibited << 1 | now_strong
        n.stim0_prev[k] = (n.stim0_prev[k] & 1) << 1 | (steps != 0)
        n.stim_str[k], n.stim_str_tmp[k] = steps, 0
    elif step and kind == EXCITATORY and steps != 7:
        n.stim_str_tmp[k] = _wrap(steps + 1)
    elif step and kind == INHIBITORY and steps != -7:
        n.stim_str_tmp[k] = _wrap(steps - 1)


@kernel(inline=True)
def _is_restless(n: Any, k: int) -> bool:
    """Return whether a touch without input would make the neuron fire or change it."""
    core, threshold = np.int64(n.core[k]), _wrap(n.thr[k] + n.thrmod[k])
    if _spikes(n, k, core, np.int64(n.reson_sign[k]), threshold, NO_INPUT, False, 0):
        return True
    if (n.phasic_lock[k] or n.mixed_lock[k]) and n.stim_str[k] < n.stim_thr[k]:
        return True
    induced = _induced(n, k, threshold, False)
    refractory = _refractory(n, k, core, False, induced)
    return bool(induced != (n.inhin_lock[k] != 0) or refractory != (n.refrac[k] != 0))


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
    n = neurons.izh
    reference, step_up = kind == REFERENCE, step and kind == EXCITATORY
    was_strong, now_strong = n.stim_str[k] >= n.stim_thr[k], n.stim_str_tmp[k] >= n.stim_thr[k]
    quiet = reference and n.stim_str_tmp[k] == 0
    pulse = np.int64(n.inhexc_prev[k]) if quiet and n.stim0_prev[k] < 2 else 0
    threshold = _wrap(n.thr[k] + n.thrmod[k])
    core = _core(n, k, kind, step, was_strong or now_strong)
    phase = _phase(n, k, kind, core)
    spike = _spikes(n, k, core, phase, threshold, kind, step_up, pulse)
    burst = np.int64(0) if n.mixed_lock[k] else np.int64(n.spk_ref[k])
    event = (
        (1 | burst << 1 | (0 if n.mixed_lock[k] else np.int64(n.isi_ref[k])) << 4) if spike else 0
    )
    together = min(burst + 1, 7) if n.burst_incr[k] else 1

    induced = _induced(n, k, threshold, quiet)
    refractory = _refractory(n, k, core, spike, induced)
    reached = core == threshold and n.core[k] != threshold
    _set_locks(n, k, kind, spike, now_strong, was_strong)
    _set_delay(n, k, kind, spike, reached, step_up)
    _set_threshold(n, k, kind, threshold, spike, together, step)
    if n.bist_en[k] and pulse & 1:
        n.bist_lock[k] ^= 1
    if spike and burst != 0:
        n.burst_lock[k] = 1
    elif burst_end:
        n.burst_lock[k] = 0
    n.inhin_lock[k], n.refrac[k] = induced, refractory
    n.reson_sign[k] = _NEGATIVE if spike and n.reson_en[k] else phase
    if spike:
        core = np.int64(n.rfr[k]) if n.dap_en[k] or n.reson_en[k] else -np.int64(n.rfr[k])
    n.core[k] = core
    _set_stimulation(n, k, kind, step, now_strong)
    neurons.restless[k] = _is_restless(n, k)
    neurons.cores[k] = neurons.membrane[k] = core
    if neurons.learning:
        calcium_step(neurons, k, together if spike else 0, reference)
        refresh_flag(neurons, k)
    return event
