"""One trial as plain data, and its name: the hash of everything that its result depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from nm_backends.study.axes import Axis, Point, drawn, grid
from nm_backends.study.description import Study
from nm_backends.study.sources import Collected

__all__ = ["SEED", "Recipe", "Trial", "axes_for", "trial_at", "trials", "versions"]

SEED = "@seed"
"""As the value of a learning option: the seed of the trial."""
Recipe = dict[str, Any]


@dataclass(frozen=True)
class Trial:
    """A point of a study, and what is to be run there.

    Points that come to the same (a seed that nothing is drawn with, ...) have the same recipe.
    """

    number: int
    point: Point
    recipe: Recipe

    @property
    def key(self) -> str:
        """Name of the recipe, 32 hexadecimal digits."""
        return key_of(self.recipe)


def key_of(recipe: Recipe) -> str:
    """Return the name of a recipe."""
    return hashlib.sha256(text_of(recipe).encode()).hexdigest()[:32]


def text_of(recipe: Recipe) -> str:
    """Return a recipe as JSON, always the same for the same recipe."""
    return json.dumps(recipe, sort_keys=True, separators=(",", ":"))


def trials(study: Study, found: Collected) -> Iterator[Trial]:
    """Yield the trials of a grid or random study, in their order."""
    for number, point in enumerate(_points(study, found)):
        yield trial_at(number, point, study, found)


def _points(study: Study, found: Collected) -> Iterator[Point]:
    homes = [(m, c, d) for m in study.models for c in study.chips for d in study.data
             if found.bundle.models[found.models[m]].chip in (None, c)]  # fmt: skip
    if study.plan.kind == "random":
        for number in range(study.plan.trials):
            random = np.random.default_rng([study.plan.seed, number])
            home = homes[int(random.integers(len(homes)))]
            yield {**_home(home), **drawn(study.axes_of(home[1]), random)}
        return
    for home in homes:
        for point in grid(study.axes_of(home[1])):
            yield {**_home(home), **point}


def axes_for(study: Study, found: Collected, chip: str) -> list[Axis]:
    """Return all axes of one chip: models and data among them, for tuning."""
    models = [n for n in study.models if found.bundle.models[found.models[n]].chip in (None, chip)]
    first = Axis("model", tuple(models)), Axis("chip", (chip,)), Axis("data", tuple(study.data))
    return [*first, *study.axes_of(chip)]


def _home(home: tuple[str, str, str]) -> Point:
    return dict(zip(("model", "chip", "data"), home, strict=True))


def trial_at(number: int, point: Point, study: Study, found: Collected) -> Trial:
    """Return the trial of a point."""
    model = found.bundle.models[found.models[point["model"]]]
    roles, learns = found.data[point["data"]], _learning(point)
    program = model.form == "nmb"
    used = ["test"] + ["calibrate"] * (not program) + ["train", "validation"] * bool(learns)
    data = {
        role: [digest, _fewer(found, digest, point.get(f"samples.{role}"))]
        for role, digest in roles.items()
        if role in used
    }
    seeded = any(samples is not None for _, samples in data.values())
    if learns:
        seeded |= learns["shuffle"] or SEED in learns["options"].values()
    recipe = {
        "model": found.models[point["model"]],
        "chip": point["chip"],
        "discretisation": {} if program else _table("discretisation", point),
        "compile": {} if program else _table("compile", point),
        "assumptions": {} if program else _table("assumptions", point),
        "learn": learns,
        "data": data,
        "seed": point["seed"] if seeded else None,
        "versions": versions(point["chip"]),
    }
    return Trial(number, point, recipe)


def _fewer(found: Collected, digest: str, samples: int | None) -> int | None:
    """Return how many samples are drawn; None where that is all."""
    return samples if samples is not None and samples < found.bundle.data[digest].samples else None


def _table(name: str, point: Point) -> dict[str, Any]:
    """Return the fields of a table; those of the chip's own win."""
    fields = sorted((k.split(".")[1:], v) for k, v in point.items() if k.startswith(f"{name}."))
    general = {path[0]: value for path, value in fields if len(path) == 1}
    return general | {path[1]: value for path, value in fields if len(path) > 1}


def _learning(point: Point) -> Recipe | None:
    if "learn.layers" not in point or not point.get("learn.epochs", 1):
        return None
    own = {k: v for k, v in point.items() if k.startswith("learn.") and k.count(".") > 1}
    common = {k.split(".")[2]: v for k, v in own.items() if k.startswith("learn.options.")}
    chips = {k.split(".")[2]: v for k, v in own.items() if not k.startswith("learn.options.")}
    return {
        "layers": point["learn.layers"],
        "epochs": point.get("learn.epochs", 1),
        "shuffle": point.get("learn.shuffle", True),
        "readout": point.get("learn.readout", "count"),
        "options": {**common, **chips},
    }


@lru_cache(maxsize=64)
def versions(chip: str) -> dict[str, str]:
    """Return who computes: the versions and the code of this package and of the chip's plugin."""
    import nm_backends
    from nm_backends.registry import registry

    candidate = registry().chip(chip)[1].candidate
    version = "" if candidate.builtin else f"{candidate.distribution} {candidate.version}"
    return {
        "nm_backends": f"{nm_backends.__version__} {_code('nm_backends')}",
        chip: f"{version} {_code(candidate.module.partition(':')[0])}".strip(),
    }


@lru_cache(maxsize=64)
def _code(module: str) -> str:
    """Return 12 digits that change when a source file of a package (or module) does."""
    from importlib.util import find_spec

    spec = find_spec(module)
    if spec is None or not spec.origin:
        return ""
    origin = Path(spec.origin)
    package = origin.name == "__init__.py"
    hashed = hashlib.sha256()
    for path in sorted(origin.parent.rglob("*.py")) if package else [origin]:
        hashed.update(path.relative_to(origin.parent).as_posix().encode() + path.read_bytes())
    return hashed.hexdigest()[:12]
