"""What a set-up written by hand can do to the chip: never idle, locked up, undefined queues.

A finding is a generator over a `nm_odin.setup.Setup`, of keyword arguments of `Rule.at`; its
docstring is what ``nmb explain`` prints. Each is verified by running the cycle-accurate engine
(``tests/test_odin_setup.py``). Importing this module needs no numpy.
"""

# ruff: noqa: D401 - the first line of a rule says what is wrong
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from nm_backends.rules import Severity

if TYPE_CHECKING:
    from nm_odin.setup import Setup

__all__ = ["ENDLESS", "SETUP"]

_SOURCE = "controller.v, scheduler.v and neuron_core.v of the RTL"
_ROW = 512  # cycles of a neuron event
_PLACES = 4  # entries of a burst queue
_QUEUES = 57


def _at(which: Any, message: str, **more: str) -> dict[str, Any]:
    """Return a finding about the neurons of a boolean array; ``{}`` stands for their list."""
    found = which.nonzero()[0].tolist()
    named = ", ".join(map(str, found[:8])) + (", ..." if len(found) > 8 else "")
    text = message.format(f"neuron {named}" if len(found) == 1 else f"neurons {named}")
    place = {"node": "neuron", "neurons": (found[0], found[-1])}
    return {"message": text, "source": _SOURCE, **place, **more}


def fires_at_every_touch(setup: Setup) -> Iterator[dict[str, Any]]:
    """An enabled LIF neuron has threshold 0, and the loop is closed: the chip never becomes idle.

    A LIF neuron fires when its membrane is at or above the threshold, looked at whenever it is
    touched. With threshold 0 that is at every touch, its own row included: its spike is executed
    as a row event, which touches it again. The first event of any kind that reaches it (a row, a
    time reference, a synapse) starts this, and only a reset ends it. Give the neuron a threshold of
    1 or more, disable it, or open the loop.
    """
    which = setup.fires & ~setup.izhikevich & (setup.lif["thr"] == 0)
    if setup.closed and which.any():
        yield _at(
            which,
            "{} (LIF) with threshold 0: a spike at every touch, also of its own row; never idle",
            found="thr 0",
            limit="thr 1..255 in a closed loop",
            hint="raise thr, set neur_disable, or set SPI_OPEN_LOOP to 1",
        )


def fires_after_reset(setup: Setup) -> Iterator[dict[str, Any]]:
    """An Izhikevich neuron is reset to its threshold, and the loop is closed: never idle.

    An Izhikevich neuron fires when its membrane *equals* ``thr + thrmod``, looked at whenever it is
    touched. A spike sets the membrane to ``-rfr`` (to ``rfr`` with ``dap_en``). Where that is the
    threshold, its own row makes it fire again, without end. The all-zero word is such a neuron, so
    that memory which was never written is one, too. Listed are neurons that no synapse of their own
    moves away from there. Choose another ``rfr`` or ``thr``, make the word a disabled LIF neuron
    (``lif_izh_sel`` and ``neur_disable`` 1), or open the loop.
    """
    izh = setup.izh
    sign = 2 * (izh["dap_en"] != 0) - 1
    reset = (izh["rfr"] * sign + 8) % 16 - 8
    threshold = (izh["thr"] + izh["thrmod"] + 8) % 16 - 8
    # What else decides about a spike, or moves the threshold or the membrane at one.
    other = ("reson_sharp_en", "spklat_en", "reson_en", "inhin_en", "inhin_lock")
    plain = ~_any(izh, other) & ~((izh["thrvar_en"] & izh["thr_sel_of"]) != 0)
    unmoved = (setup.weights.diagonal() == 0) & ~setup.learns.diagonal()
    which = setup.fires & setup.izhikevich & plain & unmoved & (reset == threshold)
    if setup.closed and which.any():
        yield _at(
            which,
            "{} (Izhikevich): at the threshold after a spike, so that every touch, also of its "
            "own row, is the next one; never idle",
            found="reset to thr + thrmod",
            limit="another rfr or thr in a closed loop",
            hint="change rfr or thr, set neur_disable, or set SPI_OPEN_LOOP to 1; an all-zero word "
            "is such a neuron",
        )


