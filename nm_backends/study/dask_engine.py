"""Trials on an existing Dask cluster: it spreads them, and runs those of a lost worker again."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Generator, Iterable
from typing import Any
from uuid import uuid4

from nm_backends.cores import THREADS
from nm_backends.errors import UserError
from nm_backends.study.engines import Finished, died
from nm_backends.study.recipe import Recipe, Trial
from nm_backends.study.sources import Bundle
from nm_backends.study.trial import Outcome, run_trial

__all__ = ["Dask"]

_AT_ONCE = 1_000  # trials that the scheduler knows of
_TIMES = 3  # that data may be lost with the last worker that had it


class Dask:
    """A cluster of ``dask.distributed``, whose workers have the same nm-backends installed.

    Models and data are sent to every worker once. A worker that dies costs the trials that it had
    under way, which run again on others; a trial that kills several is a row that says so.

    Parameters
    ----------
    scheduler
        Address, such as ``tcp://host:8786``.

    Raises
    ------
    UserError
        dask.distributed is not installed, there is no address, or nobody answers there.
    """

    def __init__(self, scheduler: str | None) -> None:
        if scheduler is None:
            raise UserError("the engine dask needs a scheduler", "--scheduler tcp://HOST:8786")
        try:
            import distributed  # noqa: F401
        except ImportError:
            raise UserError(
                "dask.distributed is not installed", 'pip install "nm-backends[dask]"'
            ) from None
        self.scheduler = scheduler
        self._client: Any = None
        self._sent: Any = None

    def __enter__(self) -> Dask:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._sent = None
        if self._client is not None:
            self._client.close()  # what was under way is given up with it

    def run(self, bundle: Bundle, trials: Iterable[Trial]) -> Generator[Finished, None, None]:
        """Yield what comes of each trial, as they finish."""
        if self._client is None:
            self._client = _connected(self.scheduler)
            self._sent = _Sent(self._client, bundle)
        yield from _Session(self._client, self._sent, deque(trials)).finished()


def _connected(scheduler: str) -> Any:
    from distributed import Client

    try:
        return Client(scheduler, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(f"no Dask scheduler at {scheduler}: {error}") from None


class _Sent:
    """A bundle on all workers of a cluster; those that come later get it from them."""

    def __init__(self, client: Any, bundle: Bundle) -> None:
        self.client, self.bundle = client, bundle
        self.future = self._send()

    def _send(self) -> Any:
        return self.client.scatter(self.bundle, broadcast=True, hash=False)

    def again(self) -> None:
        """Send it again, if the last worker that had it is gone."""
        if not self.client.who_has([self.future]).get(self.future.key):
            self.future = self._send()


class _Session:
    """Trials under way on one cluster."""

    def __init__(self, client: Any, sent: _Sent, waiting: deque[Trial]) -> None:
        self.client, self.sent, self.waiting = client, sent, waiting
        self.running: dict[str, Trial] = {}
        self.lost: Counter[str] = Counter()
        self.name = f"nmb-{uuid4().hex[:8]}"

    def _submit(self) -> list[Any]:
        futures = []
        while self.waiting and len(self.running) < _AT_ONCE:
            trial = self.waiting.popleft()
            key = f"{self.name}-{trial.key}-{self.lost[trial.key]}"
            future = self.client.submit(_work, self.sent.future, trial.recipe, key=key, pure=False)
            self.running[key] = trial
            futures.append(future)
        return futures

    def finished(self) -> Generator[Finished, None, None]:
        """Yield outcomes until no trial is left."""
        from distributed import as_completed

        # Results are fetched as soon as they are there: what a worker still holds dies with it.
        completed = as_completed(
            self._submit(), loop=self.client.loop, with_results=True, raise_errors=False
        )
        for future, result in completed:
            trial = self.running.pop(future.key)
            outcome = self._outcome(future, result, trial)
            if outcome is None:
                self.waiting.append(trial)
                self.lost[trial.key] += 1
            else:
                yield trial, outcome
            for more in self._submit():
                completed.add(more)

    def _outcome(self, future: Any, result: Any, trial: Trial) -> Outcome | None:
        """Return what came of a trial; None where it has to be sent again."""
        from distributed import KilledWorker

        if isinstance(result, Outcome):
            return result
        error = future.exception() if future.status == "error" else result
        if isinstance(error, KilledWorker):
            return died("it ended several workers without a word (is there enough memory?)")
        if isinstance(error, UserError):  # a worker with other versions
            raise error
        # Lost with the last worker that had the data, or something that Dask does not name.
        if self.lost[trial.key] >= _TIMES:
            return died(f"Dask lost it: {type(error).__name__}: {error}")
        self.sent.again()
        return None


def _work(bundle: Bundle, recipe: Recipe) -> Outcome:
    os.environ[THREADS] = "1"  # the cluster says how many trials run at once
    return run_trial(bundle, recipe)
