"""On-chip learning of a program by stochastic SDSP: the learning image, the teacher, the passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError
from nm_backends.eventcore.errors import LivelockError
from nm_backends.learn import Score, spiking_score
from nm_backends.teaching import taught_counts, taught_population
from nm_morphic.assumptions import Assumptions
from nm_morphic.engine import NEURON_STATE
from nm_morphic.events import REFERENCE, read_words
from nm_morphic.image import images_of, joined
from nm_morphic.learning_options import MorphicLearning
from nm_morphic.plastic import free_rows, plastic_synapses
from nm_morphic.simulator import MAX_SERVED, MorphicSimulator
from nm_morphic.spec import NEURONS
from nm_morphic.state import WORD
from nm_morphic.teaching import rows_needed, teacher

if TYPE_CHECKING:
    from nm_backends.aer import Lesson
    from nm_backends.image import Image
    from nm_backends.program import Program

__all__ = ["Trainer", "at_rest"]

_AT_ONCE = 64  # samples between two calls of progress
_FIELDS = ("thetamem", "ca_theta1", "ca_theta2", "ca_theta3", "ca_leak", "thr", "leak_str")


def at_rest(simulator: MorphicSimulator) -> dict[str, np.ndarray]:
    """Return a copy of the state in which each sample begins; synapses and draws go on."""
    return {name: simulator.engine.cores[name].copy() for name in NEURON_STATE}


@dataclass
class Trainer:
    """A program that learns by S-SDSP; see `MorphicLearning` for the rule and the teacher.

    In every step the chip gets the time reference (if anything leaks), then the teacher's events,
    then the spikes of the inputs. Each sample begins with the neurons at rest, as in
    ``program.run``; synapses and random generators go on from where they are.

    Parameters
    ----------
    program
        It was compiled with ``CompileOptions(learn=...)``; its image takes what is learned, and the
        state of the random generators.
    options
        How to learn.
    assumptions, columns
        As for `nm_morphic.simulator.MorphicSimulator`.

    Raises
    ------
    UserError
        The program has no plastic synapses, an option is beyond an assumed width, or there are no
        rows for the teacher.
    """

    program: Program
    options: MorphicLearning
    assumptions: Assumptions
    columns: int

    def __post_init__(self) -> None:
        from nm_backends.crossbar.wiring import wire

        self._within_assumptions()
        self.population = taught_population(self.program)
        wiring = wire(self.program.network, self.program.options.learn)
        span, layout = wiring.of(self.population.name), self.program.layout
        self._plastic = plastic_synapses(self.program.image, layout, wiring.plastic, span)
        self._teacher = self._taught()
        self.layout = self._taught_layout()
        self._seeds = {} if self.options.seed is None else self._seeded(self.options.seed)

    @property
    def stored(self) -> range:
        """The values that a plastic synapse can store."""
        return range(2)

    @property
    def plastic(self) -> np.ndarray:
        """Synapses that may change, bool ``[cores * 1024, 512]``."""
        return self._plastic.synapses

    def image(self) -> Image:
        """Return the program's image as it is programmed for learning."""
        image, options = self.program.image.copy(), self.options
        words = image.memories["neuron"].view(WORD)[:, 0]
        places = self._plastic.places
        words["ca_en"][places] = 1
        for name in _FIELDS:
            if getattr(options, name) is not None:
                words[name][places] = getattr(options, name)
        for core, levels in enumerate(self._plastic.levels):
            image.registers[f"PLASTIC_{core}"] = int(levels @ (1 << np.arange(levels.size)))
            image.registers[f"P_UP_{core}"] = options.p_up
            image.registers[f"P_DOWN_{core}"] = options.p_down
        image.registers.update(self._seeds)
        self._teacher.program(image)
        return image

    def simulator(self) -> MorphicSimulator:
        """Return the chips as they are programmed for learning."""
        return MorphicSimulator(images_of(self.image()), self.columns, self.assumptions)

    def counts(self, targets: Any, steps: int, batch: int) -> np.ndarray:
        """Return what the teacher says; see `nm_backends.teaching.taught_counts`."""
        return taught_counts(self.population, targets, steps, batch)

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
        simulator = self.simulator()
        rest = at_rest(simulator)
        batch = counts.shape[1]
        for first, last in pairwise([*range(0, batch, _AT_ONCE), batch]):
            both = np.concatenate([counts[:, first:last], taught[:, first:last]], axis=2)
            self._present(simulator, rest, both, first)
            if progress:
                progress(last - first)
        self.keep(joined(simulator.images()))
        return int(simulator.engine.cores["dropped"].sum())

    def _present(
        self, simulator: MorphicSimulator, rest: dict[str, np.ndarray], both: np.ndarray, done: int
    ) -> None:
        from nm_backends.crossbar.events import encode_spikes

        engine, coded = simulator.engine, encode_spikes(self.layout, both)
        events = read_words(coded.words, engine.cores.size)
        for sample, (begin, end) in enumerate(pairwise(coded.offsets.tolist())):
            engine.put_back(rest)
            part = slice(begin, end)
            *_, status = engine.run(
                events.first[part], events.stop[part], events.rows[part],
                events.groups(begin, end), MAX_SERVED,
            )  # fmt: skip
            if status[0]:
                neuron = int(status[2]) * NEURONS + int(status[3])
                raise LivelockError(done + sample, int(status[1]), neuron, MAX_SERVED)

    def lesson(self, counts: np.ndarray, taught: np.ndarray) -> Lesson:
        """Return what the chip is sent to learn from all samples once, and what comes of it."""
        from nm_morphic.lessons import plan_lesson

        return plan_lesson(self, counts, taught)

    def keep(self, learned: Image) -> None:
        """Take plastic synapses and random generators of ``learned`` into the program's image."""
        self._seeds = {}
        mine, mask = self.program.image, np.packbits(self.plastic, axis=1, bitorder="little")
        old, new = mine.memories["synapse_row"], learned.memories["synapse_row"]
        mine.memories["synapse_row"] = old & ~mask | new & mask
        for name, value in learned.registers.items():
            if name.startswith("LFSR_SEED_"):
                mine.registers[name] = value

    def weights(self) -> np.ndarray:
        """Return the bits of the plastic synapses, uint8 ``[synapses]``."""
        packed = self.program.image.memories["synapse_row"]
        return np.asarray(np.unpackbits(packed, axis=1, bitorder="little")[self.plastic])

    def score(self, counts: np.ndarray, targets: Any, readout: str) -> Score:
        """Return the share of samples that the neuron of the label decides, with learning off."""
        return spiking_score(self.program, self.population, counts, targets, readout)

    def _within_assumptions(self) -> None:
        held, half = self.assumptions, 1 << self.assumptions.membrane_bits - 1
        limits = {
            "p_up": (0, 1 << held.probability_bits), "p_down": (0, 1 << held.probability_bits),
            "thetamem": (-half, half - 1), "thr": (1, (1 << held.threshold_bits) - 1),
            "leak_str": (0, (1 << held.leak_bits) - 1),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            if getattr(self.options, name) is not None:
                self.options.whole(name, low, high)

    def _seeded(self, seed: int) -> dict[str, int]:
        """Return where the generators begin, in the first pass; the program keeps its own."""
        period = (1 << self.assumptions.lfsr_bits) - 1
        drawn = {}
        for core in range(len(self._plastic.levels)):
            random = np.random.default_rng([seed, core])
            drawn[f"LFSR_SEED_{core}"] = int(random.integers(1, period, endpoint=True))
        return drawn

    def _taught(self) -> Any:
        image, places, options = self.program.image, self._plastic.places, self.options
        cores = MorphicSimulator(images_of(image), self.columns, self.assumptions).engine.cores
        usable = free_rows(cores, self.program.layout, self._plastic)
        free, split = {}, set()
        for core in np.unique(places // NEURONS).tolist():
            here = places // NEURONS == core
            if image.registers[f"WEIGHT_MODE_{core}"]:
                split.add(core)
            self._accepts_contrast(core, split, int(here.sum()), cores)
            free[core] = np.flatnonzero(usable[core])
            needed = rows_needed(options, int(here.sum()), core in split)
            if needed > free[core].size:
                raise UserError(
                    f"program.learn: the teacher needs {needed} rows of core {core}, "
                    f"{free[core].size} are free on levels that do not learn",
                    "fewer inputs, or excite or inhibit only",
                )
        return teacher(options, places, free, split)

    def _accepts_contrast(
        self, core: int, split: set[int], learning_here: int, cores: np.ndarray
    ) -> None:
        if self.options.teacher != "contrast":
            return
        if core in split or int(cores["enabled"][core].sum()) > learning_here:
            why = "weights of 0 and 1" if core in split else "neurons that do not learn"
            raise UserError(
                f"program.learn: teacher='contrast', but core {core} has {why}",
                "use teacher='neutral'",
            )

    def _taught_layout(self) -> dict[str, np.ndarray]:
        """Return the program's slots with those of the teacher after the time reference."""
        layout, options = dict(self.program.layout), self.options
        first = self.program.network.input_size
        up, down = self._teacher.up, self._teacher.down
        pushes = [words * options.excite for words in up]
        pushes += [words * options.inhibit for words in down]
        word = [w for words in pushes for w in words]
        channel = [first + number for number, words in enumerate(pushes) for _ in words]
        head = int(bool(layout["slot_word"].size) and int(layout["slot_word"][0]) == REFERENCE)
        if (options.ca_leak or options.leak_str) and not head:
            word, channel = [REFERENCE, *word], [-1, *channel]
        plain = {"count": [1] * len(word), "delay": [0] * len(word)}
        added = {"word": word, "channel": channel, **plain}
        for name, values in added.items():
            old = layout[f"slot_{name}"]
            layout[f"slot_{name}"] = np.insert(old, head, np.array(values, old.dtype))
        return layout
