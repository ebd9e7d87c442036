"""The sections of a page; each one answers the question that is its title."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends import html
from nm_backends.html import escape
from nm_backends.report.evidence import Evidence
from nm_backends.report.pace import pace
from nm_backends.report.pictures import picture

if TYPE_CHECKING:
    from nm_backends.result import Result

__all__ = ["SECTIONS", "Section", "made_of", "tile_list", "tiles"]

Section = Callable[[Evidence], str]
"""Makes the HTML below a title; an empty one leaves the section out."""

_NO_RUN = (
    "<p class='soft'>Nothing was run: give input spikes (<code>nmb report PROGRAM --input "
    "SPIKES.npz</code>).</p>"
)
_VALUES = (
    "<p>The layers of this chip hold values, in the last step, where the model has spikes: compare "
    "decisions, not spikes.</p>"
)
_DRAWN_CHIPS = 8
_LIBRARIES = ("numpy", "scipy", "numba", "nir", "matplotlib")


def tiles(found: Evidence) -> str:
    """Return the figures that matter most."""
    shown: list[tuple[str, str, str]] = []
    if (accuracy := found.accuracy) is not None:
        chip, model = accuracy
        shown.append(("accuracy on the chip", f"{chip:.1%}", f"{model:.1%} in floating point"))
    if found.decisions is not None:
        samples = f"of {len(found.result.prediction):,} samples"  # type: ignore[union-attr]
        shown.append(("decisions as in floating point", f"{found.decisions:.1%}", samples))
    shown += _cost_tiles(found)
    fullest = max(found.program.resources, key=lambda r: r.percent, default=None)
    if fullest is not None:
        used = f"{fullest.used:,} of {fullest.available:,}"
        shown.append((f"fullest: {fullest.name}", f"{fullest.percent:.0f} %", used))
    return tile_list(shown)


def tile_list(shown: Sequence[tuple[str, str, str]]) -> str:
    """Return figures in a row: what, how much, and more about it."""
    items = [
        f"<li>{escape(name)}<b>{escape(value)}</b><small>{escape(more)}</small></li>"
        for name, value, more in shown
    ]
    return f"<ul class='tiles'>{''.join(items)}</ul>"


def _cost_tiles(found: Evidence) -> list[tuple[str, str, str]]:
    if found.result is None:
        return []
    shown = []
    for name in ("latency", "energy"):
        estimate = getattr(found.result, name)
        value, _, status = ("", "", "") if estimate is None else _split(estimate)
        note = str(found.result.metadata.get(f"{name}_note", "no constants are published"))
        shown.append((f"{name} per sample", value or "not known", status or note))
    if (keeps_up := found.result.real_time) is not None:
        fast = "fast enough for this time step" if keeps_up.ok else "too slow for this time step"
        shown.append(("as fast as the input, at least", f"{keeps_up.slowest:.3g} x", fast))
    return shown


def _split(estimate: Any) -> tuple[str, str, str]:
    text, how = html.estimate_cells(estimate)
    value, _, status = text.partition(" (")
    return value, how, status.removesuffix(")")


def full(found: Evidence) -> str:
    """Return bars of the resources."""
    return html.resources(found.program.resources)


def weights(found: Evidence) -> str:
    """Return pictures of the weights that the chips hold."""
    from nm_backends.plot_weights import draw_weights, weight_map

    made, parts = [], found.parts
    for number, part in enumerate(parts[:_DRAWN_CHIPS]):
        held = weight_map(part)
        if held is None:
            continue
        where = "" if len(parts) == 1 else f" of chip {number}"
        nodes = ", ".join(dict.fromkeys(band.name for band in (*held.rows, *held.columns)))
        text = f"Heat map of the weights{where}, {np.count_nonzero(held.values):,} of them not 0"
        drawn = picture(partial(draw_weights, program=part), (9, 5.5), f"{text}; nodes: {nodes}")
        made.append(f"<h3>Chip {number}</h3>{drawn}" if where else drawn)
    if len(parts) > _DRAWN_CHIPS:
        made.append(f"<p>{len(parts) - _DRAWN_CHIPS} more chips are not drawn.</p>")
    return "".join(made) or "<p>The backend does not give its weights back as a picture.</p>"


def found_out(found: Evidence) -> str:
    """Return all findings with their explanations."""
    return html.findings(found.report, explained=True)


def fit(found: Evidence) -> str:
    """Return what quantisation did, layer by layer."""
    text = (
        "<p>Errors are relative to what the model asks for; the signal-to-noise ratio is that of "
        "the weights. Calibration moves thresholds and leaks on purpose, which counts as error. "
        "The spike agreement is that on the calibration spikes.</p>"
    )
    return text + html.fits(found.program.fit)


def spikes(found: Evidence) -> str:
    """Return a raster of chip beside model, and how far all spikes agree."""
    from nm_backends.agreement import agreement
    from nm_backends.first_spikes import holds_values
    from nm_backends.plot import draw_differences, draw_membranes

    chip, model = found.result, found.reference
    if chip is None or model is None:
        return _stopped(found)
    values = holds_values(found.program)
    rows = [
        (name, f"{mine.sum():,}", f"{model.layers[name].sum():,}",
         "no spikes" if values else f"{agreement(mine, model.layers[name]):.1%}")
        for name, mine in chip.layers.items()
    ]  # fmt: skip
    head, more = ("layer", "spikes on the chip", "in floating point", "same neuron and step"), ""
    pair = [_one(result, result.layers, found.sample) for result in (chip, model)]
    draw = partial(draw_differences, layers=pair[0], wanted=pair[1])
    if values:
        head, more = ("layer", "sum of values on the chip", *head[2:]), _VALUES
    text = f"sample {found.sample}: spikes of the chip and of the model, layer by layer"
    made = more + html.table(head, rows) + _predicted(found) + picture(draw, (9, 4.8), text)
    membranes = _one(chip, chip.membranes, found.sample)
    if membranes:
        name = list(membranes)[-1]
        draw = partial(draw_membranes, membranes=membranes[name])
        made += f"<h3>What do the membranes of {escape(name)} do?</h3>"
        made += picture(draw, (9, 4), f"membranes of {name} in sample {found.sample}")
    return made


def _stopped(found: Evidence) -> str:
    return f"<p class='bad'>{escape(found.stopped)}</p>" if found.stopped else _NO_RUN


def _predicted(found: Evidence) -> str:
    said = [f"sample {found.sample}"]
    for name, result in (("chip", found.result), ("model", found.reference)):
        if result is not None:
            said.append(f"predicted by the {name}: {result.prediction[found.sample]}")
    if found.labels is not None:
        said.append(f"label: {found.labels[found.sample]}")
    return f"<p>{escape('; '.join(said))}</p>"


def _one(result: Result, values: dict[str, np.ndarray], sample: int) -> dict[str, np.ndarray]:
    """Return one sample ``[time, *shape]`` of every node."""
    batched = result.spikes.ndim > result.readout.ndim
    return {name: v[:, sample] if batched else v for name, v in values.items()}


def cost(found: Evidence) -> str:
    """Return energy and latency with all that they rest on."""
    if found.result is None:
        return _stopped(found)
    estimates = {f"{n} per sample": getattr(found.result, n) for n in ("latency", "energy")}
    if (keeps_up := found.result.real_time) is not None:
        estimates["as fast as the input, on average"] = keeps_up.factor
        estimates["slowest clock that would do"] = keeps_up.clock
        if keeps_up.power is not None:
            estimates["power at that clock"] = keeps_up.power
    rows = [_estimated(found, name, estimate) for name, estimate in estimates.items()]
    return (
        html.table(("", "value", "status", "formula", "source"), rows)
        + "<h3>What was counted</h3>"
        + html.table(("", "value"), html.result_facts(found.result))
        + _constants(found)
    )


def _estimated(found: Evidence, name: str, estimate: Any) -> tuple[str, ...]:
    """Return a row of an estimate, or of why there is none."""
    if estimate is None and found.result is not None:
        note = f"{name.split()[0]}_note"
        why = found.result.metadata.get(note, "no constants are published")
        return (name, "not known", "", "", str(why))
    value, _, status = _split(estimate)
    return (name, value, status, estimate.formula, estimate.source)


def _constants(found: Evidence) -> str:
    from nm_backends.registry import get_backend

    known = get_backend(found.program.chip).spec.quantities
    rows = [
        (name, f"{q.value:.4g} {q.unit}", q.status, q.condition, q.source)
        for name, q in known.items()
    ]
    head = ("figure", "value", "status", "condition", "source")
    return f"<h3>Figures of the chip</h3>{html.table(head, rows)}"


def lost(found: Evidence) -> str:
    """Return where spikes and charge were lost, node by node."""
    if found.result is None:
        return _stopped(found)
    losses = {k: v for k, v in found.result.losses.items() if k not in ("active", "fired")}
    nodes = dict.fromkeys(name for counts in losses.values() for name in counts)
    if not losses:
        return "<p>The chip's backend counts no losses.</p>"
    rows = [
        (node, *(f"{int(c[node].sum()):,}" if node in c else "-" for c in losses.values()))
        for node in nodes
    ]
    text = (
        "<p>In all samples together. Dropped: the scheduler was full. Merged: an input fires once "
        "per step. Saturated: how often a membrane stopped at a limit.</p>"
    )
    return text + html.table(("node", *(k.replace("_", " ") for k in losses)), rows)


def learned(found: Evidence) -> str:
    """Return the learning curve; nothing where nothing was learned."""
    from nm_backends.plot import draw_history

    if found.history is None:
        return ""
    nodes = ", ".join(found.history.nodes)
    drawn = picture(partial(draw_history, found.history), (8, 4), f"learning curve of {nodes}")
    return drawn + f"<pre>{escape(str(found.history))}</pre>"


def rests_on(found: Evidence) -> str:
    """Return what was assumed about the model and the chip."""
    from nm_backends.registry import get_backend

    network, spec = found.program.network, get_backend(found.program.chip).spec
    made = [f"<p>Time and resets: {escape(str(network.discretisation))}.</p>"]
    if network.discretisation.assumed:
        codes = ", ".join(network.discretisation.assumed)
        made.append(f"<p>Assumed about the model, see the findings: {escape(codes)}.</p>")
    if found.report.assumptions:
        rows = [
            (a.name, f"{a.value}{'' if a.default else ' (not the default)'}", a.still_open,
             a.chosen, a.why)
            for a in found.report.assumptions
        ]  # fmt: skip
        head = ("assumption", "value", "what is open", "what was chosen", "why")
        made.append(html.table(head, rows))
    else:
        made.append("<p>Nothing about the chip had to be assumed.</p>")
    for title, texts in (("The chip", spec.notes), ("Sources", spec.sources)):
        items = "".join(f"<li>{escape(text)}</li>" for text in texts)
        made.append(f"<h3>{title}</h3><ul>{items}</ul>" if texts else "")
    return "".join(made)


def reproduce(found: Evidence) -> str:
    """Return versions, hashes, choices and the command."""
    chosen = {**vars(found.program.options), **found.program.metadata}
    plain = {k: v for k, v in chosen.items() if isinstance(v, str | bool | int | float | tuple)}
    choices = html.table(
        ("choice of the compilation", "value"),
        [(name.replace("_", " "), str(value)) for name, value in plain.items()],
    )
    return made_of(found.files, found.command) + choices


def made_of(files: Mapping[str, str], command: str) -> str:
    """Return what a page was made with and of, and how.

    Parameters
    ----------
    files
        Name to SHA-256.
    """
    from nm_backends import __version__

    rows = [("nm-backends", __version__), ("Python", platform.python_version())]
    rows += [(name, version(name)) for name in _LIBRARIES]
    made = f"<pre>{escape(command)}</pre>" if command else ""
    made += html.table(("made with", "version"), rows)
    return made + (html.table(("made of", "SHA-256"), list(files.items())) if files else "")


SECTIONS: Sequence[tuple[str, str, Section]] = (
    ("findings", "What was found, and what can be done?", found_out),
    ("resources", "How full is the chip?", full),
    ("weights", "Which weights does the chip hold, and where?", weights),
    ("fit", "How close are the chip's numbers to the model's?", fit),
    ("spikes", "Where do chip and model differ?", spikes),
    ("losses", "What is lost, and where?", lost),
    ("pace", "Does the chip keep up with its input?", pace),
    ("cost", "What does a sample cost, and how is that known?", cost),
    ("learning", "How did learning go?", learned),
    ("assumptions", "What does this rest on?", rests_on),
    ("reproduce", "How is this page made again?", reproduce),
)
