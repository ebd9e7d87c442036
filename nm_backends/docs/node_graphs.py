"""One small NIR graph for each primitive of NIR, and for what can be asked of neurons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from nm_backends.discretisation import Discretisation

__all__ = ["Specimen", "specimens"]

_DT = 1e-3
_RULES = Discretisation(
    framework="nir", dt=_DT, reset="zero", spike_cmp=">", v0="zero", if_gain="r"
)


@dataclass(frozen=True)
class Specimen:
    """A graph, what it shows, and the NIR primitive that it is about."""

    kind: str
    label: str
    graph: Any
    rules: Discretisation


def specimens() -> Iterator[Specimen]:
    """Yield every NIR primitive besides Input and Output, and variants of neurons."""
    yield from _neurons()
    yield from _weights()
    yield from _images()


def _neurons() -> Iterator[Specimen]:
    import nir

    one = np.ones(4)
    tau, fire = 10 * _DT * one, {"v_threshold": one, "v_reset": 0 * one}
    lif = nir.LIF(tau=tau, r=10 * one, v_leak=0 * one, **fire)
    subtract = replace(_RULES, reset="subtract")
    yield _neuron("IF", "IF, reset to zero", nir.IF(r=one, **fire))
    yield _neuron("IF", "IF, reset by subtraction", nir.IF(r=one, **fire), subtract)
    yield _neuron("LIF", "LIF, reset to zero", lif)
    yield _neuron("LIF", "LIF, reset by subtraction", lif, subtract)
    yield _neuron("LIF", "LIF, recurrent", lif, loop=True)
    cuba = {"tau_syn": 5 * _DT * one, "tau_mem": tau, "r": 10 * one, "v_leak": 0 * one}
    yield _neuron("CubaLIF", "CubaLIF (a second time constant)", nir.CubaLIF(**cuba, **fire))
    yield _neuron("LI", "LI as output", nir.LI(tau=tau, r=10 * one, v_leak=0 * one))
    yield _neuron("I", "I as output", nir.I(r=one))
    cuba_li = nir.CubaLI(tau_syn=5 * _DT * one, tau_mem=tau, r=10 * one, v_leak=0 * one)
    yield _neuron("CubaLI", "CubaLI as output", cuba_li)
    yield _neuron("Threshold", "Threshold (no state)", nir.Threshold(one))


def _weights() -> Iterator[Specimen]:
    import nir

    one = np.ones(4)
    yield _chain("Linear", "Linear, weights of one sign", [nir.Linear(_weight(one_sign=True))])
    yield _chain("Linear", "Linear, weights of both signs", [nir.Linear(_weight())])
    yield _chain("Affine", "Affine (a bias)", [nir.Affine(_weight(), 0.1 * one)])
    yield _chain("Scale", "Scale", [nir.Scale(2 * one), nir.Linear(_weight())])
    delay = nir.Delay(2 * _DT * one)
    yield _chain("Delay", "Delay of two steps", [delay, nir.Linear(_weight())])


def _images() -> Iterator[Specimen]:
    import nir

    flat = nir.Flatten({"input": np.array([1, 4, 4])}, 0)
    whole = nir.Linear(np.ones((4, 16)) / 16)
    conv = nir.Conv2d((4, 4), np.ones((1, 1, 2, 2)) / 4, 2, 0, 1, 1, np.zeros(1))
    less = nir.Flatten({"input": np.array([1, 2, 2])}, 0)
    yield _chain("Flatten", "Flatten", [flat, whole], (1, 4, 4))
    yield _chain("Conv2d", "Conv2d", [conv, less], (1, 4, 4))
    pools = (("SumPool2d", nir.SumPool2d), ("AvgPool2d", nir.AvgPool2d))
    for kind, pool in pools:
        two = np.array([2, 2])
        yield _chain(kind, kind, [pool(two, two, np.array([0, 0])), less], (1, 4, 4))
    line = nir.Conv1d(4, np.ones((1, 1, 1)), 1, 0, 1, 1, np.zeros(1))
    yield _chain("Conv1d", "Conv1d", [line, nir.Flatten({"input": np.array([1, 4])}, 0)], (1, 4))


def _weight(one_sign: bool = False) -> np.ndarray:
    weight = np.linspace(-0.5, 0.75, 16).reshape(4, 4)
    return np.abs(weight) if one_sign else weight


def _neuron(
    kind: str, label: str, neuron: Any, rules: Discretisation = _RULES, loop: bool = False
) -> Specimen:
    import nir

    nodes = {"fc": nir.Linear(_weight(one_sign=True)), "neuron": neuron}
    extra = {"back": nir.Linear(_weight(one_sign=True) / 8)} if loop else {}
    edges = [("neuron", "back"), ("back", "neuron")] if loop else []
    return Specimen(kind, label, _graph(nodes, extra, edges, (4,)), rules)


def _chain(kind: str, label: str, parts: list[Any], shape: tuple[int, ...] = (4,)) -> Specimen:
    import nir

    one = np.ones(4)
    nodes = {f"part{i}": part for i, part in enumerate(parts)}
    nodes["neuron"] = nir.IF(r=one, v_threshold=one, v_reset=0 * one)
    return Specimen(kind, label, _graph(nodes, {}, [], shape), _RULES)


def _graph(
    nodes: dict[str, Any], extra: dict[str, Any], edges: list[tuple[str, str]], shape: Any
) -> Any:
    import nir

    ends = (nir.Input({"input": np.array(shape)}), nir.Output({"output": np.array([4])}))
    named = {"input": ends[0], **nodes, "output": ends[1]}
    return nir.NIRGraph({**named, **extra}, [*pairwise(named), *edges])
