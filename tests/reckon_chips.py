"""Random chips and samples for the tests of ReckOn's engine."""

import numpy as np

from nm_backends.eventcore.words import insert
from nm_backends.image import Image
from nm_reckon.sample import Sample
from nm_reckon.spec import NEURON_FIELDS, REGISTERS, RESET_SEEDS

LEARNING = {
    "SPI_DO_EPROP": 7,
    "SPI_FP_LOC_TINP": 3,
    "SPI_FP_LOC_TREC": 4,
    "SPI_FP_LOC_TOUT": 6,
    "SPI_LEARN_SIG_SCALE": 5,
    "SPI_H_4": 1,
    "SPI_LR_P_WINP": 12,
    "SPI_LR_P_WREC": 12,
    "SPI_LR_P_WOUT": 14,
    "SPI_SINGLE_LABEL": 1,
}


def neuron_memory(threshold=614, alpha=0xFEF, v=0):
    words = np.zeros((128, 16), np.uint8)
    values = {"thr": threshold, "alpha": alpha, "v_even": v, "v_odd": v}
    for field in NEURON_FIELDS:
        insert(words, field, np.full(128, values.get(field.name, 0)))
    return words


def chip(inputs=20, neurons=32, outputs=3, number=0, threshold=614, v=0, **registers):
    """A network with random weights; registers by name without ``SPI_``."""
    rng = np.random.default_rng(number)

    def weights(rows, width, spread):
        drawn = np.clip(rng.normal(0, spread, (rows, width)), -128, 127).astype(np.int8)
        return drawn.view(np.uint8).reshape(-1, 16)

    output = np.zeros((512, 16), np.uint8)
    output[:256] = weights(256, 16, 10)
    values = {register.name: 0 for register in REGISTERS} | RESET_SEEDS
    values |= {
        "SPI_ALPHA_CONF": np.zeros(128, np.uint8),
        "SPI_EN_STOCH_ROUND": 1,
        "SPI_FP_LOC_WINP": 3,
        "SPI_FP_LOC_WREC": 3,
        "SPI_FP_LOC_WOUT": 3,
        "SPI_KAPPA": 121,
        "SPI_SEND_LABEL_ONLY": 1,
        "SPI_NUM_INP_NEUR": inputs - 1,
        "SPI_NUM_REC_NEUR": neurons - 1,
        "SPI_NUM_OUT_NEUR": outputs - 1,
    }
    values |= {f"SPI_{name}": value for name, value in registers.items()}
    memories = {
        "neuron": neuron_memory(threshold, v=v),
        "input_weight": weights(256, 256, 25),
        "recurrent_weight": weights(256, 256, 8),
        "output_weight": output,
    }
    return Image(memories, values)


def learning_chip(number=0, **registers):
    named = {name[4:]: value for name, value in LEARNING.items()}
    return chip(number=number, **named | registers)


def sample(number=0, ticks=40, rate=0.1, inputs=20, learn=True, **options):
    rng = np.random.default_rng(1000 + number)
    when, where = np.nonzero(rng.random((ticks, inputs)) < rate)
    late = (np.arange(ticks) >= ticks // 2).astype(np.uint8)
    options = {
        "target_valid": late if learn else None,
        "infer_acc": late,
        "label": number % 3,
        "label_tick": ticks // 2 if learn else -1,
    } | options
    return Sample(ticks, when, where, **options)
