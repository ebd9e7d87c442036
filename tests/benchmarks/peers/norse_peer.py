"""Norse: ``lif_box_feed_forward_step`` (LIF without a synaptic current), float32, no gradients."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version

import torch
from by_hand import Step, learning, running
from norse.torch.functional.lif_box import (
    LIFBoxFeedForwardState,
    LIFBoxParameters,
    lif_box_feed_forward_step,
)
from workloads import DECAY, DT, serve


def box() -> Step:
    """Return a step of Norse's neuron."""
    # Norse's Euler step keeps 1 - dt * tau_mem_inv, and takes as much of the current.
    share = 1 - DECAY
    parameters = LIFBoxParameters(tau_mem_inv=torch.as_tensor(share / DT))

    def step(current, state):
        state = LIFBoxFeedForwardState(torch.zeros_like(current)) if state is None else state
        spikes, state = lif_box_feed_forward_step(current / share, state, parameters, DT)
        return spikes, state.v, state

    return step


if __name__ == "__main__":
    serve(
        {
            ("recurrent", "LIFBox"): partial(running, box),
            ("feedforward", "LIFBox"): partial(running, box),
            ("eprop", "LIFBox"): partial(learning, box),
        },
        version("norse"),
    )
