"""The word of an Izhikevich neuron (bit 0 is 0), field by field.

The upstream documentation names the parameters but does not describe them; the descriptions here
follow from the RTL (``neuron_core.v``, ``izh_neuron.v``, ``src/IZH_neuron_blocks``) and from traces
of it. Letters in brackets are the behaviours in the order of E. M. Izhikevich, IEEE Transactions
on Neural Networks 15(5), 2004, figure 1.

In short: inputs are summed up in ``inacc``; each time bit ``3 + fi_sel`` of the sum flips, the
membrane ``core`` (-8..7) takes one *step*, up after an excitatory input and down after an
inhibitory one. The neuron fires when ``core`` *equals* the effective threshold ``thr + thrmod``,
looked at whenever it is touched, or when one of the behaviours says so. Time references make
everything that lasts go on.
"""

from __future__ import annotations

from nm_backends.chip import Field

__all__ = ["IZH_FIELDS"]

_PARAMETERS = (
    Field("lif_izh_sel", 0, 1, doc="model: 0 Izhikevich, 1 LIF"),
    Field("leak_str", 1, 7, doc="subtracted from inacc at each time reference, if leak_en"),
    Field("leak_en", 8, 1, doc="1 enables the leak; a flip it causes moves core one step to 0"),
    Field("fi_sel", 9, 3, doc="fan-in: a step per 8 << fi_sel of summed input, as inacc bit flips"),
    Field(
        "spk_ref", 12, 3, doc="burst: spikes after the first one; 0 no burst [C bursting, D, E, R]"
    ),
    Field("isi_ref", 15, 3, doc="burst: isi_ref + 1 slots of BURST_TIMEREF + 1 cycles between"),
    Field(
        "reson_sharp_en",
        18,
        1,
        doc="sharp resonance [K, J]: fire at an upward step that comes exactly reson_sharp_amt "
        "time references after the one before, and at no other time",
    ),
    Field("thr", 19, 3, doc="firing threshold of core, before thrmod; 0 fires at rest"),
    Field(
        "rfr",
        22,
        3,
        doc="core after a spike is -rfr and counts up, refractory, at time references; with "
        "dap_en or reson_en it is +rfr: the size of the afterpotential or the oscillation",
    ),
    Field("dapdel", 25, 3, doc="time references of latency (spklat_en) or afterpotential (dap_en)"),
    Field(
        "spklat_en", 28, 1, doc="spike latency [I]: reaching thr fires dapdel time references later"
    ),
    Field(
        "dap_en",
        29,
        1,
        doc="depolarising afterpotential [Q]: core is +rfr for dapdel time references, then 0",
    ),
    Field(
        "stim_thr",
        30,
        3,
        doc="steps per time reference from which stimulation counts as strong: for phasic_en, "
        "mixed_en, class2_en, bist_en, rebound_en",
    ),
    Field("phasic_en", 33, 1, doc="phasic [B, D]: silent after a spike until strong input ends"),
    Field("mixed_en", 34, 1, doc="mixed mode [E]: burst once, then single spikes until input ends"),
    Field("class2_en", 35, 1, doc="class 2 [H]: upward steps only while stimulation is strong"),
    Field("neg_en", 36, 1, doc="inhibition can move core below 0, down to -8"),
    Field("rebound_en", 37, 1, doc="rebound [M, N]: fire after one interval of strong inhibition"),
    Field(
        "inhin_en",
        38,
        1,
        doc="inhibition-induced [S, T]: once core is -thr, fire whenever it is back at 0, until a "
        "time reference interval without steps",
    ),
    Field(
        "bist_en",
        39,
        1,
        doc="bistable [P]: one interval of strong input starts repeated firing (at core 0), the "
        "next one stops it",
    ),
    Field("reson_en", 40, 1, doc="subthreshold oscillation of core [J, K]; input acts in phase"),
    Field("thrvar_en", 41, 1, doc="threshold variability [O] or spike frequency adaptation [F]"),
    Field(
        "thr_sel_of", 42, 1, doc="thrmod moves with: 0 input steps, O; 1 the neuron's own spikes, F"
    ),
    Field("thrleak", 43, 4, doc="time references per step of thrmod toward 0; 0 never"),
    Field(
        "acc_en",
        47,
        1,
        doc="accommodation [R]: threshold follows the steps of the last time reference interval",
    ),
    Field("ca_en", 48, 1, doc="calcium and learning; 0 freezes the synapses of this neuron"),
    Field("thetamem", 49, 3, doc="learning: membrane threshold; below 0 core learns nothing"),
    Field("ca_theta1", 52, 3, doc="learning: calcium threshold 1"),
    Field("ca_theta2", 55, 3, doc="learning: calcium threshold 2"),
    Field("ca_theta3", 58, 3, doc="learning: calcium threshold 3"),
    Field("ca_leak", 61, 5, doc="calcium: time references per decrement, 0 never"),
    Field(
        "burst_incr",
        66,
        1,
        doc="calcium and thrmod (thrvar_en) count all spikes of a burst at once: spk_ref + 1",
    ),
    Field("reson_sharp_amt", 67, 3, doc="sharp resonance: time references between two steps"),
)

_STATE = (
    Field("inacc", 70, 11, doc="input accumulator, wraps around"),
    Field("refrac", 81, 1, doc="1 refractory: input does not move core"),
    Field("core", 82, 4, True, doc="membrane potential"),
    Field("dapdel_cnt", 86, 3, doc="time references left (latency, DAP) or passed (sharp)"),
    Field("stim_str", 89, 4, True, doc="steps in the last time reference interval, up - down"),
    Field("stim_str_tmp", 93, 4, True, doc="steps in this time reference interval so far"),
    Field("phasic_lock", 97, 1, doc="1 core stays 0 (phasic_en)"),
    Field("mixed_lock", 98, 1, doc="1 spikes do not burst (mixed_en)"),
    Field("spkout_done", 99, 1, doc="1 has fired in this time reference interval"),
    Field("stim0_prev", 100, 2, doc="bit 0, bit 1: there were steps one, two intervals ago"),
    Field("inhexc_prev", 102, 2, doc="last interval was strong: bit 0 excited, bit 1 inhibited"),
    Field("bist_lock", 104, 1, doc="1 firing repeatedly (bist_en)"),
    Field("inhin_lock", 105, 1, doc="1 induced to fire (inhin_en)"),
    Field("reson_sign", 106, 2, doc="phase: 0 positive, 1 negative, 2 back to +, 3 back to -"),
    Field("thrmod", 108, 4, True, doc="added to thr"),
    Field("thrleak_cnt", 112, 4, doc="threshold leak counter"),
    Field("calcium", 116, 3, doc="calcium"),
    Field("caleak_cnt", 119, 5, doc="calcium leak counter"),
    Field("burst_lock", 124, 1, doc="1 a burst goes on: refractory time stands still"),
    Field("neur_disable", 127, 1, doc="1 suppresses the spike; the state still evolves"),
)

IZH_FIELDS = (*_PARAMETERS, *_STATE)
