"""What the toy chip cannot do. The docstrings are what ``nmb explain`` prints."""

from nm_backends.rules import rule

INPUTS, NEURONS = 64, 32
SOURCE = "the toy chip's README"


@rule("TOY001", "error")
def too_large(network, spec):
    """The network has more inputs or neurons than the chip.

    There are 64 input rows and 32 neurons. Make a layer smaller, or use a larger chip.
    """
    for what, used, limit in (
        ("input channels", network.input_size, INPUTS),
        ("neurons", sum(p.size for p in network.neurons), NEURONS),
    ):
        if used > limit:
            yield too_large.at(
                f"{used} {what} do not fit",
                found=used,
                limit=limit,
                source=SOURCE,
                hint=f"remove {used - limit} {what}",
            )


@rule("TOY002", "error")
def looks_back(network, spec):
    """A projection has a delay.

    Neurons are evaluated once per step, in order, and nothing is kept from one step to the next
    but membranes: no loops and no delays. Train a feed-forward network.
    """
    for projection in network.projections:
        if projection.delay:
            yield looks_back.at(
                f"the projection {projection.name} has a delay of {projection.delay} steps",
                node=projection.post,
                found=projection.delay,
                limit=0,
                source=SOURCE,
                hint="remove the loop or the delay",
            )


@rule("TOY003", "error")
def not_plain(network, spec):
    """A neuron does more than integrate and fire.

    The chip adds weights, fires at a positive threshold and resets to zero: no leak, no bias, no
    synaptic current, no other reset. Train with IF neurons that reset to zero.
    """
    for p in network.neurons:
        extras = {
            "does not fire": not p.spiking,
            "leaks": p.decay is not None and (p.decay != 1).any(),
            "drifts": p.leak is not None and p.leak.any(),
            "has a synaptic current": p.decay_syn is not None,
            "has a bias": p.bias is not None and p.bias.any(),
            "starts above or below zero": p.v0 is not None and p.v0.any(),
            f"has the reset rule {p.reset}": p.spiking and p.reset != "zero",
            "resets to another value": p.v_reset is not None and p.v_reset.any(),
            "has no positive threshold": p.threshold is not None and (p.threshold <= 0).any(),
        }
        for what, is_so in extras.items():
            if is_so:
                yield not_plain.at(
                    f"{p.node_type} {what}",
                    node=p.name,
                    found=what,
                    limit="integrate, fire, reset to zero",
                    source=SOURCE,
                    hint="use IF neurons",
                )


RULES = (too_large, looks_back, not_plain)
