"""A neuron word as a record of named fields, LIF or Izhikevich, and back to its 16 bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nm_backends.chip import Field
from nm_backends.errors import UserError
from nm_backends.eventcore.words import extract, insert
from nm_odin.spec import IZH_FIELDS, NEURON_FIELDS

__all__ = ["fields_of", "izhikevich_word", "read_word", "write_word"]


def fields_of(word: np.ndarray) -> Sequence[Field]:
    """Return the fields of a word: its bit 0 says which model the neuron is of."""
    return NEURON_FIELDS if int(word[0]) & 1 else IZH_FIELDS


def read_word(word: np.ndarray) -> dict[str, int]:
    """Return the fields of a neuron word (uint8 ``[16]``) by name; bits of no field are left out.

    ``SPEC.fields`` describes the fields: ``"neuron"`` those of LIF words, ``"neuron_izh"`` those of
    Izhikevich words.
    """
    row = np.asarray(word, np.uint8)[None]
    return {field.name: int(extract(row, field)[0]) for field in fields_of(row[0])}


def write_word(**fields: int) -> np.ndarray:
    """Return the neuron word (uint8 ``[16]``) with these fields; all others are 0.

    Without ``lif_izh_sel=1`` it is an Izhikevich neuron; such a one with ``thr`` 0 fires at rest.
    """
    word = np.zeros((1, 16), np.uint8)
    word[0, 0] = fields.get("lif_izh_sel", 0) & 1
    kind = "a LIF" if word[0, 0] else "an Izhikevich"
    known = {field.name: field for field in fields_of(word[0])}
    for name, value in fields.items():
        if name not in known:
            raise UserError(f"{name}: no field of {kind} word", f"it has {', '.join(known)}")
        field = known[name]
        low = -(1 << field.width - 1) if field.signed else 0
        high = low + (1 << field.width) - 1
        if not low <= value <= high:
            raise UserError(f"{name} {value}: expected {low}..{high}")
        insert(word, field, np.array([value]))
    return np.asarray(word[0])


def izhikevich_word(words: np.ndarray, **fields: np.ndarray) -> np.ndarray:
    """Return ``words`` (uint8 ``[n, 16]``) as Izhikevich words with these fields replaced."""
    changed: np.ndarray = words.copy()
    known = {field.name: field for field in IZH_FIELDS}
    changed[:, 0] &= 0xFE
    for name, values in fields.items():
        insert(changed, known[name], np.asarray(values))
    return changed
