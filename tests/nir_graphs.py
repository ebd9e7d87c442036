"""Small NIR graphs as plain dicts (the form of ``graph.to_dict()``), and files with any content."""

from itertools import pairwise

import h5py
import numpy as np

from nm_backends.discretisation import Discretisation

QUIET = Discretisation(framework="nir", dt=1e-3)
"""Settles everything, so that what remains in the report is the test's own finding."""


def node(kind, **fields):
    return {"type": kind, **fields}


def inp(*shape):
    return node("Input", shape=np.array(shape))


def out(*shape):
    return node("Output", shape=np.array(shape))


def linear(weight):
    return node("Linear", weight=np.asarray(weight, dtype=float))


def affine(weight, bias):
    return node("Affine", weight=np.asarray(weight, float), bias=np.asarray(bias, float))


def lif(*shape, tau=0.01, r=1.0, v_leak=0.0, v_threshold=1.0, v_reset=0.0, **more):
    values = {"tau": tau, "r": r, "v_leak": v_leak, "v_threshold": v_threshold, "v_reset": v_reset}
    fields = {k: np.broadcast_to(np.asarray(v, float), shape).copy() for k, v in values.items()}
    return node("LIF", **fields | more)


def cuba(*shape, tau_syn=0.005, tau_mem=0.01, w_in=1.0, kind="CubaLIF", **more):
    fields = {"tau_syn": tau_syn, "tau_mem": tau_mem, "r": 1.0, "v_leak": 0.0, "w_in": w_in}
    if kind == "CubaLIF":
        fields |= {"v_threshold": 1.0, "v_reset": 0.0}
    fields = {k: np.broadcast_to(np.asarray(v, float), shape).copy() for k, v in fields.items()}
    return node(kind, **fields | more)


def integrator(*shape, r=1.0, **more):
    fields = {"r": r, "v_threshold": 1.0, "v_reset": 0.0}
    fields = {k: np.broadcast_to(np.asarray(v, float), shape).copy() for k, v in fields.items()}
    return node("IF", **fields | more)


def li(*shape, tau=0.01):
    fields = {"tau": tau, "r": 1.0, "v_leak": 0.0}
    return node("LI", **{k: np.full(shape, v) for k, v in fields.items()})


def conv(weight, input_shape, dims=2, **more):
    weight = np.asarray(weight, dtype=float)
    fields = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    fields |= {"bias": np.zeros(weight.shape[0]), "input_shape": np.array(input_shape)}
    return node(f"Conv{dims}d", weight=weight, **fields | more)


def pool(kind, kernel, stride=None, padding=0):
    fields = {"kernel_size": kernel, "stride": stride or kernel, "padding": padding}
    return node(kind, **{k: np.array(v) for k, v in fields.items()})


def graph(nodes, edges=None, metadata=None):
    """Make a graph; without edges, a chain in the order of the nodes."""
    names = list(nodes)
    edges = list(pairwise(names)) if edges is None else edges
    made = {"type": "NIRGraph", "nodes": nodes, "edges": edges}
    return made | ({"metadata": metadata} if metadata else {})


def chain(*middle, size=2, out_size=None):
    """Input -> nodes ``1``, ``2``, ... -> output."""
    numbered = {str(i): n for i, n in enumerate(middle, 1)}
    return graph({"input": inp(size), **numbered, "output": out(out_size or size)})


def write(path, tree):
    """Write a tree of dicts and arrays as the group ``node`` of an HDF5 file."""
    with h5py.File(path, "w") as handle:
        handle["version"] = "1.0.8"
        _fill(handle.create_group("node"), tree)
    return path


def _fill(group, tree):
    for key, value in tree.items():
        if isinstance(value, dict):
            _fill(group.create_group(str(key)), value)
        elif key == "edges":
            pairs = np.array([[str(a).encode(), str(b).encode()] for a, b in value], dtype=object)
            if len(pairs):
                group.create_dataset(key, data=pairs, dtype=h5py.string_dtype())
        else:
            group[key] = value
