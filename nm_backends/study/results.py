"""The table of a study: rows, their digest, files and pictures."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nm_backends.errors import UserError
from nm_backends.files import atomic_write

if TYPE_CHECKING:
    from nm_backends.study.description import Study
    from nm_backends.study.store import Store

__all__ = ["StudyResults"]

_SHOWN = (
    ("accuracy", "accuracy"), ("float_accuracy", "float"), ("decisions", "as float"),
    ("spikes", "spikes"), ("dropped", "dropped"), ("energy", "energy"), ("latency", "latency"),
)  # fmt: skip


@dataclass(frozen=True)
class StudyResults:
    """The outcome of a study, as the view ``results`` of its database has it.

    Parameters
    ----------
    rows
        One per trial, in the study's order: ``number``, ``key``, what varies, and the columns of
        `nm_backends.study.metrics` (None where there is nothing).
    varied
        Names of the columns that say what was chosen.
    database
        Where they are kept.
    sessions
        How many trials each session finished.
    """

    name: str
    rows: list[dict[str, Any]]
    varied: tuple[str, ...]
    database: Path
    sessions: dict[int, int]

    @classmethod
    def of(cls, study: Study, store: Store) -> StudyResults:
        """Read the table of an open store."""
        from nm_backends.study.running import varied

        names = tuple(varied(study))
        return cls(study.name, store.results(), names, store.path, store.sessions())

    @property
    def digest(self) -> str:
        """16 hexadecimal digits of the whole table: equal digests, equal bits."""
        text = json.dumps(self.rows, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def states(self) -> dict[str, int]:
        """How many trials ended how (``missing``: not run yet)."""
        return dict(Counter(row["status"] or "missing" for row in self.rows))

    @property
    def ok(self) -> bool:
        """Whether any trial has a result."""
        return self.states.get("ok", 0) > 0

    def best(self, metric: str = "accuracy", *, maximise: bool = True) -> dict[str, Any]:
        """Return the row with the best value of a metric (the first among equals)."""
        there = [row for row in self.rows if row["status"] == "ok" and row[metric] is not None]
        if not there:
            raise UserError(f"{self.name}: no trial has a value of {metric!r}")
        sign = -1 if maximise else 1
        return min(there, key=lambda row: (sign * row[metric], row["number"]))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        facts = {"study": self.name, "trials": len(self.rows), "states": self.states}
        facts |= {"digest": self.digest, "database": str(self.database)}
        return {**facts, "varied": list(self.varied), "rows": self.rows}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table as ``.csv`` or ``.parquet`` (needs pyarrow).

        Raises
        ------
        UserError
            Another suffix, or pyarrow is not installed.
        """
        suffix = Path(path).suffix
        if suffix == ".csv":
            with atomic_write(path) as aside, open(aside, "w", newline="") as file:
                writer = csv.DictWriter(file, list(self.rows[0]) if self.rows else [])
                writer.writeheader()
                writer.writerows(self.rows)
        elif suffix == ".parquet":
            _save_parquet(self.rows, path)
        else:
            raise UserError(f"{path}: expected a name that ends with .csv or .parquet")

    def pareto(self, path: str | os.PathLike[str]) -> None:
        """Draw accuracy over energy and latency of all trials, as a PNG file."""
        from nm_backends.study.pictures import save_pareto

        save_pareto(self, path)

    def parallel(self, path: str | os.PathLike[str], metric: str = "accuracy") -> None:
        """Draw parallel coordinates of what varies and a metric, as a PNG file."""
        from nm_backends.study.pictures import save_parallel

        save_parallel(self, path, metric)

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Return head and rows of the table as text."""
        metrics = [(m, title) for m, title in _SHOWN if any(r[m] is not None for r in self.rows)]
        names = [name for name in self.varied if name != "model" or self._several("model")]
        head = ["trial", *names, "status", *(title for _, title in metrics), "refused by"]
        rows = [
            [str(r["number"]), *(_text(r[n]) for n in names), r["status"] or "missing",
             *(_number(m, r[m]) for m, _ in metrics), r["refused_by"] or ""]
            for r in self.rows
        ]  # fmt: skip
        return head, rows

    def _several(self, name: str) -> bool:
        return len({row[name] for row in self.rows}) > 1

    @property
    def summary(self) -> str:
        """One line: trials, how they ended, the digest."""
        states = ", ".join(f"{count:,} {state}" for state, count in sorted(self.states.items()))
        return f"{self.name}: {len(self.rows):,} trials ({states}); table {self.digest}"

    def __str__(self) -> str:
        from nm_backends.tables import table

        return "\n".join([*table(*self.cells()), self.summary])


def _save_parquet(rows: list[dict[str, Any]], path: str | os.PathLike[str]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise UserError(
            f"{path}: pyarrow is not installed",
            'pip install "nm-backends[parquet]", or write a .csv file',
        ) from None
    plain = [{k: json.dumps(v) if isinstance(v, list | dict) else v for k, v in r.items()}
             for r in rows]  # fmt: skip
    with atomic_write(path) as aside:
        parquet.write_table(pyarrow.Table.from_pylist(plain), aside)


def _text(value: Any) -> str:
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _number(metric: str, value: Any) -> str:
    if value is None:
        return "-"
    if metric in ("energy", "latency"):
        from nm_backends.cli.output import with_prefix

        return with_prefix(value, "J" if metric == "energy" else "s")
    return f"{value:.1%}" if isinstance(value, float) else f"{value:,}"
