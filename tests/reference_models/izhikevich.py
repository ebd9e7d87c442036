"""ODIN's Izhikevich neuron, one touch at a time, on a dictionary of its word's fields."""

PARAMETERS = (
    ("model", 1), ("leak_str", 7), ("leak_en", 1), ("fi_sel", 3), ("spk_ref", 3), ("isi_ref", 3),
    ("sharp_en", 1), ("thr", 3), ("rfr", 3), ("dapdel", 3), ("spklat_en", 1), ("dap_en", 1),
    ("stim_thr", 3), ("phasic_en", 1), ("mixed_en", 1), ("class2_en", 1), ("neg_en", 1),
    ("rebound_en", 1), ("inhin_en", 1), ("bist_en", 1), ("reson_en", 1), ("thrvar_en", 1),
    ("thr_sel_of", 1), ("thrleak", 4), ("acc_en", 1), ("ca_en", 1), ("thetamem", 3),
    ("theta1", 3), ("theta2", 3), ("theta3", 3), ("caleak", 5), ("burst_incr", 1),
    ("sharp_amt", 3),
)  # fmt: skip
STATES = (
    ("inacc", 11), ("refrac", 1), ("core", 4), ("dapdel_cnt", 3), ("stim", 4), ("stmp", 4),
    ("phasic_lock", 1), ("mixed_lock", 1), ("spkout_done", 1), ("stim0", 2), ("inhexc", 2),
    ("bist_lock", 1), ("inhin_lock", 1), ("sign", 2), ("thrmod", 4), ("thrleak_cnt", 4),
    ("calcium", 3), ("caleak_cnt", 5), ("burst_lock", 1),
)  # fmt: skip
assert (sum(w for _, w in PARAMETERS), sum(w for _, w in STATES)) == (70, 55)


def unpack(word):
    fields, at = {}, 0
    for name, width in PARAMETERS + STATES:
        fields[name] = word >> at & (1 << width) - 1
        at += width
    return fields


def pack(fields, word):
    at, mask = 70, (1 << 55) - 1 << 70
    word &= ~mask
    for name, width in STATES:
        assert 0 <= fields[name] < 1 << width, name
        word |= fields[name] << at
        at += width
    return word


def negative(nibble):
    return nibble >> 3


def reaches(stim, thr):
    return not negative(stim) and stim >= thr


