"""What a person at the bench does with the files of an export for ReckOn."""

import numpy as np

from nm_reckon.sample import Sample

_WRONG_LABEL, _WRONG_VALUE = 15, 0x5A5A  # where the chip would ask and aer.txt has no answer


def sent_as_sample(stream):
    """Do what ``aer.txt`` says."""
    ticks = len(stream.steps)
    levels, log = {"SAMPLE": 0, "INFER_ACC": 0, "TARGET_VALID": 0}, []
    for tick in range(ticks):
        for pin, value in stream.pins.get(tick, ()):
            levels[pin] = value
        assert levels["SAMPLE"] == (tick < ticks - 1)
        log.append((levels["INFER_ACC"], levels["TARGET_VALID"]))
    votes, valid = np.array(log, np.uint8).T
    when = np.repeat(np.arange(ticks), [len(words) for words in stream.steps])
    told = {tick: words[0] for tick, words in stream.targets.items() if len(words) == 1}
    assert len(told) == len(stream.targets) <= 1
    (label_tick, label), *_ = [*told.items(), (-1, _WRONG_LABEL)]
    return Sample(
        ticks, when.astype(np.int32), stream.words.astype(np.uint8), valid, votes,
        label, label_tick, np.full(ticks, _WRONG_LABEL, np.uint8), _answered(stream),
    )  # fmt: skip


def _answered(stream):
    values = np.full((len(stream.steps), 16), _WRONG_VALUE, np.int16)
    for tick, words in stream.answers.items():
        halves = np.array(words, np.uint8)
        values[tick, : halves.size // 2] = halves.view("<i2")
    return values if stream.answers else None
