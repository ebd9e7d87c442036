"""Where a network came from: the graph behind its projections, for those who change weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nm_backends.lowering.graph import Flat
    from nm_backends.lowering.shapes import Shapes

__all__ = ["Origin"]


@dataclass(frozen=True)
class Origin:
    """The flattened NIR graph of a network, with the shapes of all its nodes."""

    flat: Flat
    shapes: Shapes
