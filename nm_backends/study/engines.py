"""Who runs trials: this process, or processes on all cores of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

from nm_backends.cores import THREADS, usable_cores
from nm_backends.study.metrics import row
from nm_backends.study.recipe import Recipe, Trial
from nm_backends.study.sources import Bundle
from nm_backends.study.trial import Outcome, run_trial

__all__ = ["Engine", "Here", "Processes", "died"]

_ONE = (THREADS, "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_AHEAD = 1  # trials per worker that wait with it, so that none stands idle

Finished = tuple[Trial, Outcome]


class Engine(Protocol):
    """Runs trials. Use it as a context manager: what it was doing when that ends is given up."""

    def __enter__(self) -> Engine:
        """Begin; nothing is started before there is a trial to run."""
        ...

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """Stop, and leave nothing behind."""
        ...

    def run(self, bundle: Bundle, trials: Iterable[Trial]) -> Generator[Finished, None, None]:
        """Yield what comes of each trial, as they finish; the bundle is always the same."""
        ...


class Here:
    """One trial after the other, in this process."""

    def __enter__(self) -> Here:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        pass

    def run(self, bundle: Bundle, trials: Iterable[Trial]) -> Generator[Finished, None, None]:
        """Yield what comes of each trial, in their order."""
        for trial in trials:
            yield trial, run_trial(bundle, trial.recipe)


class Processes:
    """Processes of this machine, one trial each at a time.

    A process that dies (for want of memory, say) costs the trials that were under way: each of
    them is run again, alone; the one that kills its process then is a row that says so.

    Parameters
    ----------
    workers
        How many; by default one per usable core.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or usable_cores()
        self._pool: ProcessPoolExecutor | None = None
        self._environment: dict[str, str | None] = {}

    def __enter__(self) -> Processes:
        # The processes that are started from now on use one thread each.
        self._environment = {name: os.environ.get(name) for name in _ONE}
        os.environ.update(dict.fromkeys(_ONE, "1"))
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._dismiss(at_once=kind is not None)

    def run(self, bundle: Bundle, trials: Iterable[Trial]) -> Generator[Finished, None, None]:
        """Yield what comes of each trial, as they finish."""
        waiting = deque(trials)
        while waiting:
            suspects: list[Trial] = []
            yield from _pumped(self._staff(bundle), waiting, self.workers * (1 + _AHEAD), suspects)
            for suspect in suspects:
                self._dismiss()
                yield suspect, _alone(self._staff(bundle), suspect)
            if suspects:
                self._dismiss()

    def _staff(self, bundle: Bundle) -> ProcessPoolExecutor:
        """Return processes that have the bundle; they are started as they are needed."""
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, context, _prepare, (bundle,))
        return self._pool

    def _dismiss(self, *, at_once: bool = False) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        if at_once:
            for process in list((getattr(pool, "_processes", None) or {}).values()):
                process.terminate()
        pool.shutdown(cancel_futures=True)


def _pumped(
    pool: ProcessPoolExecutor, waiting: deque[Trial], most: int, suspects: list[Trial]
) -> Iterator[Finished]:
    """Yield outcomes until all are done, or a process died; then name what was under way."""
    running: dict[Future[Outcome], Trial] = {}
    while waiting or running:
        try:
            while waiting and len(running) < most:
                running[pool.submit(_work, waiting[0].recipe)] = waiting[0]
                waiting.popleft()
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                outcome = future.result()
                yield running.pop(future), outcome
        except BrokenProcessPool:
            for future, trial in running.items():
                if future.done() and future.exception() is None:
                    yield trial, future.result()
                else:
                    suspects.append(trial)
            return


def _alone(pool: ProcessPoolExecutor, trial: Trial) -> Outcome:
    """Run one trial with nobody beside it."""
    try:
        return pool.submit(_work, trial.recipe).result()
    except BrokenProcessPool:
        return died("its process ended without a word, twice (is there enough memory?)")


def died(message: str) -> Outcome:
    """Return the outcome of a trial that took its worker with it."""
    return Outcome(row("died", message=message), 0.0, "")


_BUNDLE = Bundle()


def _prepare(bundle: Bundle) -> None:
    """Make a process ready: it has the bundle, and lives no longer than who started it."""
    global _BUNDLE
    _BUNDLE = bundle
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to decide
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(recipe: Recipe) -> Outcome:
    return run_trial(_BUNDLE, recipe)
