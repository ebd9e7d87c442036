"""The checker of `image_checker` for chips without public RTL: MorphIC and SPOON.

Their limits are those of the published sheets (MorphIC: neurons, rows, routes) and of the choices
that exports name (widths of fields, memories of SPOON).
"""

import image_checker as files

# MorphIC ------------------------------------------------------------------------------------------

CORES, NEURONS, ROWS, L1, L2 = 4, 512, 1024, 512, 768
REFERENCE, TOGETHER = 1 << 26, 1 << 27


def check_morphic(folder):
    """Return everything that is wrong with an export for MorphIC."""
    words = files.memory(folder, "neuron", CORES * NEURONS, 128)
    routes = files.memory(folder, "route", CORES * NEURONS, 27)
    synapses = files.memory(folder, "synapse_row", CORES * ROWS, NEURONS)
    registers = files.registers(folder)
    place, wrong = morphic_places(folder)
    wrong += [
        t for at in range(CORES * NEURONS) for t in neuron_problems(at, words[at], at in place)
    ]
    heard = {(at // NEURONS, at % NEURONS) for at in place}
    for at, route in enumerate(routes):
        if route and at not in place:
            wrong.append(f"neuron {at}: a route and not in use")
        for core, row in targets(at, route):
            wrong += [f"neuron {at}: its own core by L1"] if core == at // NEURONS else []
            heard.add((core, L1 + row))
        if route & 0xFFFF:
            wrong.append(f"neuron {at}: a route to another chip")
    sent, more = host_rows(folder)
    wrong += more
    wrong += [f"core {c}, row {r}: an input and a neuron" for c, r in sorted(sent & heard)]
    for core in range(CORES):
        wrong += core_problems(core, registers, synapses, place, sent | heard)
    return wrong


def morphic_places(folder):
    """Return chip address to (node, neuron), and what is wrong."""
    rows = files.table(folder, "output_map.csv")
    found = {int(r["address"]): (r["node"], int(r["neuron"])) for r in rows}
    wrong = [] if len(found) == len(rows) else ["two neurons at one address"]
    wrong += [f"neuron {a}: no such address" for a in found if not 0 <= a < CORES * NEURONS]
    counted = [(r["node"], r["neuron"]) for r in rows if r["counts"] == "1"]
    return found, wrong + ([] if len(set(counted)) == len(counted) else ["counts twice"])


def neuron_problems(at, word, used):
    """Check one neuron word: 11 bits of membrane, 10 of threshold, 7 of leak."""
    bits, signed = files.bits, files.signed
    core, threshold, leak = signed(bits(word, 0, 16), 16), bits(word, 16, 16), bits(word, 32, 16)
    if bits(word, 120, 1):
        return [f"neuron {at} is in use and disabled"] if used else []
    if not used:
        return [f"neuron {at} is enabled and not in use"]
    found = [] if 1 <= threshold < 1 << 10 else [f"neuron {at}: threshold {threshold}"]
    found += [] if leak < 1 << 7 else [f"neuron {at}: leak {leak}"]
    found += [f"neuron {at} begins at its threshold"] if core >= threshold else []
    return found + ([f"neuron {at} learns"] if bits(word, 112, 1) else [])


def targets(at, route):
    """Return core and L1 row of the cores that a neuron reaches."""
    others = [core for core in range(CORES) if core != at // NEURONS]
    mask, row = route >> 24, route >> 16 & 0xFF
    return [(core, row) for i, core in enumerate(others) if mask >> i & 1]


def host_rows(folder):
    """Return core and row of the words that the host sends, and what is wrong with them."""
    found, wrong = set(), []
    for line in files.table(folder, "input_map.csv"):
        for text in line["words"].split():
            word = int(text, 16) & ~TOGETHER
            if word == REFERENCE:
                continue
            if word < CORES * ROWS:
                found.add((word // ROWS, word % ROWS))
            else:
                wrong.append(f"word {text} is neither a time reference nor a row")
    for kind, *rest in files.events(folder):
        word = int(rest[0], 16) & ~TOGETHER if kind == "A" else REFERENCE
        if word != REFERENCE and (word // ROWS, word % ROWS) not in found:
            wrong.append(f"event {rest[0]} is neither a time reference nor a row of the input")
    return found, wrong


def core_problems(core, registers, synapses, place, driven):
    """Check rows and registers of a core: what is connected has somebody who drives it."""
    enabled = registers[f"ROW_ENABLE_{core}"]
    wrong = [f"core {core} learns"] if registers[f"PLASTIC_{core}"] else []
    wrong += [] if registers[f"LFSR_SEED_{core}"] else [f"core {core}: seed 0"]
    for row in range(ROWS):
        word, on = synapses[ROWS * core + row], enabled >> row & 1
        if on and (core, row) not in driven:
            wrong.append(f"core {core}, row {row} is connected, nobody drives it")
        if on and registers[f"WEIGHT_MODE_{core}"]:
            wrong += [
                f"core {core}, row {row}: a weight to neuron {n}, which is not in use"
                for n in range(NEURONS)
                if word >> n & 1 and NEURONS * core + n not in place
            ]
    return wrong


# SPOON --------------------------------------------------------------------------------------------


def check_spoon(folder):
    """Return everything that is wrong with an export for SPOON."""
    r = files.registers(folder)
    kernels, hidden, outputs = r["CONV_KERNELS"], r["HIDDEN_NEURONS"], r["OUTPUT_NEURONS"]
    taps = r["INPUT_CHANNELS"] * r["KERNEL_HEIGHT"] * r["KERNEL_WIDTH"] if kernels else 0
    inputs = r["INPUT_CHANNELS"] * r["INPUT_HEIGHT"] * r["INPUT_WIDTH"]
    pool = 2 if r["POOL_MODE"] else 1
    maps = (r["MAP_HEIGHT"] // pool) * (r["MAP_WIDTH"] // pool)
    features = kernels * maps if kernels else inputs
    wrong = [
        f"{name} {value}, at most {most}"
        for name, value, most in (
            ("inputs", inputs, 784), ("kernels", kernels, 10), ("taps", taps, 25),
            ("features", features, 360), ("hidden neurons", hidden, 128), ("outputs", outputs, 10),
        )
        if value > most
    ]  # fmt: skip
    wrong += [f"LEARN is {r['LEARN']}"] if r["LEARN"] else []
    for name, words, columns, rows, width in (
        ("conv_weight", 25, 10, taps, kernels),
        ("hidden_weight", 360, 128, features, hidden),
        ("output_weight", 128, 10, hidden, outputs),
    ):
        for i, word in enumerate(files.memory(folder, name, words, 8 * columns)):
            if word >> 8 * width or (i >= rows and word):
                wrong.append(f"{name}, word {i}: beyond what is in use")
    for name, words, size in (("hidden_bias", 128, hidden), ("output_bias", 10, outputs)):
        for i, word in enumerate(files.memory(folder, name, words, 24)):
            wrong += [f"{name}, word {i}: beyond what is in use"] if word and i >= size else []
    return wrong + spoon_events(folder, inputs) + spoon_answers(folder, outputs)


def spoon_events(folder, inputs):
    """Check that each input has at most one event per sample, and an address of its own."""
    wrong, sent = [], set()
    words = [int(line["words"], 16) for line in files.table(folder, "input_map.csv")]
    wrong += ["two inputs with one address"] if len(set(words)) != len(words) else []
    for kind, *rest in files.events(folder):
        if kind == "S":
            sent = set()
        elif kind == "A":
            word = int(rest[0], 16)
            wrong += [f"input {word} is not in use"] if word >= inputs or word not in words else []
            wrong += [f"input {word} twice in a sample"] if word in sent else []
            sent.add(word)
        elif kind in "LR":
            wrong.append("a target is sent")
    return wrong


def spoon_answers(folder, outputs):
    """Check values and decisions, and whose values they are."""
    rows = files.table(folder, "output_map.csv")
    addresses = [int(r["address"]) for r in rows]
    wrong = [] if sorted(addresses) == list(range(outputs)) else [f"outputs {addresses}"]
    if not (folder / "expected.csv").exists():
        return wrong
    samples = {}
    for line in files.table(folder, "expected.csv"):
        values, decisions = samples.setdefault(line["sample"], ([], set()))
        values.append(int(line["value"]))
        decisions.add(int(line["decision"]))
    for sample, (values, decisions) in samples.items():
        wrong += [f"sample {sample}: a value that is no byte"] if max(values) > 255 else []
        if decisions != {values.index(max(values))}:
            wrong.append(f"sample {sample}: decisions {decisions} for {values}")
    return wrong
