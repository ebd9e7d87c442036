"""ReckOn, register by register: a programmed chip that runs samples, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import cast

import numpy as np

from nm_backends.cores import usable_cores
from nm_backends.errors import UserError, did_you_mean
from nm_backends.image import Image
from nm_backends.image_check import check_image
from nm_reckon.errors import HaltedError, LocalTickError
from nm_reckon.layout import STATE, TRANSIENT
from nm_reckon.lfsr import KINDS, load_seed, seed_of
from nm_reckon.logs import Recording
from nm_reckon.packing import Packed, pack
from nm_reckon.requests import check_targets
from nm_reckon.sample import Sample, SampleLog
from nm_reckon.spec import NEURONS, SPEC
from nm_reckon.state import (
    configure,
    generator_states,
    load_state,
    seeded,
    set_generators,
    store_memories,
    tables,
)

__all__ = ["ReckonSimulator", "record_batch", "run_batch", "train"]

_REGISTERS = {register.name: register for register in SPEC.registers}


class ReckonSimulator:
    """ReckOn in the state given by an image.

    Memories and generators run on from sample to sample; membranes and traces are cleared by the
    chip itself.

    Parameters
    ----------
    image
        What the chip has been programmed with: all memories and registers of its `SPEC`.
    dirty
        Whether the state in each neuron's word counts in the first sample, 0 or 1, ``[256]``. By
        default it does: a programming stream has just written every word.
    lfsr
        States of the 13 `sample.GENERATORS`, uint32; by default those that the seed registers load.

    Raises
    ------
    UserError
        The image is not one of this chip.
    """

    def __init__(
        self, image: Image, dirty: np.ndarray | None = None, lfsr: np.ndarray | None = None
    ) -> None:
        for problem in check_image(image, SPEC):
            raise UserError(f"reckon: {problem}")
        self._start = image.copy()
        flags = np.ones(NEURONS, np.uint8) if dirty is None else _check_dirty(dirty)
        states = seeded(image) if lfsr is None else _check_lfsr(lfsr)
        self._state = load_state(image, flags, states)
        self._chip: np.ndarray | None = None
        self._halted = -1

    @property
    def dirty(self) -> np.ndarray:
        """Whether each neuron's state counts in the next sample, uint8 ``[256]``."""
        return np.array(self._state["dirty"][0])

    @property
    def lfsr(self) -> np.ndarray:
        """States of the 13 `sample.GENERATORS`, uint32 ``[13]``."""
        return np.asarray(generator_states(self._state["draws"], self._state["place"])[0])

    def set_register(self, name: str, value: int | np.ndarray) -> None:
        """Write a register, as over SPI between two samples; a seed loads its generators.

        Raises
        ------
        UserError
            No such register, or a value that does not fit it.
        """
        if name not in _REGISTERS:
            raise UserError(f"register {name}: unknown to the chip", did_you_mean(name, _REGISTERS))
        changed = Image(self._start.memories, {**self._start.registers, name: value})
        for problem in check_image(changed, SPEC):
            raise UserError(f"reckon: {problem}")
        self._start.registers[name] = value.copy() if isinstance(value, np.ndarray) else value
        self._chip = None
        states = self.lfsr
        load_seed(states, name, int(value) if name.startswith("SPI_SEED") else 0)
        set_generators(self._state, states)

    def sample(
        self, sample: Sample, record: Sequence[str] = (), capture: Sequence[int] = ()
    ) -> SampleLog:
        """Run one sample.

        Parameters
        ----------
        sample
            What the host does.
        record
            What to record at each tick: ``spikes``, ``outputs``, ``lfsr``, ``cycles``; and
            ``losses``, counted over the sample.
        capture
            Ticks, ascending, for which the neuron memory is recorded.

        Raises
        ------
        UserError
            A sample that the host cannot drive, a chip that would wait for ever for a target or a
            tick (`errors`), or one that has halted.
        """
        return self.run(pack([sample]), record, capture)[0]

    def run(
        self, packed: Packed, record: Sequence[str] = (), capture: Sequence[int] = ()
    ) -> list[SampleLog]:
        """Run samples one after the other, each from the state that the one before left.

        Compiled code without the GIL; a list shorter than the samples ends with the one in which
        the chip halted.
        """
        recording, done = self.record(packed, record, capture)
        return recording.logs(done, self._start)

    def record(
        self, packed: Packed, record: Sequence[str] = (), capture: Sequence[int] = ()
    ) -> tuple[Recording, int]:
        """Run samples as `run` does; return what they left behind, and how many were begun."""
        from nm_reckon.sample_kernel import run_samples  # numba, only where something is simulated

        chip, none = _counting(self._ready(packed), record), np.zeros(0, np.uint8)
        recording = Recording(packed, chip, record, capture)
        done = run_samples(
            tables(), chip, self._state, none, none, packed.plan, packed.ticks, packed.addresses,
            packed.targets, 0, packed.plan.size, *recording.log,
        )  # fmt: skip
        if done and (halted := int(recording.log.tally["halted"][done - 1])):
            self._halted = halted
        return recording, done

    def image(self) -> Image:
        """Return what the chip holds now.

        The seed registers are the present states of the generators: a simulator of this image goes
        on with the same bits, save for `dirty`, which is given apart.
        """
        if self._halted >= 0:
            raise HaltedError(self._halted)
        now = self._start.copy()
        now.memories = store_memories(self._state, self._start)
        now.registers.update(seed_of(self.lfsr))
        return now

    def _ready(self, packed: Packed) -> np.ndarray:
        """Return the configuration, after checking that the samples can run with it."""
        registers = self._start.registers
        if self._halted >= 0:
            raise HaltedError(self._halted)
        if registers["SPI_LOCAL_TICK"]:
            raise LocalTickError(int(cast(int, registers["SPI_CYCLES_PER_TICK"])))
        check_targets(packed, registers)
        if self._chip is None:
            self._chip = configure(self._start)
        return self._chip


