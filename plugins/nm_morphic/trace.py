"""Recorded runs of MorphIC, in a form of our own: replayed and compared bit for bit.

An ``.npz`` with ``meta`` (JSON: ``chip`` "morphic", ``case``, ``chips``, ``columns`` and the
``assumptions`` that are not the defaults), all registers, the memories before and after
(``neuron_init``, ``neuron_final``...), the AER words sent (``events``, see `nm_morphic.events`) and
the output events (``out_addr``: neuron over all cores; ``out_event``: the input event behind it).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nm_backends.assumptions import made
from nm_backends.errors import UserError
from nm_backends.eventcore.verify import first_image, state_arrays
from nm_backends.files import atomic_write
from nm_backends.image import Image
from nm_backends.trace import Divergence, Expect, Trace, TraceError, TraceVerdict, load_trace
from nm_morphic.assumptions import Assumptions
from nm_morphic.spec import CORES, NEURONS, spec_of

__all__ = ["verify", "write_trace"]

_ENGINE = "rounds"
_MOST = 256  # chips


def verify(path: str, assumptions: Assumptions) -> TraceVerdict:
    """Replay a recorded run; what its ``meta`` assumes goes before ``assumptions``."""
    from nm_morphic.simulator import MorphicSimulator

    about = load_trace(path, {})
    if about.meta_value("chip", str).lower() != "morphic":
        raise TraceError(f"{about.name}: a trace of {about.meta['chip']!r}, expected morphic")
    chips, columns = (about.meta_value(name, int, 1) for name in ("chips", "columns"))
    if not 1 <= chips <= _MOST:
        raise TraceError(f"{about.name}: meta: chips is {chips}, expected 1..{_MOST}")
    given = about.meta_value("assumptions", dict, {})
    held = made(Assumptions, given) if given else assumptions
    spec = spec_of(held, chips)
    events = {"events": Expect(("events",), 0, (1 << 32) - 1)}
    out = {name: Expect(("out",), 0, (1 << 31) - 1) for name in ("out_addr", "out_event")}
    trace = load_trace(path, state_arrays(spec) | events | out)
    verdict = TraceVerdict(trace.name, spec.name, str(trace.meta.get("case", "")), (), False)
    try:
        from nm_morphic.image import images_of, joined

        simulator = MorphicSimulator(images_of(first_image(trace, spec)), columns, held)
        log = simulator.send_words(trace["events"].astype(np.uint32))
        after = joined(simulator.images())
    except UserError as error:
        return replace(verdict, reason=str(error))
    address = (log.out["chip"] * CORES + log.out["core"]) * NEURONS + log.out["neuron"]
    found = next(_differences(trace, address, log.out["event"], after), None)
    values = 2 * address.size + sum(m.size for m in after.memories.values())
    counts = {"events": len(trace["events"]), "outputs": address.size, "values": values}
    return replace(verdict, engines=(_ENGINE,), ok=found is None, divergence=found, counts=counts)


def write_trace(
    path: str | os.PathLike[str],
    before: Image,
    after: Image,
    words: np.ndarray,
    outputs: tuple[np.ndarray, np.ndarray],
    meta: Mapping[str, Any],
) -> None:
    """Write a trace of a run of a mesh, by whatever ran it.

    Parameters
    ----------
    before, after
        Images of the mesh.
    words
        AER words sent, each group when the mesh was idle.
    outputs
        Address of each output event, and index of the input event behind it.
    meta
        ``case``, ``chips``, ``columns`` and ``assumptions``, where they are not the defaults.
    """
    arrays = {f"{name}_init": array for name, array in before.memories.items()}
    arrays |= {f"{name}_final": array for name, array in after.memories.items()}
    arrays |= {name: np.asarray(value) for name, value in before.registers.items()}
    arrays |= {"events": words, "out_addr": outputs[0], "out_event": outputs[1]}
    text = json.dumps({"chip": "morphic", **meta})
    with atomic_write(path) as aside, open(aside, "wb") as file:
        save: Any = np.savez_compressed
        save(file, meta=np.array(text), **arrays)


def _differences(
    trace: Trace, address: np.ndarray, event: np.ndarray, after: Image
) -> Iterator[Divergence]:
    """Yield where the replay differs: outputs first, then memories."""
    both = min(address.size, len(trace["out_addr"]))
    for name, got in (("out_event", event), ("out_addr", address)):
        for i in np.flatnonzero(trace[name][:both] != got[:both])[:1].tolist():
            due = int(trace[name][i])
            yield Divergence(
                _ENGINE, name, due, int(got[i]), int(trace["out_event"][i]), index=(i,)
            )
    if address.size != len(trace["out_addr"]):
        values = [int(a[both]) if a.size > both else None for a in (trace["out_addr"], address)]
        yield Divergence(_ENGINE, "out_addr", values[0], values[1], index=(both,))
    for name, array in after.memories.items():
        want = trace[f"{name}_final"]
        for at in np.argwhere(want != array)[:1].tolist():
            place = tuple(at)
            yield Divergence(
                _ENGINE, name, int(want[place]), int(array[place]), neuron=at[0], index=place
            )
