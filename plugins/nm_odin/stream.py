"""Programming stream of ODIN: an image as SPI transactions, and back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from nm_backends.spi import SpiProtocol

if TYPE_CHECKING:
    from nm_backends.chip import Transaction
    from nm_backends.image import Image

__all__ = ["protocol", "read_stream", "write_stream"]

_QUIET = (
    ("SPI_GATE_ACTIVITY", 1),
    ("SPI_OPEN_LOOP", 1),
    ("SPI_BURST_TIMEREF", 0),
    ("SPI_OUT_AER_MONITOR_EN", 0),
)


@cache
def protocol() -> SpiProtocol:
    """Return how ODIN is programmed.

    The state of a neuron is bits 85..70 of a LIF word (bit 0 set), 124..70 of an Izhikevich word
    (``neuron_core.v``).
    """
    from nm_odin.spec import SPEC

    return SpiProtocol(SPEC, _QUIET, lambda word: (70, 85 if word[0] & 1 else 124), refresh=True)


def write_stream(image: Image) -> list[Transaction]:
    """Return the ordered SPI transactions that program ``image``, whatever the chip held before."""
    return protocol().write(image)


def read_stream(stream: Sequence[Transaction]) -> Image:
    """Return the image that ``stream`` programs; refuse incomplete and unsafe streams."""
    return protocol().read(stream)
