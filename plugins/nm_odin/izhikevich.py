"""The twenty behaviours of Izhikevich's figure as words of ODIN's phenomenological neuron.

E. M. Izhikevich, "Which model to use for cortical spiking neurons?", IEEE Transactions on Neural
Networks 15(5), 2004, figure 1, names the behaviours and their letters. ODIN's paper says that its
neuron has them all; which parameters bring which about is nowhere described upstream. The words
here follow from the mechanism (`izh_fields` describes every field) and are checked one by one on
the cycle-accurate engine (``tests/test_odin_izhikevich_gallery.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from nm_backends.errors import UserError
from nm_odin.words import write_word

__all__ = ["BEHAVIOURS", "STEP", "Behaviour", "behaviour_word"]

STEP = 8
"""Summed input of one step of the membrane, with ``fi_sel`` 0."""


@dataclass(frozen=True)
class Behaviour:
    """One of the twenty behaviours.

    Parameters
    ----------
    letter, title
        As in Izhikevich's figure.
    parameters
        Fields of the neuron word by name; those not named are 0.
    stimulus
        What shows the behaviour: (time references, summed input in each of them) one after the
        other; a pair instead of the input is a ramp from its first to its second value.
    mechanism
        How the parameters do it.
    """

    letter: str
    title: str
    parameters: Mapping[str, int]
    stimulus: tuple[tuple[int, int | tuple[int, int]], ...]
    mechanism: str

    @property
    def current(self) -> np.ndarray:
        """Summed input of every time reference interval, int64 ``[intervals]``."""
        parts = [
            np.linspace(*value, number) if isinstance(value, tuple) else np.full(number, value)
            for number, value in self.stimulus
        ]
        return np.asarray(np.concatenate(parts).round(), np.int64)


def behaviour_word(name: str, **fields: int) -> np.ndarray:
    """Return the word (uint8 ``[16]``) of a neuron with a behaviour.

    Parameters
    ----------
    name
        A key of `BEHAVIOURS`, such as ``"tonic_bursting"``.
    **fields
        Fields of the word to set otherwise, ``thr=5`` for instance; `izh_fields` describes them.

    Raises
    ------
    UserError
        No such behaviour, no such field, or a value out of its range.
    """
    if name not in BEHAVIOURS:
        raise UserError(f"behaviour {name!r}: not known", f"one of {', '.join(BEHAVIOURS)}")
    return write_word(**{**BEHAVIOURS[name].parameters, **fields})


def _behaviour(
    letter: str, title: str, mechanism: str, *stimulus: tuple[int, int | tuple[int, int]],
    **parameters: int,
) -> tuple[str, Behaviour]:  # fmt: skip
    key = title.lower().replace("-", "_").replace(" ", "_")
    return key, Behaviour(letter, title, MappingProxyType(parameters), stimulus, mechanism)


_LEAK = {"leak_en": 1, "leak_str": 4}  # one step toward rest in two time references
_BURST = {"spk_ref": 3, "isi_ref": 0, "rfr": 5}  # four spikes, an interval apart
_REST, _PULSE = 10, 2 * STEP

BEHAVIOURS: Mapping[str, Behaviour] = MappingProxyType(
    dict(
        [
            _behaviour(
                "A",
                "Tonic spiking",
                "core steps up to thr, falls to -rfr and comes back, as long as there is input",
                (_REST, 0), (70, 12), (20, 0),
                thr=4, rfr=3, **_LEAK,
            ),
            _behaviour(
                "B",
                "Phasic spiking",
                "phasic_en holds core at 0 after a spike until the input is weaker than stim_thr",
                (_REST, 0), (70, 12), (20, 0),
                thr=3, rfr=3, phasic_en=1, stim_thr=1, **_LEAK,
            ),
            _behaviour(
                "C",
                "Tonic bursting",
                "each spike is followed by spk_ref more, isi_ref + 1 slots of the scheduler apart",
                (_REST, 0), (80, 12), (20, 0),
                thr=4, **_BURST, **_LEAK,
            ),
            _behaviour(
                "D",
                "Phasic bursting",
                "phasic_en as for phasic spiking, with spk_ref more spikes",
                (_REST, 0), (70, 12), (20, 0),
                thr=3, phasic_en=1, stim_thr=1, **_BURST, **_LEAK,
            ),
            _behaviour(
                "E",
                "Mixed mode",
                "mixed_en lets the first spike burst, the later ones only after weak input",
                (_REST, 0), (80, 12), (20, 0),
                thr=4, mixed_en=1, stim_thr=1, **_BURST, **_LEAK,
            ),
            _behaviour(
                "F",
                "Spike frequency adaptation",
                "each spike raises the threshold by 1 (thrvar_en, thr_sel_of), up to 7",
                (_REST, 0), (80, 12), (20, 0),
                thr=1, rfr=1, thrvar_en=1, thr_sel_of=1, thrleak=15, **_LEAK,
            ),
            _behaviour(
                "G",
                "Class 1 excitability",
                "the rate follows the input from very low values on: core only sums up",
                (_REST, 0), (120, (0, 24)), (10, 0),
                thr=4,
            ),
            _behaviour(
                "H",
                "Class 2 excitability",
                "class2_en ignores input below stim_thr: firing starts at a high rate",
                (_REST, 0), (120, (0, 24)), (10, 0),
                thr=2, rfr=4, class2_en=1, stim_thr=1,
            ),
            _behaviour(
                "I",
                "Spike latency",
                "spklat_en: reaching thr starts a count of dapdel time references to the spike",
                (_REST, 0), (1, 3 * STEP), (30, 0),
                thr=3, rfr=2, spklat_en=1, dapdel=7, **_LEAK,
            ),
            _behaviour(
                "J",
                "Subthreshold oscillations",
                "reson_en: core turns through four phases, one lower every turn, from rfr on",
                (_REST, 0), (1, 6 * STEP), (40, 0),
                thr=6, rfr=5, reson_en=1,
            ),
            _behaviour(
                "K",
                "Resonator",
                "reson_en: a second pulse adds up only in phase with the oscillation of the first",
                (_REST, 0), (1, 3 * STEP), (1, 0), (1, 3 * STEP), (25, 0),
                (1, 3 * STEP), (3, 0), (1, 3 * STEP), (25, 0),
                (1, 3 * STEP), (5, 0), (1, 3 * STEP), (25, 0),
                thr=5, rfr=2, reson_en=1,
            ),
            _behaviour(
                "L",
                "Integrator",
                "the leak has taken back the first pulse when the second one comes late",
                (_REST, 0), (1, 3 * STEP), (1, 0), (1, 3 * STEP), (25, 0),
                (1, 3 * STEP), (9, 0), (1, 3 * STEP), (25, 0),
                thr=5, rfr=2, **_LEAK,
            ),
            _behaviour(
                "M",
                "Rebound spike",
                "rebound_en fires when one interval of strong inhibition is over",
                (_REST, 0), (1, -3 * STEP), (30, 0),
                thr=7, rfr=2, rebound_en=1, neg_en=1, stim_thr=3, **_LEAK,
            ),
            _behaviour(
                "N",
                "Rebound burst",
                "rebound_en with spk_ref more spikes",
                (_REST, 0), (1, -3 * STEP), (30, 0),
                thr=7, rebound_en=1, neg_en=1, stim_thr=3, **_BURST, **_LEAK,
            ),
            _behaviour(
                "O",
                "Threshold variability",
                "thrvar_en: steps up raise the threshold, steps down lower it; it leaks back",
                (_REST, 0), (1, _PULSE), (20, 0), (1, -_PULSE), (2, 0), (1, _PULSE), (20, 0),
                thr=3, rfr=2, thrvar_en=1, thrleak=5, **_LEAK,
            ),
            _behaviour(
                "P",
                "Bistability",
                "bist_en: one interval of strong input switches firing on, the next one off",
                (_REST, 0), (1, _PULSE), (39, 0), (1, _PULSE), (30, 0),
                thr=7, rfr=3, bist_en=1, stim_thr=2,
            ),
            _behaviour(
                "Q",
                "Depolarising after-potential",
                "dap_en: after a spike core is +rfr for dapdel time references",
                (_REST, 0), (1, 5 * STEP), (30, 0),
                thr=5, rfr=3, dap_en=1, dapdel=6,
            ),
            _behaviour(
                "R",
                "Accommodation",
                "acc_en: the threshold follows the input of the interval before",
                (_REST, 0), (30, (0, 5 * STEP)), (20, 0), (3, (0, 5 * STEP)), (20, 0),
                thr=2, rfr=2, acc_en=1,
            ),
            _behaviour(
                "S",
                "Inhibition-induced spiking",
                "inhin_en: once inhibition has taken core to -thr it fires whenever it is back at "
                "0, until the inhibition ends",
                (_REST, 0), (60, -12), (30, 0),
                thr=3, rfr=4, inhin_en=1, neg_en=1, **_LEAK,
            ),
            _behaviour(
                "T",
                "Inhibition-induced bursting",
                "inhin_en with spk_ref more spikes",
                (_REST, 0), (80, -12), (30, 0),
                thr=3, inhin_en=1, neg_en=1, **_BURST, **_LEAK,
            ),
        ]
    )
)  # fmt: skip
