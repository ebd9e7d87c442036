"""Is the chip fast enough: how long steps take on it, beside how long they last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends import cost
from nm_backends.errors import UserError
from nm_backends.result import Estimate

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec

__all__ = ["RealTime", "real_time", "step_cycles"]

_NAMED = 3  # steps that a text names


@dataclass(frozen=True)
class RealTime:
    """Whether a chip keeps up with input that comes in steps of ``dt``.

    Parameters
    ----------
    dt
        Seconds per step.
    steps
        Steps of a sample.
    factor
        How long a sample lasts over how long it takes the chip at the clock that its sources state,
        ``[batch]``: at 1 and above the chip keeps up on average.
    clock
        The slowest clock that would do on average, ``[batch]`` in Hz.
    power
        Power at that clock, ``[batch]`` in watts; None where it is not published.
    step_seconds
        How long each step takes, float64 ``[time, batch]``; None unless recorded
        (``program.run(spikes, record=("ticks",))``).
    """

    dt: float
    steps: int
    factor: Estimate
    clock: Estimate
    power: Estimate | None = None
    step_seconds: np.ndarray | None = None

    @property
    def ok(self) -> bool:
        """Whether no sample takes longer than it lasts."""
        return bool((np.asarray(self.factor.value) >= 1).all())

    @property
    def slowest(self) -> float:
        """The factor of the slowest sample."""
        return float(np.min(self.factor.value, initial=np.inf))

    @property
    def overruns(self) -> np.ndarray:
        """Steps that take longer than ``dt``: int64 ``[n, 2]``, step and sample, the worst first.

        Raises
        ------
        UserError
            Steps were not recorded.
        """
        seconds = self._recorded()
        late = np.argwhere(seconds > self.dt)
        return late[np.argsort(-seconds[tuple(late.T)], kind="stable")]

    @property
    def lag(self) -> np.ndarray:
        """How far the chip falls behind its input at worst, seconds ``[batch]``.

        A step starts when its input is there and the chip is done with the step before.
        """
        seconds = self._recorded()
        worst = behind = np.zeros(seconds.shape[1])
        for step in seconds:
            behind = np.maximum(behind + step - self.dt, 0)
            worst = np.maximum(worst, behind)
        return worst

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: means over the samples, and every step that overruns."""
        found: dict[str, Any] = {
            "ok": self.ok, "dt": self.dt, "factor": self.factor.mean,
            "slowest_factor": self.slowest,
            "clock_hz": self.clock.mean,
            "power_w": None if self.power is None else self.power.mean,
            "formula": self.factor.formula, "source": self.factor.source,
            "status": self.factor.status,
        }  # fmt: skip
        if self.step_seconds is not None:
            found["overruns"] = [{"step": int(t), "sample": int(s)} for t, s in self.overruns]
            found["lag_s"] = float(np.max(self.lag, initial=0.0))
        return found

    def __str__(self) -> str:
        text = (
            f"{self.factor.mean:.3g} times as fast as the input "
            f"(the slowest sample {self.slowest:.3g})"
        )
        return text if self.step_seconds is None else f"{text}; {self._told()}"

    def _told(self) -> str:
        seconds, late = self._recorded(), self.overruns
        if not len(late):
            return "no step overruns"
        named = ", ".join(
            f"step {t} of sample {s} ({seconds[t, s]:.3g} s)" for t, s in late[:_NAMED].tolist()
        )
        more = ", ..." if len(late) > _NAMED else ""
        worst = float(self.lag.max())
        return (
            f"{len(late):,} of {seconds.size:,} steps overrun {self.dt:g} s: {named}{more}; "
            f"up to {worst:.3g} s behind"
        )

    def _recorded(self) -> np.ndarray:
        if self.step_seconds is None:
            raise UserError(
                "real_time: how long each step takes was not recorded",
                'program.run(spikes, record=("ticks",)), or nmb run --record ticks',
            )
        return self.step_seconds


def real_time(
    spec: ChipSpec,
    dt: float | None,
    steps: int,
    latency: Estimate | None,
    sops: np.ndarray | None = None,
    cycles: np.ndarray | None = None,
) -> RealTime | None:
    """Set the time that samples take beside the time that they last.

    Parameters
    ----------
    dt, steps
        Seconds per step, steps per sample.
    latency
        Seconds per sample, at the chip's clock ``f_clk``.
    sops
        Synaptic operations per sample, for the power; None: it is not known.
    cycles
        Clock cycles of each step, int64 ``[time, batch]``, or None.

    Returns
    -------
    RealTime
        None where there is no time step, no latency or nothing to run.
    """
    if dt is None or latency is None or steps == 0 or "f_clk" not in spec.quantities:
        return None
    clock, lasts = spec.quantities["f_clk"], steps * dt
    with np.errstate(divide="ignore"):
        factor = lasts / np.asarray(latency.value, dtype=float)
    needed = clock.value / factor
    about = (latency.source, latency.status)
    return RealTime(
        dt,
        steps,
        Estimate(factor, "1", f"steps * dt / latency; latency = {latency.formula}", *about),
        Estimate(needed, "Hz", "f_clk * latency / (steps * dt)", *about),
        None if sops is None else cost.power(spec, np.asarray(sops) / lasts, needed),
        None if cycles is None else cycles / clock.value,
    )


def step_cycles(backend: Any, program: Any, counts: np.ndarray) -> np.ndarray:
    """Return the clock cycles that each step adds to its sample, int64 ``[time, batch]``.

    Parameters
    ----------
    backend
        One that is run step by step.
    counts
        Input spikes uint8 ``[time, batch, channels]``.

    Raises
    ------
    UserError
        The chip is not run step by step.
    """
    if getattr(backend, "open_session", None) is None:
        raise UserError(
            f"ticks: this program on {program.chip!r} is not run step by step: steps have no time",
            "leave 'ticks' out of record; result.real_time has the whole samples",
        )
    steps, batch = counts.shape[:2]
    found = np.zeros((steps + 1, batch), np.int64)
    if batch == 0:
        return found[1:]
    session = backend.open_session(program, batch, None)
    for t in range(steps):
        session.step(counts[t], None)
        found[t + 1] = session.counters()["cycles"]
    return np.diff(found, axis=0)
