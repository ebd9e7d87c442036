"""What crossbar chips cannot do and what they change; each chip gives the rules its own codes.

A finding is a generator of keyword arguments of `Rule.at`; its docstring is what ``nmb explain``
prints. Importing this module needs no numpy, so that ``nmb explain`` starts fast.
"""

# ruff: noqa: D401 - the first line of a rule says what is wrong
from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nm_backends.crossbar.reported import (
    always_firing,
    coarse_weights,
    learning_not_calibrated,
    learning_rows,
    learning_signs,
    low_agreement,
    negative_charge_lost,
    never_idle,
    not_calibrated,
    silent_population,
    spikes_dropped,
)
from nm_backends.rules import Diagnostic, Rule, Severity

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec
    from nm_backends.network import Network

__all__ = ["LEARNING", "LOOPS", "ROW_SIGNS", "SHARED", "UNSIGNED", "Finding", "bare_rule", "bind"]

Finding = Callable[["Network", "ChipSpec"], Iterable[dict[str, Any]]]
_EXACT = 1e-12


def bind(
    prefix: str, findings: Sequence[tuple[Severity, Finding]], first: int = 1
) -> dict[str, Rule]:
    """Give findings the codes ``PREFIX001``, ``PREFIX002``... in order; by function name.

    Parameters
    ----------
    first
        The number that they begin with.
    """
    return {
        function.__name__: _rule(f"{prefix}{number:03d}", severity, function)
        for number, (severity, function) in enumerate(findings, start=first)
    }


def bare_rule(code: str, severity: Severity, function: Callable[..., Any]) -> Rule:
    """Return the rule of a finding that is not about networks: whoever meets it reports it."""
    text = inspect.getdoc(function) or ""
    return Rule(code, severity, text.splitlines()[0], text)


def _rule(code: str, severity: Severity, function: Finding) -> Rule:
    bare = bare_rule(code, severity, function)

    def check(network: Network, spec: ChipSpec) -> Iterator[Diagnostic]:
        return (bare.at(**found) for found in function(network, spec))

    return Rule(code, severity, bare.title, bare.explanation, check)


def _source(spec: ChipSpec) -> str:
    return spec.sources[0] if spec.sources else ""


def _share(values: Any, which: Any) -> tuple[int, int]:
    """Return first and last index where ``which`` holds."""
    found = which.nonzero()[0]
    return int(found[0]), int(found[-1])


