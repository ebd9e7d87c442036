"""Settling what the file leaves open: user, then metadata, then framework, then assumption."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from nm_backends.discretisation import (
    CONVENTIONS,
    W_IN_RULE,
    Discretisation,
)
from nm_backends.lowering import repairs as W
from nm_backends.lowering import rules as E
from nm_backends.lowering.fields import as_array, clean, text
from nm_backends.lowering.graph import Flat
from nm_backends.lowering.model import NEURONS, SPIKING, Node
from nm_backends.lowering.settings_check import (
    CUBA,
    DISCRETISATION_FIELDS,
    FIRING,
    Checker,
    Source,
)
from nm_backends.network import Reset, SpikeCmp
from nm_backends.rules import Report

__all__ = ["METADATA_KEY", "Settings"]

METADATA_KEY = "nm_backends"
_DEFAULT_DT = 1e-4


class Settings:
    """The discretisation of one model; asks are answered per node, assumptions are reported."""

    def __init__(
        self, flat: Flat, user: Discretisation | None, report: Report, *, strict: bool = True
    ) -> None:
        self.flat, self.report, self.strict = flat, report, strict
        self.user = Checker(flat, report, user=True).check(_of_user(user))
        self.graph = Checker(flat, report).check(_of_metadata(flat.metadata))
        self.nodes = {
            name: Checker(flat, report, node=node).check(_of_metadata(node.metadata))
            for name, node in flat.nodes.items()
        }
        self.framework: str | None = self._ask("framework")
        self.conventions = CONVENTIONS.get(self.framework or "", CONVENTIONS["nir"])
        self.wrong_dt = "dt" in _of_user(user) and "dt" not in self.user
        self._assumed: dict[str, list[str]] = {}
        self._replaced: dict[str, str] = {}
        self.resets: dict[str, Reset] = {}
        self.dt = self._dt()
        self.spike_cmp = self._spike_cmp()
        self.snap: bool | float = self._snap()
        self.if_gain: str = self._ask("if_gain") or (
            self.conventions.if_gain if self.framework else "auto"
        )

    def _ask(self, name: str, node: str | None = None, default: Any = None) -> Any:
        """Return the first answer of user, node metadata and graph metadata."""
        sources = [self.user, self.nodes.get(node, {}) if node else {}, self.graph]
        for source in sources:
            value = source.get(name)
            if isinstance(value, Mapping):
                value = value.get(node)
            if value is not None:
                return value
        return default

    def _snap(self) -> bool | float:
        """Return whether to snap, or within which distance."""
        said = self._ask("snap", default=True)
        return float(said) if isinstance(said, float) else bool(said)

    def _dt(self) -> float:
        dt = self._ask("dt")
        if dt is not None:
            return float(np.asarray(dt).reshape(-1)[0])
        if self.framework and self.conventions.dt is not None:
            return self.conventions.dt
        timed = any(n.is_neuron or n.kind == "Delay" for n in self.flat.nodes.values())
        if timed and not self.wrong_dt:
            message = f"the time step is not known; {_DEFAULT_DT:g} s is assumed"
            hint = "say Discretisation(dt=...) or name the framework that wrote the file"
            self.report.add(W.assumed_dt.at(message, hint=hint))
        return _DEFAULT_DT

    def _spike_cmp(self) -> SpikeCmp:
        said: SpikeCmp | None = self._ask("spike_cmp")
        if said is not None:
            return said
        if not self.framework and any(n.kind in SPIKING for n in self.flat.nodes.values()):
            message = (
                "whether neurons fire at their threshold or above it is not known; > is assumed"
            )
            hint = "SpikingJelly means '>=': say Discretisation(spike_cmp='>=') or the framework"
            self.report.add(W.assumed_comparison.at(message, hint=hint))
        return self.conventions.spike_cmp

    def reset(self, node: Node) -> Reset:
        """Return the reset rule of a spiking node."""
        rule: Reset | None = self._ask("reset", node.name)
        if rule is None:
            rule = self.conventions.reset if self.framework else None
        if rule is None:
            rule = "zero"
            self._assumed.setdefault("reset", []).append(node.name)
        self.resets[node.name] = rule
        return rule

    def graded(self, node: Node) -> float:
        """Return what one spike of the node is worth."""
        return float(np.asarray(self._ask("graded", node.name, 1.0)).reshape(-1)[0])

    def v0(self, node: Node, v_leak: np.ndarray, v_reset: np.ndarray) -> np.ndarray | None:
        """Return the initial membrane, or None when a given array does not fit."""
        said = self._ask("v0", node.name)
        if said is None and self.framework:
            said = self.conventions.v0
        if said is None:
            said = "zero"
            if v_leak.any() or v_reset.any():
                self._assumed.setdefault("v0", []).append(node.name)
        words: dict[str, np.ndarray] = {
            "zero": np.zeros_like(v_leak),
            "v_leak": v_leak,
            "v_reset": v_reset,
        }
        if isinstance(said, str):
            return np.array(words[said])
        return self._values(node, "v0", said, v_leak)

    def v_reset(self, node: Node, from_file: np.ndarray) -> np.ndarray:
        """Return the reset potential: what was said, or what the file holds."""
        said = self._ask("v_reset", node.name)
        if said is None:
            if self.conventions.norse_exporter and not from_file.any():
                self._assumed.setdefault("v_reset", []).append(node.name)
            return from_file
        values = self._values(node, "v_reset", said, from_file)
        return from_file if values is None else values

    def w_in(self, node: Node, from_file: np.ndarray, tau_syn: np.ndarray) -> np.ndarray:
        """Return the input weight of a current-based neuron."""
        said = self._ask("w_in", node.name)
        if said is None and self.conventions.norse_exporter and bool(np.all(from_file == 1.0)):
            message = "Norse's exporter writes w_in = 1; tau_syn/dt is used, as in Norse itself"
            self.report.add(W.replaced_w_in.at(message, node=node.name))
            said = self._replaced[node.name] = W_IN_RULE
        if said is None:
            return from_file
        if isinstance(said, str):
            return np.asarray(tau_syn / self.dt)
        values = self._values(node, "w_in", said, from_file)
        return from_file if values is None else values

    def _values(self, node: Node, name: str, said: Any, like: np.ndarray) -> np.ndarray | None:
        array = np.asarray(said, dtype=np.float64)
        if array.size not in (1, like.size):
            message = f"{name} has {array.size} values for {like.size} neurons"
            self.report.add(E.bad_discretisation.at(message, node=node.name))
            return None
        return np.array(np.broadcast_to(array.reshape(-1), like.shape))

    def report_assumptions(self) -> None:
        """Report what had to be assumed for single nodes, one finding for each kind."""
        for name, nodes in self._assumed.items():
            only = nodes[0] if len(nodes) == 1 else ""
            where = "" if only else f" ({_listed(nodes)})"
            if name == "reset":
                message = f"the reset is not known{where}; v := v_reset is assumed"
                hint = _RESET_HINTS.get(self.framework or "", _RESET_HINTS[""])
                self.report.add(W.assumed_reset.at(message, node=only, hint=hint))
            elif name == "v0":
                message = f"the initial membrane is not known{where}; 0 is assumed"
                hint = "say Discretisation(v0='v_leak') (Norse), 'v_reset' (SpikingJelly) or 'zero'"
                self.report.add(W.assumed_start.at(message, node=only, hint=hint))
            else:
                message = f"v_reset is 0 in the file{where}, which Norse's exporter always writes"
                hint = "say Discretisation(v_reset=...); 0 is right where the model has 0"
                self.report.add(W.lost_v_reset.at(message, node=only, hint=hint))

    def resolved(self) -> Discretisation:
        """Return the discretisation with everything filled in that was settled."""
        said = {**self.graph, **self.user}
        return Discretisation(
            framework=self.framework,  # type: ignore[arg-type]
            dt=self.dt,
            reset=dict(self.resets),
            graded=self._per_node("graded", SPIKING) or None,
            spike_cmp=self.spike_cmp,
            v0=self._resolved_v0(said.get("v0")),
            if_gain=self.if_gain,  # type: ignore[arg-type]
            w_in={**self._per_node("w_in", CUBA), **self._replaced} or None,
            v_reset=self._resolved_v_reset() or None,
            snap=self.snap,
            assumed=tuple(sorted(c for c in self.report.codes if "NMB120" <= c <= "NMB129")),
        )

    def _resolved_v_reset(self) -> dict[str, Any]:
        lost = dict.fromkeys(self._assumed.get("v_reset", ()), 0.0)
        return {**lost, **self._per_node("v_reset", FIRING)}

    def _resolved_v0(self, said: Any) -> Any:
        per_node = self._per_node("v0", NEURONS)
        if said is not None and not isinstance(said, Mapping):
            return said
        default = self.conventions.v0 if self.framework else "zero"
        neurons = [n for n, node in self.flat.nodes.items() if node.is_neuron]
        return {n: per_node.get(n, default) for n in neurons} if per_node else default

    def _per_node(self, name: str, kinds: frozenset[str]) -> dict[str, Any]:
        found = {n: self._ask(name, n) for n, node in self.flat.nodes.items() if node.kind in kinds}
        return {n: value for n, value in found.items() if value is not None}


_RESET_HINTS = {
    "snntorch": "snnTorch's default is 'subtract_delayed': say Discretisation(reset=...)",
    "norse": "Norse's default is 'zero': say Discretisation(reset=...)",
    "": "say Discretisation(reset='zero'), 'subtract_delayed' (snnTorch's default), ...",
}


def _listed(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _of_user(user: Discretisation | None) -> Source:
    if user is None:
        return {}
    return {
        name: getattr(user, name)
        for name in DISCRETISATION_FIELDS
        if getattr(user, name) is not None
    }


def _of_metadata(metadata: Mapping[str, Any]) -> Source:
    """Return the ``nm_backends`` part of a node's metadata as plain Python values."""
    data = metadata.get(METADATA_KEY)
    word = text(data) if data is not None else None
    if word is not None:
        try:
            data = json.loads(word)
        except ValueError:
            return {}
    return _plain(data) if isinstance(data, Mapping) else {}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {clean(k): _plain(v) for k, v in value.items()}
    word = text(value)
    if word is not None:
        return word
    array = as_array(value)
    if array is None:
        return value
    return array.reshape(-1)[0].item() if array.size == 1 else array