def touch(word, event, weight=0, burst_end=False):
    """Touch a neuron by ``"tref"``, ``"exc"``, ``"inh"`` or None.

    Returns
    -------
    The new word, (up, down), and None or (spk_ref, isi_ref) of a spike.
    """
    old = unpack(word)
    new = dict(old)
    tref, exc, inh = event == "tref", event == "exc", event == "inh"
    p = old  # parameters
    nibble = 15

    # 1: input accumulator
    change = {"tref": -p["leak_str"] * p["leak_en"], "exc": weight, "inh": -weight, None: 0}[event]
    new["inacc"] = old["inacc"] + change & 0x7FF
    toggle = bool((new["inacc"] ^ old["inacc"]) >> 3 + p["fi_sel"] & 1)
    o_leak, o_exc, o_inh = toggle and tref, toggle and exc, toggle and inh

    # 2: stimulation
    stmp = old["stmp"]
    gt_e, tgt_e = reaches(old["stim"], p["stim_thr"]), reaches(stmp, p["stim_thr"])
    tgt_i = negative(stmp) and (-stmp & nibble) >= p["stim_thr"]
    if tref:
        new["stim"], new["stmp"] = stmp, 0
        new["stim0"] = (old["stim0"] << 1 | (stmp != 0)) & 3
        new["inhexc"] = int(tgt_i) << 1 | int(tgt_e)
    elif o_exc and stmp != 7:
        new["stmp"] = stmp + 1 & nibble
    elif o_inh and stmp != 9:
        new["stmp"] = stmp - 1 & nibble
    zero = tref and stmp == 0
    lone = zero and not old["stim0"] >> 1
    lone_exc, lone_inh = lone and old["inhexc"] & 1, lone and old["inhexc"] >> 1

    # 3: threshold
    thr = p["thr"] + old["thrmod"] & nibble

    # 4: core
    core, sign = old["core"], old["sign"]
    core_i = core
    if (p["spklat_en"] and old["dapdel_cnt"]) or (old["phasic_lock"] and core == 0):
        pass
    elif tref:
        if p["reson_en"]:
            core_i = core - 1 if sign == 3 else core
        elif old["refrac"]:
            core_i = core if old["burst_lock"] else core + 1
        elif p["acc_en"]:
            core_i = core if old["spkout_done"] else core - stmp
        elif p["dap_en"] and old["dapdel_cnt"] == 1 and core:
            core_i = 0
        elif o_leak and core:
            core_i = core + 1 if negative(core) else core - 1
    elif o_inh and p["reson_en"]:
        if sign in (3, 1) and core != 7:
            core_i = core + 1
        elif sign in (2, 0) and core != 0:
            core_i = core - 1
    elif o_inh and not old["refrac"]:
        core_i = core if core == (8 if p["neg_en"] else 0) else core - 1
    elif o_exc and p["reson_en"]:
        if sign in (3, 1) and core != 0:
            core_i = core - 1
        elif sign in (2, 0) and core != 7:
            core_i = core + 1
    elif o_exc and not old["refrac"]:
        blocked = p["class2_en"] and not gt_e and not tgt_e
        core_i = core if blocked or core == 7 else core + 1
    core_i &= nibble

    # 5: phase
    if not p["reson_en"]:
        sign_i = 0
    elif not tref:
        sign_i = sign
    elif core == 0:
        sign_i = 0
    else:
        sign_i = {0: 3, 1: 2, 2: 0, 3: 0 if core_i == 0 else 1}[sign]

    # 6: spike
    reached = core_i == thr
    if p["sharp_en"]:
        spike = o_exc and old["dapdel_cnt"] == p["sharp_amt"]
    elif p["spklat_en"]:
        spike = tref and old["dapdel_cnt"] == 1
    elif p["rebound_en"]:
        spike = lone_inh or reached
    elif p["bist_en"]:
        first = not old["bist_lock"] and lone_exc
        spike = first or (old["bist_lock"] and core_i == 0) or reached
    elif old["inhin_lock"]:
        spike = core_i == 0
    elif p["reson_en"]:
        spike = sign_i == 0 and reached
    else:
        spike = reached
    spike = bool(spike)

    # 7: event
    spk_ref = 0 if old["mixed_lock"] else p["spk_ref"]
    isi_ref = 0 if old["mixed_lock"] else p["isi_ref"]
    together = min(spk_ref + 1, 7)

    # 8: locks
    if (spike and (tgt_e or gt_e)) or (
        tref and old["spkout_done"] and (core == 0 or old["refrac"]) and tgt_e
    ):
        new["phasic_lock"], new["mixed_lock"] = p["phasic_en"], p["mixed_en"]
    elif not gt_e:
        new["phasic_lock"] = new["mixed_lock"] = 0
    if tref:
        new["spkout_done"] = 0
    elif spike:
        new["spkout_done"] = 1
    if tref and p["bist_en"] and lone_exc:
        new["bist_lock"] = 1 - old["bist_lock"]
    if p["inhin_en"] and not old["refrac"] and -core & nibble == thr:
        new["inhin_lock"] = 1
    elif old["inhin_lock"] and zero:
        new["inhin_lock"] = 0

    # 9: delay counter
    if p["sharp_en"]:
        if tref and old["dapdel_cnt"] != 7:
            new["dapdel_cnt"] += 1
        elif o_exc:
            new["dapdel_cnt"] = 0
    elif (p["dap_en"] and spike) or (p["spklat_en"] and reached and core != thr):
        new["dapdel_cnt"] = p["dapdel"]
    elif tref and old["dapdel_cnt"]:
        new["dapdel_cnt"] -= 1

    # 10: reset
    if spike or new["inhin_lock"]:
        new["refrac"] = int(not p["dap_en"] and p["rfr"] != 0 and not p["reson_en"])
    elif core_i == 0:
        new["refrac"] = 0
    new["core"] = core_i
    if spike:
        new["core"] = p["rfr"] if p["dap_en"] or p["reson_en"] else -p["rfr"] & nibble
    new["sign"] = 1 if spike and p["reson_en"] else sign_i
    if spike and spk_ref:
        new["burst_lock"] = 1
    elif burst_end:
        new["burst_lock"] = 0

    # 11: threshold modification
    tick = False
    if p["thrvar_en"] and p["thrleak"] and tref:
        tick = old["thrleak_cnt"] == p["thrleak"] - 1
        new["thrleak_cnt"] = 0 if tick else old["thrleak_cnt"] + 1 & nibble
    mod = old["thrmod"]
    if p["acc_en"]:
        if tref:
            mod = stmp
            if negative(stmp + p["thr"] & nibble):
                mod = 1 - p["thr"] if negative(stmp) else 7 - p["thr"]
    elif p["thrvar_en"]:
        if spike if p["thr_sel_of"] else o_exc:
            if p["burst_incr"]:
                mod = 7 if (7 - thr & nibble) < together else mod + together
            elif thr != 7:
                mod += 1
        elif not p["thr_sel_of"] and o_inh:
            mod -= thr != 1
        elif tick and mod:
            mod += 1 if negative(mod) else -1
    new["thrmod"] = mod & nibble

    # 12: calcium and flags
    tick = False
    if p["ca_en"] and p["caleak"] and tref:
        tick = old["caleak_cnt"] == p["caleak"] - 1
        new["caleak_cnt"] = 0 if tick else old["caleak_cnt"] + 1 & 31
    if p["ca_en"] and spike and not tick:
        new["calcium"] = min(old["calcium"] + (together if p["burst_incr"] else 1), 7)
    elif p["ca_en"] and tick and not spike:
        new["calcium"] = max(old["calcium"] - 1, 0)
    learns = p["ca_en"] and not negative(new["core"]) and new["calcium"] >= p["theta1"]
    high = new["core"] >= p["thetamem"]
    up = learns and high and new["calcium"] < p["theta3"]
    down = learns and not high and new["calcium"] < p["theta2"]

    return pack(new, word), (int(up), int(down)), (spk_ref, isi_ref) if spike else None
