"""ReckOn run step by step: as many chips as there are samples, each with its own state.

On the chip a layer shows the spikes of a step some ticks after it (`schedule`), the more the deeper
it is. A session shows them at once: it runs the ticks of a step, then, with nothing more coming in,
those that the step still needs, as if the sample ended here, and then takes the latter back. What
comes in later never changes what it has shown, as in the model: events of a later step reach a
layer in later ticks. So a step gives, bit for bit, what the run of all steps gives for it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nm_backends.session import StillSession
from nm_reckon.drive import Drive
from nm_reckon.layout import TICK
from nm_reckon.packing import Packed, pack
from nm_reckon.reading import Reading, counted, decided, split
from nm_reckon.spec import NEURONS, OUTPUTS
from nm_reckon.stepwise import Chips, Ticks

if TYPE_CHECKING:
    from nm_backends.image import Image
    from nm_backends.program import Program
    from nm_reckon.logs import Log
    from nm_reckon.sample import Sample

__all__ = ["ReckonSession"]


@dataclass(frozen=True, eq=False)
class _Shown:
    """What the last step showed: spikes, membranes and potentials ``[batch, ...]``, and counts."""

    fired: np.ndarray
    membranes: np.ndarray
    potentials: np.ndarray
    tally: np.ndarray


class ReckonSession(StillSession):
    """See `nm_backends.session.ChipSession`.

    Parameters
    ----------
    program
        Compiled for ReckOn.
    batch
        Number of samples.
    """

    _steps: int
    _shown: _Shown | None

    def __init__(self, program: Program, batch: int) -> None:
        self.program, self.batch = program, batch
        self._drive = Drive(program.layout)
        self._reading = Reading.of(program.layout, program.network)
        lags = np.unique(self._reading.lag)
        self._captured = lags[lags > 0]
        self._program_chips()

    def reset(self) -> None:
        """Program the chips anew, the generators included."""
        self._chips.restart()
        self._clear()

    def step(self, counts: np.ndarray, targets: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Run one step on counts uint8 ``[batch, channels]``."""
        now, each, deepest = self._steps, self._drive.each, self._drive.deepest
        self._past[now % len(self._past)] = counts > 0
        self._merged += self._drive.merged(counts[None])
        first, due = each * (now - 1) + 1 if now else 0, each * now
        ticks = self._ticks(first, due + deepest + 2 - first)
        present, ahead = ticks.parted(due + 1 - first)
        self._chips.go_on(present)
        log = self._chips.look_ahead(ahead, due + self._captured)
        shown = self._shown = self._seen(log, deepest + 1)
        self._vote(log.outputs["votes"][deepest :: deepest + 1])
        self._steps += 1
        return split(self._reading.fire, shown.fired)

    def membranes(self) -> dict[str, np.ndarray]:
        """Return membranes in chip units; potentials of what does not spike in the user's."""
        fire, read = self._reading.fire, self._reading.read
        if self._shown is None:
            whole = np.zeros((self.batch, self._reading.lag.size), np.int64)
            whole[:] = self._at_rest()
            potentials = np.zeros((self.batch, self._reading.shown.size))
        else:
            whole, potentials = self._shown.membranes, self._shown.potentials
        found = {**split(fire, whole), **split(read, potentials)}
        return {p.name: found[p.name] for p in self.program.network.neurons}

    def counters(self) -> dict[str, np.ndarray]:
        """Return what a run of the steps since the last reset counts."""
        if self._shown is None:
            return {}
        tally = self._shown.tally
        ticks = np.full(self.batch, self._drive.ticks(self._steps))
        found = counted(
            tally["events"], tally["sent"], tally["sops"], tally["busy"].sum(axis=1), ticks,
            tally["spikes"],
        )  # fmt: skip
        return found | {"dropped": self._merged.copy()}

    def decisions(self) -> dict[str, np.ndarray]:
        """Return what a run of the steps since the last reset decides."""
        if self._shown is None:
            return {}
        return decided(self.program, self._votes.copy(), self.counters()["cycles"], self._steps)

    def image(self) -> Image:
        """Return the image that the session was opened with."""
        return self.program.image.copy()

    def _program_chips(self) -> None:
        self._image = self._wanted_image()
        self._chips = Chips(self._image, self.batch, self._likely())
        self._clear()

    def _wanted_image(self) -> Image:
        return self.program.image

    def _likely(self) -> Packed:
        """Return a sample with all that the host does, but for events."""
        return pack([self._silent()])

    def _silent(self) -> Sample:
        channels = self.program.network.input_size
        return next(self._drive.samples(np.zeros((2, 1, channels), np.uint8)))

    def _clear(self) -> None:
        shift, each = self._drive.layout["event_shift"], self._drive.each
        depth = int(shift.max(initial=0)) // each + 2
        self._past = np.zeros((depth, self.batch, self.program.network.input_size), bool)
        self._merged = np.zeros(self.batch, np.int64)
        self._votes = np.zeros((self.batch, OUTPUTS), np.int64)
        self._ballots: deque[np.ndarray] = deque()
        self._shown = None
        self._steps = 0

    def _ticks(self, first: int, count: int) -> Ticks:
        """Return what the host does up to the tick in which the step just given is over."""
        due = np.arange(first, first + count)
        pins = np.zeros(count, TICK)
        pins["infer_acc"][-1] = 1
        sent = self._drive.sent(self._past, self._steps, due)
        sent[-1] = False  # the last tick of a sample propagates nothing
        return Ticks(first, sent, pins)

    def _seen(self, log: Log, count: int) -> _Shown:
        """Return what the ticks after that of the step have shown."""
        reading, state, batch = self._reading, self._chips.state, self.batch
        fired = log.spikes["fired"].reshape(batch, count, -1)[:, reading.lag, reading.address]
        # A membrane of lag 0 is that of the tick itself, where the chips are now.
        later = log.memory["ready"][:, 0].reshape(batch, self._captured.size, NEURONS)
        now = np.where(state["dirty"], state["membrane"], 0)
        place = np.searchsorted(self._captured, reading.lag, side="right")
        membranes = np.concatenate([now[:, None], later], axis=1)[:, place, reading.address]
        ready = log.outputs["ready"].reshape(batch, count, -1)
        outputs = np.concatenate([state["output"][:, None], ready], axis=1)
        potentials = outputs[:, reading.shown, np.arange(reading.shown.size)] / reading.scale
        whole = reading.after_reset(self._image, membranes.astype(np.int64), fired)
        return _Shown(fired, whole, potentials, log.tally)

    def _at_rest(self) -> np.ndarray:
        state = self._chips.state
        return np.where(state["dirty"], state["membrane"], 0)[:, self._reading.address]

    def _vote(self, votes: np.ndarray) -> None:
        """Count the votes of a step; where only the last steps vote, take an old one back."""
        last = int(self._drive.layout["vote_steps"][0])
        self._votes += votes
        if not last:
            return
        self._ballots.append(votes)
        if len(self._ballots) > last:
            self._votes -= self._ballots.popleft()
