"""Pictures of programs and runs. matplotlib is imported when one is drawn."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.files import atomic_write

if TYPE_CHECKING:
    from nm_backends.history import History
    from nm_backends.program import Program
    from nm_backends.result import Result

__all__ = [
    "crossbar",
    "draw_crossbar",
    "draw_history",
    "draw_membranes",
    "draw_raster",
    "picture",
    "save_history",
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
    # Figure without pyplot: no global state, no display needed.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 4.2 * len(runs)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(runs), 3, squeeze=False, width_ratios=(5, 5, 4))
    for (left, middle, right), (program, spikes, result) in zip(axes, runs, strict=True):
        draw_raster(left, {"input": spikes, **result.layers})
        left.set_title(f"{program.chip}: one sample, predicted {result.prediction[0]}")
        draw_membranes(middle, result.membranes[program.network.output.name])
        middle.set_title(f"membranes of {program.network.output.name}")
        draw_crossbar(right, program)
    with atomic_write(path) as aside:
        figure.savefig(aside, format="png", dpi=110)


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


def draw_crossbar(axes: Any, program: Program) -> None:
    """Draw the weights in the synapse memory, if the chip has one: rows are sources."""
    weights = crossbar(program)
    if weights is None:
        axes.set_axis_off()
        return
    limit = max(1, int(np.abs(weights).max()))
    signed = int(weights.min()) < 0
    image = axes.imshow(
        np.ma.masked_equal(weights, 0),
        cmap="coolwarm" if signed else "viridis_r",
        vmin=-limit if signed else 0,
        vmax=limit,
        interpolation="nearest",
        aspect="auto",
    )
    axes.figure.colorbar(image, ax=axes, label="weight, with its sign")
    share = np.count_nonzero(weights) / weights.size
    axes.set_title(f"crossbar: {share:.1%} of {weights.size:,} synapses in use")
    axes.set_xlabel("neuron")
    axes.set_ylabel("row")


def crossbar(program: Program) -> np.ndarray | None:
    """Return the weights in the synapse memory ``[row, neuron]``, or None without one.

    Where a row has a sign and the program's layout tells it (``row_sign``), weights carry it.
    """
    from nm_backends.assumptions import backend_of

    stored = program.image.memories.get("synapse")
    if stored is None or stored.ndim != 2:
        return None
    spec = backend_of(program).spec
    values = stored.astype(np.int64)
    if spec.sign == "synapse":
        half = 1 << (spec.weights.bits - 1)
        return (values + half) % (2 * half) - half  # two's complement
    values &= spec.weights.maximum  # magnitude; what the other bits mean is the chip's own
    signs = program.layout.get("row_sign")
    return values if signs is None else values * np.where(signs < 0, -1, 1)[:, None]


def draw_history(history: History, axes: Any = None) -> Any:
    """Draw accuracy or loss (left axis) and mean stored weight (right axis) over epochs."""
    if axes is None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 4), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
    lossy = bool(np.isfinite(history.loss).any())
    axes.plot(history.loss if lossy else 100 * history.accuracy, marker="o", color="C0")
    axes.set_xlabel("epoch (0: before learning)")
    name, unit = ("mean squared error", "") if lossy else ("accuracy", " (%)")
    axes.set_ylabel(f"{name} on {history.measured_on}{unit}", color="C0")
    axes.set_ylim(0, None if lossy else 100)
    right = axes.twinx()
    right.plot(history.weight_mean, marker="s", color="C1")
    right.set_ylabel("mean plastic weight (stored value)", color="C1")
    axes.set_title(f"{history.chip} learning {', '.join(history.nodes)}")
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
