"""Shared integer primitives, and that the cache on disk never outlives the code."""

import os

import numpy as np

HELPER = """
from nm_backends.fixed import kernel

@kernel()
def answer():
    return {answer}
"""
ENTRY = """
from numba import types
from helper import answer
from nm_backends.fixed import kernel

@kernel(types.int64())
def ask():
    return answer()

print(ask(), sum(ask.stats.cache_hits.values()))
"""


def test_an_edited_helper_in_another_file_is_compiled_again(tmp_path, python):
    (tmp_path / "entry.py").write_text(ENTRY)
    helper = tmp_path / "helper.py"

    def run(answer):
        text = HELPER.format(answer=answer)
        if not helper.exists() or helper.read_text() != text:
            helper.write_text(text)
            os.utime(helper, (answer, answer))
        done = python(tmp_path / "entry.py")
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert run(41) == ["41", "0"]
    assert run(41) == ["41", "1"]
    assert run(42) == ["42", "0"]


def test_saturate_stays_in_16_bits():
    from nm_backends.fixed import saturate

    low, high = np.int16(-2048), np.int16(2047)
    values = [saturate(value, low, high) for value in (-2049, -2048, 5, 2047, 2048)]
    assert values == [-2048, -2048, 5, 2047, 2047]


def test_ring_keeps_order_and_refuses_when_full():
    from nm_backends.eventcore.machine import WORK
    from nm_backends.fixed import RING, ring_pop, ring_push

    queue = np.zeros(1, WORK)[0]
    for turn in range(3 * RING):
        assert ring_push(queue, turn, 2)
        assert ring_push(queue, -turn, 2)
        assert not ring_push(queue, 7, 2)
        assert queue["items"][queue["head"]] == turn
        ring_pop(queue)
        ring_pop(queue)
    assert queue["held"] == 0


def test_grow_keeps_what_is_used():
    from nm_backends.fixed import grow

    array = np.arange(4)
    assert grow(array, 2, 2) is not None
    assert grow(array, 3, 10)[:3].tolist() == [0, 1, 2]
    assert grow(array, 3, 10).size >= 13


def test_fields_of_words_go_in_and_come_out():
    from nm_backends.chip import Field
    from nm_backends.eventcore.words import extract, insert

    rng = np.random.default_rng(0)
    for field in (Field("a", 70, 8), Field("b", 0, 12, signed=True), Field("c", 31, 1)):
        words = rng.integers(0, 256, (50, 16), np.uint8)
        before = words.copy()
        old = extract(words, field)
        low = -(1 << field.width - 1) if field.signed else 0
        values = rng.integers(low, low + (1 << field.width), 50)
        insert(words, field, values)
        assert extract(words, field).tolist() == values.tolist()
        insert(words, field, old)
        assert (words == before).all()
