"""MorphIC, register by register: programmed chips in a mesh that execute events bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nm_backends.cores import usable_cores
from nm_backends.errors import UserError, did_you_mean
from nm_backends.eventcore.errors import LivelockError
from nm_backends.image import Image
from nm_backends.image_check import check_image
from nm_morphic.assumptions import Assumptions
from nm_morphic.draws import draws
from nm_morphic.engine import COUNTERS, Engine
from nm_morphic.events import read_words
from nm_morphic.fabric import load_routes
from nm_morphic.spec import CORES, NEURONS, ROWS, SPEC
from nm_morphic.state import CORE, WORD, limits, load_core, permissions, store_neurons

__all__ = ["MAX_SERVED", "TIME_REFERENCE", "MeshLog", "MorphicSimulator"]

TIME_REFERENCE = -1
"""As the row of an input event: all neurons leak; chip and core -1 mean all."""

MAX_SERVED = 1 << 20
"""Events that the cores may serve for one group of input events before it counts as a livelock."""


@dataclass(frozen=True, eq=False)
class MeshLog:
    """What came of some input events.

    Parameters
    ----------
    out
        Output events in order, a structured array: ``chip``, ``core``, ``neuron``, ``event`` (index
        of the input event that is the cause) and ``cycle`` (in which the neuron is written).
    group_cycles
        Clock cycles of each group of input events that were sent together, int64.
    served, references, dropped, fifo_max
        Per core, int64 ``[chips, 4]``: sweeps of rows, time references, events lost because the
        FIFO was full, and the most places ever in use.
    link_packets, link_max
        Per link, int64 ``[chips, 4]`` (+x, -x, +y, -y): packets, and the most in one round.
    """

    out: np.ndarray
    group_cycles: np.ndarray
    served: np.ndarray
    references: np.ndarray
    dropped: np.ndarray
    fifo_max: np.ndarray
    link_packets: np.ndarray
    link_max: np.ndarray

    @property
    def sops(self) -> int:
        """Synaptic operations: 512 per served event, whatever is in use."""
        return int(self.served.sum()) * NEURONS

    @property
    def cycles(self) -> int:
        """Clock cycles until the last core is done."""
        return int(self.group_cycles.sum())

    @property
    def busy_cycles(self) -> np.ndarray:
        """Clock cycles in which each core works, int64 ``[chips, 4]``."""
        sweeps = self.served + self.references
        return np.asarray(sweeps * int(SPEC.quantities["cycles_per_neuron"].value) * NEURONS)


class MorphicSimulator:
    """Chips in the state given by their images.

    Parameters
    ----------
    images
        What each chip has been programmed with, row after row of the mesh; or one image.
    columns
        Chips along x; by default all are in one row.
    assumptions
        What is taken for granted where nothing is published.

    Raises
    ------
    UserError
        An image that is not one of this chip, a value outside the assumed widths, a route that
        leads out of the mesh.
    """

    share_from = 32
    """Sweeps for a group of input events (some 100 ns each) below which threads do not pay."""

    def __init__(
        self,
        images: Image | Sequence[Image],
        columns: int | None = None,
        assumptions: Assumptions | None = None,
    ) -> None:
        given = [images] if isinstance(images, Image) else list(images)
        self.assumptions = assumptions or Assumptions()
        self.columns = columns or max(len(given), 1)
        if not given or self.columns < 1 or len(given) % self.columns:
            raise UserError(f"mesh: {len(given)} chips do not fill rows of {self.columns}")
        self._load(given)

    def _load(self, images: list[Image]) -> None:
        allowed = limits(self.assumptions)
        for chip, image in enumerate(images):
            problems = check_image(image, SPEC)
            if problems:
                raise UserError(f"image of chip {chip}: " + "; ".join(problems))
            words = image.memories["neuron"].view(WORD)[:, 0]
            for core in range(CORES):
                part = words[core * NEURONS : (core + 1) * NEURONS]
                allowed.check(part, f"chip {chip}, core {core}")
        cores = np.zeros(len(images) * CORES, CORE)
        for index in range(cores.size):
            load_core(cores[index : index + 1], images[index // CORES], index % CORES,
                      self.assumptions)  # fmt: skip
        tables = permissions(cores, images, self.assumptions)
        mesh, links = load_routes(cores, images, self.columns, self.assumptions)
        scratch = np.zeros((2, cores.size, NEURONS * self.assumptions.fifo_depth), np.int16)
        period = (1 << self.assumptions.lfsr_bits) - 1
        self.engine = Engine(cores, mesh, links, tables, period, scratch)
        self._start = [image.copy() for image in images]

    @property
    def chips(self) -> int:
        """Number of chips."""
        return len(self._start)

    @property
    def lfsr(self) -> np.ndarray:
        """State of every random generator, uint32 ``[chips, 4]``."""
        held = self.assumptions
        cycle = draws(held.lfsr_bits, held.lfsr_tap, held.probability_bits)
        return np.asarray(cycle.states[self.engine.cores["place"]].reshape(-1, CORES))

    @property
    def weights(self) -> np.ndarray:
        """The bits of all synapses, uint8 ``[chips, 4, 1024, 512]``."""
        packed = self.engine.cores["weights"].view(np.uint8).reshape(self.chips, CORES, ROWS, -1)
        return np.unpackbits(packed, axis=-1, bitorder="little")

    def images(self) -> list[Image]:
        """Return the present state: memories, and LFSR_SEED as the generators stand now."""
        return [self._image(chip) for chip in range(self.chips)]

    def _image(self, chip: int) -> Image:
        image = self._start[chip].copy()
        for number in range(CORES):
            core = self.engine.cores[chip * CORES + number :][:1]
            part = slice(number * NEURONS, (number + 1) * NEURONS)
            rows = slice(number * ROWS, (number + 1) * ROWS)
            words = image.memories["neuron"]
            words[part] = store_neurons(core, words[part])
            image.memories["synapse_row"][rows] = core["weights"][0].view(np.uint8)
            image.registers[f"LFSR_SEED_{number}"] = int(self.lfsr[chip, number])
        return image

    def read(self, field: str) -> np.ndarray:
        """Return a field of all neurons in its present state, ``[chips, 4, 512]``."""
        _check_field(field)
        words = np.stack([image.memories["neuron"].view(WORD)[:, 0] for image in self.images()])
        return np.array(words[field].reshape(self.chips, CORES, NEURONS))

    def write(self, field: str, values: np.ndarray | int) -> None:
        """Set a field of all neurons; ``values`` is, or broadcasts to, ``[chips, 4, 512]``.

        Raises
        ------
        UserError
            An unknown field, or a value that does not fit; nothing is changed then.
        """
        _check_field(field)
        wide = np.broadcast_to(values, (self.chips, CORES, NEURONS)).reshape(self.chips, -1)
        low, high = limits(self.assumptions).ranges[field]
        if wide.dtype.kind not in "bui" or wide.min() < low or wide.max() > high:
            raise UserError(f"{field}: expected integers {low}..{high}")
        images = self.images()
        for image, row in zip(images, wide, strict=True):
            image.memories["neuron"].view(WORD)[field][:, 0] = row
        self._load(images)

    def send(
        self,
        events: np.ndarray,
        *,
        wait: bool = True,
        threads: int | None = None,
        max_served: int = MAX_SERVED,
    ) -> MeshLog:
        """Send events, go on from the present state, and leave the mesh idle.

        Parameters
        ----------
        events
            Integers ``[n, 3]``: chip, core, row (see `TIME_REFERENCE`).
        wait
            Whether each event waits until the mesh is idle. Otherwise events that follow each other
            and go to different cores are sent together, so that the cores work at the same time.
        threads
            Of this machine; by default all (`nm_backends.cores`), if events that are sent together
            address many cores, and one otherwise. Results do not depend on it.
        max_served
            See `MAX_SERVED`.

        Raises
        ------
        UserError
            An event that addresses nothing.
        LivelockError
            The mesh would not become idle; the state is that from before the call.
        """
        first, stop, rows, groups = self._plan(events, wait)
        if threads is None:
            sweeps = int((stop - first).sum()) // max(groups.size - 1, 1)
            threads = usable_cores() if sweeps >= self.share_from else 1
        return self._run(first, stop, rows, groups, max_served, threads)

    def send_words(self, words: np.ndarray, max_served: int = MAX_SERVED) -> MeshLog:
        """Send AER words (`nm_morphic.events`), each group when the mesh is idle; see `send`."""
        events = read_words(words, self.chips * CORES)
        groups = events.groups(0, words.size)
        return self._run(events.first, events.stop, events.rows, groups, max_served, 1)

    def _run(
        self, first: np.ndarray, stop: np.ndarray, rows: np.ndarray, groups: np.ndarray,
        max_served: int, threads: int,
    ) -> MeshLog:  # fmt: skip
        saved = self.engine.state()
        self.engine.clear()
        out, cycles, status = self.engine.run(first, stop, rows, groups, max_served, threads)
        if status[0]:
            self.engine.put_back(saved)
            raise LivelockError(0, int(status[1]), int(status[3]), max_served)
        cores = self.engine.cores
        per_core = {name: cores[name].reshape(-1, CORES).copy() for name in COUNTERS}
        packets, most = self.engine.link_counts()
        return MeshLog(out, cycles, **per_core, link_packets=packets, link_max=most)

    def _plan(self, events: np.ndarray, wait: bool) -> tuple[np.ndarray, ...]:
        """Return first core, the one after the last, row of each event; where groups begin."""
        from nm_morphic.rounds import plan

        words = np.asarray(events)
        if words.size == 0:
            words = np.zeros((0, 3), np.int64)
        if words.ndim != 2 or words.shape[1] != 3 or words.dtype.kind not in "ui":
            raise UserError(f"events: {words.dtype}{list(words.shape)}, expected integers [n, 3]")
        words = np.ascontiguousarray(words, np.int64)
        first, stop, begins = np.empty((3, len(words) + 1), np.int64)
        groups, bad = plan(words, self.chips, ROWS - 1, wait, first, stop, begins)
        if bad >= 0:
            chip, core, row = words[bad]
            raise UserError(
                f"event {bad}: chip {chip}, core {core}, row {row}; "
                f"expected 0..{self.chips - 1}, 0..{CORES - 1}, 0..{ROWS - 1}",
                "a time reference has row -1, and core -1, or chip and core -1, for all",
            )
        n = len(words)
        return first[:n], stop[:n], np.ascontiguousarray(words[:, 2]), begins[: groups + 1]


def _check_field(field: str) -> None:
    if field not in (WORD.names or ()):
        raise UserError(f"no field {field!r}", did_you_mean(field, WORD.names or ()))
