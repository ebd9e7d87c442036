"""Random MorphIC chips for tests: programmed by field names."""

import numpy as np

from nm_backends.image import Image
from nm_morphic.spec import CORES, NEURONS, ROWS
from nm_morphic.state import WORD


def chip(weights=None, routes=None, fields=None, enabled=None, seeds=(1, 2, 3, 4), **registers):
    """A chip: ``weights`` [4, 1024, 512] bits, ``routes`` [4, 512] words, fields by name."""
    words = np.zeros((CORES * NEURONS, 1), WORD)
    for name, values in ({"thr": 100} | (fields or {})).items():
        words[name][:, 0] = np.broadcast_to(values, (CORES, NEURONS)).ravel()
    bits = np.zeros((CORES, ROWS, NEURONS), np.uint8) if weights is None else weights
    packed = np.packbits(bits.reshape(-1, NEURONS), axis=1, bitorder="little")
    route = np.zeros((CORES, NEURONS), "<u4") if routes is None else np.asarray(routes, "<u4")
    found = {}
    connected = np.ones((CORES, ROWS), np.uint8) if enabled is None else enabled
    for core in range(CORES):
        found[f"ROW_ENABLE_{core}"] = np.ascontiguousarray(connected[core], np.uint8)
        found[f"LFSR_SEED_{core}"] = int(seeds[core])
        for name in ("WEIGHT_MODE", "PLASTIC", "P_UP", "P_DOWN"):
            found[f"{name}_{core}"] = int(np.broadcast_to(registers.get(name, 0), CORES)[core])
        signs = registers.get("ROW_SIGN", np.zeros((CORES, ROWS), np.uint8))
        found[f"ROW_SIGN_{core}"] = np.ascontiguousarray(signs[core], np.uint8)
    memories = {
        "neuron": words.view(np.uint8).reshape(-1, 16),
        "route": np.ascontiguousarray(route).reshape(-1, 1).view(np.uint8),
        "synapse_row": packed,
    }
    return Image(memories, found)
