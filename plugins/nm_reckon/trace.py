"""Recorded runs of ReckOn, replayed and compared bit for bit.

They do not say whose they are; `recognises` knows the three kinds by their arrays: random cases,
the published training run, and the SPI stream that programs it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from nm_backends.errors import UserError
from nm_backends.trace import Trace, TraceError, TraceVerdict, array_names
from nm_reckon.comparison import Comparison
from nm_reckon.spec import SPEC
from nm_reckon.trace_case import load_case, replay_case
from nm_reckon.trace_cue import MissingFiles, load_cue, replay_cue
from nm_reckon.trace_layout import SimulatorClass, kind_of
from nm_reckon.trace_spi import load_spi, replay_spi

__all__ = ["load", "recognises", "replay", "verify", "verify_on"]

_LOADERS = {"case": load_case, "cue": load_cue, "spi": load_spi}
# Which arrays count as events sent and outputs seen.
_COUNTED = {
    "case": (("ev_tick",), ("out_data",)),
    "cue": ((), ("inferred_train", "inferred_test")),
    "spi": (("mosi_words",), ("read_data",)),
}


def recognises(arrays: Collection[str]) -> bool:
    """Return whether a trace with arrays of these names is a recorded run of ReckOn."""
    return kind_of(arrays) is not None


def load(path: str) -> Trace:
    """Read a trace of any kind and check it.

    Raises
    ------
    TraceError
        Naming the array.
    """
    kind = kind_of(array_names(path))
    if kind is None:
        raise TraceError(f"{path}: not a recorded run of {SPEC.name}")
    return _LOADERS[kind](path)


def replay(trace: Trace, simulator_class: SimulatorClass) -> Comparison:
    """Run a trace on a simulator; see `nm_reckon.trace_layout.Simulator` for what it needs."""
    kind = kind_of(trace.arrays)
    if kind == "spi":
        return replay_spi(trace)
    return (replay_cue if kind == "cue" else replay_case)(trace, simulator_class)


def verify(path: str) -> TraceVerdict:
    """Replay a recorded run of ReckOn and compare it bit for bit."""
    from nm_reckon.simulator import ReckonSimulator

    return verify_on(path, ReckonSimulator)


def verify_on(path: str, simulator_class: SimulatorClass) -> TraceVerdict:
    """Replay a recorded run on another simulator than that of this plugin."""
    trace = load(path)
    kind = kind_of(trace.arrays) or ""
    verdict = TraceVerdict(trace.name, SPEC.name, Path(path).stem, (), False)
    try:
        comparison = replay(trace, simulator_class)
    except MissingFiles as error:
        return replace(verdict, reason=str(error))
    except TraceError:
        raise
    except UserError as error:  # registers that the simulator refuses, such as a local tick
        raise TraceError(f"{trace.name}: {error}") from error
    events, outputs = (sum(trace[name].size for name in names) for names in _COUNTED[kind])
    return replace(
        verdict,
        engines=(comparison.engine,),
        ok=comparison.divergence is None,
        divergence=comparison.divergence,
        counts={"events": events, "outputs": outputs, "values": comparison.values},
    )
