"""Programming stream of tinyODIN: an image as SPI transactions, and back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from nm_backends.spi import SpiProtocol

if TYPE_CHECKING:
    from nm_backends.chip import Transaction
    from nm_backends.image import Image

__all__ = ["protocol", "read_stream", "write_stream"]


@cache
def protocol() -> SpiProtocol:
    """Return how tinyODIN is programmed.

    The state of a neuron is bits 11..0 of its word, the membrane (tinyODIN documentation, 3.1). An
    all-zero word fires when it is written with a closed loop (``neuron_core.v``, ``lif_neuron.v``).
    """
    from nm_tinyodin.spec import SPEC

    return SpiProtocol(SPEC, (("SPI_GATE_ACTIVITY", 1), ("SPI_OPEN_LOOP", 1)), lambda word: (0, 11))


def write_stream(image: Image) -> list[Transaction]:
    """Return the ordered SPI transactions that program ``image``, whatever the chip held before."""
    return protocol().write(image)


def read_stream(stream: Sequence[Transaction]) -> Image:
    """Return the image that ``stream`` programs; refuse incomplete and unsafe streams."""
    return protocol().read(stream)
