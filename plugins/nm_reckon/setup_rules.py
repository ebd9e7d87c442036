"""What an image does to the chip that its author may not expect: counts, wraps, regularisation.

A finding is a generator over a `nm_reckon.setup.Setup`, of keyword arguments of `Rule.at`; its
docstring is what ``nmb explain`` prints. Importing this module needs no numpy.
"""

# ruff: noqa: D401 - the first line of a rule says what is wrong
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from nm_backends.rules import Severity

if TYPE_CHECKING:
    from nm_reckon.setup import Setup

__all__ = ["SETUP"]

_SOURCE = "srnn.v of the RTL, and simulations of it"
_GUARD = 27  # bit of an update term that must not be set


def _listed(which: Any, noun: str) -> str:
    found = which.nonzero()[0].tolist()
    named = ", ".join(map(str, found[:8])) + (", ..." if len(found) > 8 else "")
    return f"{noun}{'' if len(found) == 1 else 's'} {named}"


def _range(which: Any) -> tuple[int, int]:
    found = which.nonzero()[0]
    return int(found[0]), int(found[-1])


def odd_count(setup: Setup) -> Iterator[dict[str, Any]]:
    """The largest of the three counts is odd: its last neuron is never stepped.

    Two neurons are stepped together, up to the largest count of inputs, neurons and outputs. With
    an odd one the last neuron only gathers charge: it never leaks or fires, and the traces in its
    word never decay. Program one more (without weights).
    """
    if setup.last % 2 == 0:
        yield {
            "message": f"{setup.last + 1} is the largest count: neuron {setup.last} is never "
            "stepped",
            "node": "neuron",
            "neurons": (setup.last, setup.last),
            "found": f"{setup.inputs}-{setup.neurons}-{setup.outputs}",
            "limit": "an even largest count",
            "source": _SOURCE,
            "hint": "add 1 to SPI_NUM_REC_NEUR or SPI_NUM_INP_NEUR",
        }


def fires_at_rest(setup: Setup) -> Iterator[dict[str, Any]]:
    """A neuron with a threshold of 0 or less fires at rest, also one that is not in use.

    All words up to the largest count are stepped, those above the number of neurons, too. A word
    that was never programmed may hold threshold 0; its spikes go through its weights, cost cycles,
    and count as pre-synaptic activity in learning. Program a threshold above 0 in every word.
    """
    which = (setup.threshold <= 0) & setup.stepped
    if which.any():
        yield {
            "message": f"{_listed(which, 'neuron')} with a threshold of 0 or less: a spike in "
            "every tick at rest",
            "node": "neuron",
            "neurons": _range(which),
            "found": f"thr {setup.threshold[which].min()}",
            "limit": f"thr 1..32767 in neurons 0..{setup.last}",
            "source": _SOURCE,
            "hint": "program thr 32767 into words that are not in use",
        }


def beyond_the_last(setup: Setup) -> Iterator[dict[str, Any]]:
    """With an odd number of neurons the one after the last gets charge, too.

    A propagation visits neurons in pairs. With an odd count the neuron after the last is visited:
    if it has weights it gathers charge, and fires where it is stepped. Set its weights to 0.
    """
    if setup.neurons % 2 and setup.stray:
        yield {
            "message": f"neuron {setup.neurons} is not in use, but is visited and has weights",
            "node": "neuron",
            "neurons": (setup.neurons, setup.neurons),
            "found": f"{setup.stray} weights",
            "limit": "weights of 0, or an even SPI_NUM_REC_NEUR + 1",
            "source": _SOURCE,
            "hint": f"set the weights to neuron {setup.neurons} to 0",
        }


def self_connections(setup: Setup) -> Iterator[dict[str, Any]]:
    """Recurrent weights learn, and a neuron drives itself: its first update sets that weight to 0.

    The learning rule writes 0 to the connection of a neuron with itself whenever its update fires,
    and leaves it otherwise. Start with a diagonal of 0. Without learning such weights are fine.
    """
    if setup.learns & 2 and setup.diagonal.any():
        yield {
            "message": f"{_listed(setup.diagonal, 'neuron')} drive themselves, until learning sets "
            "that weight to 0",
            "node": "recurrent_weight",
            "neurons": _range(setup.diagonal),
            "found": f"{int(setup.diagonal.sum())} weights on the diagonal",
            "limit": "0 where recurrent weights learn",
            "source": _SOURCE,
            "hint": "set the diagonal to 0, or bit 1 of SPI_DO_EPROP to 0",
        }


