"""MorphIC, one chip or a mesh, as the shared crossbar mapper sees it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from nm_backends.crossbar.chip import CrossbarChip
from nm_morphic.arrange import mesh_columns
from nm_morphic.assumptions import Assumptions
from nm_morphic.events import REFERENCE, TOGETHER
from nm_morphic.floor import MorphicFloor
from nm_morphic.image import pack, unpack
from nm_morphic.rules import BY_NAME
from nm_morphic.spec import spec_of

if TYPE_CHECKING:
    from nm_backends.eventcore.logs import BatchLog

__all__ = ["chip_of"]


def chip_of(assumptions: Assumptions, chips: int) -> CrossbarChip:
    """Return so many chips under these assumptions."""
    spec = spec_of(assumptions, chips)

    def engine() -> Callable[..., BatchLog]:
        from nm_morphic.batch import run_batch

        return partial(run_batch, assumptions=assumptions, columns=mesh_columns(chips))

    return CrossbarChip(
        spec,
        BY_NAME,
        pack,
        unpack,
        row_event=0,  # row ``r`` of core ``c`` is row ``1024 c + r`` of the floor, and its word
        row_step=1,
        leak_event=REFERENCE,
        engine=engine,
        learns=True,
        floor=MorphicFloor(spec),
        flags=TOGETHER,
    )
