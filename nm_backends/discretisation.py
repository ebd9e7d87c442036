"""What a ``.nir`` file does not say: time step, reset rule, comparison, initial state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from nm_backends.network import Reset, SpikeCmp

__all__ = ["Discretisation"]


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
        or ``{NIR node name: number or array}``.
    if_gain
        Gain of IF nodes: ``"r"``, ``"r*dt"``, or ``"auto"`` (whichever of the two is 1).
    w_in
        ``{NIR node name: value}`` or one value for all CubaLIF nodes; ``"tau_syn/dt"`` is what
        Norse's exporter should have written.
    v_reset
        ``{NIR node name: value}`` or one value, where the exporter lost it.
    snap
        Snap decays and gains within 2e-6 to the nearest 1/1000 or 1/4096, undoing the float32
        rounding of the exporters.
    """

    framework: Literal["snntorch", "norse", "spikingjelly", "lava", "nir"] | None = None
    dt: float | None = None
    reset: Reset | Mapping[str, Reset] | None = None
    graded: Mapping[str, float] | None = None
    spike_cmp: SpikeCmp | None = None
    v0: str | float | Mapping[str, object] | None = None
    if_gain: Literal["r", "r*dt", "auto"] | None = None
    w_in: float | str | Mapping[str, object] | None = None
    v_reset: float | Mapping[str, object] | None = None
    snap: bool | None = None
    assumed: tuple[str, ...] = field(default=(), compare=False)
