"""``nmb lower``: the network in discrete time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nm_backends.cli.options import discretisation_from, discretisation_options, model_argument
from nm_backends.cli.output import echo_json, echo_report, echo_table, json_option, number

if TYPE_CHECKING:
    from nm_backends.network import Network

__all__ = ["lower_command"]

SPANS = ("decay", "gain", "leak", "decay_syn", "gain_syn", "threshold", "v_reset", "v0", "bias")


@click.command("lower")
@model_argument
@discretisation_options
@json_option
def lower_command(model: str, as_json: bool, **given: Any) -> None:
    """Print the network in discrete time.

    MODEL is a .nir file. Everything that had to be repaired or assumed is printed with it.
    """
    discretisation = discretisation_from(given)
    from nm_backends.lowering import lower_collect

    network, report = lower_collect(model, discretisation)
    if as_json:
        echo_json({**report.to_dict(), "network": _describe(network) if network else None})
    else:
        if network is not None:
            _print_network(network)
        echo_report(report)
    raise click.exceptions.Exit(0 if report.ok and network is not None else 1)


def _describe(network: Network) -> dict[str, Any]:
    return {
        "source": network.source,
        "discretisation": vars(network.discretisation),
        "populations": [
            {
                "name": p.name,
                "type": p.node_type,
                "shape": p.shape,
                "size": p.size,
                "spiking": p.spiking,
                "reset": None if p.is_input or not p.spiking else p.reset,
                "spike_cmp": None if p.is_input or not p.spiking else p.spike_cmp,
                **{name: _span(getattr(p, name)) for name in SPANS},
            }
            for p in network.populations.values()
        ],
        "projections": [
            {
                "pre": p.pre,
                "post": p.post,
                "synapses": p.weights.nnz,
                "delay": p.delay,
                "nodes": p.nodes,
            }
            for p in network.projections
        ],
        "outputs": network.outputs,
    }


def _span(values: Any) -> list[float] | None:
    """Smallest and largest value of a parameter."""
    return None if values is None or not len(values) else [float(values.min()), float(values.max())]


def _print_network(network: Network) -> None:
    populations = [
        (
            p.name,
            p.node_type,
            "x".join(map(str, p.shape)),
            *(_text(getattr(p, name)) for name in ("decay", "gain", "leak", "threshold")),
            p.reset if p.spiking and not p.is_input else "",
        )
        for p in network.populations.values()
    ]
    columns = ("population", "type", ">shape", ">decay", ">gain", ">leak", ">threshold", "reset")
    echo_table(columns, populations, network.source)
    projections = [
        (p.pre, p.post, number(p.weights.nnz), p.delay, ", ".join(p.nodes))
        for p in network.projections
    ]
    echo_table(("from", "to", ">synapses", ">delay", "through"), projections)
    for text in network.discretisation.assumed:
        click.echo(f"assumed: {text}")


def _text(values: Any) -> str:
    span = _span(values)
    if span is None:
        return ""
    low, high = span
    return f"{low:.4g}" if low == high else f"{low:.4g}..{high:.4g}"
