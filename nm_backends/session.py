"""A program run step by step, its state carried from one step to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nm_backends.errors import UserError
from nm_backends.spikes import prepare

if TYPE_CHECKING:
    from nm_backends.image import Image
    from nm_backends.network import Population
    from nm_backends.program import Program

__all__ = ["ChipSession", "Session", "StillSession"]


class ChipSession(Protocol):
    """What a backend's ``open_session(program, batch, learning)`` returns.

    It holds the state of ``batch`` chips; the program and its image stay as they are. It begins
    with all at rest and, if it was opened with ``learning``, learning.
    """

    learning: bool
    """Whether synapses may change; setting it goes on with the neurons at rest."""
    taught: Population | None
    """The population that targets are for, where the chip learns."""
    takes_values: bool
    """Whether targets may be values in the user's units, rather than labels only."""

    def reset(self) -> None:
        """Put neurons and inputs at rest, as at the start of a sample; what was learned stays."""
        ...

    def step(self, counts: np.ndarray, targets: np.ndarray | None) -> dict[str, np.ndarray]:
        """Run one step.

        Parameters
        ----------
        counts
            Input spikes uint8 ``[batch, channels]``.
        targets
            While it learns: what the teacher says of each neuron of ``taught``, int8
            ``[batch, size]``, 1: it should fire, 0: it should not, -1: nothing; or, where the chip
            ``takes_values``, values float64 ``[batch, size]``. None: no teacher.

        Returns
        -------
        dict
            Population to spike counts uint8 ``[batch, size]``.
        """
        ...

    def membranes(self) -> dict[str, np.ndarray]:
        """Return the membranes now, by population ``[batch, size]``, in chip units.

        Those of populations that do not spike are in the user's units.
        """
        ...

    def counters(self) -> dict[str, np.ndarray]:
        """Return what was counted since the last reset, as in `nm_backends.result.RawRun`."""
        ...

    def decisions(self) -> dict[str, np.ndarray]:
        """Return what else the chip says about the samples, as in `nm_backends.result.RawRun`."""
        ...

    def image(self) -> Image:
        """Return the program's image with what was learned."""
        ...


class StillSession:
    """The part of a `ChipSession` that says that synapses stay as they are."""

    taught: Population | None = None
    takes_values = False
    program: Program

    @property
    def learning(self) -> bool:
        """Whether synapses may change: here never."""
        return False

    @learning.setter
    def learning(self, wanted: bool) -> None:
        if wanted:
            raise self._refusal()

    def _refusal(self) -> UserError:
        return UserError(f"session: {self.program.chip!r} does not learn")


