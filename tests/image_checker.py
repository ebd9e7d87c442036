"""Reads an exported program back with code of its own and checks every limit of the chip.

Written from the chips' documentation. It shares nothing with the package: files are parsed here,
words are Python integers, and a limit is one line. ``check(chip, folder)`` returns what is wrong.
"""

import csv
from pathlib import Path

LEAK = {"odin": 0x7F, "tinyodin": 0x1FF}


def check(chip, folder):
    """Return everything that is wrong with an export, as a list of texts."""
    return checks()[chip](Path(folder))


def checks():
    """Return chip to the function that checks its exports."""
    from image_checker_others import check_morphic, check_spoon

    return {
        "morphic": check_morphic,
        "odin": check_odin,
        "reckon": check_reckon,
        "spoon": check_spoon,
        "tinyodin": check_tinyodin,
    }


# Files --------------------------------------------------------------------------------------------


def memory(folder, name, words, bits):
    """Return the words of a ``.hex`` file."""
    lines = (folder / f"{name}.hex").read_text().split()
    assert len(lines) == words, f"{name}: {len(lines)} words"
    values = [int(line, 16) for line in lines]
    assert max(values) >> bits == 0, f"{name}: more than {bits} bits"
    return values


def registers(folder):
    """Return register name to value; a value that is wider than its register is a mistake."""
    found = {}
    for line in (folder / "registers.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, _, width, value = line.split()
            found[name] = int(value, 16)
            assert found[name] >> int(width) == 0, f"{name}: more than {width} bits"
    return found


def events(folder):
    """Return the lines of ``aer.txt`` as lists of fields, without comments."""
    path = folder / "aer.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    stripped = [line.partition("#")[0].split() for line in lines]
    return [fields for fields in stripped if fields]


def table(folder, name):
    with (folder / name).open() as file:
        return list(csv.DictReader(file))


def bits(word, low, width):
    return word >> low & (1 << width) - 1


def signed(value, width):
    return value - (1 << width) if value >> (width - 1) else value


# Crossbars ----------------------------------------------------------------------------------------


def places(folder):
    """Return chip address to (node, neuron, whether its spikes count), and what is wrong."""
    rows = table(folder, "output_map.csv")
    found = {int(r["address"]): (r["node"], int(r["neuron"]), r["counts"] == "1") for r in rows}
    wrong = [] if len(found) == len(rows) else ["two neurons at one address"]
    wrong += [f"neuron {a}: no such address" for a in found if not 0 <= a < 256]
    counted = [place[:2] for place in found.values() if place[2]]
    wrong += [] if len(set(counted)) == len(counted) else ["a neuron counts at two addresses"]
    silent = {place[:2] for place in found.values() if not place[2]}
    wrong += [] if silent <= set(counted) else ["a copy of a neuron that is nowhere"]
    return found, wrong


def nibbles(words):
    """Return 4-bit synapses ``[row][neuron]``: word 32 row + neuron // 8, nibble neuron % 8."""
    return [
        [words[32 * row + n // 8] >> 4 * (n % 8) & 15 for n in range(256)] for row in range(256)
    ]


def crossbar_problems(chip, folder, used, enabled, weights, closed):
    """Check what both crossbars have in common: who is where, and what the host sends."""
    wrong = [f"neuron {a} is in use and disabled" for a in sorted(used - enabled)]
    wrong += [f"neuron {a} is enabled and not in use" for a in sorted(enabled - used)]
    for row in range(256):
        for n in range(256):
            if weights[row][n] and n not in used:
                wrong.append(f"synapse {row}, {n}: a weight to a neuron that is not in use")
    inputs, bad = input_rows(chip, folder)
    wrong += bad
    if closed:
        wrong += [f"row {row} belongs to a neuron and to an input" for row in inputs & used]
    driven = {row for row in range(256) if any(weights[row])}
    senders = used if closed else set()
    wrong += [f"row {row} has weights, nobody drives it" for row in driven - inputs - senders]
    if closed and not driven & used - inputs:
        wrong.append("the loop is closed, no neuron drives any")
    for fields in events(folder):
        if fields[0] == "A" and (word := int(fields[1], 16)) != LEAK[chip]:
            if row_of(chip, word) not in inputs:
                wrong.append(f"event {word:05x} is neither a time reference nor a row of the input")
        elif fields[0] not in "ASPTE":
            wrong.append(f"line {fields[0]} in aer.txt")
    return wrong


def row_of(chip, word):
    """Return the row of a neuron spike event; None for anything else."""
    if chip == "odin":
        return word >> 8 if word < 1 << 16 and word & 0xFF == 0x07 else None
    return word if word < 256 else None


def input_rows(chip, folder):
    """Return the rows that the host drives, and what is wrong with its list of words."""
    found, wrong, once = set(), [], set()
    for line in table(folder, "input_map.csv"):
        for word in {int(text, 16) for text in line["words"].split()}:  # several events of a row
            row = row_of(chip, word)
            if row is not None:
                found.add(row)
                wrong += [f"row {row} of two inputs"] if row in once else []
                once.add(row)
            elif word != LEAK[chip]:
                wrong.append(f"word {word:05x} is neither a time reference nor a row")
    return found, wrong


def check_odin(folder):
    words, r = memory(folder, "neuron", 256, 128), registers(folder)
    synapses = nibbles(memory(folder, "synapse", 8192, 32))
    used, wrong = places(folder)
    negative = [bits(r["SPI_SYN_SIGN"], row, 1) for row in range(256)]
    weights = [[(-1) ** negative[row] * (s & 7) for s in synapses[row]] for row in range(256)]
    if not r["SPI_PROPAGATE_UNMAPPED_SYN"]:
        wrong += [
            f"synapse {row}, {n} has a weight and is not mapped"
            for row in range(256)
            for n in range(256)
            if synapses[row][n] & 7 and not synapses[row][n] & 8
        ]
    for name in ("GATE_ACTIVITY", "BURST_TIMEREF", "OUT_AER_MONITOR_EN", "AER_SRC_CTRL_nNEUR"):
        wrong += [f"SPI_{name} is {r['SPI_' + name]}"] if r["SPI_" + name] else []
    enabled = set()
    for n, word in enumerate(words):
        if not word & 1:
            wrong.append(f"neuron {n} is an Izhikevich neuron")
        if bits(word, 127, 1):
            continue
        enabled.add(n)
        wrong += [f"neuron {n}: threshold 0"] if not bits(word, 9, 8) else []
        wrong += [f"neuron {n} learns"] if bits(word, 17, 1) else []
        if bits(word, 70, 8) >= bits(word, 9, 8):
            wrong.append(f"neuron {n} begins at its threshold")
        if bits(word, 1, 7) and not bits(word, 8, 1):
            wrong.append(f"neuron {n}: a leak that is not enabled")
    closed = not r["SPI_OPEN_LOOP"]
    return wrong + crossbar_problems("odin", folder, set(used), enabled, weights, closed)


def check_tinyodin(folder):
    words, r = memory(folder, "neuron", 256, 32), registers(folder)
    synapses = nibbles(memory(folder, "synapse", 8192, 32))
    weights = [[signed(s, 4) for s in row] for row in synapses]
    used, wrong = places(folder)
    for name in ("SPI_GATE_ACTIVITY", "SPI_AER_SRC_CTRL_nNEUR"):
        wrong += [f"{name} is {r[name]}"] if r[name] else []
    wrong += [f"neuron {n} is above SPI_MAX_NEUR" for n in used if n > r["SPI_MAX_NEUR"]]
    enabled = set()
    for n, word in enumerate(words):
        if word >> 31:
            continue
        if n > r["SPI_MAX_NEUR"] and n not in used:
            continue  # never visited
        enabled.add(n)
        threshold, core = bits(word, 12, 12), signed(bits(word, 0, 12), 12)
        if not 1 <= threshold <= 2047:
            wrong.append(f"neuron {n}: threshold {threshold}")
        wrong += [f"neuron {n} begins at its threshold"] if core >= threshold else []
    closed = not r["SPI_OPEN_LOOP"]
    return wrong + crossbar_problems("tinyodin", folder, set(used), enabled, weights, closed)


# ReckOn -------------------------------------------------------------------------------------------


def byte_rows(words, columns):
    """Return signed bytes ``[row][column]`` of 128-bit words, 16 bytes each."""
    flat = [signed(word >> 8 * k & 0xFF, 8) for word in words for k in range(16)]
    return [flat[at : at + columns] for at in range(0, len(flat), columns)]


def check_reckon(folder):
    r = registers(folder)
    inputs, neurons, outputs = (r[f"SPI_NUM_{x}_NEUR"] + 1 for x in ("INP", "REC", "OUT"))
    wrong = [f"{what}: an odd count" for what, n in (("neurons", neurons),) if n % 2]
    for name in ("DO_EPROP", "REGUL_MODE", "NOISE_EN", "LOCAL_TICK", "ERROR_HALT", "FORCE_TRACES"):
        wrong += [f"SPI_{name} is {r['SPI_' + name]}"] if r["SPI_" + name] else []
    wrong += [f"SPI_KAPPA {r['SPI_KAPPA']} is above 1"] if r["SPI_KAPPA"] > 0x80 else []
    for n, word in enumerate(memory(folder, "neuron", 128, 128)):
        threshold = signed(bits(word, 100, 16), 16)
        factor = (0x8000 if bits(r["SPI_ALPHA_CONF"], n, 1) else 0x7000) + bits(word, 116, 12)
        wrong += [f"word {n}: threshold {threshold}"] if threshold < 1 else []
        wrong += [f"word {n}: leak factor {factor:#x} is above 1"] if factor > 0x8000 else []
        wrong += [f"word {n}: state that is not 0"] if bits(word, 0, 100) else []
    w_in = byte_rows(memory(folder, "input_weight", 4096, 128), 256)
    w_rec = byte_rows(memory(folder, "recurrent_weight", 4096, 128), 256)
    w_out = byte_rows(memory(folder, "output_weight", 512, 128), 16)
    for name, rows, last, width in (
        ("input", w_in, inputs, neurons),
        ("recurrent", w_rec, neurons, neurons),
        ("output", w_out, neurons, outputs),
    ):
        for i, row in enumerate(rows):
            if any(row[width:]) or (i >= last and any(row)):
                wrong.append(f"{name} weights, row {i}: beyond what is in use")
    return wrong + reckon_events(folder, inputs)


def reckon_events(folder, inputs):
    """Check what the host does: events once per tick, of inputs in use; nothing about learning."""
    wrong, sent, ticks, last = [], set(), 0, False
    for line in table(folder, "input_map.csv"):
        for text in line["words"].split():
            wrong += [f"input {text} is not in use"] if int(text, 16) >= inputs else []
    for kind, *rest in events(folder):
        if kind == "T":
            sent, ticks = set(), ticks + 1
        elif kind == "S":
            ticks, last = 0, False
        elif kind == "H":
            wrong += ["TARGET_VALID is raised"] if rest == ["TARGET_VALID", "1"] else []
            last = last or rest == ["SAMPLE", "0"]
        elif kind == "A":
            word = int(rest[0], 16)
            wrong += [f"input {word} is not in use"] if word >= inputs else []
            wrong += [f"input {word} twice in a tick"] if word in sent else []
            wrong += ["an event in the last tick is lost"] if last else []
            sent.add(word)
        elif kind == "E":
            wrong += [f"a sample of {ticks} ticks"] if ticks < 2 else []
        elif kind in "LR":
            wrong.append("a target is sent")
    return wrong