def excites_itself(setup: Setup) -> Iterator[dict[str, Any]]:
    """LIF neurons reach their thresholds by single synapses along a loop: never idle.

    A spike is executed as a row event at once. Where each neuron of a loop has a synapse onto the
    next one that alone is as large as the threshold there, one spike goes round for ever: membranes
    are never below 0, so that inhibition does not stop it. Found are loops of such synapses between
    enabled LIF neurons, a synapse of a neuron onto itself among them; loops that need several
    spikes at a time are not found. Raise the thresholds, weaken a synapse of the loop, or open it.
    """
    steady = setup.closed & setup.fires & ~setup.izhikevich & (setup.lif["thr"] > 0)
    edges = (setup.weights >= setup.lif["thr"]) & ~setup.learns & steady & steady[:, None]
    which = _on_loops(edges)
    if which.any():
        yield _at(
            which,
            "{} (LIF): one spike goes round for ever by synapses that alone reach the threshold",
            found="weights at or above thr along a loop",
            limit="smaller weights in a closed loop",
            hint="raise thr, lower the weights, or set SPI_OPEN_LOOP to 1",
        )


def _any(fields: Any, names: Iterable[str]) -> Any:
    first, *others = (fields[name] != 0 for name in names)
    for other in others:
        first = first | other
    return first


def _on_loops(edges: Any) -> Any:
    """Return the nodes that lead to a loop and are led to by one: all loops, and what is between.

    Nodes without successor or without predecessor are taken away until none is left.
    """
    alive = edges.any(0) & edges.any(1)
    while True:
        still = alive & (edges & alive).any(1) & (edges & alive[:, None]).any(0)
        if (still == alive).all():
            return alive
        alive = still


def locked_without_bursts(setup: Setup) -> Iterator[dict[str, Any]]:
    """A neuron that starts a burst stays refractory for good, as the burst engine is off.

    A spike with ``spk_ref`` above 0 sets ``burst_lock``, during which refractory time stands still;
    only the last spike of the burst, executed by the burst engine, clears it. In open loop or with
    SPI_BURST_TIMEREF 0 there is no such spike: with ``rfr`` above 0 (and neither ``dap_en`` nor
    ``reson_en``) the neuron fires once and never again. Set ``spk_ref`` or ``rfr`` to 0, or switch
    the burst engine on.
    """
    which = setup.bursting & _refractory(setup) & ~setup.bursts_on
    if which.any():
        yield _at(
            which,
            "{}: refractory for good after the first spike, as nothing ends the burst",
            found="spk_ref and rfr above 0 without burst engine",
            limit="spk_ref 0, or closed loop and SPI_BURST_TIMEREF above 0",
            hint="set spk_ref or rfr to 0; or close the loop and set SPI_BURST_TIMEREF (512 or "
            "more)",
        )


def _refractory(setup: Setup) -> Any:
    """Neurons that a spike makes refractory, and that no other behaviour lets fire all the same."""
    other = ("dap_en", "reson_en", "reson_sharp_en", "rebound_en", "bist_en")
    return (setup.izh["rfr"] != 0) & ~_any(setup.izh, other)


def burst_slot_too_short(setup: Setup) -> Iterator[dict[str, Any]]:
    """A slot of the burst queues is shorter than a row: bursts are repeated without end.

    The further spikes of a burst wait in 57 queues; a counter goes to the next queue every
    SPI_BURST_TIMEREF + 1 cycles. A row takes 513 cycles with the decision to serve it, and what is
    removed at its end is the head of the queue that is *then* the current one. In a shorter slot
    the entry stays where it was and is executed again at the next round, for ever, unless another
    row happens to end in its slot. Set SPI_BURST_TIMEREF to 512 or more; outputs make rows longer
    by 6 cycles each.
    """
    if setup.bursts_on and setup.bursting.any() and setup.time_reference < _ROW:
        yield _at(
            setup.bursting,
            f"slots of {setup.time_reference + 1} cycles are shorter than a row: bursts of {{}} "
            "are repeated without end",
            found=f"SPI_BURST_TIMEREF {setup.time_reference}",
            limit=f"{_ROW} or more with bursting neurons",
            hint=f"set SPI_BURST_TIMEREF to {_ROW} or more, plus 6 per output of a row; or set "
            "spk_ref to 0",
        )


