"""What compilation costs in accuracy: three tasks, three training seeds, three chips.

    pip install "nm-backends[snntorch]"
    python examples/calibration_table.py

trains the models of ``calibration_models.py`` (once: they are kept as ``.nir`` files), compiles
each for every chip by plain rounding (``maxabs``: scales by the largest weight, no calibration)
and with calibration on training samples, and runs both on held-out samples. With ``--fine-tune N``
the calibrated programs are also trained on with the chip in the loop, for N epochs with labels and
on variants of the samples; training samples that calibration and fine-tuning have not seen choose
the epoch. Gradients are those of the chip's own events, for ReckOn those of the float model.
"""

import argparse
import json
import sys
from pathlib import Path

import nir
import numpy as np
from calibration_models import TASKS, VALIDATION, trained
from joblib import Parallel, delayed

import nm_backends as nmb
from nm_backends.agreement import agreement
from nm_backends.crossbar.descent.variants import varied
from nm_backends.errors import UserError
from nm_backends.tables import table

CHIPS = ("odin", "tinyodin", "reckon")
METHODS = ("maxabs", "calibrated", "fine-tuned")
RATES, BATCH, CALMER = {"chip": 0.2, "model": 1e-3}, 64, 1.1
ALLOWED = {"odin": 2.0, "tinyodin": 1.0, "reckon": 0.5, "tuned": 0.5}  # points
HEAD = ("task", "chip", "method", "float %", "accuracy %", "loss", "allowed", "decisions %",
        "spikes hidden %", "spikes output %", "SNR hidden dB", "SNR output dB")  # fmt: skip


def model_of(task, data, seed, folder):
    """Return the NIR graph of a trained model; trains it unless the folder has it."""
    path = folder / f"{task}-{seed}.nir"
    if not path.exists():
        import torch

        torch.set_num_threads(1)  # the same result on every number of cores
        model = trained(TASKS[task], data, seed)
        folder.mkdir(parents=True, exist_ok=True)
        nir.write(path, nmb.to_nir(model, torch.from_numpy(data.spikes[:, :8]).float()))
    return nir.read(path)


def compiled(graph, data, chip, method, samples=None, lateral="auto"):
    """Return the program that a method makes, on so many calibration samples at most."""
    given = {"calibrate": data.calibration[:, :samples]} if method != "maxabs" else {}
    return nmb.compile(graph, chip, options=nmb.CompileOptions(lateral=lateral), **given)


def fine_tuned(program, graph, data, epochs):
    """Return a program that was trained on with the chip in the loop.

    The loss is half by labels and half by what the float model decides. The last training samples
    choose the epoch, which may be none at all.
    """
    import torch

    from nm_backends.torch import ChipModule

    torch.set_num_threads(1)
    way = "model" if program.chip == "reckon" else "chip"
    chip, rng = ChipModule(program, gradients=way), np.random.default_rng(4)
    optimiser = torch.optim.Adam(chip.parameters(), lr=RATES[way])
    seen, labels = data.calibration, torch.from_numpy(data.labels[:-VALIDATION])
    unseen, wanted = data.spikes[:, -VALIDATION:], data.labels[-VALIDATION:]
    per_epoch = seen.shape[1] // BATCH
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * per_epoch)
    best, most = program, right_share(program, unseen, wanted)
    for _ in range(epochs):
        variants = varied(seen, rng)
        decided = nmb.reference(graph, variants).spikes.sum(0)
        asked = torch.softmax(torch.from_numpy(decided.astype(np.float32)), 1)
        for batch in np.array_split(rng.permutation(seen.shape[1]), per_epoch):
            given = torch.from_numpy(variants[:, batch])
            step(chip, optimiser, given, (labels[batch], asked[batch]))
            schedule.step()
        right = right_share(chip.program, unseen, wanted)
        if right >= most:
            best, most = chip.program, right
    return best


def step(chip, optimiser, spikes, wanted):
    """Train on a batch, for labels and shares of classes.

    Where neurons keep each other firing without an end, all are made calmer instead.
    """
    import torch

    try:
        counts = chip(spikes).sum(0)
    except UserError:
        if chip.values is None:
            raise
        with torch.no_grad():
            chip.values.threshold.mul_(CALMER)
        return
    loss = sum(torch.nn.functional.cross_entropy(counts, each) for each in wanted) / len(wanted)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def right_share(program, spikes, labels):
    """Return the share of right decisions, 0 where the chip never comes to rest."""
    try:
        return np.mean(program.run(spikes).prediction == labels)
    except UserError:
        return 0.0


