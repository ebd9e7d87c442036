"""Sweeps that are interrupted, killed or lose processes: nothing is lost, nothing runs twice."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from study_cases import STUDY, lethal, write_study

import nm_backends as nmb
from nm_backends.errors import UserError
from nm_backends.study import engines
from nm_backends.study.description import read_study
from nm_backends.study.recipe import Trial, trials
from nm_backends.study.sources import Bundle, collect
from nm_backends.study.store import Store
from nm_backends.study.trial import run_trial

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
LONG = STUDY.replace("count = 6", "count = 40")


def finished(database):
    """Keys of the trials that are kept, with their sessions."""
    if not database.exists():
        return {}
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        try:
            return dict(db.execute("SELECT key, session FROM clock"))
        except sqlite3.OperationalError:
            return {}


def stopped_by(signum, command, database, trials):
    """Run a command, stop it with a signal once so many trials are kept; its exit status."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job's may be ignored
    )
    before = len(finished(database))
    end = time.monotonic() + 120
    while len(finished(database)) < before + trials and time.monotonic() < end:
        assert process.poll() is None, "it was too quick to be stopped"
        time.sleep(0.01)
    os.kill(process.pid, signum)
    return process.wait(60)


def test_interrupted_and_killed_it_ends_with_the_same_table_and_runs_nothing_twice(tmp_path):
    path = write_study(tmp_path, LONG)
    whole = nmb.sweep(path, tmp_path / "whole.sqlite", engine="here")
    database = tmp_path / "killed.sqlite"
    command = [sys.executable, "-m", "nm_backends", "sweep", path, "--database", database]
    command = [*map(str, command), "--workers", "1"]
    assert stopped_by(signal.SIGINT, command, database, 4) == 130
    first = finished(database)
    assert stopped_by(signal.SIGKILL, command, database, 4) == -signal.SIGKILL
    second = finished(database)
    assert first.items() <= second.items()
    results = nmb.sweep(path, database, engine="here")
    assert second.items() <= finished(database).items()
    assert len(results.sessions) == 3
    assert sum(results.sessions.values()) == len(results.rows) == 160
    assert results.rows == whole.rows
    assert results.digest == whole.digest


def test_a_process_that_dies_costs_its_trial_only(monkeypatch):
    monkeypatch.setattr(engines, "_work", lethal)
    chosen = [Trial(n, {}, {"seed": n}) for n in range(8)]
    with engines.Processes(2) as crew:
        found = {t.number: o.row for t, o in crew.run(Bundle(), chosen)}
    assert sorted(found) == list(range(8))
    assert found[3]["status"] == "died"
    assert "ended without a word" in found[3]["message"]
    assert all(found[n]["accuracy"] == n for n in found if n != 3)


def test_one_sweep_at_a_time_writes_a_database(tmp_path):
    path = write_study(tmp_path)
    with Store(tmp_path / "a.sqlite"), pytest.raises(UserError, match="another sweep"):
        nmb.sweep(path, tmp_path / "a.sqlite", engine="here")
    with Store(tmp_path / "a.sqlite"):
        pass  # the lock ends with the first


def test_a_file_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "a.sqlite").write_bytes(b"something else" * 100)
    with pytest.raises(UserError, match=r"a\.sqlite: file is not a database"):
        Store(tmp_path / "a.sqlite")
    assert (tmp_path / "a.sqlite").read_bytes() == b"something else" * 100
    with pytest.raises(UserError, match="does not exist"):
        Store(tmp_path / "nowhere" / "a.sqlite")


def test_engines_are_named(tmp_path):
    path = write_study(tmp_path)
    for wrong, words in (
        ({"engine": "cloud"}, "engine is 'cloud', expected processes, here or dask"),
        ({"workers": 0}, "workers is 0, expected 1 or more"),
        ({"scheduler": "tcp://x:1"}, "scheduler is for the engine dask"),
        ({"engine": "dask"}, "needs a scheduler"),
    ):
        with pytest.raises(UserError, match=words):
            nmb.sweep(path, **wrong)


def test_a_worker_of_another_version_is_no_result(tmp_path):
    study = read_study(write_study(tmp_path))
    found = collect(study)
    recipe = next(trials(study, found)).recipe
    other = {**recipe, "versions": {**recipe["versions"], "nm_backends": "0.0.1"}}
    with pytest.raises(UserError, match=r"the study was begun with .*0\.0\.1"):
        run_trial(found.bundle, other)
