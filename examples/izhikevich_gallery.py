"""The twenty behaviours of Izhikevich (2004, figure 1) on neurons of ODIN.

Each panel is one neuron word and one stimulus on the cycle-accurate engine: the membrane as the
chip's monitoring mode sends it (above), spikes as vertical lines, the input in each time reference
interval (below). The words come from `nm_odin.izhikevich.behaviour_word`.

    pip install "nm-backends[plot]"
    python examples/izhikevich_gallery.py --out gallery.png
    python examples/izhikevich_gallery.py --behaviour tonic_bursting --json
"""

import argparse
import json
from pathlib import Path

import numpy as np

from nm_backends.files import atomic_write
from nm_odin.izhikevich import BEHAVIOURS, behaviour_word
from nm_odin.single_neuron import record

COLUMNS = 4
TURN = np.array([1, -1, 0, 0])  # an oscillating membrane in its phases: peak, trough, two crossings


def results(names):
    """Return word, stimulus and response of each behaviour, and the recordings."""
    described, recordings = {}, {}
    for name in names:
        behaviour, word = BEHAVIOURS[name], behaviour_word(name)
        recordings[name] = recording = record(word, behaviour.current)
        described[name] = {
            "letter": behaviour.letter,
            "title": behaviour.title,
            "mechanism": behaviour.mechanism,
            "parameters": dict(behaviour.parameters),
            "word": [int(byte) for byte in word],
            "current": recording.current.tolist(),
            "spikes": recording.spikes.round(3).tolist(),
        }
    return described, recordings


def table(described):
    """Return the behaviours as text: the word's bytes 0 to 8 (the parameters), and how it works."""
    lines = [f"{'behaviour':32}{'spikes':>6}  word, bytes 0..8    mechanism"]
    for name, entry in described.items():
        word = bytes(entry["word"][:9]).hex()
        spikes = len(entry["spikes"])
        lines.append(f"{entry['letter']} {name:30}{spikes:6}  {word}  {entry['mechanism']}")
    return "\n".join(lines)


def draw(recordings, path):
    """Draw a panel per behaviour."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(recordings))
    rows = -(-len(recordings) // columns)
    figure = Figure(figsize=(4 * columns, 2.5 * rows + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(recordings) :]:
        axes.set_axis_off()
    for axes, (name, recording) in zip(grid.flat, recordings.items(), strict=False):
        draw_panel(axes, BEHAVIOURS[name], recording)
    for axes in grid[-1]:
        axes.set_xlabel("time references", fontsize="small")
    with atomic_write(path) as aside:
        figure.savefig(aside, format="png", dpi=110)


def draw_panel(axes, behaviour, recording):
    """Draw membrane, spikes and stimulus."""
    length = len(recording.current)
    time = np.concatenate([[0], recording.time, [length]])
    membrane = np.concatenate([[0], recording.core, [0]])
    membrane[-1] = membrane[-2]
    if behaviour.parameters.get("reson_en"):
        phase = np.concatenate([[0], recording.reson_sign, recording.reson_sign[-1:]])
        membrane = membrane * TURN[phase]
    axes.step(time, membrane, where="post", color="C0", linewidth=1)
    axes.vlines(recording.spikes, 0, 11, color="C3", linewidth=1)
    scale = 5 / max(np.abs(recording.current).max(), 1)
    base = -13 if recording.current.min() >= 0 else -8.5
    edges = np.arange(length + 1)
    axes.stairs(base + scale * recording.current, edges, baseline=None, color="0.3")
    axes.set(xlim=(0, length), ylim=(-14.5, 12), yticks=[-8, 0, 7])
    axes.tick_params(labelsize="small")
    axes.set_title(f"({behaviour.letter}) {behaviour.title.lower()}", fontsize="medium")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def main(line=None):
    """Run the behaviours asked for; print a table, draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--behaviour", action="append", choices=list(BEHAVIOURS), metavar="NAME",
        help=f"only this one (may be given again): {', '.join(BEHAVIOURS)}",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="where to draw the figure (PNG)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(line)
    described, recordings = results(options.behaviour or BEHAVIOURS)
    print(json.dumps(described, indent=1) if options.json else table(described))
    if options.out:
        draw(recordings, options.out)


if __name__ == "__main__":
    main()
