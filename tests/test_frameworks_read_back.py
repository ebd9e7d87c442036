"""What the chip holds, loaded again by snnTorch, Norse and nirtorch themselves."""

import warnings

import nir
import numpy as np
import pytest

import nm_backends as nmb
from nm_backends.demo import demo_data

pytestmark = pytest.mark.frameworks


@pytest.fixture(scope="module")
def held():
    data = demo_data(samples=20)
    program = nmb.compile(data.model, "tinyodin", calibrate=data.calibration[:, :32])
    return program, data.spikes


def from_file(program, reader, path):
    nir.write(path / "held.nir", program.to_nir(reader=reader))
    return nir.read(path / "held.nir")


def test_snntorch_runs_the_quantised_network(held, tmp_path):
    import torch
    from snntorch.import_nir import import_from_nir

    program, spikes = held
    expected = nmb.reference(program.to_nir(), spikes)
    net = import_from_nir(from_file(program, "snntorch", tmp_path))
    out, state = [], None
    with torch.no_grad():
        for step in torch.from_numpy(spikes).float():
            made, state = net(step, state)
            out.append(made)
    got = torch.stack(out).numpy()
    assert expected.spikes.any()
    assert np.array_equal(got, expected.spikes)


def test_norse_runs_the_quantised_network(held, tmp_path):
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import norse.torch as norse

        program, spikes = held
        expected = nmb.reference(program.to_nir(), spikes)
        net = norse.from_nir(from_file(program, "norse", tmp_path), dt=1e-3)
        out, state = [], None
        with torch.no_grad():
            for step in torch.from_numpy(spikes).float():
                made, state = net(step, state)
                out.append(made)
    assert np.array_equal(torch.stack(out).numpy(), expected.spikes)


def test_nirtorch_loads_the_graph(held, tmp_path):
    import nirtorch
    import torch

    program, _ = held
    graph = from_file(program, "nir", tmp_path)
    seen = []

    def linear(node):
        made = torch.nn.Linear(*node.weight.shape[::-1], bias=False)
        made.weight.data = torch.from_numpy(node.weight)
        return made

    def neuron(node):
        seen.append(node.v_threshold.shape)
        return torch.nn.Identity()

    made = nirtorch.nir_to_torch(graph, {nir.Linear: linear, nir.LIF: neuron})
    assert sorted(seen) == [(10,), (48,)]
    assert made is not None
