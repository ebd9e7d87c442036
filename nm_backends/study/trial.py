"""One trial: check, compile, learn, run, measure. Whatever happens, it is a row."""

from __future__ import annotations

import copy
import os
import platform
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nm_backends.errors import UserError
from nm_backends.rules import CompileError
from nm_backends.study.metrics import Row, learned, of_deployment, of_report, row
from nm_backends.study.recipe import SEED, Recipe, text_of, versions

if TYPE_CHECKING:
    from nm_backends.history import History
    from nm_backends.network import Network
    from nm_backends.program import CompileOptions, Program
    from nm_backends.result import Result
    from nm_backends.study.sources import Bundle, Data
    from nm_backends.system.program import System

__all__ = ["Outcome", "learning_arguments", "options_of", "run_trial"]

_KEPT = {"float": 4, "data": 8}  # what a worker remembers of each kind
_KEPT_ELSE = 32  # networks, programs
T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """The row of a trial, and what is about this run of it only."""

    row: Row
    seconds: float
    worker: str


def run_trial(bundle: Bundle, recipe: Recipe, threads: int | None = 1) -> Outcome:
    """Run one trial.

    Parameters
    ----------
    bundle
        Holds the models and data that the recipe names.
    threads
        Of the simulators; the row does not depend on it.

    Raises
    ------
    UserError
        The worker has other versions than the recipe: that says nothing about the trial.
    """
    begin = time.perf_counter()
    here = versions(recipe["chip"])
    if here != recipe["versions"]:
        raise UserError(
            f"a worker ({platform.node()}) has {here}, the study was begun with "
            f"{recipe['versions']}",
            "install the same versions on all workers",
        )
    try:
        found = _Trial(bundle, recipe, threads).row()
    except CompileError as refused:
        message = str(refused).splitlines()[-1]
        found = row("refused", message=message, **of_report(refused.report))
    except UserError as error:
        found = row("stopped", message=str(error))
    except Exception as error:  # a bug, or no memory: a row all the same, tried again when asked
        found = row("crashed", message=f"{type(error).__name__}: {error}")
    return Outcome(found, time.perf_counter() - begin, f"{platform.node()}:{os.getpid()}")


class _Trial:
    """A recipe, and what its steps make of it; equal steps of several trials are done once."""

    def __init__(self, bundle: Bundle, recipe: Recipe, threads: int | None) -> None:
        self.bundle, self.recipe, self.threads = bundle, recipe, threads

    def row(self) -> Row:
        from nm_backends.comparing import accuracy, measured

        program, history = self._program(), None
        if self.recipe["learn"]:
            program = copy.deepcopy(program)
            history = self._learned(program)  # type: ignore[arg-type]
        test = self.data("test")
        batches = [(test.given, test.labels)]
        floats = None if history else [self._float(program.network)]
        found = row("ok", **({} if history is None else learned(history)))
        if floats:
            found["float_accuracy"] = accuracy(floats, batches)
        try:
            return found | of_deployment(measured(program, batches, floats, threads=self.threads))
        except UserError as error:  # the chip never comes to rest, or takes no such input
            stopped = {"status": "stopped", "message": str(error)}
            return found | of_report(program.report) | stopped

    def data(self, role: str) -> Data:
        """Return the samples of a role."""
        digest, samples = self.recipe["data"][role]
        seed = self.recipe["seed"]
        return self._once(
            ("data", digest, samples, samples and seed, role),
            lambda: self.bundle.data[digest].drawn(samples, seed, role),
        )

    def _once(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        kept: OrderedDict[Any, Any] = self.bundle.memory.setdefault(key[0], OrderedDict())
        if key in kept:
            return kept[key]  # type: ignore[no-any-return]
        made = kept[key] = make()
        if len(kept) > _KEPT.get(key[0], _KEPT_ELSE):
            kept.popitem(last=False)
        return made

    def _network(self) -> Network:
        """Lower the model."""
        model, said = self.recipe["model"], self.recipe["discretisation"]
        return self._once(("network", model, text_of(said)), lambda: self._lower(model, said))

    def _lower(self, model: str, said: dict[str, Any]) -> Network:
        from nm_backends.discretisation import Discretisation
        from nm_backends.frontends import lower_any

        conventions = Discretisation(**said) if said else None
        network, report = _from_file(
            self.bundle.models[model].content, ".nir", lambda path: lower_any(path, conventions)
        )
        if network is None:
            raise CompileError(report)
        return network

    def _program(self) -> Program | System:
        named = ("model", "chip", "discretisation", "compile", "assumptions")
        learn = self.recipe["learn"] and self.recipe["learn"]["layers"]
        what = {name: self.recipe[name] for name in named} | {"learn": learn}
        calibrate = self.recipe["data"].get("calibrate")
        seed = self.recipe["seed"] if calibrate and calibrate[1] else None
        key = ("program", text_of(what | {"calibrate": calibrate, "seed": seed}))
        return self._once(key, self._compile)

    def _compile(self) -> Program | System:
        from nm_backends.compiler import compile_model

        model = self.bundle.models[self.recipe["model"]]
        if model.form == "nmb":
            from nm_backends.artifact import load

            return _from_file(model.content, ".nmb", load)
        calibrate = self.data("calibrate").given if "calibrate" in self.recipe["data"] else None
        compiled: Program | System = compile_model(
            self._network(),
            self.recipe["chip"],
            calibrate=calibrate,
            options=options_of(self.recipe),
            chips=self.recipe["compile"].get("chips"),
        )
        return compiled

    def _float(self, network: Network) -> Result:
        """Return the float run of the test samples; memory-bound, and the same for all chips."""
        from nm_backends.run import reference

        recipe = self.recipe
        digest, samples = recipe["data"]["test"]
        what = (recipe["model"], text_of(recipe["discretisation"]), digest, samples)
        key = ("float", *what, recipe["seed"] if samples else None)
        return self._once(key, lambda: reference(network, self.data("test").given))

    def _learned(self, program: Program) -> History:
        if not hasattr(program, "learn"):
            raise UserError("chips do not learn together: leave [compile] chips out")
        if "train" not in self.recipe["data"]:
            raise UserError("[learn] without [data] train: there is nothing to learn from")
        train = self.data("train")
        if train.targets is None:
            raise UserError("[data] train has no labels or targets: nothing says what to learn")
        validation = None
        if "validation" in self.recipe["data"]:
            judged = self.data("validation")
            validation = (judged.given, judged.targets)
        return program.learn(
            train.given,
            train.targets,
            validation=validation,
            progress=False,
            **learning_arguments(self.recipe),
        )


def options_of(recipe: Recipe) -> CompileOptions:
    """Return the compile options of a recipe."""
    from nm_backends.program import CompileOptions

    chosen = {k: v for k, v in recipe["compile"].items() if k != "chips"}
    learn = tuple(recipe["learn"]["layers"]) if recipe["learn"] else ()
    return CompileOptions(**chosen, learn=learn, assumptions=recipe["assumptions"])


def learning_arguments(recipe: Recipe) -> dict[str, Any]:
    """Return what ``program.learn`` is called with, beside the samples."""
    how, seed = recipe["learn"], recipe["seed"]
    options = {k: seed if v == SEED else v for k, v in how["options"].items()}
    return {
        "epochs": how["epochs"],
        "options": options or None,
        "shuffle": seed if how["shuffle"] else None,
        "readout": how["readout"],
    }


def _from_file(content: bytes, suffix: str, read: Callable[[Path], T]) -> T:
    """Read what is a file elsewhere."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{suffix}"
        path.write_bytes(content)
        return read(path)
