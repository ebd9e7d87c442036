"""Event recordings for classification: SHD, folders of event files, and made-up gestures.

Everything comes out as the package takes it, and as tonic gives it: one structured array per sample
with fields ``t`` (microseconds) and ``x`` (channel), and a label.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nm_backends.errors import UserError

EVENT = np.dtype([("t", np.int64), ("x", np.int32)])
GESTURES = (
    "left", "right", "up", "down", "clockwise", "anticlockwise", "growing", "shrinking",
)  # fmt: skip
SIDE, CHANNELS = 16, 256
_SHD_UNITS = 700


@dataclass(frozen=True)
class Events:
    """Samples: a list of event arrays, int64 labels, and what the labels mean."""

    samples: list
    labels: np.ndarray
    names: tuple

    def part(self, which):
        """Return some of the samples."""
        return Events([self.samples[i] for i in which], self.labels[which], self.names)


def gestures(number, seed, duration=0.3, rate=3000.0, noise=400.0):
    """Return made-up recordings of a 16x16 event sensor that sees a bar or ring move.

    Parameters
    ----------
    number
        Samples; classes come in turn.
    duration
        Seconds. Speed, place, size and start differ from sample to sample.
    rate, noise
        Events per second of the edge that moves, and anywhere.
    """
    samples = []
    labels = np.arange(number) % len(GESTURES)
    for n, label in enumerate(labels.tolist()):
        random = np.random.default_rng([seed, n])
        samples.append(_gesture(GESTURES[label], random, duration, rate, noise))
    return Events(samples, labels, GESTURES)


def _gesture(name, random, duration, rate, noise):
    drawn, spurious = random.poisson(rate * duration), random.poisson(noise * duration)
    time = random.random(drawn) * duration
    phase = (time / duration) * random.uniform(0.7, 1.3) + random.uniform(-0.15, 0.15)
    x, y = _edge(name, phase, random)
    x, y = (np.rint(v + random.normal(0, 0.5, drawn)).astype(int) for v in (x, y))
    inside = (x >= 0) & (x < SIDE) & (y >= 0) & (y < SIDE)
    events = np.empty(int(inside.sum()) + spurious, EVENT)
    events["t"] = 1e6 * np.concatenate([time[inside], random.random(spurious) * duration])
    events["x"] = np.concatenate([(SIDE * y + x)[inside], random.integers(0, CHANNELS, spurious)])
    return np.sort(events, order="t")


def _edge(name, phase, random):
    """Return where an event of the moving edge is, at phases of about 0 to 1."""
    along = random.uniform(-5, 5, phase.size)
    middle = (SIDE - 1) / 2 + random.normal(0, 1, 2)
    if name in ("left", "right", "up", "down"):
        across = (SIDE - 1) * (phase if name in ("right", "down") else 1 - phase)
        beside = middle[0] + along
        return (across, beside) if name in ("left", "right") else (beside, across)
    if name in ("clockwise", "anticlockwise"):
        turn = np.pi * (phase if name == "clockwise" else -phase)
        angle = turn + random.choice([0, np.pi]) + np.where(along > 0, 0, np.pi)
        return middle[0] + np.abs(along) * np.cos(angle), middle[1] + np.abs(along) * np.sin(angle)
    radius = 1 + 6 * (phase if name == "growing" else 1 - phase)
    angle = random.uniform(0, 2 * np.pi, phase.size)
    return middle[0] + radius * np.cos(angle), middle[1] + radius * np.sin(angle)


def shd(path, classes=None, limit=None):
    """Return samples of a Spiking Heidelberg Digits file (``shd_train.h5``), 700 units to 256.

    Parameters
    ----------
    classes
        Labels that are kept, as many as the chip has outputs at most; None: 0 to 9.
    limit
        Read the first so many samples of them only.
    """
    import h5py

    kept = list(range(10)) if classes is None else list(classes)
    try:
        with h5py.File(path) as file:
            labels = np.asarray(file["labels"])
            which = np.flatnonzero(np.isin(labels, kept))[:limit]
            times, units = file["spikes/times"], file["spikes/units"]
            samples = [_shd_events(times[i], units[i]) for i in which.tolist()]
            said = file["extra/keys"][:] if "extra/keys" in file else range(labels.max() + 1)
            names = [s.decode() if isinstance(s, bytes) else str(s) for s in said]
    except (OSError, KeyError) as error:
        raise UserError(f"{path}: no SHD file ({error})", "expected shd_train.h5") from None
    if not samples:
        raise UserError(f"{path}: no samples of the classes {kept}")
    place = {label: i for i, label in enumerate(kept)}
    mapped = np.array([place[int(label)] for label in labels[which]], np.int64)
    return Events(samples, mapped, tuple(names[label] for label in kept))


def _shd_events(times, units):
    events = np.empty(len(times), EVENT)
    events["t"] = 1e6 * np.asarray(times, np.float64)
    events["x"] = np.asarray(units, np.int64) * CHANNELS // _SHD_UNITS
    return np.sort(events, order="t")


def folder(path, sensor=(128, 128), limit=None, side=SIDE):
    """Return the event files of a folder of folders, one per class, as ``side * side`` channels.

    ``DIR/CLASS/*.npy`` hold structured arrays with fields ``t`` (microseconds), ``x``, ``y`` as
    tonic gives them, ``*.npz`` arrays of those names; polarity is left out.

    Parameters
    ----------
    sensor
        Width and height of the sensor.
    limit
        Read so many files of each class only.
    """
    root = Path(path)
    names = tuple(sorted(p.name for p in root.iterdir() if p.is_dir())) if root.is_dir() else ()
    if not names:
        raise UserError(f"{path}: no folders of classes", "expected DIR/CLASS/*.npy or *.npz")
    samples, labels = [], []
    for label, name in enumerate(names):
        files = sorted(p for p in (root / name).iterdir() if p.suffix in (".npy", ".npz"))
        for file in files[:limit]:
            samples.append(_file_events(file, sensor, side))
            labels.append(label)
    if not samples:
        raise UserError(f"{path}: no .npy or .npz files in {', '.join(names)}")
    return Events(samples, np.array(labels, np.int64), names)


def _file_events(path, sensor, side):
    try:
        with np.load(path) if path.suffix == ".npz" else _opened(path) as held:
            t, x, y = (np.asarray(held[name]).astype(np.float64) for name in "txy")
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise UserError(f"{path}: no events with fields t, x, y ({error})") from None
    if not (t.shape == x.shape == y.shape and t.ndim == 1):
        raise UserError(f"{path}: t, x, y differ in length")
    column, row = (v * side // size for v, size in zip((x, y), sensor, strict=True))
    if t.size and not (0 <= min(column.min(), row.min()) <= max(column.max(), row.max()) < side):
        raise UserError(f"{path}: events outside of a sensor of {sensor[0]} x {sensor[1]}")
    events = np.empty(t.size, EVENT)
    events["t"], events["x"] = t - t.min(initial=np.inf if t.size else 0), side * row + column
    return np.sort(events, order="t")


class _opened:
    """A ``.npy`` file as a context, as ``.npz`` files are."""

    def __init__(self, path):
        self.held = np.load(path)

    def __enter__(self):
        return self.held

    def __exit__(self, *_):
        return None


def binned(events, step, steps, channels=CHANNELS):
    """Return spikes uint8 ``[steps, batch, channels]``: whether a channel had an event in a step.

    Parameters
    ----------
    step
        Seconds per step.
    steps
        Later events are left out.
    """
    spikes = np.zeros((steps, len(events.samples), channels), np.uint8)
    for n, sample in enumerate(events.samples):
        at = sample["t"] // round(1e6 * step)
        kept = at < steps
        spikes[at[kept], n, sample["x"][kept]] = 1
    return spikes
