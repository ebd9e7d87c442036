"""snnTorch: ``Leaky`` layers stepped in a loop, float32, no gradients."""

from __future__ import annotations

from functools import partial

import snntorch
from by_hand import Step, learning, running
from workloads import DECAY, serve


def leaky() -> Step:
    """Return a step of snnTorch's neuron."""
    layer = snntorch.Leaky(beta=DECAY, reset_mechanism="zero")

    def step(current, state):
        spikes, membrane = layer(current, layer.reset_mem() if state is None else state)
        return spikes, membrane, membrane

    return step


if __name__ == "__main__":
    serve(
        {
            ("recurrent", "Leaky"): partial(running, leaky),
            ("feedforward", "Leaky"): partial(running, leaky),
            ("eprop", "Leaky"): partial(learning, leaky),
        },
        snntorch.__version__,
    )
