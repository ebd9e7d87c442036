"""What a page is about: a program, and what came of running it and its model."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nm_backends.errors import UserError

if TYPE_CHECKING:
    from nm_backends.history import History
    from nm_backends.program import Program
    from nm_backends.result import Result
    from nm_backends.rules import Report
    from nm_backends.system.program import System

__all__ = ["Evidence", "file_sums", "gather"]


@dataclass
class Evidence:
    """A program and everything that is known of it.

    Parameters
    ----------
    report
        Findings of the compilation, and of the run if there was one.
    result, reference
        Of the chip and of the model in floating point on the same spikes; None without spikes.
    labels
        int64 ``[samples]``, or None.
    sample
        The one that is drawn.
    history
        How the program learned, or None.
    stopped
        Why the chip did not run the spikes, or ``""``.
    files
        Name to SHA-256 of the files that the page was made of.
    command
        What makes the page again.
    """

    program: Program | System
    report: Report
    result: Result | None = None
    reference: Result | None = None
    labels: np.ndarray | None = None
    sample: int = 0
    history: History | None = None
    stopped: str = ""
    files: dict[str, str] = field(default_factory=dict)
    command: str = ""

    @property
    def parts(self) -> list[Program]:
        """The program of each chip."""
        parts = getattr(self.program, "parts", None)
        return [self.program] if parts is None else [part.program for part in parts]  # type: ignore[list-item]

    @property
    def accuracy(self) -> tuple[float, float] | None:
        """Shares of samples that chip and model decide rightly; None without labels."""
        if self.labels is None or self.result is None or self.reference is None:
            return None
        chip, model = (
            float(np.mean(found.prediction == self.labels))
            for found in (self.result, self.reference)
        )
        return chip, model

    @property
    def decisions(self) -> float | None:
        """Share of samples that chip and model decide alike; None without spikes."""
        if self.result is None or self.reference is None:
            return None
        return float(np.mean(self.result.prediction == self.reference.prediction))


def gather(
    program: Program | System,
    spikes: Any = None,
    labels: Any = None,
    *,
    sample: int = 0,
    history: History | None = None,
    files: Sequence[str | os.PathLike[str]] = (),
    command: str = "",
) -> Evidence:
    """Run a program and its model on spikes, and keep what is to be said.

    Parameters
    ----------
    spikes
        As for ``program.run``; None: only what is known without a run.
    labels
        Right answers ``[samples]``.
    sample
        Which sample is drawn.
    history
        What ``program.learn`` gave back.
    files
        Named on the page with their SHA-256.
    command
        What makes the page again.

    Raises
    ------
    UserError
        The spikes do not belong to the model, labels are not one per sample, or there is no such
        sample.
    """
    found = Evidence(
        program, program.check(), sample=sample, history=history, files=file_sums(files),
        command=command,
    )  # fmt: skip
    if spikes is not None:
        _run(found, spikes, labels)
    return found


def file_sums(files: Sequence[str | os.PathLike[str]]) -> dict[str, str]:
    """Return the SHA-256 of files, by their names."""
    return {Path(f).name: hashlib.sha256(Path(f).read_bytes()).hexdigest() for f in files}


def _run(found: Evidence, spikes: Any, labels: Any) -> None:
    from nm_backends.loss_rules import never_comes_to_rest
    from nm_backends.losses import findings
    from nm_backends.run import reference

    program = found.program
    wanted = reference(program.network, spikes)
    found.labels = _labels(wanted, labels)
    if not 0 <= found.sample < len(wanted.prediction):
        samples = len(wanted.prediction)
        raise UserError(f"there is no sample {found.sample}", f"there are {samples:,}, from 0 on")
    try:
        result = program.run(spikes, record=("membrane", "losses", *_ticks(program)))
    except UserError as error:  # not about the spikes: the model took them
        found.stopped = str(error)
        found.report.add(never_comes_to_rest.at(found.stopped, hint=error.hint))
        return
    found.result, found.reference = result, wanted
    found.report.extend(findings(program, [result], [wanted]))


def _ticks(program: Program | System) -> tuple[str, ...]:
    """Name what tells how long steps take, where the chip is run step by step."""
    from nm_backends.assumptions import backend_of

    if hasattr(program, "parts"):
        return ()
    return ("ticks",) if hasattr(backend_of(program), "open_session") else ()


def _labels(wanted: Result, labels: Any) -> np.ndarray | None:
    given = wanted.metadata.get("labels") if labels is None else labels
    if given is None:
        return None
    found = np.asarray(given)
    if found.shape != wanted.prediction.shape:
        raise UserError(
            f"labels {list(found.shape)} for {len(wanted.prediction):,} samples",
            "expected one label per sample",
        )
    return found
