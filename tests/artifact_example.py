"""A small program to save, with everything in it that a program can hold."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp

from nm_backends import artifact, registry
from nm_backends.codec import Encoder
from nm_backends.discretisation import Discretisation
from nm_backends.image import Image
from nm_backends.network import Network, Population, Projection
from nm_backends.program import CompileOptions, Fit, PopulationFit, Program, Resource
from nm_backends.rules import Diagnostic, Report
from nm_tinyodin.spec import SPEC


def lif(name: str, size: int) -> Population:
    ones = np.ones(size)
    return Population(
        name, (size,), "LIF", decay=0.9 * ones, gain=ones, leak=0 * ones, threshold=ones / 3,
        v_reset=0 * ones, v0=0 * ones, bias=0 * ones, reset="subtract",
    )  # fmt: skip


def make_program() -> Program:
    rng = np.random.default_rng(0)
    weights = sp.csr_array(rng.normal(size=(4, 3)) * (rng.random((4, 3)) < 0.6))
    network = Network(
        {"in": Population("in", (2, 2), "Input"), "fc/1.é": lif("fc/1.é", 3)},
        [
            Projection("in", "fc/1.é", weights, 0, ("fc", "scale")),
            Projection("fc/1.é", "fc/1.é", sp.csr_array((3, 3)), 1),
        ],
        {"out": "fc/1.é"},
        Discretisation("snntorch", 1e-4, reset={"fc/1.é": "subtract"}, assumed=("dt",)),
        Report(None, "m.nir", [Diagnostic("NMB001", "warning", "assumed", neurons=(0, 2))]),
        metadata={"note": [1, (2.5, None)], "table": {3: "x"}, "$odd": True},
    )
    image = Image(
        {
            "neuron": rng.integers(0, 256, (256, 4)).astype(np.uint8),
            "synapse": rng.integers(0, 16, (256, 256)).astype(np.uint8),
        },
        dict.fromkeys(("SPI_GATE_ACTIVITY", "SPI_OPEN_LOOP", "SPI_AER_SRC_CTRL_nNEUR"), 0)
        | {"SPI_MAX_NEUR": 9},
    )
    ones = np.ones(3)
    fit = PopulationFit(
        "fc/1.é", 12.5, ones, ones, ones, ones, float("nan"), 0.1, float("inf"), 12, 1, 2
    )
    return Program(
        chip="tinyodin",
        network=network,
        image=image,
        layout={"rows": np.arange(4, dtype=np.int16), "names": np.array(["a", "bc"])},
        resources=[Resource("neurons", 3, 256)],
        fit=Fit({"fc/1.é": fit}),
        report=Report("tinyodin", "m.nir"),
        options=CompileOptions(order="ascending"),
        metadata={"seconds": 0.1 + 0.2, "tiny": 5e-324},
    )


@pytest.fixture(autouse=True)
def bare_chip(monkeypatch):
    backend = SimpleNamespace(spec=SPEC)
    real = registry.get_backend
    monkeypatch.setattr(
        registry, "get_backend", lambda name: backend if name == "tinyodin" else real(name)
    )


@pytest.fixture(name="saved")
def saved_program(tmp_path):
    path = tmp_path / "p.nmb"
    artifact.save(make_program(), path)
    return path


def plain(value: object) -> object:
    """A value as JSON data and array bytes, to compare with ==."""
    encoder = Encoder()
    return encoder.encode(value, "x"), encoder.members
