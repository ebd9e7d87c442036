"""On-chip learning of a program: labels as the host sends them, epochs, what is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.first_spikes import FirstSpikes
from nm_backends.learn import Score, epochs_learned
from nm_spoon.activations import activations
from nm_spoon.assumptions import Assumptions
from nm_spoon.draws import draws, place_of
from nm_spoon.engine import plan_of, run
from nm_spoon.feedback import random_signs
from nm_spoon.learning_options import SpoonLearning
from nm_spoon.setup import Setup, pack, unpack
from nm_spoon.spec import spec_of

if TYPE_CHECKING:
    from nm_backends.program import Program

__all__ = ["Trainer"]

_AT_ONCE = 256  # samples between two calls of progress


@dataclass
class Trainer:
    """A program that learns by DRTP; see `SpoonLearning` for the rule.

    Parameters
    ----------
    program
        It was compiled with ``CompileOptions(learn=...)``; its image takes what is learned, and the
        state of the generator, so that learning can go on from a saved program.
    options
        How to learn.
    assumed
        What is assumed about the chip.

    Raises
    ------
    UserError
        The program has nothing that may learn.
    """

    program: Program
    options: SpoonLearning
    assumed: Assumptions

    def __post_init__(self) -> None:
        if not self.program.options.learn:
            raise UserError(
                "program.learn: no synapse of this program may change",
                "name the layers that learn: compile with CompileOptions(learn=('fc1', 'fc2')) "
                "(nmb compile --learn fc1)",
            )

    @property
    def stored(self) -> range:
        """The values that a weight can have."""
        return range(-(1 << self.assumed.weight_bits - 1), 1 << self.assumed.weight_bits - 1)

    def setup(self) -> Setup:
        """Return what the chip is programmed with for the next epoch."""
        done = epochs_learned(self.program)
        setup = unpack(self.program.image)
        registers = dict(setup.registers)
        hidden, output = self.options.rates(registers, done)
        registers |= {"RATE_HIDDEN": hidden, "RATE_OUTPUT": output}
        feedback = setup.feedback
        if done == 0:
            if self.options.seed is not None:
                registers["LFSR"] = self.options.seed
            if self.options.feedback_seed is not None:
                classes, hidden = feedback.shape
                feedback = random_signs(classes, hidden, self.options.feedback_seed)
        return replace(setup, registers=registers, feedback=feedback)

    def counts(self, targets: Any, steps: int, batch: int) -> np.ndarray:
        """Return labels int64 ``[1, batch]``."""
        labels, outputs = np.asarray(targets), self.program.network.output.size
        if labels.shape != (batch,) or labels.dtype.kind not in "bui":
            raise UserError(
                f"targets: {labels.dtype}{list(labels.shape)}, expected labels, one integer for "
                f"each of {batch} samples"
            )
        if batch and not 0 <= int(labels.min()) <= int(labels.max()) < outputs:
            raise UserError(
                f"targets: labels {labels.min()} to {labels.max()}, the outputs are 0 to "
                f"{outputs - 1}"
            )
        return labels.astype(np.int64)[None]

    def epoch(
        self,
        counts: FirstSpikes | np.ndarray,
        taught: np.ndarray,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Let the chip learn from all samples once, in their order; nothing gets lost."""
        setup = self.setup()
        inputs, labels = activations(FirstSpikes.of(counts)), taught[0]
        place = place_of(setup.registers["LFSR"])
        for first in range(0, len(inputs), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            place = self.learn(setup, inputs[part], labels[part], place)
            if progress:
                progress(len(inputs[part]))
        self._keep(setup, int(draws()[place]))
        return 0

    def learn(self, setup: Setup, inputs: np.ndarray, labels: np.ndarray, place: int) -> int:
        """Learn from samples into the arrays of ``setup``; return the place in the numbers."""
        from nm_spoon.learning_kernel import learn_samples

        plan, r = plan_of(setup, self.assumed), setup.registers
        kernels, rows, columns = setup.maps
        learning = np.array([
            r["LEARN"] & 1, r["LEARN"] >> 1, r["RATE_HIDDEN"], r["RATE_OUTPUT"], self.stored[-1],
        ])  # fmt: skip
        return int(learn_samples(
            inputs, labels, plan.shape, plan.numbers, setup.conv_weight, setup.conv_bias,
            setup.hidden_weight, setup.hidden_bias, setup.output_weight, setup.output_bias,
            setup.feedback, learning, np.empty((rows, columns, kernels), np.int32),
            np.empty(setup.features, np.int32), draws(), place,
        ))  # fmt: skip

    def _keep(self, setup: Setup, state: int) -> None:
        """Take over weights, feedback and the generator; rates stay those of the first epoch."""
        held = self.program.image
        registers = {**held.registers, "LFSR": state}
        if epochs_learned(self.program) == 0:
            registers |= {n: setup.registers[n] for n in ("RATE_HIDDEN", "RATE_OUTPUT")}
        packed = pack(setup, spec_of(self.assumed))
        held.registers = registers
        for name in ("hidden_weight", "output_weight", "feedback"):
            held.memories[name] = packed.memories[name]

    def weights(self) -> np.ndarray:
        """Return the weights that may change, integers, layer by layer."""
        setup = unpack(self.program.image)
        learns = setup.registers["LEARN"]
        layers = [setup.hidden_weight] * (learns & 1) + [setup.output_weight] * (learns >> 1)
        return np.concatenate([layer.ravel() for layer in layers])

    def score(self, counts: FirstSpikes | np.ndarray, targets: Any, readout: str) -> Score:
        """Return the share of samples whose largest output is that of the label."""
        if readout != "count":
            raise UserError(
                f"readout is {readout!r}: outputs of SPOON do not spike", "use readout='count'"
            )
        plan = plan_of(unpack(self.program.image), self.assumed)
        chosen = run(plan, activations(FirstSpikes.of(counts))).outputs.argmax(axis=1)
        return Score(float(np.mean(chosen == np.asarray(targets))))