def run_batch(
    image: Image,
    samples: Sequence[Sample] | Packed,
    record: Sequence[str] = (),
    threads: int | None = None,
) -> list[SampleLog]:
    """Run independent samples, each from the state of ``image``.

    Parameters
    ----------
    image
        What the host programs, seeds included, before each sample.
    samples
        What the host does; `packing.pack` them once if they are run many times.
    record
        As for `ReckonSimulator.sample`.
    threads
        Threads to use; by default one per usable core. The result does not depend on it.

    Returns
    -------
    list of SampleLog
        One per sample, in order.
    """
    packed = samples if isinstance(samples, Packed) else pack(samples)
    return record_batch(image, packed, record, threads=threads).logs(packed.plan.size, image)


def record_batch(
    image: Image,
    packed: Packed,
    record: Sequence[str] = (),
    capture: Sequence[int] = (),
    threads: int | None = None,
) -> Recording:
    """Run independent samples as `run_batch` does; return what they left behind."""
    from nm_reckon.sample_kernel import run_samples

    if threads is not None and threads < 1:
        raise UserError(f"threads {threads}: expected 1 or more")
    simulator = ReckonSimulator(image)
    chip, fresh = _counting(simulator._ready(packed), record), simulator._state
    # Weights stay unless the chip learns, so that there is no need to put them back.
    begin = fresh.view(np.uint8)[: STATE.itemsize if chip["learn"][0] else TRANSIENT]
    recording, threads = Recording(packed, chip, record, capture), threads or usable_cores()

    def work(chunk: tuple[int, int]) -> None:
        state = fresh.copy()
        run_samples(
            tables(), chip, state, state.view(np.uint8), begin, packed.plan, packed.ticks,
            packed.addresses, packed.targets, *chunk, *recording.log,
        )  # fmt: skip

    parts = 1 if threads == 1 else 4 * threads
    edges = np.unique(np.linspace(0, packed.plan.size, parts + 1).astype(int)).tolist()
    if len(edges) < 3:
        work((0, packed.plan.size))
        return recording
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, pairwise(edges)))
    return recording


def train(
    simulator: ReckonSimulator,
    samples: Sequence[Sample] | Packed,
    record: Sequence[str] = (),
) -> list[SampleLog]:
    """Run samples one after the other on one chip, as `ReckonSimulator.run` does.

    Several chips may be trained in threads at once: the GIL is free meanwhile.
    """
    return simulator.run(samples if isinstance(samples, Packed) else pack(samples), record)


def _counting(chip: np.ndarray, record: Sequence[str]) -> np.ndarray:
    """Return the configuration of a chip whose saturations are counted, if that is asked for."""
    chip = chip.copy()
    chip["counting"] = "losses" in record
    return chip


def _check_dirty(dirty: np.ndarray) -> np.ndarray:
    flags = np.asarray(dirty)
    if flags.shape != (NEURONS,) or flags.dtype.kind not in "bui" or ((flags | 1) != 1).any():
        raise UserError(f"dirty: expected 0 or 1, [{NEURONS}]")
    return flags


def _check_lfsr(lfsr: np.ndarray) -> np.ndarray:
    states = np.asarray(lfsr)
    if states.shape != (len(KINDS),) or states.dtype.kind not in "ui":
        raise UserError(f"lfsr: {states.dtype}{list(states.shape)}, expected uint32[{len(KINDS)}]")
    for i, kind in enumerate(KINDS):
        if not 0 <= int(states[i]) <= kind.period:
            raise UserError(f"lfsr[{i}]: {int(states[i])} does not fit {kind.b} bits")
    return states
