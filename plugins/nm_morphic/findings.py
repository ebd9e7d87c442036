"""What binarising a network and spreading it over cores cost, measured on what the image holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np

from nm_backends.crossbar.chip import CrossbarChip
from nm_backends.crossbar.integers import Integers
from nm_backends.crossbar.realised import integers_in
from nm_backends.crossbar.sharing import wiring_of
from nm_backends.crossbar.wiring import Wiring
from nm_backends.network import Network
from nm_backends.program import CompileOptions, Mapping, Program
from nm_backends.rules import Diagnostic

__all__ = ["mapped_findings"]

_SAME = 1e-9
_LESS = 0.99
_ROWS = "256 L1 and 256 L2 rows, 1,024 rows in all per core"


def mapped_findings(
    chip: CrossbarChip, network: Network, options: CompileOptions, mapping: Mapping
) -> Iterator[Diagnostic]:
    """Yield the findings of `nm_morphic.own_rules` about a mapped network."""
    program = cast(Program, _Mapped(network, options, mapping))
    wiring = wiring_of(program)
    held = integers_in(chip, program, wiring)
    said = mapping.metadata["row_pairs"]
    for name, span in wiring.spans():
        split = bool(said[name] if isinstance(said, dict) else said)
        yield from _weights(chip, name, wiring.weights[:, span], held, span, split)
        yield from _threshold(chip, name, wiring, held, span)
        yield from _bias(chip, name, wiring, held, span)
    yield from _copies(chip, wiring, mapping)
    yield from _sharing(chip, wiring, mapping, held)


class _Mapped:
    """As much of a program as there is before there is one."""

    def __init__(self, network: Network, options: CompileOptions, mapping: Mapping) -> None:
        self.network, self.options, self.metadata = network, options, mapping.metadata
        self.image, self.layout = mapping.image, mapping.layout


def _weights(
    chip: CrossbarChip, name: str, asked: np.ndarray, held: Integers, span: slice, split: bool
) -> Iterator[Diagnostic]:
    got = held.weights[:, span]
    zeros, there = int(((asked == 0) & (got != 0)).sum()), int((asked != 0).sum())
    if zeros and not split:
        yield chip.rules["no_neutral_weight"].at(
            f"{zeros:,} weights of 0 act as -1 or +1, beside {there:,} others",
            node=name,
            found=f"{zeros:,} synapses that the model does not have",
            limit="bits that mean -1 and +1",
            source=chip.spec.sources[0],
            hint="row_pairs='always', or a dense layer",
        )
    realised = got / held.scale[span]
    if there and np.abs(asked - realised).max() <= _SAME * np.abs(asked).max():
        yield chip.rules["binary_weights"].at(
            f"all {there:,} weights are held exactly", node=name, found="one size per neuron"
        )


def _threshold(
    chip: CrossbarChip, name: str, wiring: Wiring, held: Integers, span: slice
) -> Iterator[Diagnostic]:
    asked, scale = np.abs(wiring.weights[:, span]), held.scale[span]
    kept = held.weights[:, span] != 0
    worth = np.where(kept, asked, 0).sum(axis=0) / np.maximum((kept & (asked > 0)).sum(axis=0), 1)
    at_end = held.threshold[span] >= chip.spec.threshold.maximum
    which = np.flatnonzero(at_end & (worth > 0) & (worth * scale < _LESS))
    if which.size:
        yield chip.rules["threshold_limits_scale"].at(
            f"a weight is worth {1 / (worth * scale)[which].min():.3g} times what it should be",
            node=name,
            neurons=(int(which[0]), int(which[-1])),
            found=f"thresholds of {1 / (worth / wiring.threshold[span])[which].max():.4g} weights",
            limit=f"{chip.spec.threshold.maximum}",
            source=chip.spec.sources[0],
            hint="larger weights, or a lower threshold",
        )


def _bias(
    chip: CrossbarChip, name: str, wiring: Wiring, held: Integers, span: slice
) -> Iterator[Diagnostic]:
    off = np.abs(held.bias[span] - wiring.bias[span] * held.scale[span])
    which = np.flatnonzero(off > 0.5 + _SAME)
    if which.size:
        yield chip.rules["bias_rounded"].at(
            f"{which.size:,} biases are off by up to {off.max():.3g} units of a weight per step",
            node=name,
            neurons=(int(which[0]), int(which[-1])),
            found=f"off by {off.max():.3g}",
            limit="0.5",
            source=chip.spec.sources[0],
            hint="row_pairs='always', or no bias",
        )


def _sharing(
    chip: CrossbarChip, wiring: Wiring, mapping: Mapping, held: Integers
) -> Iterator[Diagnostic]:
    """Say who shares rows, and what becomes of the synapses of each population."""
    layout = mapping.layout
    if "shared_row" not in layout:
        return
    rows = np.unique(layout["shared_row"])
    sources = rows.size + layout["shared_source"].size
    yield chip.rules["sources_that_agree"].at(
        f"{rows.size:,} rows are driven by {sources:,} sources in all",
        found=f"{rows.size:,} shared rows",
        limit=_ROWS,
        source=chip.spec.sources[0],
    )
    for name, span in wiring.spans():
        changed = int(layout["shared_changes"][span].sum())
        if changed:
            there = int((held.weights[:, span] != 0).sum())
            yield chip.rules["sources_that_differ"].at(
                f"{changed:,} synapses of about {there:,} become others as sources share rows",
                node=name,
                found=f"{changed / max(there, 1):.1%} of the synapses",
                limit=_ROWS,
                source=chip.spec.sources[0],
                hint="fewer neurons or inputs per layer, or more chips (chips='auto')",
            )


def _copies(chip: CrossbarChip, wiring: Wiring, mapping: Mapping) -> Iterator[Diagnostic]:
    used = {resource.name: resource.used for resource in mapping.resources}
    twice = mapping.layout["copy"] >= 0
    for name, span in wiring.spans():
        count = int(twice[span].sum())
        if count:
            yield chip.rules["stored_several_times"].at(
                f"{count:,} of {span.stop - span.start:,} neurons are stored several times; "
                f"{used['second copies']:,} places of the chip go to copies",
                node=name,
                found=f"{count:,} neurons",
                limit="one row of the own core, one L1 row, one L2 row per place",
                source=chip.spec.sources[0],
                hint="outgoing weights of one sign, or row_pairs='never'",
            )
