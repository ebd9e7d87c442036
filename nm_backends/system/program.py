"""A network on several chips, as one program."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from nm_backends.errors import UserError
from nm_backends.network import Network
from nm_backends.program import CompileOptions, Fit, Program, Resource
from nm_backends.rules import Report

if TYPE_CHECKING:
    from nm_backends.result import Result
    from nm_backends.session import Session
    from nm_backends.streaming import Stream

__all__ = ["Part", "System"]


@dataclass
class Part:
    """What one chip holds.

    Parameters
    ----------
    program
        Of the piece of the network (`nm_backends.system.pieces`).
    level
        Its place in a time step: chips of one level run side by side.
    neurons
        Population to the neurons that are here, ascending int64.
    """

    program: Program
    level: int
    neurons: dict[str, np.ndarray]


@dataclass
class System:
    """A network compiled for several chips of one kind; ``nmb.compile(..., chips=...)`` makes it.

    Parameters
    ----------
    chip
        Name of the kind.
    network
        All of it.
    parts
        One per chip, level by level; chip ``i`` is ``parts[i]``.
    shared
        Whether a single chip is all of ``parts`` in turn, programmed anew for each.
    """

    chip: str
    network: Network
    parts: list[Part]
    shared: bool
    report: Report
    options: CompileOptions = field(default_factory=CompileOptions)
    metadata: dict[str, object] = field(default_factory=dict)

    @property
    def chips(self) -> int:
        """Number of chips."""
        return 1 if self.shared else len(self.parts)

    @property
    def resources(self) -> list[Resource]:
        """How much is in use, chip by chip: ``chip 0 neurons``..."""
        return [
            replace(r, name=f"chip {i} {r.name}")
            for i, part in enumerate(self.parts)
            for r in part.program.resources
        ]

    @property
    def fit(self) -> Fit:
        """The fit of every piece of a population: ``chip 0 fc1``...; accuracies of the whole."""
        said: dict[str, Any] = {
            name: self.metadata[name]
            for name in ("accuracy", "float_accuracy", "judged_samples")
            if name in self.metadata
        }
        return Fit(
            {
                f"chip {i} {name}": replace(fit, name=f"chip {i} {name}")
                for i, part in enumerate(self.parts)
                for name, fit in part.program.fit.populations.items()
            },
            **said,
        )

    def stream(
        self,
        data: Any,
        batch: int = 64,
        steps: int | None = None,
        record: Sequence[str] = (),
        threads: int | None = None,
        progress: Callable[[int], None] | bool | None = None,
    ) -> Stream:
        """Run a dataset that does not fit into memory; as `nm_backends.program.Program.stream`."""
        from nm_backends.streaming import Stream

        return Stream(self, data, batch, steps, record, threads, progress)

    def check(self, spikes: Any = None) -> Report:
        """Say what was found when this was compiled, and what the images would do to the chips.

        With ``spikes`` also where spikes and charge are lost when it runs on them.
        """
        report = replace(self.report, diagnostics=list(self.report.diagnostics))
        for part in self.parts:
            report.extend(part.program.check().diagnostics)
        if spikes is not None:
            from nm_backends.losses import predict

            report.extend(predict(self, spikes))
        return report

    def run(
        self,
        spikes: Any,
        record: Sequence[str] = (),
        threads: int | None = None,
        progress: Callable[[int], None] | bool | None = None,
        driving: Literal["idle", "back_to_back"] = "idle",
        keep: Literal["auto", "spikes", "readout"] = "auto",
    ) -> Result:
        """Execute all images on spikes, bit for bit, with the host between them.

        Parameters
        ----------
        spikes, record, threads, progress, driving, keep
            As for `nm_backends.program.Program.run`.

        Returns
        -------
        Result
            Counters are sums over the chips (``cycles``: over the levels, of the slowest chip of
            each); those of chip 0 are ``chip0:events_in`` and so on, spikes carried from chip 0 to
            chip 2 are ``link:0->2``, those of the input ``link:in->0``. ``metadata["links"]`` sums
            them up, with ``metadata["reprogramming"]`` where one chip is all in turn.
        """
        from nm_backends.run import run_program
        from nm_backends.system.running import SystemRunner

        runner, program = SystemRunner(self), cast(Program, self)  # all that it asks is here, too
        return run_program(program, spikes, record, threads, progress, driving, runner, keep)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all programs to one ``.nmb`` file; see `nm_backends.load`."""
        from nm_backends.system.artifact import save

        save(self, path)

    def export(
        self,
        directory: str | os.PathLike[str],
        spikes: Any = None,
        targets: Any = None,
        learning: Any = None,
    ) -> list[Path]:
        """Write what programs and drives the chips: a directory for each, and ``routes.csv``."""
        from nm_backends.system.exporting import export

        if targets is not None or learning is not None:
            raise self.frozen()
        return export(self, directory, spikes)

    def learn(self, *arguments: Any, **options: Any) -> Any:
        """Systems do not learn: this says so."""
        raise self.frozen()

    def session(self, batch: int | None = None, learning: Any = None) -> Session:
        """Return the chips, to be run step by step; as `nm_backends.program.Program.session`.

        Raises
        ------
        UserError
            A single chip is all parts in turn, or ``learning`` is asked for.
        """
        from nm_backends.session import Session
        from nm_backends.system.session import SystemSession

        if learning is not None and learning is not False:
            raise self.frozen()
        return Session(cast(Program, self), batch, chip=SystemSession(self, batch or 1))

    def frozen(self) -> UserError:
        """Return the error of what would have the chips learn."""
        return UserError(
            "several chips do not learn together: the rule of a chip knows its own neurons only",
            "compile for one chip to learn",
        )

    def _repr_html_(self) -> str:
        from nm_backends.html import program_html

        return program_html(self)

    def __repr__(self) -> str:
        from nm_backends.system.text import system_text

        return system_text(self)
