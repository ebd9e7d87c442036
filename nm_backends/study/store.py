"""Where trials are kept: an SQLite file, in which a trial is there as a whole or not at all.

``trials``
    One row per recipe that was run: ``key``, ``recipe`` (JSON), and the columns of
    `nm_backends.study.metrics`.
``points``
    The trials of the study: ``number``, ``key``, ``parameters`` (JSON: what was chosen).
``results``
    A view of both, with a column for each thing that varies: what people analyse.
``clock``
    What depends on the machine: seconds, when, who, in which session. In no other table.
``meta``
    ``format``, ``study``.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from nm_backends.errors import UserError
from nm_backends.study.axes import Point
from nm_backends.study.metrics import COLUMNS, Row
from nm_backends.study.recipe import Trial, text_of
from nm_backends.study.trial import Outcome

__all__ = ["RETRIED", "Store"]

FORMAT = "nm-backends study 1"
RETRIED = ("crashed", "died")
"""States of trials that may end otherwise when run again."""
_TABLES = f"""
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS trials (key TEXT PRIMARY KEY, recipe TEXT NOT NULL,
    {", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())});
CREATE TABLE IF NOT EXISTS points (number INTEGER PRIMARY KEY, key TEXT NOT NULL,
    parameters TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS clock (key TEXT PRIMARY KEY, seconds REAL, finished TEXT, worker TEXT,
    session INTEGER);
"""
_PLACES = ", ".join("?" * (len(COLUMNS) + 2))


class Store:
    """An open study file; one process at a time writes it.

    Parameters
    ----------
    path
        Of the SQLite file, which is made if it is not there.

    Raises
    ------
    UserError
        It is another kind of file, cannot be written, or another sweep is writing it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock = _locked(self.path)
        try:
            self._open()
        except sqlite3.Error as error:
            self._lock.close()
            raise UserError(f"{self.path}: {error}", "give another --database") from None
        except UserError:
            self._lock.close()
            raise

    def _open(self) -> None:
        self._db = sqlite3.connect(self.path, isolation_level=None)
        # A commit survives the end of this process; after a power cut the file is whole, but the
        # last trials may have to run again.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_TABLES)
        known = dict(self._db.execute("SELECT name, value FROM meta"))
        if known.get("format", FORMAT) != FORMAT:
            raise UserError(
                f"{self.path}: {known['format']!r}, expected {FORMAT!r}", "give another --database"
            )
        self._db.execute("INSERT OR IGNORE INTO meta VALUES ('format', ?)", (FORMAT,))
        last = self._db.execute("SELECT max(session) FROM clock").fetchone()[0]
        self.session = (last or 0) + 1

    def close(self) -> None:
        """Close the file."""
        self._db.close()
        with suppress(OSError):
            _lock_path(self.path).unlink()
        self._lock.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, study: str, trials: Sequence[Trial], varied: Sequence[str]) -> None:
        """Note which trials make the study; what is known of them stays."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('study', ?)", (study,))
        self._db.execute("DELETE FROM points")
        self._add(trials)
        self._db.execute("DROP VIEW IF EXISTS results")
        self._db.execute(_view(varied))
        self._db.execute("COMMIT")

    def add(self, trials: Sequence[Trial]) -> None:
        """Note further trials, as tuning chooses them."""
        self._db.execute("BEGIN IMMEDIATE")
        self._add(trials)
        self._db.execute("COMMIT")

    def _add(self, trials: Sequence[Trial]) -> None:
        rows = [(t.number, t.key, json.dumps(t.point, sort_keys=True)) for t in trials]
        self._db.executemany("INSERT INTO points VALUES (?, ?, ?)", rows)

    def known(self, *, retry: bool = False) -> set[str]:
        """Return the keys of trials that need not run."""
        wanted = "WHERE status NOT IN ('crashed', 'died')" if retry else ""
        return {key for (key,) in self._db.execute(f"SELECT key FROM trials {wanted}")}

    def put(self, trial: Trial, outcome: Outcome) -> None:
        """Keep what came of a trial, at once and for good."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        values = [outcome.row[name] for name in COLUMNS]
        clock = (trial.key, outcome.seconds, now, outcome.worker, self.session)
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute(
            "DELETE FROM trials WHERE key = ? AND status IN ('crashed', 'died')", (trial.key,)
        )
        text = text_of(trial.recipe)
        self._db.execute(f"INSERT INTO trials VALUES ({_PLACES})", (trial.key, text, *values))
        self._db.execute("INSERT OR REPLACE INTO clock VALUES (?, ?, ?, ?, ?)", clock)
        self._db.execute("COMMIT")

    def get(self, key: str) -> Row | None:
        """Return what is known of a recipe."""
        rows = self._dicts("SELECT * FROM trials WHERE key = ?", (key,))
        return {name: rows[0][name] for name in COLUMNS} if rows else None

    def results(self) -> list[dict[str, Any]]:
        """Return the rows of the study, in its order."""
        return self._dicts("SELECT * FROM results ORDER BY number")

    def points(self) -> list[tuple[int, Point]]:
        """Return number and point of the trials of the study."""
        rows = self._db.execute("SELECT number, parameters FROM points ORDER BY number")
        return [(number, json.loads(text)) for number, text in rows]

    def sessions(self) -> dict[int, int]:
        """Return how many trials each session finished."""
        return dict(self._db.execute("SELECT session, count(*) FROM clock GROUP BY session"))

    def _dicts(self, query: str, values: Iterable[Any] = ()) -> list[dict[str, Any]]:
        cursor = self._db.execute(query, tuple(values))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def _view(varied: Sequence[str]) -> str:
    """Return the view of results: number, key, what varies, what came of it."""
    chosen = [
        f'json_extract(parameters, \'$."{_quoted(name)}"\') AS "{_quoted(name)}"' for name in varied
    ]
    metrics = [f"trials.{name}" for name in COLUMNS]
    columns = ", ".join(["points.number", "points.key", *chosen, *metrics])
    return f"CREATE VIEW results AS SELECT {columns} FROM points LEFT JOIN trials USING (key)"


def _quoted(name: str) -> str:
    if '"' in name or "'" in name or "\\" in name:
        raise UserError(f"{name!r}: a name with quotes cannot be a column")
    return name


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _locked(path: Path) -> sqlite3.Connection:
    """Hold a lock that ends with this process, however it ends: SQLite's own, on a file beside."""
    if not path.parent.is_dir():
        raise UserError(f"{path}: the directory {path.parent} does not exist", "make it first")
    lock = None
    try:
        lock = sqlite3.connect(_lock_path(path), timeout=0.2, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if lock is not None:
            lock.close()
        if "locked" in str(error):
            raise UserError(
                f"{path}: another sweep is writing it", "wait for it, or give another --database"
            ) from None
        raise UserError(f"{path}: {error}", "give another --database") from None
    return lock
