"""The test bench of the public release: cue accumulation, 50 samples to learn, 50 to test.

Its data and initial weights are files of that release (ChFrenkel/ReckOn, ``src/data``); its
registers are those that ``src/tbench.sv`` programs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nm_backends.eventcore.words import insert
from nm_backends.image import Image
from nm_reckon.cue_accumulation import STEPS, WINDOW, CueAccumulation, read_dat, read_weights
from nm_reckon.sample import Sample
from nm_reckon.spec import NEURON_FIELDS, REGISTERS, RESET_SEEDS

__all__ = ["ALPHA", "REGISTERS_PUBLISHED", "THRESHOLD", "image", "run", "samples"]

ALPHA, THRESHOLD, _NEURONS = 0x7FEF, 614, 100
_H = {f"SPI_THR_H_{i}": 205 for i in range(4)} | {"SPI_H_4": 1}  # 1 from 205 on
REGISTERS_PUBLISHED = _H | {
    "SPI_ERROR_HALT": 1, "SPI_GET_TAR_REQ_OUT": 1,
    "SPI_FP_LOC_WINP": 3, "SPI_FP_LOC_WREC": 3, "SPI_FP_LOC_WOUT": 3,
    "SPI_FP_LOC_TINP": 3, "SPI_FP_LOC_TREC": 4, "SPI_FP_LOC_TOUT": 6,
    "SPI_LEARN_SIG_SCALE": 5, "SPI_REGUL_MODE": 2, "SPI_REGUL_W": 3, "SPI_EN_STOCH_ROUND": 1,
    "SPI_SINGLE_LABEL": 1, "SPI_SEND_LABEL_ONLY": 1, "SPI_KAPPA": 0x79,
    "SPI_LR_P_WINP": 8, "SPI_LR_P_WREC": 8, "SPI_LR_P_WOUT": 14,
    "SPI_REGUL_F0": 160, "SPI_REGUL_K_INP_P": 10, "SPI_REGUL_K_REC_P": 10,
    "SPI_SEED_INP": 0xF0F0, "SPI_SEED_REC": 0xF1F1, "SPI_SEED_OUT": 0xF2F2,
    "SPI_SEED_STRND_NEUR": 0x3F3FF3F3, "SPI_SEED_STRND_ONEUR": 0x74F4,
    "SPI_SEED_STRND_TINP": 0x3F5FF5F5, "SPI_SEED_STRND_TREC": 0x3F6FF6F6,
    "SPI_SEED_STRND_TOUT": 0x3F7FF7F7, "SPI_SEED_NOISE_NEUR": 0xFF0,
    "SPI_NUM_INP_NEUR": 39, "SPI_NUM_REC_NEUR": 99, "SPI_NUM_OUT_NEUR": 1,
}  # fmt: skip


def image(directory: str | os.PathLike[str]) -> Image:
    """Return what the test bench programs, with the initial weights in ``directory``."""
    folder = Path(directory)
    w_in = np.zeros((256, 256), np.int8)
    w_rec = np.zeros((256, 256), np.int8)
    w_out = np.zeros((512, 16), np.int8)
    for memory, name, shape in (
        (w_in, "inp", (40, _NEURONS)), (w_rec, "rec", (_NEURONS, _NEURONS)),
        (w_out, "out", (_NEURONS, 2)),
    ):  # fmt: skip
        found = read_weights(folder / f"init_rand_weights_{name}_cueAcc.dat", shape)
        memory[: shape[0], : shape[1]] = found
    words, used = np.zeros((128, 16), np.uint8), 100  # twice as many as needed
    fields = {field.name: field for field in NEURON_FIELDS}
    insert(words[:used], fields["alpha"], np.full(used, ALPHA & 0xFFF))
    insert(words[:used], fields["thr"], np.full(used, THRESHOLD))
    registers: dict[str, int | np.ndarray] = {r.name: 0 for r in REGISTERS}
    registers |= RESET_SEEDS | REGISTERS_PUBLISHED
    registers["SPI_ALPHA_CONF"] = np.zeros(128, np.uint8)
    return Image(
        {
            "neuron": words,
            "input_weight": w_in.view(np.uint8).reshape(-1, 16),
            "recurrent_weight": w_rec.view(np.uint8).reshape(-1, 16),
            "output_weight": w_out.view(np.uint8),
        },
        registers,
    )


def samples(data: CueAccumulation, learn: bool) -> list[Sample]:
    """Return samples as the test bench drives them: label and votes in the recall window."""
    window = np.zeros(STEPS, np.uint8)
    window[-WINDOW:] = 1
    found = []
    for n, label in enumerate(data.labels.tolist()):
        tick, address = np.nonzero(data.spikes[:, n])
        found.append(
            Sample(
                STEPS, tick.astype(np.int32), address.astype(np.int32),
                target_valid=window if learn else None, infer_acc=window, label=label,
                label_tick=STEPS - WINDOW if learn else -1,
            )
        )  # fmt: skip
    return found


def run(directory: str | os.PathLike[str], epochs: int = 10) -> Iterator[tuple[int, int]]:
    """Yield, epoch by epoch, how many of the 50 training and 50 test samples are right."""
    from nm_reckon.simulator import ReckonSimulator, train

    simulator = ReckonSimulator(image(directory))
    parts = []
    for name, learn in (("train", True), ("test", False)):
        data = read_dat(Path(directory) / f"dataset_cueAcc_{name}.dat")
        parts.append((samples(data, learn), data.labels, 7 if learn else 0))
    for _ in range(epochs):
        right = []
        for driven, labels, eprop in parts:
            simulator.set_register("SPI_DO_EPROP", eprop)
            logs = train(simulator, driven)
            said = np.array([int(log.out_data[-1]) for log in logs])
            right.append(int((said == labels).sum()))
        yield right[0], right[1]
