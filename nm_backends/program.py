"""The compiled result: the image, where everything went, and what it cost to get there."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nm_backends.image import Image
from nm_backends.network import Network
from nm_backends.rules import Report

if TYPE_CHECKING:
    import nir

    from nm_backends.history import History
    from nm_backends.result import Result
    from nm_backends.session import Session
    from nm_backends.streaming import Stream

__all__ = ["CompileOptions", "Fit", "Mapping", "PopulationFit", "Program", "Resource"]


@dataclass(frozen=True)
class CompileOptions:
    """Choices of a compilation; the defaults are the ones that we would make.

    Parameters
    ----------
    order
        In which order the host sends the events of one time step: ``auto`` (by calibration),
        ``ascending`` rows, ``excitatory_first`` or ``inhibitory_first``.
    scale
        How real weights become integers: ``auto`` (calibrated when spikes are given, else
        ``maxabs``), ``maxabs`` or ``calibrated``.
    row_pairs
        Whether inputs with weights of both signs get one row for each sign also on a chip where
        every synapse has its own: ``auto`` (by calibration), ``never`` or ``always``. It costs rows
        and events, and lets the order of events tell excitation from inhibition. On a chip of
        several cores ``auto`` chooses population by population;
        ``program.metadata["row_pairs"]`` says what.
    share_rows
        Whether input channels with the same weights use one row of a crossbar: ``auto`` (where
        there are not enough rows otherwise), ``never`` or ``always``. The spikes are the same.
    settle
        Whether thresholds are out of reach while the charge of a step arrives, and are tested once
        at its end, as the model does: ``auto`` (by calibration, where membranes cannot be negative
        anyway), ``never`` or ``always``. It stops membranes at zero, and costs a row per population
        and events in every step.
    descent
        Whether integers are found by gradients through the chip's own dynamics, such that it
        decides as the model does on the calibration spikes and on variants of them (no labels are
        needed; crossbar chips): ``auto`` (with 256 samples or more, where the network is small
        enough for seconds), ``never``, or ``always``, however few samples or long it takes.
    lateral
        Whether neurons of a hidden population may then inhibit and excite each other also where the
        model has no such synapses, if that makes up for charge below zero which the chip loses:
        ``auto`` or ``never``. It takes no rows; ``metadata["lateral_synapses"]`` counts them.
    learn
        NIR nodes (Linear, Affine) whose synapses the chip may change with its own rule, see
        ``Program.learn``; all others stay as they are. Weights then become integers by their range
        alone, not by calibration: they are about to change.
    vote_steps
        Where a chip votes for a label itself (ReckOn): in how many steps at the end of a sample, 0
        in all. None: in all steps where membranes are read, in the last where spikes are counted.
    chips
        In the mesh, of chips that route spikes among themselves; ``compile(chips=...)`` finds the
        least number.
    assumptions
        What is assumed about the chip instead of the defaults (``nmb chips NAME --assumptions``).
    """

    order: Literal["auto", "ascending", "excitatory_first", "inhibitory_first"] = "auto"
    scale: Literal["auto", "maxabs", "calibrated"] = "auto"
    row_pairs: Literal["auto", "never", "always"] = "auto"
    settle: Literal["auto", "never", "always"] = "auto"
    learn: tuple[str, ...] = ()
    vote_steps: int | None = None
    share_rows: Literal["auto", "never", "always"] = "auto"
    chips: int = 1
    descent: Literal["auto", "never", "always"] = "auto"
    lateral: Literal["auto", "never"] = "auto"
    assumptions: MappingOf[str, bool | int | float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Resource:
    """How much of one resource of the chip is in use."""

    name: str
    used: int
    available: int

    @property
    def percent(self) -> float:
        """Share in use, 0 to 100."""
        return 100.0 * self.used / self.available if self.available else 0.0

    @property
    def nearly_full(self) -> bool:
        """Whether 90 % or more are in use."""
        return self.percent >= 90.0

    def __str__(self) -> str:
        return f"{self.name}: {self.used:,} of {self.available:,} ({self.percent:.1f} %)"


@dataclass(frozen=True)
class PopulationFit:
    """Asked for and realised, for one population.

    ``scale`` is chip units per unit of the user's membrane (the median, where every neuron has its
    own). Arrays are ``[size]``, in the user's units; a leak is the charge lost per step on average,
    over the membranes seen. The errors are relative; calibration moves thresholds and leaks on
    purpose, which counts as error. ``clipped`` and ``zeroed`` count weights into the population.
    """

    name: str
    scale: float
    threshold_asked: np.ndarray
    threshold: np.ndarray
    leak_asked: np.ndarray
    leak: np.ndarray
    weight_error: float
    threshold_error: float
    leak_error: float
    weights: int
    clipped: int
    zeroed: int
    spike_agreement: float | None = None

    @property
    def weight_snr(self) -> float:
        """Signal-to-noise ratio of the weights in dB: infinite where they are exact."""
        return float("inf") if not self.weight_error else -20.0 * math.log10(self.weight_error)


@dataclass(frozen=True)
class Fit:
    """The fit report: one `PopulationFit` per population, by name.

    ``accuracy`` and ``float_accuracy`` are the shares of the ``judged_samples`` calibration samples
    that the chip and the model decide rightly; None where there were no labels.
    """

    populations: dict[str, PopulationFit] = field(default_factory=dict)
    accuracy: float | None = None
    float_accuracy: float | None = None
    judged_samples: int = 0


@dataclass
class Mapping:
    """What a backend's ``map`` returns.

    ``layout`` holds plain arrays that say where everything went and how spikes go in and come out;
    its keys belong to the backend (or to the shared mapper it uses), and it is saved as it is.
    """

    image: Image
    layout: dict[str, np.ndarray]
    resources: list[Resource]
    fit: Fit
    report: Report
    metadata: dict[str, object] = field(default_factory=dict)


@dataclass
class Program:
    """A network compiled for one chip.

    ``metadata`` says what the compiler chose (``order``, ...) and measured on the calibration.
    """

    chip: str
    network: Network
    image: Image
    layout: dict[str, np.ndarray]
    resources: list[Resource]
    fit: Fit
    report: Report
    options: CompileOptions = field(default_factory=CompileOptions)
    metadata: dict[str, object] = field(default_factory=dict)

    @property
    def chips(self) -> int:
        """Number of chips that it is for: a mesh of chips has one program."""
        return self.options.chips

    def check(self, spikes: Any = None) -> Report:
        """Say what was found when this was compiled, and what its image would do to the chip.

        The image may have been changed since by hand; only chips with rules about set-ups look at
        it (ODIN: `nm_odin.setup`). With ``spikes`` (as for `run`) the report also says where spikes
        and charge are lost when it runs on them, see `nm_backends.loss_rules`.
        """
        from nm_backends.compiler import check_program

        return check_program(self, spikes)

    def run(
        self,
        spikes: Any,
        record: Sequence[str] = (),
        threads: int | None = None,
        progress: Callable[[int], None] | bool | None = None,
        driving: Literal["idle", "back_to_back", "continuous"] = "idle",
        keep: Literal["auto", "spikes", "readout"] = "auto",
    ) -> Result:
        """Execute the image on spikes, bit for bit as the chip does.

        Datasets, iterables and arrays on disk are read some samples at a time. Where they are
        large, the result has what is said of each sample, but no spikes: memory does not grow with
        the samples, but for some 200 bytes each.

        Parameters
        ----------
        spikes
            See `nm_backends.spikes.prepare`.
        record
            ``"membrane"`` records the membranes at the end of each step, in chip units, as the
            neuron memory holds them (a program that tests its thresholds at the end of a step,
            see `CompileOptions.settle`, has then lifted them by ``layout["lift"]``). ``"losses"``
            counts how often each membrane stopped at a limit, which takes a little longer; dropped
            and merged spikes and the activity of neurons are in ``result.losses`` of every run
            (`nm_backends.losses`). ``"ticks"`` measures the clock cycles of each step, for
            ``result.real_time``: the samples are run once more, step by step.
        threads
            By default one per usable core; the result does not depend on it.
        progress
            Called with the number of samples that were finished since the last call. None shows a
            bar, with rate and remaining time, on stderr where a person is watching, for datasets,
            iterables and arrays on disk; False none.
        driving
            When the host sends the next event: ``idle``, when the chip has nothing left to do, so
            that steps do not overlap; ``back_to_back``, as soon as the chip took the last one. It
            is faster on the chip; events then overtake spikes that wait in the scheduler, more of
            which may be lost. It runs on the cycle-accurate engine, which is slower here and counts
            every cycle. ReckOn's host waits for the chip in any case; ``continuous`` is one that
            does not program the seeds again for each sample: the generators run on, so that results
            depend on the order of the samples, as in learning.
        keep
            ``spikes``: the result holds every spike of every layer, whatever that takes.
            ``readout``: it is a `nm_backends.summary.Summary`, without spikes and layers; samples
            are run some at a time. ``auto``: spikes, but for datasets, iterables and arrays on disk
            of more than 64 MiB of input or 256 MiB of spikes. Event lists then last as long as the
            longest of the first 64 MiB; longer ones that come later are run to their end.
        """
        from nm_backends.run import run_program

        return run_program(self, spikes, record, threads, progress, driving, keep=keep)

    def stream(
        self,
        data: Any,
        batch: int = 64,
        steps: int | None = None,
        record: Sequence[str] = (),
        threads: int | None = None,
        progress: Callable[[int], None] | bool | None = None,
    ) -> Stream:
        """Run a dataset that does not fit into memory, some samples at a time.

        ``for result in program.stream(data)`` gives the results batch by batch,
        ``program.stream(data).totals()`` adds them up; memory is that of one batch.

        Parameters
        ----------
        data, batch, steps, record, threads, progress
            See `nm_backends.streaming.Stream`.

        Raises
        ------
        UserError
            The network has several inputs, or a number makes no sense.
        """
        from nm_backends.streaming import Stream

        return Stream(self, data, batch, steps, record, threads, progress)

    def learn(
        self,
        spikes: Any,
        targets: Any,
        epochs: int = 1,
        options: Any = None,
        validation: tuple[Any, Any] | None = None,
        shuffle: int | None = None,
        readout: Literal["count", "first"] = "count",
        progress: Callable[[int], None] | bool | None = None,
    ) -> History:
        """Train on the chip, with the chip's own rule; the image then holds what was learned.

        Parameters
        ----------
        spikes
            As for `run`; each sample begins with neurons at rest, synapses go on.
        targets
            Labels ``[batch]``: the neuron that should fire, or the output that should win. Or what
            should come out, ``[time, batch, size]``: spikes, or on a chip with outputs that do not
            spike their course in the user's units.
        epochs
            Passes over the samples.
        options
            The chip's learning options or a mapping of them
            (``nm_odin.learning_options.OdinLearning``,
            ``nm_reckon.learning_options.ReckonLearning``).
        validation
            Spikes and labels for the accuracies of the history; by default the training samples.
        shuffle
            Seed of a new random order of samples in every pass; None keeps their order. The order
            goes by the seed and the passes learned so far, so that stopping and going on later is
            the same as going on at once.
        readout
            What the accuracies go by: ``count``, the neuron that fires most (or the output that
            wins in most steps); ``first``, the one that fires first, as in rank-order coding. Among
            equals the lowest index wins; a sample without a spike counts as wrong.
        progress
            None shows a progress bar on stderr where a person is watching, False none; a function
            is called with the number of samples that were learned since the last call.

        Raises
        ------
        UserError
            The chip does not learn, no layer of the program may, or an argument does not fit.
        """
        from nm_backends.learn import learn_program

        return learn_program(
            self, spikes, targets, epochs, options, validation, shuffle, readout, progress
        )

    def session(self, batch: int | None = None, learning: Any = None) -> Session:
        """Return the chip, to be run step by step: what comes out can decide what goes in next.

        Parameters
        ----------
        batch
            Number of samples, each on a chip of its own; None for one, without a batch axis.
        learning
            None, or how the chip learns meanwhile: True for the defaults, else options as for
            `learn`.

        Returns
        -------
        Session
            Its steps give, spike for spike, what `run` gives for them together.

        Raises
        ------
        UserError
            The chip cannot be run step by step, or cannot learn as asked.
        """
        from nm_backends.session import Session

        return Session(self, batch, learning)

    def weights(self, node: str) -> np.ndarray:
        """Return the weights of a Linear or Affine node as the image holds them now.

        Parameters
        ----------
        node
            Name of the NIR node.

        Returns
        -------
        numpy.ndarray
            float64 ``[outputs, inputs]`` as in NIR, in the user's units.

        Raises
        ------
        UserError
            There is no such node, or its weights were joined with those of others.
        """
        from nm_backends.readback import weights

        return weights(self, node)

    def to_nir(
        self, model: Any = None, reader: Literal["nir", "snntorch", "norse"] = "nir"
    ) -> nir.NIRGraph:
        """Return what the chip holds as a NIR graph, or the model with what the chip has learned.

        Parameters
        ----------
        model
            None for the network as the image holds it: quantised (and learned) weights, biases,
            thresholds and first membranes in the user's units, under the user's names. Where the
            neurons are on the chip and what they hold stands in ``nm_backends_placement`` of the
            nodes' metadata, the chip and what the compiler chose in ``nm_backends_program`` of the
            graph's. `nm_backends.lower` reads the graph without further ado.

            Or what the program was compiled from (a path, a ``nir.NIRGraph``, a model that a
            frontend knows), which is not changed: then a copy of it in which the layers of
            ``options.learn`` have the weights of the image, and all others keep their own.
        reader
            For graphs without ``model``: who will read it. Importers of frameworks take something
            for granted that NIR does not say; ``snntorch`` and ``norse`` write the same network so
            that theirs understands it (the thresholds that were asked for, the assumed gains,
            with weights changed accordingly; for snnTorch time constants for steps of 0.1 ms).

        Raises
        ------
        UserError
            The model is not the one that this was compiled from, or no layer of the program learns
            (with ``model``); or the chip's backend does not give its network back.

        Notes
        -----
        Not in the graph: convolutions and pooling (they come back as the Linear nodes that the chip
        holds), shapes of neurons with several axes (in the metadata only), and what chips do
        that NIR has no words for: leaks by a constant (``leak`` in the placement, chip units; the
        time constants stay those that were asked for), membranes that saturate, events that
        arrive one after the other within a time step.
        """
        from nm_backends.readback import held_graph, learned_graph

        return held_graph(self, reader) if model is None else learned_graph(self, model)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the program to a ``.nmb`` file; see `nm_backends.load`."""
        from nm_backends.artifact import save

        save(self, path)

    def export(
        self,
        directory: str | os.PathLike[str],
        spikes: Any = None,
        targets: Any = None,
        learning: Any = None,
    ) -> list[Path]:
        """Write what programs and drives the real chip; see `nm_backends.export.export`.

        With ``targets`` the chip is programmed to learn, and gets the teacher's events as well.
        """
        from nm_backends.export import export

        return export(self, directory, spikes, targets, learning)

    def plot(self) -> list[Any]:
        """Draw how full the chip is, and the weights that it holds by node (needs matplotlib).

        Returns
        -------
        list
            Two matplotlib axes. In a notebook the figure is shown; elsewhere
            ``axes[0].figure.savefig(...)`` stores it.
        """
        from nm_backends.plot_weights import draw_program

        return draw_program(self)

    def _repr_html_(self) -> str:
        from nm_backends.html import program_html

        return program_html(self)

    def __repr__(self) -> str:
        from nm_backends.tables import program_text

        return program_text(self)
