"""Checking what a user or the metadata of a file says about the discretisation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from nm_backends.discretisation import (
    CONVENTIONS,
    IF_GAINS,
    RESETS,
    START_WORDS,
    W_IN_RULE,
    Discretisation,
)
from nm_backends.lowering import repairs as W
from nm_backends.lowering import rules as E
from nm_backends.lowering.fields import as_array, clean, did_you_mean
from nm_backends.lowering.graph import Flat
from nm_backends.lowering.model import NEURONS, SPIKING, Node
from nm_backends.rules import Report

__all__ = ["CUBA", "DISCRETISATION_FIELDS", "FIRING", "Checker", "Source"]

Source = dict[str, Any]
_CHOICES: dict[str, tuple[str, ...]] = {
    "framework": tuple(CONVENTIONS),
    "spike_cmp": (">", ">="),
    "if_gain": IF_GAINS,
    "reset": RESETS,
}
_WORDS = {"v0": START_WORDS, "w_in": (W_IN_RULE,)}
CUBA = frozenset({"CubaLIF", "CubaLI"})
FIRING = SPIKING - {"Threshold"}
_PER_NODE = {"reset": FIRING, "graded": SPIKING, "v0": NEURONS, "w_in": CUBA, "v_reset": FIRING}
DISCRETISATION_FIELDS = tuple(f.name for f in fields(Discretisation) if f.name != "assumed")
# What our frontends note for the reader's information only.
_INFORMATION = frozenset(
    {"assumed", "framework_version", "version", "exporter", "reset_delay", "reset_mechanism"}
)


class Checker:
    """Checks one source of settings; wrong entries are reported and left out."""

    def __init__(
        self, flat: Flat, report: Report, *, user: bool = False, node: Node | None = None
    ) -> None:
        self.flat, self.report, self.user, self.node = flat, report, user, node

    def check(self, source: Source) -> Source:
        """Return the entries of ``source`` that can be used."""
        return {name: value for name, value in source.items() if self._entry(name, value)}

    def _entry(self, name: str, value: Any) -> bool:
        if name not in DISCRETISATION_FIELDS:
            if name not in _INFORMATION:
                message = f"{name!r} is not a field of Discretisation"
                self._refuse(message, did_you_mean(name, DISCRETISATION_FIELDS))
            return False
        if not isinstance(value, Mapping):
            return self._value(name, value, "")
        if name not in _PER_NODE:
            return self._refuse(f"{name} is one value for the whole model")
        fine = [
            self._name(name, key) and self._value(name, v, str(key)) for key, v in value.items()
        ]
        return all(fine)

    def _name(self, name: str, key: Any) -> bool:
        kinds = _PER_NODE[name]
        node = self.flat.nodes.get(str(key))
        if node is not None and node.kind in kinds:
            return True
        names = [n for n, item in self.flat.nodes.items() if item.kind in kinds]
        hint = did_you_mean(str(key), names) or f"no node of this model has a {name}"
        if node is not None:
            return self._refuse(
                f"{name} is given for {key!r}, which is {_article(node.kind)}", hint
            )
        message = f"{name} is given for {clean(key)!r}, which the model does not have"
        rule = E.unknown_name if self.user else W.unused_metadata
        self.report.add(rule.at(message, hint=hint))
        return False

    def _value(self, name: str, value: Any, key: str) -> bool:
        of = f" of {key}" if key else ""
        if name in _CHOICES:
            if isinstance(value, str) and value in _CHOICES[name]:
                return True
            close = did_you_mean(value, _CHOICES[name]) if isinstance(value, str) else ""
            listed = ", ".join(_CHOICES[name])
            hint = f"{close} (all: {listed})" if close.startswith("did") else f"one of: {listed}"
            return self._refuse(f"{name}{of} is {value!r}", hint)
        if name == "snap":
            fine = isinstance(value, (bool, int, np.bool_)) or (
                isinstance(value, float) and 0 <= value < 1e-3
            )
            return fine or self._refuse(f"snap is {value!r}", "give True, False or a distance")
        if isinstance(value, str):
            words = _WORDS.get(name, ())
            wanted = " or ".join([*words, "a number"])
            return value in words or self._refuse(f"{name}{of} is {value!r}", f"give {wanted}")
        return self._number(name, value, of, bool(key) or self.node is not None)

    def _number(self, name: str, value: Any, of: str, for_node: bool) -> bool:
        if name == "graded" and not for_node:
            return self._refuse("graded is {node name: factor}", f"found {value!r}")
        array = as_array(value)
        if array is None or array.size == 0 or not np.isfinite(array).all():
            return self._refuse(f"{name}{of} is {value!r}", "give finite numbers")
        single = name in ("dt", "graded") or not for_node
        if single and array.size != 1:
            return self._refuse(f"{name}{of} must be one number", f"found {array.size}")
        if name == "dt" and not (0 < float(array.reshape(-1)[0]) < math.inf):
            return self._refuse(f"dt is {value!r}", "dt is a positive number of seconds")
        return True

    def _refuse(self, message: str, hint: str = "") -> bool:
        rule = E.bad_discretisation if self.user else W.unused_metadata
        node = self.node.name if self.node else ""
        self.report.add(rule.at(message, node=node, hint=hint))
        return False


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind} node"