def measured(program, data, expected):
    """Return what a program costs: a dictionary of numbers."""
    result = program.run(data.test_spikes)
    accuracies = [np.mean(r.prediction == data.test_labels) for r in (expected, result)]
    return {
        "float": 100 * accuracies[0],
        "accuracy": 100 * accuracies[1],
        "loss": 100 * (accuracies[0] - accuracies[1]),
        "decisions": 100 * np.mean(result.prediction == expected.prediction),
        "spikes": [100 * agreement(result.layers[n], s) for n, s in expected.layers.items()],
        "snr": [fit.weight_snr for fit in program.fit.populations.values()],
    }


def entries_of(graph, data, chip, epochs, **ways):
    """Yield method and numbers of everything that is asked of one model on one chip."""
    expected = nmb.reference(graph, data.test_spikes)
    program = None
    for method in METHODS[: 3 if epochs else 2]:
        try:
            if method == "fine-tuned" and program is not None:
                program = fine_tuned(program, graph, data, epochs)
            else:
                program = compiled(graph, data, chip, method, **ways)
            yield method, measured(program, data, expected)
        except (UserError, nmb.CompileError) as error:
            yield method, {"stopped": str(error).splitlines()[0]}


def found_for(task, seed, options):
    """Return the entries of one model on all chips."""
    print(f"{task}, seed {seed}", file=sys.stderr, flush=True)
    data = TASKS[task].data(seed)
    graph = model_of(task, data, seed, options.models)
    ways = {"samples": options.samples, "lateral": options.lateral}
    return [
        {"task": task, "seed": seed, "chip": chip, "method": method, **numbers}
        for chip in options.chips
        for method, numbers in entries_of(graph, data, chip, options.fine_tune, **ways)
    ]


def rows_of(found, tasks, chips):
    """Return the lines of the table."""
    for task in tasks:
        for chip in chips:
            for method in METHODS:
                entries = [f for f in found if _is(f, task, chip, method)]
                if entries:
                    yield (task, chip, method, *_cells(entries))


def _is(entry, *wanted):
    return (entry["task"], entry["chip"], entry["method"]) == wanted


def _cells(entries):
    stopped = [e for e in entries if "stopped" in e]
    if stopped:
        return (f"{len(stopped)} of {len(entries)} do not run", *[""] * (len(HEAD) - 4))
    loss = np.mean([e["loss"] for e in entries])
    allowed = ALLOWED[entries[0]["chip"] if entries[0]["method"] != "fine-tuned" else "tuned"]
    said = "" if entries[0]["method"] == "maxabs" else "met" if loss <= allowed else "missed"
    layers = [_spread([e[name][i] for e in entries]) for name in ("spikes", "snr") for i in (0, -1)]
    return (
        *(_spread([e[name] for e in entries]) for name in ("float", "accuracy", "loss")),
        f"{allowed:.1f} {said}".strip(),
        _spread([e["decisions"] for e in entries]),
        *layers,
    )


def _spread(values):
    """Return the mean over seeds and the standard deviation."""
    return f"{np.mean(values):.1f} ± {np.std(values):.1f}"


def main():
    """Train what is missing, measure everything, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, default=Path("calibration-models"), metavar="FOLDER")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--chips", nargs="+", choices=CHIPS, default=list(CHIPS))
    parser.add_argument("--seeds", type=int, default=3, help="how many training seeds")
    parser.add_argument("--fine-tune", type=int, default=0, metavar="EPOCHS")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--lateral", choices=("auto", "never"), default="auto")
    parser.add_argument("--samples", type=int, help="calibrate on so many, not on all")
    parser.add_argument("--jobs", type=int, default=1, help="models at a time")
    parser.add_argument("--json", action="store_true", help="every number as one object")
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    jobs = [(task, seed) for task in options.tasks for seed in seeds]
    run = delayed(found_for)
    parts = Parallel(options.jobs)(run(*job, options) for job in jobs)
    found = [entry for part in parts for entry in part]
    if options.json:
        print(json.dumps({"allowed": ALLOWED, "found": found}, indent=1))
        return
    print("\n".join(table(HEAD, list(rows_of(found, options.tasks, options.chips)))))


if __name__ == "__main__":
    main()
