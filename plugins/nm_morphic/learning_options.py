"""The options of on-chip learning, by the names of the chip's fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nm_backends.errors import UserError
from nm_backends.learning_options import LearningOptions
from nm_morphic.spec import NEURON_FIELDS

__all__ = ["MorphicLearning"]

_WIDTH = {field.name: field.width for field in NEURON_FIELDS}
_MOST_EVENTS = 64
_HALF = 1 << _WIDTH["thetamem"] - 1


@dataclass(frozen=True)
class MorphicLearning(LearningOptions):
    """How MorphIC learns: stochastic SDSP of the neurons whose synapses are plastic; their teacher.

    At every spike of an input, a synapse becomes 1 with probability ``p_up / 2^n`` where the
    membrane of its neuron is at least ``thetamem`` and ``ca_theta1 <= Ca < ca_theta3``, and 0 with
    probability ``p_down / 2^n`` where the membrane is below and ``ca_theta1 <= Ca < ca_theta2``,
    with membrane and calcium from before the spike. What is published of this rule is its name; the
    rest are assumptions (``nmb chips morphic --assumptions``), n = ``probability_bits`` among them.
    How the chip was taught is not published either: the teacher is our own.

    The defaults are a start, not tuned for any task: calcium stops a neuron that has fired 7 times
    (``ca_leak`` lets it fall again), so let ``thr`` be high where samples are long.

    Parameters
    ----------
    p_up, p_down
        Registers P_UP and P_DOWN of the cores that learn, 0 to ``2^n``.
    thetamem
        Membrane threshold of the rule.
    ca_theta1, ca_theta2, ca_theta3
        Calcium thresholds, 0 to 7.
    ca_leak
        Time references (steps) until calcium falls by 1, 0 to 31; 0: never.
    thr, leak_str
        Firing threshold and leak of the learning neurons while they learn; None: the program's.
    seed
        The random generator of core ``c`` begins with a state that follows from ``seed`` and ``c``;
        None: it goes on from where the program's image has it.
    teacher
        ``neutral``: rows of the core push one neuron up or down and leave all others where they
        are. Where weights are -1 and +1 that takes two rows after each other (a push is 2 units),
        where they are 0 and 1 it takes one (1 unit). ``contrast``: one row pushes the neuron up and
        all others of the core down, 1 unit each; for weights of -1 and +1, and cores where all
        neurons learn.
    excite
        Pushes up of the neuron that should fire, per step, before the inputs.
    inhibit
        Pushes down of each of the others, per step (``neutral`` only).
    """

    p_up: int = 40
    p_down: int = 40
    thetamem: int = 0
    ca_theta1: int = 0
    ca_theta2: int = 7
    ca_theta3: int = 7
    ca_leak: int = 0
    thr: int | None = None
    leak_str: int | None = None
    seed: int | None = None
    teacher: Literal["neutral", "contrast"] = "neutral"
    excite: int = 1
    inhibit: int = 0

    def __post_init__(self) -> None:
        for name in ("ca_theta1", "ca_theta2", "ca_theta3", "ca_leak"):
            self.whole(name, 0, (1 << _WIDTH[name]) - 1)
        for name, low in (("thr", 1), ("leak_str", 0)):
            if getattr(self, name) is not None:
                self.whole(name, low, (1 << _WIDTH[name]) - 1)
        self.whole("thetamem", -_HALF, _HALF - 1)
        for name in ("p_up", "p_down"):
            self.whole(name, 0, 1 << 16)
        if self.seed is not None:
            self.whole("seed", 0)
        self.whole("excite", 0, _MOST_EVENTS)
        self.whole("inhibit", 0, _MOST_EVENTS)
        if self.teacher not in ("neutral", "contrast"):
            raise UserError(
                f"MorphicLearning: teacher is {self.teacher!r}, expected neutral or contrast"
            )
        if self.teacher == "contrast" and self.inhibit:
            raise UserError(
                f"MorphicLearning: inhibit is {self.inhibit}, a teacher of contrast pushes the "
                "others down by itself",
                "use teacher='neutral', or inhibit=0",
            )
