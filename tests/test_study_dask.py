"""Sweeps on a real Dask cluster of processes, one of which is killed on the way."""

import os
import signal
import sqlite3
import threading
import time

import pytest
from study_cases import STUDY, write_study

import nm_backends as nmb
from nm_backends.errors import UserError

LONG = STUDY.replace("count = 6", "count = 30")


@pytest.fixture(scope="module")
def cluster():
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None
    ) as running:
        yield running


def kill_one(database, killed):
    """Kill the first worker that has finished a trial; ``killed`` gets its number."""

    def watch():
        while not at_work(database):
            time.sleep(0.01)
        pid = int(at_work(database).pop().rpartition(":")[2])
        os.kill(pid, signal.SIGKILL)
        killed.append((pid, count(database)))

    threading.Thread(target=watch, daemon=True).start()


def at_work(database):
    """Return the workers that have finished a trial."""
    return {name for (name,) in asked(database, "SELECT DISTINCT worker FROM clock")}


def count(database):
    """Return how many trials are kept."""
    return len(asked(database, "SELECT key FROM clock"))


def asked(database, query):
    """Return the rows of a query; none before there is something to ask."""
    if not database.exists():
        return []
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        try:
            return db.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []


def test_a_killed_worker_changes_nothing(cluster, tmp_path):
    path = write_study(tmp_path, LONG)
    here = nmb.sweep(path, tmp_path / "here.sqlite", engine="here")
    killed = []
    kill_one(tmp_path / "dask.sqlite", killed)
    spread = nmb.sweep(
        path, tmp_path / "dask.sqlite", engine="dask", scheduler=cluster.scheduler_address
    )
    ((_, kept),) = killed
    assert kept < 120, "it was killed when all was done"
    assert spread.rows == here.rows
    assert spread.digest == here.digest
    assert spread.sessions == {1: 120}
    assert len(at_work(tmp_path / "dask.sqlite")) >= 2


def test_the_command_line_takes_an_address(cluster, nmb, tmp_path):
    path = write_study(tmp_path, STUDY.replace("count = 6", "count = 1"))
    done = nmb("sweep", path, "--engine", "dask", "--scheduler", cluster.scheduler_address)
    assert done.exit_code == 0, done.output
    assert "4 trials (4 ok)" in done.stdout


def test_nobody_at_the_address_is_told(tmp_path):
    path = write_study(tmp_path)
    with pytest.raises(UserError, match="no Dask scheduler at tcp"):
        nmb.sweep(path, engine="dask", scheduler="tcp://127.0.0.1:9")
