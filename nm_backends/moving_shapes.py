"""Made-up recordings of an event camera that sees bright shapes move: nothing to fetch.

Every sample has its own place, size, speed, tilt, jitter and noise. An edge gives events as
often as it sweeps over pixels: many where it moves across itself, none where it slides along; its
leading side brightens pixels (polarity 1), its trailing side darkens them (polarity 0).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nm_backends.errors import UserError

__all__ = ["EVENT", "MOVES", "SHAPES", "MovingShapes", "moving_shapes"]

EVENT = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.bool_)])
"""One event: column, row (downwards), microseconds, polarity."""
SHAPES = ("bar", "circle", "square", "triangle")
MOVES = (
    "left", "right", "up", "down", "clockwise", "anticlockwise", "growing", "shrinking",
)  # fmt: skip
_HEADINGS = {"right": 0.0, "down": np.pi / 2, "left": np.pi, "up": -np.pi / 2}
_CANDIDATES = 4  # points of the edge that are drawn for each event
_SMALLEST = 8  # pixels


@dataclass(frozen=True)
class MovingShapes:
    """Recordings with their labels; iterating gives ``(events, label)``, as tonic's datasets do.

    Parameters
    ----------
    samples
        Event arrays (`EVENT`), sorted by time.
    labels
        int64 ``[samples]``.
    names
        What the labels mean.
    sensor_size
        Columns, rows, polarities.
    """

    samples: list[np.ndarray]
    labels: np.ndarray
    names: tuple[str, ...]
    sensor_size: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, number: int) -> tuple[np.ndarray, int]:
        return self.samples[number], int(self.labels[number])

    def __iter__(self) -> Iterator[tuple[np.ndarray, int]]:
        return (self[number] for number in range(len(self)))


def moving_shapes(
    number: int,
    seed: int,
    *,
    classes: Sequence[str] = ("bar", "circle", "square"),
    size: int | tuple[int, int] = 32,
    duration: float = 0.3,
    rate: float = 6000.0,
    noise: float = 400.0,
    jitter: float = 0.3,
    polarity: bool = True,
) -> MovingShapes:
    """Return recordings of an event camera that sees bright shapes move.

    Parameters
    ----------
    number
        Samples; classes come in turn.
    seed
        A sample depends on the seed and its place only.
    classes
        What is told apart: shapes (`SHAPES`), movements (`MOVES`) or both, as in
        ``("circle left", "bar right")``. What a class does not name is drawn for each sample:
        ``classes=MOVES`` are gestures whatever moves.
    size
        Pixels of the sensor: one number, or columns and rows.
    duration
        Seconds of a recording.
    rate, noise
        Events per second of the edges, those beyond the sensor included, and of no cause.
    jitter
        Standard deviation of the place of an edge's event, in pixels.
    polarity
        Whether events say if a pixel became brighter; else all have polarity 0.

    Raises
    ------
    UserError
        An unknown class, or sizes that make no recording.
    """
    columns, rows = sides = (size, size) if isinstance(size, int) else size
    named = [_class(name) for name in classes]
    _require(bool(named), "no classes", f"shapes {', '.join(SHAPES)}; movements {', '.join(MOVES)}")
    _require(min(sides) >= _SMALLEST, f"a sensor of {sides}", f"at least {_SMALLEST} pixels a side")
    _require(duration > 0 <= min(rate, noise, jitter), "a negative rate, or no duration", "")
    labels = np.arange(number) % len(named)
    samples = []
    for place, label in enumerate(labels.tolist()):
        random = np.random.default_rng([seed, place])
        shape, move = (_drawn(random, part) for part in named[label])
        seen = _edge_events(random, shape, move, sides, rate, duration, jitter)
        samples.append(_recorded(random, seen, sides, noise, duration, polarity))
    return MovingShapes(samples, labels, tuple(classes), (columns, rows, 1 + polarity))


def _require(holds: bool, message: str, hint: str) -> None:
    if not holds:
        raise UserError(f"moving shapes: {message}", hint)


def _class(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the shapes and the movements that a class may have."""
    words = name.split()
    shapes, moves = ([word for word in words if word in pool] for pool in (SHAPES, MOVES))
    if not words or len(shapes) > 1 or len(moves) > 1 or len(shapes) + len(moves) != len(words):
        known = f"shapes {', '.join(SHAPES)}; movements {', '.join(MOVES)}"
        raise UserError(
            f"moving shapes: the class {name!r} is no shape, movement or both", f"known: {known}"
        )
    return tuple(shapes) or SHAPES, tuple(moves) or MOVES


def _drawn(random: np.random.Generator, pool: tuple[str, ...]) -> str:
    return pool[int(random.integers(len(pool)))]


