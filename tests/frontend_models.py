"""Live models of snnTorch, Norse and SpikingJelly with the architectures of tests/nir/recorded.

Each entry of `MODELS` makes a model with random weights; `spikes_of` runs one in its own framework.
"""

import norse.torch as norse
import snntorch as snn
import torch
from norse.torch.functional.reset import reset_subtract
from norse.torch.module.iaf import IAFCell
from norse.torch.module.lif_box import LIFBoxCell
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

STEPS, BATCH = 100, 3


def spikes(seed, shape=(16,), chance=0.3):
    """Random input ``[time, batch, *shape]``."""
    made = torch.Generator().manual_seed(seed)
    return (torch.rand(STEPS, BATCH, *shape, generator=made) < chance).float()


def dense(first, second, gain=3.0, bias=True, grid=False):
    """Two layers, 16-24-10, with weights that let them fire; ``grid``: multiples of 1/8."""
    layers = [nn.Linear(16, 24, bias=bias), first(24), nn.Linear(24, 10, bias=bias), second(10)]
    for part in layers[::2]:
        with torch.no_grad():
            part.weight *= gain
            if grid:
                part.weight.copy_((part.weight * 8).round() / 8)
    return layers


def leaky(**options):
    settings = {"beta": 0.9, "init_hidden": True, **options}
    return lambda n: snn.Leaky(**settings)


def synaptic(**options):
    return lambda n: snn.Synaptic(alpha=0.8, beta=0.85, init_hidden=True, **options)


def rleaky(**options):
    def make(n):
        size = {} if "V" in options else {"linear_features": n}
        return snn.RLeaky(beta=0.9, init_hidden=True, **size, **options)

    return make


def rsynaptic(**options):
    def make(n):
        return snn.RSynaptic(alpha=0.8, beta=0.85, linear_features=n, init_hidden=True, **options)

    return make


def vectors(n):
    return snn.Leaky(
        beta=torch.linspace(0.5, 0.97, n),
        threshold=torch.linspace(0.4, 1.3, n),
        reset_mechanism="zero",
        init_hidden=True,
    )


def snn_model(first, second=None, **options):
    return lambda: nn.Sequential(*dense(first, second or first, **options))


def snn_conv():
    zero = leaky(reset_mechanism="zero")
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        zero(0),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
        zero(0),
    )
    with torch.no_grad():
        model[0].weight *= 2
        model[4].weight *= 6
    return model


def box(reset_method=None, **parameters):
    values = {"tau_mem_inv": 200.0, **parameters}
    tensors = {name: torch.tensor(value) for name, value in values.items()}
    extra = {"reset_method": reset_method} if reset_method else {}
    return lambda n: LIFBoxCell(norse.LIFBoxParameters(**tensors, **extra))


def norse_model(first, second=None, **options):
    return lambda: norse.SequentialState(*dense(first, second or first, **options))


def norse_conv():
    model = norse.SequentialState(nn.Conv2d(2, 4, 3), box()(0))
    with torch.no_grad():
        model[0].weight *= 6
    return model


def cell(n):
    return norse.LIFCell(norse.LIFParameters(tau_mem_inv=torch.tensor(200.0)))


def jelly(make, **options):
    return lambda: nn.Sequential(*dense(lambda n: make(), lambda n: make(), **options))


