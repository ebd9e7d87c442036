"""What snnTorch and Norse share: the loop over steps, and e-prop written by hand in torch.

Both frameworks step the neurons; e-prop (symmetric feedback, squared error) is added around them
with traces of all synapses and no autograd. A batch changes the weights once, by its mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from workloads import DECAY, Ready, Workload

Step = Callable[[Any, Any], "tuple[torch.Tensor, torch.Tensor, Any]"]  # spikes, membrane, state


def tensor(values: Any) -> torch.Tensor:
    """Return float32."""
    return torch.tensor(values, dtype=torch.float32)


def running(make: Callable[[], Step], w: Workload, batch: int) -> Ready:
    """Return what runs the network of a workload, with layers of ``make``."""
    torch.set_num_threads(1)
    spikes, first = tensor(w.spikes(batch)), tensor(w.first.T)
    second = tensor(w.last.T) if w.outputs else tensor(w.recurrent.T)
    hidden, out = make(), make()

    def run() -> float:
        with torch.inference_mode():
            fired, state, behind = torch.zeros(batch, w.neurons), None, None
            shown = []
            for step in spikes @ first:  # the input layer of all steps in one product
                fired, _, state = hidden(step if w.outputs else step + fired @ second, state)
                if w.outputs:
                    _, _, behind = out(fired @ second, behind)
                shown.append(fired)
            return float(torch.stack(shown).sum())

    return Ready(run)


def learning(make: Callable[[], Step], w: Workload, batch: int) -> Ready:
    """Return what trains the network of a workload by e-prop."""
    torch.set_num_threads(1)
    spikes, step = tensor(w.spikes(batch)), make()
    weights = [tensor(w.first), tensor(w.recurrent), tensor(w.last)]
    labels = torch.arange(batch) % w.outputs
    target = torch.nn.functional.one_hot(labels, w.outputs).float()

    def run() -> float:
        with torch.inference_mode():
            return _eprop(step, spikes, weights, target, w.learned)

    return Ready(run)


def _eprop(
    step: Step, spikes: torch.Tensor, weights: list[torch.Tensor], target: torch.Tensor, last: int
) -> float:
    first, recurrent, out = weights
    steps, batch, inputs = spikes.shape
    size, into = len(first), torch.cat([first, recurrent], 1)
    fired, state, count = torch.zeros(batch, size), None, 0.0
    before = torch.zeros(batch, inputs + size)  # filtered presynaptic spikes
    trace = torch.zeros(batch, size, inputs + size)  # eligibility, filtered as the output is
    slow, y = torch.zeros(batch, size), torch.zeros(batch, len(out))
    change, change_out = torch.zeros_like(into), torch.zeros_like(out)
    for t in range(steps):
        seen = torch.cat([spikes[t], fired], 1)
        fired, membrane, state = step(seen @ into.T, state)
        before.mul_(DECAY).add_(seen)
        slope = 0.3 * torch.clamp(1 - (membrane - 1).abs(), min=0)
        trace.mul_(DECAY).addcmul_(slope[:, :, None], before[:, None, :])
        slow.mul_(DECAY).add_(fired)
        y = DECAY * y + fired @ out.T
        if t >= steps - last:
            error = torch.softmax(y, 1) - target
            change += torch.einsum("bj,bji->ji", error @ out, trace)
            change_out += error.T @ slow
        count += float(fired.sum())
    rate = 1e-4 / batch
    first -= rate * change[:, :inputs]
    recurrent -= rate * change[:, inputs:]
    out -= rate * change_out
    return count
