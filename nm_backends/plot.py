"""Pictures of programs and runs. matplotlib is imported when one is drawn."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.files import atomic_write

if TYPE_CHECKING:
    from nm_backends.history import History
    from nm_backends.program import Program, Resource
    from nm_backends.result import Result

__all__ = [
    "draw_differences",
    "draw_history",
    "draw_membranes",
    "draw_raster",
    "draw_resources",
    "draw_result",
    "picture",
    "save_history",
    "subplots",
]

INSTALL = 'pip install "nm-backends[plot]"'


def picture(
    runs: Sequence[tuple[Program, np.ndarray, Result]], path: str | os.PathLike[str]
) -> None:
    """Draw one sample per program: raster, membranes of the output, synapse memory.

    Parameters
    ----------
    runs
        Program, input spikes ``[time, inputs]`` and the result of that single sample, run with
        ``record=("membrane",)``.
    path
        Where to write the PNG file.

    Raises
    ------
    ImportError
        When matplotlib is not installed.
    """
    from nm_backends.plot_weights import draw_weights

    axes = subplots((15, 4.2 * len(runs)), len(runs), 3, shown=False, width_ratios=(5, 5, 4))
    for (left, middle, right), (program, spikes, result) in zip(axes, runs, strict=True):
        draw_raster(left, {"input": spikes, **result.layers})
        left.set_title(f"Who fires when on {program.chip}? (predicted {result.prediction[0]})")
        draw_membranes(middle, result.membranes[program.network.output.name])
        middle.set_title(f"What do the membranes of {program.network.output.name} do?")
        draw_weights(right, program)
    with atomic_write(path) as aside:
        axes[0, 0].figure.savefig(aside, format="png", dpi=110)


def draw_raster(axes: Any, layers: dict[str, np.ndarray]) -> None:
    """Draw spikes ``[time, *shape]`` of every layer, stacked, the first one at the bottom."""
    base = 0
    ticks = []
    for i, (name, spikes) in enumerate(layers.items()):
        flat = spikes.reshape(len(spikes), -1)
        steps, neurons = np.nonzero(flat)
        axes.scatter(steps, base + neurons, s=4, marker="s", color=f"C{i}", linewidths=0)
        ticks.append((base + flat.shape[1] / 2, f"{name} ({flat.shape[1]})"))
        base += flat.shape[1]
        axes.axhline(base - 0.5, color="0.8", linewidth=0.8)
    axes.set_yticks([at for at, _ in ticks], [text for _, text in ticks])
    axes.set_ylim(-0.5, base - 0.5)
    axes.set_xlabel("time step")


def draw_membranes(axes: Any, membranes: np.ndarray) -> None:
    """Draw membranes ``[time, *shape]``, one line per neuron."""
    flat = membranes.reshape(len(membranes), -1)
    for neuron in range(min(flat.shape[1], 20)):
        axes.plot(flat[:, neuron], linewidth=1.2, drawstyle="steps-post", label=str(neuron))
    if flat.shape[1] <= 12:
        axes.legend(ncols=6, fontsize="x-small", loc="best", framealpha=0.6)
    axes.set_xlabel("time step")
    axes.set_ylabel("membrane at the end of the step (chip units)")


def draw_differences(
    axes: Any, layers: dict[str, np.ndarray], wanted: dict[str, np.ndarray]
) -> None:
    """Draw spikes ``[time, *shape]`` of every layer, and which of them are not those of the model.

    Parameters
    ----------
    layers, wanted
        Of the chip and of the model, by node.
    """
    base, ticks = 0, []
    for name, spikes in layers.items():
        here, there = (s.reshape(len(s), -1) for s in (spikes, wanted[name]))
        for which, colour, marker in (
            ((here > 0) & (there > 0), "0.55", "s"),
            ((here > 0) & ~(there > 0), "C3", "x"),
            (~(here > 0) & (there > 0), "C0", "+"),
        ):
            steps, neurons = np.nonzero(which)
            axes.scatter(steps, base + neurons, s=12 if marker != "s" else 5, marker=marker,
                         color=colour, linewidths=0.9 if marker != "s" else 0)  # fmt: skip
        ticks.append((base + here.shape[1] / 2, f"{name} ({here.shape[1]})"))
        base += here.shape[1]
        axes.axhline(base - 0.5, color="0.8", linewidth=0.8)
    for colour, marker, text in (("0.55", "s", "both"), ("C3", "x", "chip only"),
                                 ("C0", "+", "model only")):  # fmt: skip
        axes.scatter([], [], color=colour, marker=marker, label=text)
    axes.legend(ncols=3, fontsize="small", loc="lower left", bbox_to_anchor=(0, 1.0), frameon=False)
    axes.set_yticks([at for at, _ in ticks], [text for _, text in ticks])
    axes.set_ylim(-0.5, base - 0.5)
    axes.set_xlabel("time step")


def draw_result(result: Result, sample: int = 0, reference: Result | None = None) -> list[Any]:
    """Draw the spikes of a sample, beside those of the model if given, and recorded membranes.

    Raises
    ------
    UserError
        There is no such sample, or the reference is of other nodes.
    """
    batch = len(result.prediction)
    if not -batch <= sample < batch:
        raise UserError(f"there is no sample {sample}", f"the result has {batch:,}, from 0 on")
    if reference is not None and reference.layers.keys() != result.layers.keys():
        raise UserError("the reference is of another network: its spiking nodes have other names")
    recorded = {n: _sample(result, m, sample) for n, m in result.membranes.items()}
    shown = list(recorded)[-1:]  # the output's, where all were recorded
    axes = subplots((9, 4.2 + 3 * len(shown)), 1 + len(shown), 1)[:, 0]
    layers = {n: _sample(result, s, sample) for n, s in result.layers.items()}
    said = f"sample {sample}, predicted {result.prediction[sample]}"
    if reference is None:
        draw_raster(axes[0], layers)
        axes[0].set_title(f"Who fires when? ({said})")
    else:
        wanted = {n: _sample(reference, s, sample) for n, s in reference.layers.items()}
        draw_differences(axes[0], layers, wanted)
        model = f"the model {reference.prediction[sample]}"
        axes[0].set_title(f"Where do chip and model differ? ({said}, {model})", pad=26)
    for panel, name in zip(axes[1:], shown, strict=True):
        draw_membranes(panel, recorded[name])
        panel.set_title(f"What do the membranes of {name} do?")
    return list(axes)


def _sample(result: Result, values: np.ndarray, sample: int) -> np.ndarray:
    """Return ``[time, *shape]`` of one sample; spikes of a single one have no batch axis."""
    return values[:, sample] if result.spikes.ndim > result.readout.ndim else values


def draw_resources(axes: Any, resources: Sequence[Resource]) -> None:
    """Draw a bar per resource, full at the right end."""
    names = [r.name for r in resources]
    places = np.arange(len(names))
    axes.barh(places, [100.0] * len(names), color="0.92")
    colours = ["C3" if r.nearly_full else "C0" for r in resources]
    axes.barh(places, [min(r.percent, 100.0) for r in resources], color=colours)
    for place, r in enumerate(resources):
        text = f" {r.used:,} of {r.available:,}"
        axes.text(0, place, text, va="center", fontsize="small")
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("in use (%)")
    axes.set_title("How full is the chip?")


def subplots(
    size: tuple[float, float], rows: int, columns: int, shown: bool = True, **options: Any
) -> np.ndarray:
    """Return axes ``[rows, columns]`` of a new figure.

    With pyplot where that is in use (in a notebook, it then shows the figure), unless ``shown`` is
    False; else without any global state and without a display.
    """
    if shown and {"matplotlib.pyplot", "ipykernel"} & sys.modules.keys():
        from matplotlib import pyplot

        figure = pyplot.figure(figsize=size, layout="constrained")
    else:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
    axes: np.ndarray = figure.subplots(rows, columns, squeeze=False, **options)
    return axes


def draw_history(history: History, axes: Any = None) -> Any:
    """Draw accuracy or loss (left axis) and mean stored weight (right axis) over epochs."""
    if axes is None:
        axes = subplots((6, 4), 1, 1)[0, 0]
    lossy = bool(np.isfinite(history.loss).any())
    axes.plot(history.loss if lossy else 100 * history.accuracy, marker="o", color="C0")
    axes.set_xlabel("epoch (0: before learning)")
    name, unit = ("mean squared error", "") if lossy else ("accuracy", " (%)")
    axes.set_ylabel(f"{name} on {history.measured_on}{unit}", color="C0")
    axes.set_ylim(0, None if lossy else 100)
    right = axes.twinx()
    right.plot(history.weight_mean, marker="s", color="C1")
    right.set_ylabel("mean plastic weight (stored value)", color="C1")
    axes.set_title(f"How does {history.chip} learn {', '.join(history.nodes)}?")
    return axes


def save_history(history: History, path: str | os.PathLike[str]) -> None:
    """Draw a history into a PNG file.

    Raises
    ------
    UserError
        When matplotlib is not installed.
    """
    try:
        axes = draw_history(history)
    except ImportError:
        raise UserError(f"{path}: matplotlib is not installed", INSTALL) from None
    with atomic_write(path) as aside:
        axes.figure.savefig(aside, format="png", dpi=110)
