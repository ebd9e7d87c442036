"""Copying a neuron's word, which the chip does by mistake when a slot ends in a virtual event."""

from __future__ import annotations

from typing import Any

from nm_backends.fixed import kernel

__all__ = ["copy_neuron"]


@kernel()
def copy_neuron(neurons: Any, source: int, target: int) -> None:
    """Overwrite the word of ``target`` by that of ``source``; flags are no part of it."""
    if source == target:
        return
    for array in (neurons.membrane, neurons.threshold, neurons.leak, neurons.calcium):
        array[target] = array[source]
    for array in (neurons.leak_count, neurons.theta_membrane, neurons.calcium_leak):
        array[target] = array[source]
    for array in (neurons.accumulated, neurons.step_bit, neurons.cores, neurons.word):
        array[target] = array[source]
    for flags in (neurons.enabled, neurons.calcium_up, neurons.calcium_down):
        flags[target] = flags[source]
    for flags in (neurons.calcium_enabled, neurons.restless):
        flags[target] = flags[source]
    for j in range(3):
        neurons.theta[j, target] = neurons.theta[j, source]
    neurons.izhikevich_count += neurons.izhikevich[source]
    neurons.izhikevich_count -= neurons.izhikevich[target]
    neurons.izhikevich[target] = neurons.izhikevich[source]
    _copy_izh(neurons.izh, source, target)


@kernel()
def _copy_izh(n: Any, source: int, target: int) -> None:
    """Overwrite what only Izhikevich neurons have: `state.IZH_NAMES`."""
    for array in (
        n.fi_sel, n.spk_ref, n.isi_ref, n.reson_sharp_en, n.thr, n.rfr, n.dapdel, n.spklat_en,
        n.dap_en, n.stim_thr, n.phasic_en, n.mixed_en, n.class2_en, n.neg_en, n.rebound_en,
        n.inhin_en, n.bist_en, n.reson_en, n.thrvar_en, n.thr_sel_of, n.thrleak, n.acc_en,
        n.burst_incr, n.reson_sharp_amt, n.refrac, n.core, n.dapdel_cnt, n.stim_str,
        n.stim_str_tmp, n.phasic_lock, n.mixed_lock, n.spkout_done, n.stim0_prev, n.inhexc_prev,
        n.bist_lock, n.inhin_lock, n.reson_sign, n.thrmod, n.thrleak_cnt, n.burst_lock,
    ):  # fmt: skip
        array[target] = array[source]