MODELS = {
    "snntorch_leaky_subtract_delay": snn_model(leaky()),
    "snntorch_leaky_subtract_nodelay": snn_model(leaky(reset_delay=False)),
    "snntorch_leaky_zero_delay": snn_model(leaky(reset_mechanism="zero")),
    "snntorch_leaky_zero_nodelay": snn_model(leaky(reset_mechanism="zero", reset_delay=False)),
    "snntorch_leaky_vectors_zero": snn_model(vectors, bias=False),
    "snntorch_if_beta1_zero_grid": snn_model(
        leaky(beta=1.0, reset_mechanism="zero"), bias=False, grid=True
    ),
    "snntorch_leaky_zero_grid": snn_model(
        leaky(beta=0.875, reset_mechanism="zero"), bias=False, grid=True
    ),
    "snntorch_synaptic_zero_delay": snn_model(synaptic(reset_mechanism="zero")),
    "snntorch_synaptic_zero_nodelay": snn_model(
        synaptic(reset_mechanism="zero", reset_delay=False)
    ),
    "snntorch_synaptic_subtract_delay": snn_model(synaptic()),
    "snntorch_synaptic_subtract_nodelay": snn_model(synaptic(reset_delay=False)),
    "snntorch_rleaky_subtract_delay": snn_model(rleaky(), leaky()),
    "snntorch_rleaky_zero_delay": snn_model(
        rleaky(reset_mechanism="zero"), leaky(reset_mechanism="zero")
    ),
    "snntorch_rleaky_zero_nodelay": snn_model(
        rleaky(reset_mechanism="zero", reset_delay=False), leaky(reset_mechanism="zero")
    ),
    "snntorch_rleaky_one_to_one_zero_nodelay": snn_model(
        rleaky(
            reset_mechanism="zero",
            reset_delay=False,
            all_to_all=False,
            V=torch.linspace(-0.5, 0.5, 24),
        ),
        leaky(reset_mechanism="zero"),
    ),
    "snntorch_rsynaptic_subtract_delay": snn_model(rsynaptic(), synaptic()),
    "snntorch_rsynaptic_zero_delay": snn_model(
        rsynaptic(reset_mechanism="zero"), synaptic(reset_mechanism="zero")
    ),
    "snntorch_conv_avgpool_zero": snn_conv,
    "snntorch_graded_factor2_zero": snn_model(
        leaky(reset_mechanism="zero", graded_spikes_factor=2.0), leaky(reset_mechanism="zero")
    ),
    "norse_lifbox_zero": norse_model(box(), gain=14.0),
    "norse_lifbox_vreset": norse_model(box(v_reset=-0.5), gain=14.0),
    "norse_lifbox_vleak": norse_model(box(v_leak=0.2), gain=14.0),
    "norse_lifbox_subtract": norse_model(box(reset_subtract), gain=14.0),
    "norse_lifcell": norse_model(cell),
    "norse_iaf_grid": norse_model(lambda n: IAFCell(), grid=True),
    "norse_conv_lifbox": norse_conv,
    "norse_lifbox_zero_defaultdt": norse_model(box(), gain=14.0),
    "spikingjelly_lif_decay_input": jelly(lambda: neuron.LIFNode(tau=4.0), gain=14.0),
    "spikingjelly_lif_vreset": jelly(lambda: neuron.LIFNode(tau=4.0, v_reset=-0.3), gain=14.0),
    "spikingjelly_if_grid": jelly(neuron.IFNode, bias=False, grid=True),
}


def make(name, seed=0):
    """Build one of `MODELS`."""
    torch.manual_seed(seed)
    return MODELS[name]()


def input_of(name, seed=0):
    return spikes(seed + 1000, (2, 8, 8) if "conv" in name else (16,))


def is_neuron(module):
    own = isinstance(module, (snn.SpikingNeuron, neuron.BaseNode))
    return own or (hasattr(module, "p") and type(module).__module__.startswith("norse."))


def spikes_of(model, x):
    """Run a model in its framework from its initial state: neuron name to spikes."""
    seen = {name: [] for name, part in model.named_modules() if is_neuron(part)}
    for part in model.modules():
        if hasattr(part, "reset_mem"):
            part.reset_mem()
    functional.reset_net(model)
    hooks = [
        part.register_forward_hook(lambda _, given, out, name=name: seen[name].append(first(out)))
        for name, part in model.named_modules()
        if name in seen
    ]
    state = None
    with torch.no_grad():
        for step in x:
            if isinstance(model, norse.SequentialState):
                _, state = model(step, state)
            else:
                model(step)
    for hook in hooks:
        hook.remove()
    return {name: torch.stack(out).numpy() for name, out in seen.items()}


def first(output):
    return (output[0] if isinstance(output, tuple) else output).detach()


__all__ = [
    "BATCH",
    "MODELS",
    "STEPS",
    "box",
    "dense",
    "functional",
    "input_of",
    "layer",
    "leaky",
    "make",
    "neuron",
    "rleaky",
    "rsynaptic",
    "spikes",
    "spikes_of",
    "synaptic",
]
