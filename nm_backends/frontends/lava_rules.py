"""Rules of the Lava frontend: what is in the way (NMB05x), and what to know (NMB15x)."""

# ruff: noqa: D401 - the first line of a rule says what is wrong
from __future__ import annotations

from typing import Any

from nm_backends.rules import Rule, rule

__all__ = ["RULES"]


@rule("NMB050", "error", checks=False)
def unmapped_process() -> Any:
    """A Lava process between others is none that can be read.

    Read are LIF, LIFReset and LearningLIF neurons and the connections Dense, DelayDense, Sparse,
    DelaySparse, LearningDense, LearningSparse and Conv. A process that only sends is an input of
    the network, one that only receives shows an output. Refractory, ternary, resonating and other
    neurons, and processes of your own in the middle, have no counterpart.
    """


@rule("NMB051", "error", checks=False)
def unmapped_parameter() -> Any:
    """A parameter of a Lava process has no counterpart.

    These are: a current ``u`` that is not 0 before the first step and has a memory; a bias of
    neurons with a current of their own (``du`` below 1) and no leak (``dv`` 0).
    """


@rule("NMB052", "error", checks=False)
def unmapped_wiring() -> Any:
    """Lava processes are connected in a way that cannot be read.

    Ports may be reshaped, flattened and transposed on the way. Not read are concatenated ports
    (which Lava does not run either), other ports than ``s_in``, ``a_out``, ``a_in`` and ``s_out``,
    a port that is connected with another twice, and several sources at one connection without
    ``num_message_bits``: their spikes are added, but Lava counts a sum of two as one.
    """


@rule("NMB150", "warning", checks=False)
def rounds_in_lava() -> Any:
    """Lava's fixed-point neurons round what they keep; the float reference does not.

    With ``fixed_pt`` models currents and membranes decay by a multiplication with a 12-bit number
    and lose the bits below (towards zero), and a negative weight exponent loses bits of the sum.
    The finding says how far the membrane of the float reference can be away, in the unit of
    ``vth``, as long as the spikes before were the same. Neurons that neither leak nor keep their
    current (``du`` = 4095, ``dv`` = 0) are exact.
    """


@rule("NMB151", "warning", checks=False)
def resets_by_the_clock() -> Any:
    """LIFReset sets its neurons to 0 every so many steps; NIR cannot say that.

    A chip begins every sample at rest. Give it samples of ``reset_interval`` steps.
    """


@rule("NMB152", "warning", checks=False)
def guessed_arithmetic() -> Any:
    """Nothing in the network says whether it is meant for floating or fixed point.

    The run configuration (``select_tag``) decides that in Lava; it is no part of the processes.
    Here a ``du`` or ``dv`` above 1, a weight or bias exponent or a number of weight bits means
    fixed point, and a fraction means floating point. Otherwise floating point is assumed. Say it:
    ``nm_backends.frontends.lava.read(process, arithmetic="fixed_pt")``.
    """


@rule("NMB153", "warning", checks=False)
def learning_is_left_out() -> Any:
    """A learning connection is read with the weights that it was made with.

    NIR has no learning rules, and Loihi's are not those of the chips here.
    """


@rule("NMB154", "warning", checks=False)
def may_overflow() -> Any:
    """Lava's fixed-point neurons can overflow with these weights; the float reference does not.

    Currents wrap around and membranes saturate at 2 to the power of 23 (that is 131,072 in the
    unit of ``vth``). The finding names the largest current that all inputs together can make.
    """


@rule("NMB155", "info", checks=False)
def lava_parameters() -> Any:
    """How the parameters of a Lava process were turned into those of NIR.

    Lava counts in steps, NIR in seconds: ``tau = dt / du``. In fixed point ``du`` is
    ``(du + 1) / 4096``, ``dv`` is ``dv / 4096``, weights are clipped and truncated to their bits
    and shifted by their exponent, the bias is ``bias_mant * 2**bias_exp / 64``, and ``vth`` is
    what it is (Lava shifts both sides by 6 bits).
    """


RULES: tuple[Rule, ...] = tuple(v for v in list(globals().values()) if isinstance(v, Rule))
