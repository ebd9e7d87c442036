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


def kill_one(cluster, database):
    """Kill a worker's process once some trials are kept."""
    pids = [worker.process.process.pid for worker in cluster.workers.values()]

    def watch():
        while not database.exists() or count(database) < 10:
            time.sleep(0.01)
        os.kill(pids[0], signal.SIGKILL)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    return watcher


def count(database):
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        try:
            return db.execute("SELECT count(*) FROM trials").fetchone()[0]
        except sqlite3.OperationalError:
            return 0


def test_a_killed_worker_changes_nothing(cluster, tmp_path):
    path = write_study(tmp_path, LONG)
    here = nmb.sweep(path, tmp_path / "here.sqlite", engine="here")
    watcher = kill_one(cluster, tmp_path / "dask.sqlite")
    spread = nmb.sweep(
        path, tmp_path / "dask.sqlite", engine="dask", scheduler=cluster.scheduler_address
    )
    watcher.join(1)
    assert not watcher.is_alive(), "no worker was killed"
    assert spread.rows == here.rows
    assert spread.digest == here.digest
    assert spread.sessions == {1: 120}
    with sqlite3.connect(tmp_path / "dask.sqlite") as db:
        workers = db.execute("SELECT count(DISTINCT worker) FROM clock").fetchone()[0]
    assert workers >= 3


def test_the_command_line_takes_an_address(cluster, nmb, tmp_path):
    path = write_study(tmp_path, STUDY.replace("count = 6", "count = 1"))
    done = nmb("sweep", path, "--engine", "dask", "--scheduler", cluster.scheduler_address)
    assert done.exit_code == 0, done.output
    assert "4 trials (4 ok)" in done.stdout


def test_nobody_at_the_address_is_told(tmp_path):
    path = write_study(tmp_path)
    with pytest.raises(UserError, match="no Dask scheduler at tcp"):
        nmb.sweep(path, engine="dask", scheduler="tcp://127.0.0.1:9")
