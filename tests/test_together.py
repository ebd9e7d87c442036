"""Threads that meet: parts see what others have done, and a part that fails ends all."""

import numpy as np
import pytest

from nm_backends.fixed import kernel
from nm_backends.together import meet, together


@kernel()
def relay(part, parts, barrier, values, rounds):
    """In each round every part takes over the value of the next one, from the other plane."""
    for number in range(rounds):
        now = number & 1
        values[1 - now, part] = values[now, (part + 1) % parts] + 1
        if not meet(barrier, parts):
            return -1
    return values[rounds & 1, part]


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_parts_see_what_others_did_before_they_met(parts):
    values, rounds = np.zeros((2, parts), np.int64), 500
    values[0] = np.arange(parts) * 1000
    found = together(parts, lambda part, barrier: relay(part, parts, barrier, values, rounds))
    assert found == rounds % parts * 1000 + rounds
    expected = (np.arange(parts) + rounds) % parts * 1000 + rounds
    assert values[rounds & 1].tolist() == expected.tolist()


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_a_part_that_fails_ends_the_others(failing):
    values = np.zeros((2, 3), np.int64)

    def work(part, barrier):
        if part == failing:
            raise MemoryError("no room")
        return relay(part, 3, barrier, values, 10)

    with pytest.raises(MemoryError, match="no room"):
        together(3, work)
