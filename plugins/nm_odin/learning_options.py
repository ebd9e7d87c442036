"""The options of on-chip learning, by the names of the chip's fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nm_backends.errors import UserError
from nm_backends.learning_options import LearningOptions
from nm_odin.spec import NEURON_FIELDS

__all__ = ["OdinLearning"]

_FIELD = {field.name: field for field in NEURON_FIELDS}
_FIELDS = ("thr", "leak_str", "thetamem", "ca_theta1", "ca_theta2", "ca_theta3", "ca_leak")
_MOST_EVENTS = 64


@dataclass(frozen=True)
class OdinLearning(LearningOptions):
    """How ODIN learns: SDSP of the neurons whose synapses are plastic, and their teacher.

    At every spike of an input, a plastic synapse grows by 1 where the membrane of its neuron is at
    least ``thetamem`` and ``ca_theta1 <= Ca < ca_theta3``, and shrinks by 1 where the membrane is
    below and ``ca_theta1 <= Ca < ca_theta2``, with membrane and calcium as the last event of the
    neuron left them (ODIN RTL, ``sdsp_update.v``; Brader, Senn and Fusi 2007).

    The defaults are those of ``examples/odin_digits_learning.py``: with ``ca_theta1`` = 1 a neuron
    learns only once it has fired in the sample, so that wrong ones that fire are pushed down. They
    suit inputs of one spike per step in rank order and about 110 steps; others need their own.

    Parameters
    ----------
    thetamem
        Membrane threshold of the rule, 0 to 255.
    ca_theta1, ca_theta2, ca_theta3
        Calcium thresholds, 0 to 7.
    ca_leak
        Time references (steps) until calcium falls by 1, 0 to 31; 0: never.
    thr, leak_str
        Firing threshold and leak of the learning neurons while they learn; None: the program's.
    bistability
        Samples between two bistability events of all synapses (weights of 4 and more grow, the
        others shrink); 0: none.
    teacher
        ``virtual``: virtual events push the neurons directly, 2 cycles each. ``rows``: each neuron
        has a row that excites it and inhibits nobody; takes free rows and 512 cycles an event.
    excite
        Teacher events of weight 7 to the neuron that should fire, per step.
    inhibit
        Teacher events of weight 7 that inhibit each of the others, per step (``virtual`` only).
    """

    thetamem: int = 21
    ca_theta1: int = 1
    ca_theta2: int = 2
    ca_theta3: int = 6
    ca_leak: int = 7
    thr: int | None = 153
    leak_str: int | None = 2
    bistability: int = 0
    teacher: Literal["virtual", "rows"] = "virtual"
    excite: int = 7
    inhibit: int = 0

    def __post_init__(self) -> None:
        for name in _FIELDS:
            if getattr(self, name) is not None or name not in ("thr", "leak_str"):
                low = 1 if name == "thr" else 0
                self.whole(name, low, (1 << _FIELD[name].width) - 1)
        self.whole("bistability", 0, 1 << 30)
        self.whole("excite", 0, _MOST_EVENTS)
        self.whole("inhibit", 0, _MOST_EVENTS)
        if self.teacher not in ("virtual", "rows"):
            raise UserError(f"OdinLearning: teacher is {self.teacher!r}, expected virtual or rows")
        if self.teacher == "rows" and self.inhibit:
            raise UserError(
                f"OdinLearning: inhibit is {self.inhibit}, a teacher of rows only excites",
                "use teacher='virtual', or inhibit=0",
            )