def burst_cut_short(setup: Setup) -> Iterator[dict[str, Any]]:
    """A burst can lose its last spike, and its neuron then stays refractory for good.

    With ``isi_ref`` 0 the second spike of a burst belongs to the next slot, which may begin while
    the row of the first one is still being served. The rest of that row then is the row of the next
    entry, which is removed at its end. Where it was the last one of the burst, ``burst_lock`` stays
    set and, with ``rfr`` above 0 (and neither ``dap_en`` nor ``reson_en``), the neuron never fires
    again. Set ``isi_ref`` to 1 or more, which leaves a whole slot between, or ``rfr`` to 0.
    """
    which = setup.bursting & _refractory(setup) & (setup.izh["isi_ref"] == 0)
    if setup.bursts_on and which.any():
        yield _at(
            which,
            "{} can stay refractory for good: the next slot may begin in the row of the first "
            "spike of a burst",
            found="isi_ref 0 and rfr above 0",
            limit="isi_ref 1 or more",
            hint="set isi_ref to 1 or more, or rfr to 0",
        )


def burst_queue_overflow(setup: Setup) -> Iterator[dict[str, Any]]:
    """More neurons than a burst queue has places can burst in step.

    A burst that starts in slot s puts its further spikes into the queues of the slots
    s + isi_ref + 1, s + 2 (isi_ref + 1) and so on. A queue has four places; neurons that fire in
    the same slot and share one of these slots fill them, and what comes out after a fifth entry is
    undefined. Use at most four neurons that burst in step, or give them different ``isi_ref``.
    """
    if not setup.bursts_on:
        return
    step, spikes = setup.izh["isi_ref"] + 1, setup.izh["spk_ref"]
    shared = [
        setup.bursting & (slot % step == 0) & (slot // step <= spikes) for slot in range(1, _QUEUES)
    ]
    which = max(shared, key=lambda neurons: int(neurons.sum()))
    if which.sum() > _PLACES:
        yield _at(
            which,
            "{} can burst in step: more entries for one slot than its queue has places",
            found=f"{which.sum()} neurons",
            limit=f"{_PLACES} entries per slot",
            hint="use different isi_ref, or spk_ref 0 for some of them",
        )


def burst_room_runs_out(setup: Setup) -> Iterator[dict[str, Any]]:
    """The burst queues take 57 x 4 entries in all, until the burst engine is switched off.

    The places of a burst queue are not used again: the fifth entry since the engine was switched on
    is lost, and undefined words come out instead. So a run with bursts must be short, or
    interrupted: SPI_OPEN_LOOP 1 or SPI_BURST_TIMEREF 0 empties the queues. And a row during which
    its slot ends goes on with a word of the main queue, undefined until 32 events have gone through
    it since power-up: send 32 harmless virtual events first.
    """
    if setup.bursts_on and setup.bursting.any():
        yield _at(
            setup.bursting,
            "bursts of {} fill queues that are not emptied by being served",
            found=f"{int(setup.bursting.sum())} bursting neurons",
            limit=f"{_QUEUES} x {_PLACES} entries since the engine was switched on",
        )


_Finding = Callable[["Setup"], Iterable[dict[str, Any]]]
SETUP: tuple[tuple[Severity, _Finding], ...] = (
    ("error", fires_at_every_touch),
    ("error", fires_after_reset),
    ("error", excites_itself),
    ("warning", locked_without_bursts),
    ("warning", burst_slot_too_short),
    ("warning", burst_cut_short),
    ("warning", burst_queue_overflow),
    ("info", burst_room_runs_out),
)
ENDLESS = frozenset(
    ("fires_at_every_touch", "fires_after_reset", "excites_itself", "burst_slot_too_short")
)
"""Findings that explain why a chip does not become idle."""
