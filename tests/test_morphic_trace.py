"""Traces of MorphIC: recorded by a plain model, replayed bit for bit by the simulator."""

import json

import numpy as np
import pytest
from crossbar_networks import bernoulli, layers
from reference_models.one_core import OneCore

import nm_backends
from nm_backends.crossbar.events import encode_spikes
from nm_backends.trace import TraceError
from nm_morphic.assumptions import Assumptions
from nm_morphic.state import WORD
from nm_morphic.trace import verify, write_trace


@pytest.fixture(scope="module")
def recorded():
    program = nm_backends.compile(layers(6, 8, 4, decay=0.9), "morphic")
    coded = encode_spikes(program.layout, bernoulli(8, 1, 6, 0.5))
    plain = OneCore(program.image, 1)
    out = np.array(plain.run(coded.words), np.int64).reshape(-1, 2)
    after = program.image.copy()
    after.memories["neuron"].view(WORD)["core"][:, 0] = plain.membrane
    assert len(out) > 10
    return program.image, after, coded.words, (out[:, 0], out[:, 1])


def test_what_a_plain_model_recorded_is_reproduced(recorded, tmp_path, nmb):
    write_trace(tmp_path / "t.npz", *recorded, {"case": "two layers"})
    result = nmb("verify", str(tmp_path / "t.npz"), "--json")
    assert result.exit_code == 0
    (said,) = json.loads(result.stdout)["traces"]
    assert (said["chip"], said["engines"]) == ("morphic", ["rounds"])
    assert said["counts"]["outputs"] == len(recorded[3][0])


def test_the_first_difference_is_named(recorded, tmp_path):
    before, after, words, (address, event) = recorded
    wrong = address.copy()
    wrong[5] ^= 1
    write_trace(tmp_path / "t.npz", before, after, words, (wrong, event), {})
    verdict = verify(str(tmp_path / "t.npz"), Assumptions())
    assert (verdict.ok, verdict.divergence.field, verdict.divergence.index) == (
        False, "out_addr", (5,),
    )  # fmt: skip
    other = after.copy()
    other.memories["neuron"][3, 0] ^= 1
    write_trace(tmp_path / "u.npz", before, other, words, (address, event), {})
    assert verify(str(tmp_path / "u.npz"), Assumptions()).divergence.neuron == 3
    write_trace(tmp_path / "v.npz", before, after, words, (address[:-1], event[:-1]), {})
    assert "expected nothing" in str(verify(str(tmp_path / "v.npz"), Assumptions()))


def test_traces_of_other_chips_and_sizes_are_refused(recorded, tmp_path):
    write_trace(tmp_path / "t.npz", *recorded, {"chips": 2, "columns": 2})
    with pytest.raises(TraceError, match=r"array WEIGHT_MODE_4: missing"):
        verify(str(tmp_path / "t.npz"), Assumptions())
    write_trace(tmp_path / "u.npz", *recorded, {"chip": "odin"})
    with pytest.raises(TraceError, match="expected morphic"):
        verify(str(tmp_path / "u.npz"), Assumptions())