class Session:
    """A program on a chip that is run one step at a time; ``program.session`` makes it.

    Parameters
    ----------
    program
        It is not changed, also when the chip learns: see `learned`.
    batch
        Number of samples, or None for one without a batch axis.
    learning
        As for ``program.session``.
    chip
        What is run, where it is not the one chip of the program.

    Attributes
    ----------
    layers
        Spikes of the last step by population, ``[*shape]`` or ``[batch, *shape]``.
    steps
        Steps since the last reset.
    """

    def __init__(
        self,
        program: Program,
        batch: int | None = None,
        learning: Any = None,
        chip: ChipSession | None = None,
    ) -> None:
        if batch is not None and (not isinstance(batch, int) or batch < 1):
            raise UserError(f"batch is {batch!r}, expected None or 1 or more")
        self.program, self.batch = program, batch
        self.layers: dict[str, np.ndarray] = {}
        self.steps = 0
        self._chip = chip or _open(program, batch or 1, learning)
        self._learns = bool(self._chip.learning)

    def reset(self) -> None:
        """Begin a new sample: neurons at rest, nothing on its way; what was learned stays."""
        self._chip.reset()
        self.layers, self.steps = {}, 0

    def step(self, spikes: Any, targets: Any = None) -> np.ndarray:
        """Run one step and return the spikes of the (first) output (its membranes, if it has none).

        Parameters
        ----------
        spikes
            Booleans or counts ``[*input shape]``, or ``[batch, *input shape]``; for several
            inputs a mapping of input node to such arrays.
        targets
            For a session that learns: the label (or ``[batch]``) of the neuron that should fire;
            or for each neuron 1 (it should fire), 0 (it should not) or -1 (nothing is said),
            ``[*shape]`` or ``[batch, *shape]``; or, on a chip that learns the course of its outputs
            (ReckOn), floats: their values. None: nothing is said of any.

        Returns
        -------
        numpy.ndarray
            Counts uint8 ``[*output shape]`` or ``[batch, *output shape]``.

        Raises
        ------
        UserError
            The arrays do not fit, or the neurons keep each other firing without end (the session
            then has to be reset).
        """
        counts = self._counts(spikes)
        raw = self._chip.step(counts, self._targets(targets))
        self.layers = {name: self._shaped(name, values) for name, values in raw.items()}
        self.steps += 1
        shown = self.program.network.output
        return (self.layers if shown.spiking else self.membranes)[shown.name]

    @property
    def membranes(self) -> dict[str, np.ndarray]:
        """Membranes now by population, in chip units, see ``program.run``."""
        return {n: self._shaped(n, values) for n, values in self._chip.membranes().items()}

    @property
    def counters(self) -> dict[str, np.ndarray]:
        """What was counted since the last reset, ``[batch]`` each (``[1]`` without a batch)."""
        return self._chip.counters()

    @property
    def decisions(self) -> dict[str, np.ndarray]:
        """What the chip itself decided since the last reset, such as its ``label``, ``[batch]``."""
        return self._chip.decisions()

    @property
    def learning(self) -> bool:
        """Whether the chip learns. Setting it programs the neurons anew: they begin at rest."""
        return bool(self._chip.learning)

    @learning.setter
    def learning(self, wanted: bool) -> None:
        if wanted and not self._learns:
            raise UserError(
                "session: it was opened without learning", "program.session(learning=True)"
            )
        if bool(wanted) != self._chip.learning:
            self._chip.learning = bool(wanted)
            self.layers, self.steps = {}, 0

    @property
    def taught(self) -> Population | None:
        """The population that targets are for, or None where nothing learns."""
        return self._chip.taught

    def learned(self) -> Program:
        """Return a copy of the program whose image holds what was learned so far."""
        return replace(self.program, image=self._chip.image())

    def _counts(self, spikes: Any) -> np.ndarray:
        network = self.program.network
        if isinstance(spikes, Mapping):
            counts = prepare(network, {name: _one_step(s) for name, s in spikes.items()}).counts
        else:
            counts = prepare(network, _one_step(spikes)).counts
        if len(counts) != 1 or counts.shape[1] != (self.batch or 1):
            samples = "one sample" if self.batch is None else f"batch {self.batch}"
            raise UserError(
                f"session: one step of {samples} is expected, found a batch of {counts.shape[1]}",
                "program.session(batch=...) says how many samples there are",
            )
        return np.asarray(counts[0])

    def _targets(self, targets: Any) -> np.ndarray | None:
        if targets is None:
            return None
        if not self._learns or self.taught is None:
            raise UserError("session: targets are given, but the chip does not learn")
        if not self.learning:
            return None
        given = np.asarray(targets.detach() if hasattr(targets, "detach") else targets)
        if given.dtype.kind == "f" and self._chip.takes_values:
            return _values(given, self.batch or 1, self.taught)
        return _wanted(given, self.batch or 1, self.taught)

    def _shaped(self, name: str, values: np.ndarray) -> np.ndarray:
        shaped = values.reshape(-1, *self.program.network.populations[name].shape)
        return np.asarray(shaped[0] if self.batch is None else shaped)


def _open(program: Program, batch: int, learning: Any) -> ChipSession:
    from nm_backends.assumptions import backend_of

    backend = backend_of(program)
    make: Callable[..., ChipSession] | None = getattr(backend, "open_session", None)
    if make is None:
        raise UserError(
            f"program.session: {program.chip!r} is not run step by step",
            "use program.run; the chip's plugin may offer open_session (nm_backends.chip.Backend)",
        )
    options = {} if learning is True else learning
    return make(program, batch, None if learning is False else options)


def _one_step(spikes: Any) -> np.ndarray:
    detached = spikes.detach() if hasattr(spikes, "detach") else spikes  # a torch tensor
    array = np.asarray(detached)
    if array.dtype.names:
        raise UserError(
            "session: a step takes booleans or counts, not an event list",
            "program.run takes event lists",
        )
    return array[None]


def _wanted(targets: np.ndarray, batch: int, taught: Population) -> np.ndarray:
    """Return targets as int8 ``[batch, size]``."""
    if targets.dtype.kind not in "bui":
        raise UserError(f"targets: {targets.dtype}, expected integers")
    if targets.size == batch and (taught.size > 1 or targets.ndim < 2):
        labels = targets.reshape(batch)
        if not 0 <= int(labels.min()) <= int(labels.max()) < taught.size:
            raise UserError(
                f"targets: {labels.min()} to {labels.max()}, but {taught.name} has neurons "
                f"0 to {taught.size - 1}"
            )
        return np.asarray(labels[:, None] == np.arange(taught.size), np.int8)
    if targets.size != batch * taught.size:
        raise UserError(
            f"targets: shape {list(targets.shape)}, expected [{batch}] labels or "
            f"[{batch}, {taught.size}]"
        )
    return np.sign(targets.reshape(batch, taught.size).astype(np.int64)).astype(np.int8)


def _values(targets: np.ndarray, batch: int, taught: Population) -> np.ndarray:
    """Return targets as float64 ``[batch, size]``."""
    if targets.size != batch * taught.size:
        raise UserError(
            f"targets: shape {list(targets.shape)}, expected values [{batch}, {taught.size}]"
        )
    return targets.reshape(batch, taught.size).astype(np.float64)
