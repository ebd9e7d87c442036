"""tinyODIN, register by register: memories to simulator state and back."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from nm_backends.eventcore import batch
from nm_backends.eventcore.logs import BatchLog
from nm_backends.eventcore.machine import configure
from nm_backends.eventcore.simulator import EventSimulator
from nm_backends.eventcore.words import extract, insert
from nm_backends.image import Image
from nm_tinyodin.kernel import MODEL
from nm_tinyodin.spec import NEURON_FIELDS, SPEC

__all__ = ["TinyOdinSimulator", "run_batch"]

_FIELD = {field.name: field for field in NEURON_FIELDS}


class TinyOdinSimulator(EventSimulator):
    """tinyODIN in the state given by an image (see `EventSimulator`)."""

    spec = SPEC
    model = MODEL

    def _load(self, image: Image) -> None:
        words = image.memories["neuron"]
        registers = {name: int(cast(int, value)) for name, value in image.registers.items()}
        neurons = np.zeros(1, MODEL.neurons)
        neurons["membrane"] = extract(words, _FIELD["core"])
        neurons["threshold"] = extract(words, _FIELD["thr"])
        neurons["leak"] = extract(words, _FIELD["leak_str"])
        neurons["enabled"] = 1 - extract(words, _FIELD["neur_disable"])
        neurons["count"] = registers["SPI_MAX_NEUR"] + 1
        synapses = np.zeros(1, MODEL.synapses)
        nibbles = image.memories["synapse"].astype(np.int8)
        synapses["weights"] = nibbles - (nibbles >> 3 << 4)
        self.neurons, self.synapses = neurons, synapses
        self.config = configure(
            MODEL,
            closed=not registers["SPI_OPEN_LOOP"],
            from_rows=bool(registers["SPI_AER_SRC_CTRL_nNEUR"]),
            row_position=registers["SPI_MAX_NEUR"],
            neurons=registers["SPI_MAX_NEUR"] + 1,
        )

    def _memories(self) -> dict[str, np.ndarray]:
        words = self._start.memories["neuron"].copy()
        insert(words, _FIELD["core"], self.neurons["membrane"][0])
        return {"neuron": words, "synapse": self._start.memories["synapse"].copy()}


def run_batch(
    image: Image,
    words: np.ndarray,
    offsets: np.ndarray,
    marks: np.ndarray | None = None,
    mark_offsets: np.ndarray | None = None,
    **options: Any,
) -> BatchLog:
    """Run independent samples, each from the state of ``image``; see `batch.run_batch`."""
    simulator = TinyOdinSimulator(image)
    return batch.run_batch(simulator, words, offsets, marks, mark_offsets, **options)