def always_mode(setup: Setup) -> Iterator[dict[str, Any]]:
    """Regularisation at all ticks looks at one pair of neurons only, and asks for a label.

    With ``SPI_REGUL_MODE`` 6 or 7 weights are also regularised in ticks without a valid target. The
    neuron memory is not read then: all neurons are judged by the word that was stepped last. And
    without a label the chip waits for one in the first tick. Use modes 1 to 3.
    """
    mode = setup.registers["SPI_REGUL_MODE"]
    if setup.learns and mode >= 6 and setup.registers["SPI_REGUL_W"]:
        yield {
            "message": f"SPI_REGUL_MODE {mode}: in ticks without a target all neurons are "
            f"regularised by the traces of neurons {setup.last & ~1} and {setup.last | 1}",
            "found": f"mode {mode}",
            "limit": "modes 0 to 3",
            "source": _SOURCE,
            "hint": "use mode 2 or 3, or send the label before the first tick",
        }


def factor_above_one(setup: Setup) -> Iterator[dict[str, Any]]:
    """A leak factor above 1 makes membranes and traces wrap around.

    Factors are 16 bits with one before the point (outputs: 8 bits). Above 1 the products leave
    their registers: a large positive membrane becomes negative. Use up to 0x8000, and 0x80.
    """
    kappa = setup.registers["SPI_KAPPA"]
    which = (setup.alpha > 0x8000) & setup.stepped
    if kappa > 0x80:
        yield {
            "message": f"SPI_KAPPA {kappa:#x}: output membranes and traces grow and wrap around",
            "node": "SPI_KAPPA",
            "found": f"{kappa:#x}",
            "limit": "0x80",
            "source": _SOURCE,
            "hint": "use 0x80 for no leak",
        }
    if which.any():
        yield {
            "message": f"{_listed(which, 'neuron')} with a leak factor above 1: membranes grow and "
            "wrap around",
            "node": "neuron",
            "neurons": _range(which),
            "found": f"{setup.alpha[which].max():#x}",
            "limit": "0x8000",
            "source": _SOURCE,
            "hint": "with SPI_ALPHA_CONF 1 let alpha be 0, for no leak",
        }


def local_ticks(setup: Setup) -> Iterator[dict[str, Any]]:
    """With ticks made on chip a sample never starts.

    The counter of local ticks is held at 1 while the chip is idle. With ``SPI_CYCLES_PER_TICK``
    above 1 a sample never begins; with 1 it ends in a timing error at once. Give the first tick at
    the pin, then set ``SPI_LOCAL_TICK`` over SPI.
    """
    if setup.registers["SPI_LOCAL_TICK"]:
        yield {
            "message": "SPI_LOCAL_TICK is 1 before the first tick: a sample never starts",
            "node": "SPI_LOCAL_TICK",
            "found": "1",
            "limit": "0 until the first tick was given at the pin",
            "source": _SOURCE,
            "hint": "program 0 and switch it on within the sample",
        }


def large_updates(setup: Setup) -> Iterator[dict[str, Any]]:
    """An update may become so large that its sign is lost.

    Learning signal times trace times slope, a positive number with bit 27 set, is turned into a
    certain decrement. The bound is the largest signal (saturated errors at all outputs with the
    largest weights) times the largest trace times the largest slope. Lower
    ``SPI_LEARN_SIG_SCALE``, raise the radix points of traces, or use smaller slopes.
    """
    for bit, name in ((1, "SPI_FP_LOC_TINP"), (2, "SPI_FP_LOC_TREC")):
        largest = setup.signal * (4095 >> setup.registers[name]) * setup.slope
        if setup.learns & bit and largest >= 1 << _GUARD:
            kind = "input" if bit == 1 else "recurrent"
            yield {
                "message": f"updates of {kind} weights may reach {largest:.3g}, where their sign "
                "is lost",
                "node": f"{kind}_weight",
                "found": f"{largest:.3g}",
                "limit": f"2^{_GUARD}",
                "source": _SOURCE,
                "hint": f"lower SPI_LEARN_SIG_SCALE or the slopes, or raise {name}",
            }


def locked_generator(setup: Setup) -> Iterator[dict[str, Any]]:
    """A random generator is seeded with 0 and stays there.

    A generator at 0 gives 0 for ever: every update fires (a term is compared with 0), and every
    rounding goes up. Use other seeds.
    """
    for name in setup.locked:
        yield {
            "message": f"{name} loads 0 into a generator that is in use: it stays at 0",
            "node": name,
            "found": "0",
            "limit": "not 0 (both halves of a 30-bit seed)",
            "source": _SOURCE,
            "hint": "use another seed",
        }


SetupFinding = Callable[["Setup"], Iterable[dict[str, Any]]]
SETUP: tuple[tuple[Severity, SetupFinding], ...] = (
    ("warning", odd_count),
    ("error", fires_at_rest),
    ("warning", beyond_the_last),
    ("warning", self_connections),
    ("warning", always_mode),
    ("warning", factor_above_one),
    ("error", local_ticks),
    ("warning", large_updates),
    ("warning", locked_generator),
)
