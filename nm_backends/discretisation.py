"""What a ``.nir`` file does not say: time step, reset rule, comparison, initial state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from nm_backends.network import Reset, SpikeCmp

__all__ = ["CONVENTIONS", "RESETS", "Conventions", "Discretisation", "Framework"]

Framework = Literal["snntorch", "norse", "spikingjelly", "lava", "nir"]
RESETS: tuple[str, ...] = get_args(Reset)
START_WORDS = ("zero", "v_leak", "v_reset")
IF_GAINS = ("r", "r*dt", "auto")
W_IN_RULE = "tau_syn/dt"


@dataclass(frozen=True)
class Discretisation:
    """How continuous-time NIR parameters become per-step arithmetic.

    ``framework`` chooses a set of conventions; every other field overrides it. None means "take it
    from the file's metadata, else from the framework's conventions, else assume and warn".

    Parameters
    ----------
    framework
        ``"snntorch"``, ``"norse"``, ``"spikingjelly"``, ``"lava"``, ``"nir"`` (the NIR text).
    dt
        Time step in seconds.
    reset
        One rule name for all spiking nodes, or ``{NIR node name: rule}``: ``zero``, ``subtract``,
        ``subtract_delayed``, ``subtract_nodelay_snntorch``, ``zero_dropinput``, ``none``.
    graded
        ``{NIR node name: factor}``: what one spike of that node is worth to its listeners.
    spike_cmp
        ``">"`` (snnTorch, Norse, NIR) or ``">="`` (SpikingJelly).
    v0
        Initial membrane: ``"zero"``, ``"v_leak"`` (Norse), ``"v_reset"`` (SpikingJelly), a number,
        or ``{NIR node name: number, array or one of these words}``.
    if_gain
        Gain of IF nodes: ``"r"``, ``"r*dt"``, or ``"auto"`` (whichever of the two is 1).
    w_in
        ``{NIR node name: value}`` or one value for all CubaLIF nodes; ``"tau_syn/dt"`` is what
        Norse's exporter should have written.
    v_reset
        ``{NIR node name: value}`` or one value, where the exporter lost it.
    snap
        Snap decays and gains within 2e-6 (or within this number) to the nearest 1/1000 or 1/4096,
        undoing the float32 rounding of the exporters.
    assumed
        Codes of the assumptions that were made; filled in by the lowering.
    """

    framework: Framework | None = None
    dt: float | None = None
    reset: Reset | Mapping[str, Reset] | None = None
    graded: Mapping[str, float] | None = None
    spike_cmp: SpikeCmp | None = None
    v0: str | float | Mapping[str, object] | None = None
    if_gain: Literal["r", "r*dt", "auto"] | None = None
    w_in: float | str | Mapping[str, object] | None = None
    v_reset: float | Mapping[str, object] | None = None
    snap: bool | float | None = None
    assumed: tuple[str, ...] = field(default=(), compare=False)

    def to_metadata(self) -> dict[str, Any]:
        """Return the fields that are set, in a form that ``nir.write`` can store.

        Frontends put it into ``graph.metadata["nm_backends"]``, where `lower` finds it.
        """
        found: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name != "assumed" and value is not None:
                found[item.name] = dict(value) if isinstance(value, Mapping) else value
        return found

    def __str__(self) -> str:
        parts = []
        for name, value in self.to_metadata().items():
            if isinstance(value, Mapping):
                parts.append(f"{name} " + ", ".join(f"{k}: {_short(v)}" for k, v in value.items()))
            else:
                parts.append(f"{name} {_short(value)}")
        return "; ".join(parts) or "nothing said"


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Conventions:
    """What a framework means when its exporter does not say it.

    ``dt`` and ``reset`` are None where the framework leaves them to the user, so that they have to
    be assumed with a warning.
    """

    dt: float | None
    spike_cmp: SpikeCmp
    v0: str
    if_gain: Literal["r", "r*dt", "auto"]
    reset: Reset | None
    norse_exporter: bool = False


CONVENTIONS: dict[str, Conventions] = {
    "snntorch": Conventions(1e-4, ">", "zero", "auto", None),
    "norse": Conventions(1e-3, ">", "v_leak", "r", None, norse_exporter=True),
    "spikingjelly": Conventions(1e-4, ">=", "v_reset", "r*dt", "zero"),
    "lava": Conventions(None, ">", "zero", "auto", "zero"),
    "nir": Conventions(None, ">", "zero", "r*dt", "zero"),
}
"""Conventions by framework (seen by running each framework against its exported files)."""