def _corners(shape: str) -> np.ndarray:
    """Return the corners of a shape of about unit radius, in turn, float ``[corners, 2]``."""
    if shape == "bar":
        return np.array([(-0.2, -1), (0.2, -1), (0.2, 1), (-0.2, 1)])
    count = {"circle": 24, "square": 4, "triangle": 3}[shape]
    angle = 2 * np.pi * (np.arange(count) + 0.5) / count
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _outline(random: np.random.Generator, shape: str, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points along the edge of a shape and the directions that look out of it there."""
    start = _corners(shape)
    side = np.roll(start, -1, axis=0) - start
    length = np.hypot(*side.T)
    which = random.choice(len(start), number, p=length / length.sum())
    points = start[which] + random.random(number)[:, None] * side[which]
    normal = np.stack([side[:, 1], -side[:, 0]], axis=1) / length[:, None]
    return points, normal[which]


@dataclass(frozen=True)
class _Path:
    """How a shape moves: its centre, angle and radius at phases of about 0 to 1, in pixels."""

    move: str
    middle: np.ndarray
    side: float
    radius: float
    tilt: float
    turn: float

    def __call__(self, points: np.ndarray, phase: np.ndarray) -> np.ndarray:
        """Return where points of the shape are, float ``[points, 2]``."""
        placed = self.radius * self._scale(phase)[:, None] * points
        angle = self._angle(phase)
        if self.move in ("clockwise", "anticlockwise"):
            placed = placed - [0, self.side / 4]
        turned = _turned(placed, angle)
        if self.move not in _HEADINGS:
            return np.asarray(self.middle + turned)
        heading = _HEADINGS[self.move]
        travelled = (0.9 * phase - 0.45)[:, None] * self.side
        return np.asarray(self.middle + turned + travelled * [np.cos(heading), np.sin(heading)])

    def normals(self, directions: np.ndarray, phase: np.ndarray) -> np.ndarray:
        """Return directions that look out of the shape as it lies at a phase."""
        return _turned(directions, self._angle(phase))

    def _angle(self, phase: np.ndarray) -> np.ndarray:
        if self.move in _HEADINGS:
            return np.full(phase.shape, _HEADINGS[self.move] + self.tilt)
        turns = {"clockwise": 1.5, "anticlockwise": -1.5}.get(self.move, 0.0)
        return self.turn + self.tilt + turns * np.pi * phase

    def _scale(self, phase: np.ndarray) -> np.ndarray:
        if self.move == "growing":
            return 0.5 + 1.5 * phase
        return 2 - 1.5 * phase if self.move == "shrinking" else np.ones(phase.shape)


def _turned(vectors: np.ndarray, angle: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = vectors.T
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=1)


def _path(random: np.random.Generator, move: str, sides: tuple[int, ...]) -> _Path:
    side = float(min(sides))
    middle = (np.array(sides) - 1) / 2 + random.normal(0, 0.05 * side, 2)
    radius, tilt, turn = side * random.uniform(0.12, 0.22), random.normal(0, 0.15), 0.0
    if move not in _HEADINGS:
        turn = float(random.uniform(0, 2 * np.pi))
    return _Path(move, middle, side, float(radius), float(tilt), turn)


def _edge_events(
    random: np.random.Generator,
    shape: str,
    move: str,
    sides: tuple[int, ...],
    rate: float,
    duration: float,
    jitter: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return seconds, places ``[events, 2]`` and polarities of the events of one moving shape."""
    events = int(random.poisson(rate * duration))
    path, tried = _path(random, move, sides), _CANDIDATES * max(1, events)
    points, directions = _outline(random, shape, tried)
    time = random.random(tried)
    phase = time * random.uniform(0.75, 1.25) + random.uniform(-0.1, 0.1)
    place, step = path(points, phase), 1e-3
    speed = (path(points, phase + step) - place) / step
    across = (speed * path.normals(directions, phase)).sum(axis=1)  # pixels swept per phase
    swept = np.abs(across)
    chosen = random.choice(tried, events, p=swept / swept.sum())
    scattered = place[chosen] + random.normal(0, jitter, (events, 2))
    return time[chosen] * duration, scattered, across[chosen] > 0


def _recorded(
    random: np.random.Generator,
    seen: tuple[np.ndarray, np.ndarray, np.ndarray],
    sides: tuple[int, ...],
    noise: float,
    duration: float,
    polarity: bool,
) -> np.ndarray:
    """Return the events on the sensor, noise among them, in order of time."""
    time, place, brighter = seen
    pixel = np.rint(place).astype(np.int64)
    inside = ((pixel >= 0) & (pixel < sides)).all(axis=1)
    spurious = int(random.poisson(noise * duration))
    events = np.zeros(int(inside.sum()) + spurious, EVENT)
    drawn = random.integers(0, sides, (spurious, 2))
    events["x"], events["y"] = np.concatenate([pixel[inside], drawn]).T
    seconds = np.concatenate([time[inside], random.random(spurious) * duration])
    events["t"] = np.floor(1e6 * seconds)
    if polarity:
        events["p"] = np.concatenate([brighter[inside], random.random(spurious) < 0.5])
    return events[np.argsort(events["t"], kind="stable")]
