"""What the kernels work on: records of constants, of parameters and of state, and of each sample.

Records rather than many arrays: within a kernel a record is a bare pointer, an array a counted
reference, and counting costs more than the step of a hundred neurons.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nm_reckon.lfsr import CHUNK_BITS, CHUNKS, PAD

__all__ = [
    "CHIP", "CYCLE_LOG", "LFSR_LOG", "MEMORY_LOG", "OUTPUT_LOG", "PLAN", "SPIKE_LOG", "STATE",
    "TABLES", "TALLY", "TARGETS", "TICK", "TRANSIENT",
]  # fmt: skip

TABLES = np.dtype(
    [
        ("round15", np.uint16, 32_767 + 3 * PAD),
        ("round7", np.uint16, 7 * (4681 + PAD) + 2 * PAD),
        ("noise", np.uint32, 131_071 + 3 * PAD),
        ("draw_update", np.uint32, (CHUNKS, 1 << CHUNK_BITS, 16)),
        ("next_update", np.uint32, (CHUNKS, 1 << CHUNK_BITS)),
        ("draw_output", np.uint32, (CHUNKS, 1 << CHUNK_BITS, 16)),
        ("next_output", np.uint32, (CHUNKS, 1 << CHUNK_BITS)),
    ],
    align=True,
)
"""Random numbers; see `lfsr`."""

CHIP = np.dtype(
    [
        # sizes
        ("last_input", np.int64),  # registers NUM_INP, NUM_REC, NUM_OUT: counts less one
        ("last_neuron", np.int64),
        ("last_output", np.int64),
        ("last_source", np.int64),  # the larger one of the first two
        ("last_stepped", np.int64),  # the largest one of the three
        ("pairs", np.int64),  # that are stepped
        ("padded", np.int64),  # neurons swept by a step; those that are not stepped stay as is
        ("visited", np.int64),  # neurons that a propagation visits
        # neurons
        ("counting", np.int64),  # whether saturations are counted
        ("rounding", np.int64),
        ("noise", np.int64),
        ("noise_shift", np.int32),
        ("rounded_pairs", np.int64),  # that draw for their membrane
        ("draw_of", np.int64, 128),  # which of these draws is a pair's, where not all draw
        ("shift_inp", np.int16),
        ("shift_rec", np.int16),
        ("shift_out", np.int16),
        ("alpha", np.int32, 256),
        ("alpha_block", np.uint16, 256),  # ored to a random number: so large that it never rounds
        ("threshold", np.int32, 256),
        ("reset_keep", np.int16, 256),  # and-ed to the membrane of a neuron that fired
        ("kappa", np.int32, 256),
        ("kappa_block", np.uint16, 256),
        # outputs
        ("output_kappa", np.int32),
        ("output_draws", np.int64),  # per step
        ("regression", np.int64),
        ("activation", np.int64),
        ("send_every_tick", np.int64),
        ("send_label", np.int64),
        ("error_halt", np.int64),
        # e-prop
        ("learn", np.int64),  # register DO_EPROP
        ("always", np.int64),
        ("single_label", np.int64),
        ("keep_inp", np.int64),  # which traces grow
        ("keep_rec", np.int64),
        ("keep_out", np.int64),
        ("point_inp", np.int32),  # radix points of traces
        ("point_rec", np.int32),
        ("point_out", np.int32),
        ("signal_scale", np.int64),
        ("segment", np.int32, 4),
        ("slope", np.int32, 5),
        ("regul_mode", np.int64),
        ("regul_floor", np.int32),
        ("damp", np.int64),  # multiplicative regularisation acts
        ("damp_shift", np.int32),
        ("pull_inp", np.int64),  # additive regularisation acts
        ("pull_rec", np.int64),
        ("pull_shift", np.uint32, (2, 2)),  # [input, recurrent], [left, right]
        ("always_inp", np.int64),  # rows that are also served without a valid target
        ("always_rec", np.int64),
        ("rate", np.uint32, (3, 2)),  # [input, recurrent, output], [left, right]
    ],
    align=True,
)
"""What follows from registers and from parameters of neurons."""

PLAN = np.dtype(
    [
        ("begin", np.int64),  # its first tick among those of all samples
        ("ticks", np.int64),
        ("first", np.int64),  # tick to go on with, 0 where the sample begins, and the one before
        ("stop", np.int64),  # which to stop: all of it, or a part of a sample that is under way
        ("event", np.int64),  # its first event
        ("label", np.int64),
        ("label_tick", np.int64),
        ("period", np.int64),  # cycles from tick to tick; 0: the host waits
    ]
)
"""What a sample is, besides what changes from tick to tick."""

TICK = np.dtype(
    [
        ("events_end", np.int32),  # its events are those before this one
        ("on_request", np.int16),  # label that the host answers; -1 is none
        ("target_valid", np.uint8),
        ("infer_acc", np.uint8),
    ]
)
"""What the host does at a tick."""

TARGETS = np.dtype([("values", np.int16, 16)])
"""What the host answers at a tick in regression mode."""

TALLY = np.dtype(
    [
        ("busy", np.int64, 4),
        ("events", np.int64),
        ("spikes", np.int64),
        ("sops", np.int64),
        ("updates", np.int64),
        ("sent", np.int64),  # bytes
        ("late", np.int64),  # ticks that came while the chip was busy
        ("halted", np.int64),  # the one that halted it, or 0
        # membranes that stopped at their lower and upper limit: neurons, then outputs
        ("saturated", np.int32, (2, 256 + 16)),
    ]
)
"""What is counted in a sample."""

STATE = np.dtype(
    [
        ("membrane", np.int16, 256),
        ("trace_inp", np.int16, 256),
        ("trace_rec", np.int16, 256),
        ("trace_out", np.int16, 256),
        ("dirty", np.uint8, 256),
        ("fired", np.uint8, 256),
        ("events", np.uint8, 256),
        ("output", np.int16, 16),
        ("votes", np.uint16, 16),
        ("target", np.int16, 16),
        # generators: states of those that draw, then place, end of the cycle and its length
        ("draws", np.uint32, 3),
        ("place", np.int64, 13),
        ("end", np.int64, 13),
        ("length", np.int64, 13),
        # within a sample
        ("live", np.int64, 3),  # some trace may not be zero
        ("settled_step", np.int64),  # no word is left that a step, or a propagation, finds
        ("settled_visit", np.int64),  # not dirty
        ("label", np.int64),
        ("got_label", np.int64),
        ("busy", np.int64, 4),  # of the tick
        ("event", np.int64),  # next one of the host
        ("eventful", np.int64),  # this tick has some
        ("bus", np.uint8, 32),  # bytes sent in this tick, and how many
        ("on_bus", np.int64),
        ("tally", TALLY),
        # scratch
        ("random", np.uint16, 256),
        ("hold", np.int16, (4, 2)),  # the word read last by a step
        ("seen", np.int16, (4, 256)),  # neurons as e-prop reads them
        ("error", np.int32, 16),
        ("gain", np.int32, 16),  # of a group of 16: learning signal times slope
        ("factor", np.int32, 16),
        ("above", np.int32, 16),  # recurrent traces above the floor
        ("pull", np.int32, (2, 16)),
        # what only learning changes, behind everything else: see `TRANSIENT`
        ("w_inp", np.int8, (256, 256)),
        ("w_rec", np.int8, (256, 256)),
        ("w_out", np.int8, (256, 16)),
    ],
    align=True,
)
"""What a sample changes."""

_FIELDS: Any = STATE.fields
TRANSIENT: int = _FIELDS["w_inp"][1]
"""Bytes of a `STATE` that come before its weights."""

SPIKE_LOG = np.dtype([("fired", np.uint8, 256)])
OUTPUT_LOG = np.dtype([("leaked", np.int16, 16), ("ready", np.int16, 16), ("votes", np.uint16, 16)])
LFSR_LOG = np.dtype([("draws", np.uint32, 3), ("place", np.int32, 13)])
CYCLE_LOG = np.dtype([("busy", np.int32, 4)])
MEMORY_LOG = np.dtype([("step", np.int16, (4, 256)), ("ready", np.int16, (4, 256))])
"""What is recorded of a tick; neurons are membranes and the three kinds of traces."""
