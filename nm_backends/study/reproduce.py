"""One trial alone: the command that runs it again, and the program that does the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nm_backends.study.description import Study
from nm_backends.study.metrics import Row
from nm_backends.study.recipe import Recipe, Trial
from nm_backends.study.sources import Collected, salt
from nm_backends.study.trial import learning_arguments

__all__ = ["difference", "program_of", "shown"]


def shown(study: Study, found: Collected, trial: Trial, path: str) -> str:
    """Return what a trial is, and how it is run again, as text."""
    chosen = ", ".join(f"{name} = {value}" for name, value in trial.point.items())
    lines = [f"# trial {trial.number}, {trial.key}", f"# {chosen}", ""]
    lines += [f"nmb sweep {path} --only {trial.number}", "", "# the same in Python:", ""]
    return "\n".join([*lines, program_of(study, found, trial)])


def program_of(study: Study, found: Collected, trial: Trial) -> str:
    """Return a program that runs a trial with the public functions."""
    recipe, point = trial.recipe, trial.point
    roles = study.data[point["data"]]
    lines = ["import numpy as np", "import nm_backends as nmb", ""]
    for role in recipe["data"]:
        lines += _loaded(role, roles[role], study.folder, found, recipe)
    lines += _compiled(study.models[point["model"]], study.folder, recipe)
    if recipe["learn"]:
        lines += _learned(recipe)
    lines += ["result = program.run(test)"]
    labelled = found.bundle.data[recipe["data"]["test"][0]].labels is not None
    right = "np.mean(result.prediction == test_labels), " if labelled else ""
    lines += [f"print({right}result.energy, result.latency)"]
    return "\n".join(lines)


def _where(given: Any, folder: Path) -> str:
    """Return the text of a path, or a word for what was given as an object."""
    if isinstance(given, str | Path):
        return repr(str(given) if ":" in str(given) else str(folder / given))
    return f"...  # the {type(given).__name__} that the study was given"


def _loaded(role: str, given: Any, folder: Path, found: Collected, recipe: Recipe) -> list[str]:
    digest, samples = recipe["data"][role]
    where = _where(given, folder)
    file = isinstance(given, str | Path) and ":" not in str(given)
    name, targets = role, f"{role}_labels"
    lines = [f"{role}_file = {f'np.load({where})' if file else where}"]
    whole = found.bundle.data[digest]
    array = "targets" if whole.targets is not None and whole.targets.ndim > 1 else "labels"
    labelled = whole.targets is not None
    lines.append(f'{name} = {role}_file["spikes"]')
    lines += [f'{targets} = {role}_file["{array}"]'] if labelled else []
    if samples is not None:
        draw = f"np.random.default_rng([{recipe['seed']}, {salt(role)}])"
        lines.append(f"drawn = np.sort({draw}.choice({whole.samples}, {samples}, replace=False))")
        axis = "[:, drawn]" if array == "targets" else "[drawn]"
        lines.append(f"{name} = {name}[:, drawn]")
        lines += [f"{targets} = {targets}{axis}"] if labelled else []
    return [*lines, ""]


def _compiled(model: Any, folder: Path, recipe: Recipe) -> list[str]:
    where = _where(model, folder)
    if where.endswith(".nmb'"):
        return [f"program = nmb.load({where})"]
    options = {k: v for k, v in recipe["compile"].items() if k != "chips"}
    if recipe["learn"]:
        options["learn"] = tuple(recipe["learn"]["layers"])
    lines = ["program = nmb.compile(", f"    {where},", f"    {recipe['chip']!r},"]
    if recipe["discretisation"]:
        lines.append(f"    nmb.Discretisation({_arguments(recipe['discretisation'])}),")
    if "calibrate" in recipe["data"]:
        lines.append("    calibrate=calibrate,")
    if options:
        lines.append(f"    options=nmb.CompileOptions({_arguments(options)}),")
    for name in ("chips", "assumptions"):
        value = recipe["compile"].get(name) if name == "chips" else recipe[name]
        lines += [f"    {name}={value!r},"] if value else []
    return [*lines, ")"]


def _learned(recipe: Recipe) -> list[str]:
    data, how = recipe["data"], learning_arguments(recipe)
    judged = "(validation, validation_labels)" if "validation" in data else None
    extra = f", validation={judged}" if judged else ""
    return [f"program.learn(train, train_labels, {_arguments(how)}{extra})"]


def _arguments(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def difference(before: Row | None, now: Row) -> list[str]:
    """Return what a trial that was run again has that the table does not; nothing: equal bits."""
    if before is None:
        return []
    return [
        f"{name}: {now[name]!r}, in the table {before[name]!r}"
        for name in now
        if now[name] != before[name]
    ]
