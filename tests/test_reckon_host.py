"""A host of several ReckOn chips that has nothing but the files of an export and its README.txt."""

import csv
import re
from collections import defaultdict

import numpy as np
import pytest
from crossbar_networks import bernoulli
from test_reckon_system import cut, stack
from test_reckon_uncut import leaky

from nm_backends.export import read_events
from nm_backends.system.exporting import read_routes
from nm_reckon.several_readme import first_ticks


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def when(folder):
    """Return ticks per step, and by how many ticks each layer is late, from the README."""
    text = (folder / "README.txt").read_text()
    assert "{" not in text
    assert max(map(len, text.splitlines())) <= 100
    said = re.search(r"is (\d+) tick\(s\). A layer runs .* the input: (.*)\.\n", text)
    each, lags = said.groups()
    return int(each), {n: int(lag) for n, lag in (one.split() for one in lags.split(", "))}


def told(folder):
    """Return what the chip fired, ``{(sample, node, neuron, step): tick that tells it}``."""
    each, lags = when(folder)
    sent = defaultdict(list)
    for row in rows(folder / "expected.csv"):
        sent[int(row["sample"]), int(row["tick"])].append(int(row["byte"], 16))
    words = {key: np.array(data, np.uint8).view("<i2").tolist() for key, data in sent.items()}
    found = {}
    for sample, tick in words:
        before = words.get((sample, tick - 1), [0] * len(words[sample, tick]))
        for line in rows(folder / "output_map.csv"):
            output, bit = divmod(int(line["address"]), 8)
            s = (2 * words[sample, tick][output] - before[output] + 1) // 4
            late = tick - 2 - lags[line["node"]]
            if s >> bit & 1 and late >= 0 and late % each == 0:
                found[sample, line["node"], int(line["neuron"]), late // each] = tick
    return found


def events(folder, spikes, steps, batch):
    """Return ``{(sample, tick, word)}`` that the host has to send, by the input map."""
    each, _ = when(folder)
    found = set()
    for line in rows(folder / "input_map.csv"):
        node, word, late = line["node"], int(line["words"], 16), int(line["delay"])
        if not node:
            last = 1 if "first step only" in line["note"] else steps
            due = [(s, t) for s in range(batch) for t in range(last)]
        else:
            due = [(s, t) for s, n, i, t in spikes if (n, i) == (node, int(line["neuron"]))]
        found |= {(s, each * t + late, word) for s, t in due}
    return found


def routed(folder, fired, spikes):
    """Return what each chip hears, ``{(sample, node, neuron, step): tick of the word}``."""
    heard = [{(s, "in", i, t): None for t, s, i in np.argwhere(spikes).tolist()} for _ in fired]
    routes = defaultdict(list)
    for p, address, *to in read_routes(folder):
        routes[p, address].append(to)
    for p, chip in enumerate(fired):
        for line in rows(folder / f"chip{p}" / "output_map.csv") if chip else ():
            own = [(s, t) for s, n, i, t in chip if (n, i) == (line["node"], int(line["neuron"]))]
            for q, node, neuron, late in routes[p, int(line["address"])]:
                for s, t in own:
                    tick = chip[s, line["node"], int(line["neuron"]), t]
                    heard[q][s, node, neuron, t + late] = (p, tick)
    return heard


def carried(folder, heard):
    """Yield for spikes of other chips: the chip, the tick that tells them, and when they go out."""
    each, late = when(folder)[0], defaultdict(list)
    for line in rows(folder / "input_map.csv"):
        late[line["node"], line["neuron"]].append(int(line["delay"]))
    for (_, node, neuron, step), origin in heard.items():
        if origin:
            yield *origin, each * step + min(late[node, str(neuron)])


@pytest.mark.parametrize("net", [leaky(0), leaky(10), leaky(3, fast=True), stack(5, (13, 4))])
def test_the_files_say_all_that_a_host_needs(net, tmp_path):
    spikes = bernoulli(9, 2, net.inputs[0].size, 0.4)
    system = cut(net, spikes, 4 if net.inputs[0].size == 5 else 9)
    system.export(tmp_path, spikes)
    result = system.run(spikes)
    folders = [tmp_path / f"chip{i}" for i in range(system.chips)]
    shows = ["Spikes from output" in (f / "README.txt").read_text() for f in folders]
    fired = [told(f) if shown else {} for f, shown in zip(folders, shows, strict=True)]
    for part, found in zip(system.parts, fired, strict=True):
        for name in {node for _, node, *_ in found}:
            layer = result.layers[name][:, :, part.neurons[name]]
            wanted = {(s, name, i, t) for t, s, i in np.argwhere(layer).tolist()}
            assert {key for key in found if key[1] == name} == wanted
    begins, text = first_ticks(system), (tmp_path / "README.txt").read_text()
    assert all(f"chip{i} in tick {tick}" in " ".join(text.split()) for i, tick in enumerate(begins))
    for q, heard in enumerate(routed(tmp_path, fired, spikes)):
        here = carried(folders[q], heard)
        waits = [begins[q] + sent - begins[p] - tick for p, tick, sent in here]
        assert all(wait >= 1 for wait in waits)
        assert 1 in waits or not begins[q]
        given = events(folders[q], heard, *spikes.shape[:2])
        for sample in read_events(folders[q]):
            sent = {(t, int(w)) for t, words in enumerate(sample.steps) for w in words}
            ours = {(t, w) for s, t, w in given if s == sample.number and t < len(sample.steps) - 1}
            assert sent == ours
    assert any(shows)