def too_many_neurons(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The network has more neurons than the chip.

    Every neuron of the network takes one of the chip's neurons. Make a layer smaller, or cut the
    network over several chips (``chips="auto"``, ``nmb compile --chips auto``).
    """
    from nm_backends.pruning import idle_text

    total = sum(p.size for p in network.neurons)
    if total <= spec.neurons:
        return
    largest = max(network.neurons, key=lambda p: p.size)
    sizes = ", ".join(f"{p.name}: {p.size:,}" for p in network.neurons[:8])
    yield {
        "message": f"{total:,} neurons do not fit the {spec.neurons} of {spec.name} ({sizes})",
        "node": largest.name,
        "found": f"{total:,} neurons",
        "limit": f"{spec.neurons} neurons",
        "source": _source(spec),
        "hint": f"remove {total - spec.neurons:,} neurons; {largest.name} is the largest layer"
        + idle_text(network),
    }


def too_many_rows(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """Inputs and neurons together need more rows than the crossbar has.

    Every input channel that drives anything takes a row, and so does every neuron as soon as any
    neuron drives another one: a spike of neuron n is executed as an event of row n. Where the sign
    of a weight belongs to the row, a channel with weights of both signs takes two rows, and a
    neuron with outgoing weights of both signs is stored twice. Channels with the same weights take
    rows once (``share_rows``). Use fewer input channels (pooling, cropping), a smaller hidden
    layer, or weights of one sign per source. Or cut the network over several chips
    (``chips="auto"``): there the host can stand in for rows.
    """
    from nm_backends.crossbar.demand import demand
    from nm_backends.pruning import idle_text

    need = demand(network, spec.sign == "row")
    if need.rows > spec.rows and sum(need.neurons.values()) <= spec.neurons:
        need = demand(network, spec.sign == "row", share=True)
    copies = sum(need.copies.values())
    parts = [f"{need.input_rows:,} for {need.channels:,} input channels"]
    if need.bias_rows:
        parts.append(f"{need.bias_rows} for biases")
    if need.closed:
        parts.append(f"{sum(need.neurons.values())} for neurons")
        parts += [f"{copies} for second copies of neurons"] if copies else []
    node = max(network.inputs, key=lambda p: p.size).name if network.inputs else ""
    hint = "use fewer input channels or a smaller hidden layer"
    if spec.sign == "row":
        hint += "; sources whose weights have one sign only take half the rows"
    if need.rows > spec.rows:
        yield {
            "message": f"{need.rows:,} rows are needed: {', '.join(parts)}",
            "node": node,
            "found": f"{need.rows:,} rows",
            "limit": f"{spec.rows} rows",
            "source": _source(spec),
            "hint": hint + (idle_text(network) if need.closed else ""),
        }


def too_many_copies(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """Neurons that must be stored twice do not fit.

    Where the sign of a weight belongs to the row of its source, a neuron that excites some
    listeners and inhibits others is stored twice: both copies hear the same and fire together, one
    for each sign. Make a layer smaller, or train neurons whose outgoing weights have one sign.
    """
    from nm_backends.crossbar.demand import demand

    total = sum(p.size for p in network.neurons)
    if spec.sign != "row" or total > spec.neurons:
        return
    need = demand(network, True)
    if need.places <= spec.neurons:
        return
    worst = max(need.copies, key=lambda name: need.copies[name])
    copies = sum(need.copies.values())
    yield {
        "message": f"{total} neurons and {copies} second copies do not fit {spec.neurons} neurons",
        "node": worst,
        "found": f"{need.places} neurons with copies",
        "limit": f"{spec.neurons} neurons",
        "source": _source(spec),
        "hint": f"{need.copies[worst]} neurons of {worst} have outgoing weights of both signs",
    }


def unsupported_neuron(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The node does not spike.

    All that leaves this chip is spikes; membranes cannot be read while it works. Use a LIF or IF
    layer at the output and count its spikes, or record the membrane in the simulator.
    """
    for p in network.neurons:
        if not p.spiking:
            yield {
                "message": f"{p.node_type} does not spike",
                "node": p.name,
                "found": p.node_type,
                "limit": "neurons that fire: " + ", ".join(spec.node_types),
                "source": _source(spec),
                "hint": "replace it by LIF or IF and count spikes",
            }


def synaptic_current(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The neuron has a synaptic current that grows or changes sign by itself.

    A neuron of this chip has one state, its membrane. A current that decays is compiled as a longer
    time constant of the membrane (NMB180); one that is multiplied by less than 0 or by 1 and more
    in each step is no such thing. Use a time step shorter than the time constant of the current.
    """
    for p in network.neurons:
        if p.decay_syn is None:
            continue
        wild = (p.decay_syn < 0) | (p.decay_syn >= 1)
        if wild.any():
            value = p.decay_syn[wild][0]
            yield {
                "message": f"the current is multiplied by {value:.4g} in each step",
                "node": p.name,
                "neurons": _share(p.decay_syn, wild),
                "found": f"synaptic decay {value:.4g}",
                "limit": "0 up to below 1",
                "source": _source(spec),
                "hint": "train with LIF instead of CubaLIF (snnTorch: Leaky instead of Synaptic)",
            }


def delay_too_long(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """A projection between neurons has a delay of two or more steps.

    A spike of a neuron acts at once; the chip has no place to keep it. Delays of inputs are no
    problem, the host sends them later. Remove the Delay node, or train with shorter ones.
    """
    inputs = {p.name for p in network.inputs}
    for projection in network.projections:
        if projection.pre not in inputs and projection.delay > 1:
            yield {
                "message": f"{projection.name} has a delay of {projection.delay} steps",
                "node": projection.post,
                "found": f"{projection.delay} steps",
                "limit": "0 (1 is executed as 0)",
                "source": _source(spec),
                "hint": "remove the delay, or move it to the input, where the host can do it",
            }


def immediate_recurrence(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """A recurrent spike acts at once, not one step later.

    In the model the edge that closes a loop delivers the spikes of the step before. On the chip
    every spike is executed as soon as it was sent out, so that loops run within a step: activity
    can be higher and earlier. Compile with calibration spikes and look at the spike agreement.
    """
    inputs = {p.name for p in network.inputs}
    for projection in network.projections:
        if projection.pre not in inputs and projection.delay == 1 and projection.weights.nnz:
            yield {
                "message": f"{projection.name}: spikes act in the same step instead of the next",
                "node": projection.post,
                "found": "delay of 1 step",
                "limit": "0 steps",
                "source": _source(spec),
                "hint": "compile with calibrate=spikes; the fit report shows the spike agreement",
            }


def other_reset(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The reset rule is not "to zero".

    The membrane of this chip goes to zero when the neuron fires. A network trained with reset by
    subtraction, or with a reset in the next step, loses or keeps charge that the model does not:
    rates change. Calibration moves thresholds so that rates agree. Train with reset to zero
    (snnTorch: ``reset_mechanism="zero", reset_delay=False``).
    """
    for p in network.neurons:
        if p.spiking and p.reset not in ("zero", "none") and _remembers(p):
            yield {
                "message": f"reset rule {p.reset!r} is executed as reset to zero at once",
                "node": p.name,
                "found": p.reset,
                "limit": "zero",
                "source": _source(spec),
                "hint": "train with reset to zero, or compile with calibration spikes",
            }


def no_reset(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The neuron is never reset.

    Every neuron of this chip goes to zero when it fires. Only neurons without memory (decay 0,
    such as Threshold nodes) do not notice.
    """
    for p in network.neurons:
        if p.spiking and p.reset == "none" and _remembers(p):
            yield {
                "message": f"{p.node_type} is not reset when it fires",
                "node": p.name,
                "found": "no reset",
                "limit": "reset to zero",
                "source": _source(spec),
                "hint": "train with reset to zero",
            }


def _remembers(population: Any) -> bool:
    return population.decay is None or bool(population.decay.any())


def impossible_decay(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The membrane grows or changes sign by itself.

    The leak of this chip takes away up to a constant per step and stops at zero: a decay per step
    below 0 (the time step is longer than the time constant) or above 1 cannot be approximated. Use
    a shorter time step, or another time constant.
    """
    for p in network.neurons:
        if p.decay is None:
            continue
        wild = (p.decay < -_EXACT) | (p.decay > 1 + _EXACT)
        if wild.any():
            value = p.decay[wild][0]
            yield {
                "message": f"the membrane is multiplied by {value:.4g} in each step",
                "node": p.name,
                "neurons": _share(p.decay, wild),
                "found": f"{value:.4g}",
                "limit": "0 to 1",
                "source": _source(spec),
                "hint": "use a time step shorter than the time constant",
            }


def threshold_not_positive(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The threshold is not above the reset potential.

    With an integer threshold of 0 a neuron of this chip fires whenever anything touches it, for
    ever. Thresholds must be above ``v_reset``.
    """
    from nm_backends.effective import parameter

    for p in network.neurons:
        if not p.spiking:
            continue
        height = parameter(p, "threshold") - parameter(p, "v_reset")
        low = ~(height > 0)
        if low.any():
            yield {
                "message": f"threshold minus reset potential is {height[low][0]:.4g}",
                "node": p.name,
                "neurons": _share(height, low),
                "found": f"{height[low][0]:.4g}",
                "limit": "above 0",
                "source": _source(spec),
                "hint": "raise the threshold above the reset potential",
            }


def output_is_input(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """There is no neuron behind an output.

    An output that shows the input itself gives the chip nothing to do. Connect it to a LIF or IF
    node.
    """
    for output, name in network.outputs.items():
        if network.populations[name].is_input:
            yield {
                "message": f"output {output!r} shows the input {name!r}, no neuron is behind it",
                "node": name,
                "found": "an input",
                "limit": "spikes of neurons",
                "hint": "connect the output to a spiking node",
            }


def stored_twice(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """Neurons are stored twice, because their weights have two signs.

    The sign of a weight belongs to the row of its source. A neuron that excites some listeners and
    inhibits others gets two places with the same inputs: they fire together, and each spike of the
    neuron is executed as two row events (twice the operations, two places in the scheduler).
    """
    from nm_backends.crossbar.demand import demand

    if spec.sign != "row" or sum(p.size for p in network.neurons) > spec.neurons:
        return
    for name, copies in demand(network, True).copies.items():
        if copies:
            yield {
                "message": f"{copies} neurons are stored twice; each of their spikes costs two row "
                "events",
                "node": name,
                "found": f"{copies} neurons with weights of both signs",
                "limit": "one sign per row",
                "source": _source(spec),
                "hint": "train outgoing weights of one sign per neuron to save places and events",
            }


def linear_leak(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The exponential decay is executed as a constant leak.

    The chip takes a constant from the membrane in each step and stops at zero. The constant is
    fitted over the membranes that occur in the calibration spikes; the fit report shows it.
    """
    for p in network.neurons:
        if p.decay is None:
            continue
        between = (p.decay > 0) & (p.decay < 1)
        if between.any():
            low, high = p.decay[between].min(), p.decay[between].max()
            text = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
            yield {
                "message": f"decay {text} per step is executed as a constant leak",
                "node": p.name,
                "found": f"exponential decay {text}",
                "limit": f"constant leak 0 to {spec.leak.maximum}",
                "source": _source(spec),
            }


def bias_events(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """A bias costs events in every step.

    The chip has no bias: the host sends the events of a bias row in every step, spikes or not (so
    too for ``v_leak`` that differs from ``v_reset``). Train without bias to save them.
    """
    from nm_backends.effective import constant

    for p in network.neurons:
        drift = constant(p)
        if p.spiking and drift.any():
            yield {
                "message": "the bias is sent as row events in every step",
                "node": p.name,
                "found": f"{int((drift != 0).sum())} neurons with a bias",
                "source": _source(spec),
                "hint": "train with bias=False",
            }


def first_state_lost(network: Network, spec: ChipSpec) -> Iterator[dict[str, Any]]:
    """The membrane begins below zero, which the chip cannot hold.

    Membranes of this chip are unsigned; measured from the reset potential, a first state below it
    becomes 0. Start at the reset potential.
    """
    from nm_backends.effective import parameter

    if spec.membrane.signed:
        return
    for p in network.neurons:
        below = parameter(p, "v0") < parameter(p, "v_reset") - _EXACT
        if below.any():
            yield {
                "message": "the first membrane is below the reset potential and becomes 0",
                "node": p.name,
                "neurons": _share(below, below),
                "found": f"{parameter(p, 'v0')[below].min():.4g}",
                "limit": "the reset potential or more",
                "source": _source(spec),
                "hint": "let the model start at v_reset",
            }


SHARED: tuple[tuple[Severity, Finding], ...] = (
    ("error", too_many_neurons),
    ("error", too_many_rows),
    ("error", unsupported_neuron),
    ("error", synaptic_current),
    ("error", delay_too_long),
    ("warning", immediate_recurrence),
    ("warning", other_reset),
    ("error", no_reset),
    ("error", impossible_decay),
    ("error", threshold_not_positive),
    ("error", output_is_input),
    ("info", linear_leak),
    ("warning", bias_events),
    ("warning", silent_population),
    ("warning", always_firing),
    ("warning", coarse_weights),
    ("warning", spikes_dropped),
    ("warning", low_agreement),
    ("warning", not_calibrated),
)
ROW_SIGNS: tuple[tuple[Severity, Finding], ...] = (
    ("error", too_many_copies),
    ("warning", stored_twice),
)
UNSIGNED: tuple[tuple[Severity, Finding], ...] = (
    ("warning", first_state_lost),
    ("warning", negative_charge_lost),
)
LOOPS: tuple[tuple[Severity, Finding], ...] = (("error", never_idle),)
LEARNING: tuple[tuple[Severity, Finding], ...] = (
    ("error", learning_rows),
    ("warning", learning_signs),
    ("info", learning_not_calibrated),
)
