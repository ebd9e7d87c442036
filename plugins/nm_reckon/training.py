"""On-chip learning of a program: the learning image, targets as the host sends them, epochs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.eventcore.words import extract
from nm_backends.image import Image
from nm_backends.learn import Score, epochs_learned
from nm_reckon.drive import Drive
from nm_reckon.eprop_registers import WEIGHTS, tau_of
from nm_reckon.eprop_setup import MATRICES, EpropSetup
from nm_reckon.learning_options import ReckonLearning, seed_registers
from nm_reckon.learning_scale import layers_that_stay, learned_matrices
from nm_reckon.propose import Proposal
from nm_reckon.sample import Sample, SampleLog
from nm_reckon.spec import INPUTS, NEURON_FIELDS, NEURONS, OUTPUTS, RESET_SEEDS

if TYPE_CHECKING:
    from nm_backends.aer import Lesson
    from nm_backends.program import Program

__all__ = ["Trainer"]

_FIELD = {field.name: field for field in NEURON_FIELDS}
_AT_ONCE = 64  # samples that are prepared together, between two calls of progress
_SHAPES = {"input": (INPUTS, NEURONS), "recurrent": (NEURONS, NEURONS), "output": (512, OUTPUTS)}


@dataclass
class Trainer:
    """A program that learns by e-prop; see `ReckonLearning` for the rule.

    In each epoch the host programs the whole image, runs all samples with learning on, and reads
    the weights and the generators back. A target is compared with the outputs of its step as the
    chip shows them one tick later, leaked once; the last step of a sample is judged, but the chip
    does not learn in it.

    Parameters
    ----------
    program
        It was compiled with ``CompileOptions(learn=...)``; its image takes what is learned, and
        the states of the generators, so that learning can go on from a saved program.
    options
        How to learn.

    Raises
    ------
    UserError
        The program has nothing that may learn, or it shares memories with what must not change.
    """

    program: Program
    options: ReckonLearning

    def __post_init__(self) -> None:
        nodes = self.program.options.learn
        if not nodes:
            raise UserError(
                "program.learn: no synapse of this program may change",
                "name the layers that learn: compile with CompileOptions(learn=('fc',)) "
                "(nmb compile --learn fc)",
            )
        for layer, memory in layers_that_stay(self.program.network, nodes):
            raise UserError(f"program.learn: {layer} is in the memory of {memory} weights, too")
        self.matrices = learned_matrices(self.program.network, nodes)
        self.drive = Drive(self.program.layout)

    @property
    def stored(self) -> range:
        """The values that a weight can have."""
        return range(-128, 128)

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return self._register("SPI_NUM_OUT_NEUR") + 1

    def base(self) -> EpropSetup:
        """Return what the program decides of the set-up in floating point."""
        layout, memory = self.program.layout, self.program.image.memories["neuron"]
        dt = (self.program.network.discretisation.dt or 1e-3) / self.drive.each
        words = memory[np.unique(layout["address"] // 2)]
        high = np.asarray(self.program.image.registers["SPI_ALPHA_CONF"])
        upper = np.where(high[np.unique(layout["address"] // 2)] > 0, 0x8000, 0x7000)
        alpha = int(np.median(extract(words, _FIELD["alpha"]) + upper))
        scale = float(np.median(layout["scale"]))
        scale_out = float(np.median(layout["out_scale"])) if layout["out_scale"].size else scale
        kappa = self._register("SPI_KAPPA")
        scales = (scale, scale, scale_out)
        limits = [
            128 * 2 ** self._register(f"SPI_FP_LOC_{name}") / each
            for name, each in zip(WEIGHTS, scales, strict=True)
        ]
        return EpropSetup(
            dt=dt,
            tau_m=tau_of(alpha, dt),
            tau_out=tau_of(kappa << 8, dt),
            threshold=float(np.median(extract(words, _FIELD["thr"]))) / scale,
            scale=scale,
            scale_out=scale_out,
            weight_limits=(limits[0], limits[1], limits[2]),
        )

    def proposal(self, regression: bool = False) -> Proposal:
        """Return the registers of the next epoch, and what had to be rounded."""
        return self.options.proposal(self.base(), regression, epochs_learned(self.program))

    def image(self, regression: bool = False) -> Image:
        """Return the program's image as it is programmed for learning in the next epoch."""
        done = epochs_learned(self.program)
        image = self.program.image.copy()
        contents = self.options.contents(self.base(), regression, done)
        if done == 0 and self.options.seed is not None:
            contents = {**seed_registers(self.options.seed), **contents}
        if done:
            contents = {n: value for n, value in contents.items() if n not in RESET_SEEDS}
        rates = self.options.setup(self.base(), regression).rates
        learn = sum(
            (name in self.matrices and rate > 0) << i
            for i, (name, rate) in enumerate(zip(MATRICES, rates, strict=True))
        )
        image.registers.update(
            contents, SPI_DO_EPROP=learn, SPI_SINGLE_LABEL=1, SPI_SEND_PER_TIMESTEP=0,
            SPI_SEND_LABEL_ONLY=int(not regression), SPI_GET_TAR_REQ_OUT=int(regression),
        )  # fmt: skip
        return image

    def counts(self, targets: Any, steps: int, batch: int) -> np.ndarray:
        """Return labels int16 ``[1, batch]``, or targets ``[time, batch, outputs]`` in chip units.

        Parameters
        ----------
        targets
            Labels ``[batch]``: the output that should be largest. Or values ``[time, batch,
            outputs]`` in the user's units (0 to 1 where outputs pass the hard sigmoid).
        """
        wanted = np.asarray(targets)
        if wanted.ndim == 1:
            return self._labels(wanted, batch)
        if wanted.shape[0] == steps and wanted.size == steps * batch * self.outputs:
            return self._values(wanted.reshape(steps, batch, self.outputs))
        raise UserError(
            f"targets: shape {list(wanted.shape)}, expected labels [{batch}] or values "
            f"[{steps}, {batch}, {self.outputs}]"
        )

    def epoch(
        self,
        counts: np.ndarray,
        taught: np.ndarray,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Let the chip learn from all samples once, in their order; return the spikes lost.

        Parameters
        ----------
        counts
            Input spikes uint8 ``[time, batch, channels]``.
        taught
            What `counts` returned.
        """
        from nm_reckon.simulator import ReckonSimulator, train

        simulator = ReckonSimulator(self.image(taught.ndim == 3))
        for part, samples in self.samples(counts, taught):
            train(simulator, samples)
            if progress:
                progress(part.stop - part.start)
        self.keep(simulator.image())
        return int(self.drive.merged(counts).sum())

    def lesson(self, counts: np.ndarray, taught: np.ndarray) -> Lesson:
        """Return what the chip is sent to learn from all samples once; see `epoch`."""
        from nm_reckon.lessons import plan_lesson

        return plan_lesson(self, counts, taught)

    def keep(self, learned: Image) -> None:
        """Take over weights, generators, and the rounding that the weights are learned with."""
        image = self.program.image
        for name in self.matrices:
            image.memories[f"{name}_weight"] = learned.memories[f"{name}_weight"]
        for name in (*RESET_SEEDS, "SPI_EN_STOCH_ROUND"):
            image.registers[name] = learned.registers[name]

    def weights(self) -> np.ndarray:
        """Return the weights that may change, int8, matrix by matrix."""
        return np.concatenate([self.matrix(name).ravel() for name in self.matrices])

    def matrix(self, name: str) -> np.ndarray:
        """Return the stored weights of ``input``, ``recurrent`` or ``output``, ``[pre, post]``."""
        memory = self.program.image.memories[f"{name}_weight"].view(np.int8)
        neurons = self._register("SPI_NUM_REC_NEUR") + 1
        inputs = self._register("SPI_NUM_INP_NEUR") + 1
        posts = self.outputs if name == "output" else neurons
        return memory.reshape(_SHAPES[name])[: inputs if name == "input" else neurons, :posts]

    def score(self, counts: np.ndarray, targets: Any, readout: str) -> Score:
        """Judge the program with learning off, in the window: by the chip's own votes, or MSE.

        The generators run on from sample to sample, as they do in learning; ``program.run``
        programs them before each.
        """
        if readout != "count":
            raise UserError(
                f"readout is {readout!r}: outputs of ReckOn do not spike", "use readout='count'"
            )
        taught = self.counts(targets, *counts.shape[:2])
        if taught.ndim == 3:
            return Score(loss=self._loss(counts, taught, np.asarray(targets, np.float64)))
        voted = [int(log.out_data[-1]) for log in self._tested(counts, taught)]
        return Score(float(np.mean(np.array(voted) == taught[0])))

    def _tested(
        self, counts: np.ndarray, taught: np.ndarray, record: tuple[str, ...] = ()
    ) -> Iterator[SampleLog]:
        """Yield what comes back with learning off."""
        from nm_reckon.simulator import ReckonSimulator, train

        image = self.image(taught.ndim == 3)
        image.registers["SPI_DO_EPROP"] = 0
        simulator = ReckonSimulator(image)
        for _, samples in self.samples(counts, taught):
            yield from train(simulator, samples, record)

    def _loss(self, counts: np.ndarray, taught: np.ndarray, wanted: np.ndarray) -> float:
        """Return the mean squared error in the window, in the user's units."""
        steps = counts.shape[0]
        ticks = self._ticks(steps)
        setup, kappa = self.proposal(regression=True).asked, self._register("SPI_KAPPA") / 128
        first, last = self.options.steps(steps)
        errors = []
        logs = self._tested(counts, taught, ("outputs",))
        for sample, log in enumerate(logs):
            shown = log.oneur_step[ticks, : self.outputs].astype(np.float64)
            if setup.activation:
                shown = np.clip((shown + 2048) / 4096, 0, 1)
            else:
                shown /= max(kappa, 1 / 128) * setup.scales[2]
            aimed = wanted.reshape(taught.shape)[first:last, sample]
            errors.append(np.mean((shown - aimed) ** 2))
        return float(np.mean(errors))

    def samples(
        self, counts: np.ndarray, taught: np.ndarray
    ) -> Iterator[tuple[slice, list[Sample]]]:
        """Yield samples as the host drives them, some at a time."""
        batch = counts.shape[1]
        for first, last in pairwise([*range(0, batch, _AT_ONCE), batch]):
            plain = self.drive.samples(counts[:, first:last])
            told = (self._taught(s, taught[:, first + i], len(counts)) for i, s in enumerate(plain))
            yield slice(first, last), list(told)

    def _taught(self, sample: Sample, taught: np.ndarray, steps: int) -> Sample:
        """Return a sample with its targets and the pins of the window."""
        ticks = self._ticks(steps)
        pins = np.zeros(sample.ticks, np.uint8)
        pins[ticks] = 1
        if taught.ndim == 1:
            at = 1 if self.options.always else int(ticks[0])
            return replace(
                sample, target_valid=pins, infer_acc=pins, label=int(taught[0]), label_tick=at
            )
        values = np.zeros((sample.ticks, OUTPUTS), np.int16)
        first, last = self.options.steps(steps)
        values[ticks, : self.outputs] = taught[first:last]
        return replace(sample, target_valid=pins, infer_acc=None, reg_target=values)

    def _ticks(self, steps: int) -> np.ndarray:
        """Return the ticks at which the outputs of the window's steps are compared."""
        first, last = self.options.steps(steps)
        return self.drive.at(steps, self.drive.deepest + 1)[first:last]

    def _labels(self, wanted: np.ndarray, batch: int) -> np.ndarray:
        if wanted.shape != (batch,) or wanted.dtype.kind not in "bui":
            raise UserError(
                f"targets: {wanted.dtype}{list(wanted.shape)}, expected labels, one integer for "
                f"each of {batch} samples"
            )
        if batch and not 0 <= int(wanted.min()) <= int(wanted.max()) < self.outputs:
            raise UserError(
                f"targets: labels {wanted.min()} to {wanted.max()}, the outputs are 0 to "
                f"{self.outputs - 1}"
            )
        return wanted.astype(np.int16)[None]

    def _values(self, wanted: np.ndarray) -> np.ndarray:
        """Return targets in chip units; without a sigmoid leaked once, as the outputs are."""
        setup = self.proposal(regression=True).asked
        kept = 1.0 if setup.activation else self._register("SPI_KAPPA") / 128
        values = np.asarray(wanted, np.float64)
        if not np.isfinite(values).all():
            raise UserError("targets: some are NaN or infinite")
        chip = np.rint(values * (setup.error_unit * kept))
        if np.abs(chip).max(initial=0) > 32767:
            most = 32767 / (setup.error_unit * kept)
            raise UserError(
                f"targets: {values.min():.4g} to {values.max():.4g}, the outputs reach "
                f"{-most:.4g} to {most:.4g}",
                "scale the targets down (and output weights with them)",
            )
        return chip.astype(np.int16)

    def _register(self, name: str) -> int:
        value = self.program.image.registers[name]
        return int(value)
