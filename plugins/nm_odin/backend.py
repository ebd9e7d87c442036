"""ODIN: the backend that the registry hands out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nm_backends.crossbar.backend import CrossbarBackend
from nm_odin import stream
from nm_odin.mapping import CHIP
from nm_odin.rules import RULES

if TYPE_CHECKING:
    from nm_backends.crossbar.session import CrossbarSession
    from nm_backends.image import Image
    from nm_backends.program import Program
    from nm_backends.rules import Report
    from nm_backends.trace import TraceVerdict
    from nm_odin.learning_options import OdinLearning
    from nm_odin.training import Trainer

__all__ = ["BACKEND"]


def _verify(path: str) -> TraceVerdict:
    from nm_odin.trace import verify

    return verify(path)


class OdinBackend(CrossbarBackend):
    """ODIN, which learns."""

    def check_setup(self, image: Image) -> Report:
        """Say what an image would do to the chip."""
        from nm_odin.setup import check_setup

        return check_setup(image)

    def learning_options(self) -> type[OdinLearning]:
        """Return the class of the chip's learning options."""
        from nm_odin.learning_options import OdinLearning

        return OdinLearning

    def learner(self, program: Program, options: Any) -> Trainer:
        """Return what trains ``program`` by SDSP."""
        from nm_odin.learning_options import OdinLearning
        from nm_odin.training import Trainer

        return Trainer(program, OdinLearning.of(options))

    def open_session(self, program: Program, batch: int, learning: Any = None) -> CrossbarSession:
        """Return the chip, to be run step by step, and to learn if ``learning`` says how."""
        from nm_odin.learning_session import LearningSession

        if learning is None:
            return super().open_session(program, batch)
        return LearningSession(self.chip, program, batch, learning)


BACKEND = OdinBackend(CHIP, RULES, stream, _verify)
