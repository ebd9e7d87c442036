"""What compilation costs in accuracy: three tasks, three training seeds, three chips.

    pip install "nm-backends[snntorch]"
    python examples/calibration_table.py

trains the models of ``calibration_models.py`` (once: they are kept as ``.nir`` files), compiles
each for every chip by plain rounding (``maxabs``: scales by the largest weight, no calibration)
and with calibration on training samples, and runs both on held-out samples. With ``--fine-tune N``
the calibrated programs are also trained on with the chip in the loop, for N epochs with labels and
on variants of the samples; the result is taken where it is surer of the right decisions on samples
that nothing was fitted to. Gradients are those of the chip's events, for ReckOn the float model's.
"""

import argparse
import json
import sys
from pathlib import Path

import nir
import numpy as np
from calibration_models import TASKS, Spikes, trained
from joblib import Parallel, delayed

import nm_backends as nmb
from nm_backends.agreement import agreement, decision_error
from nm_backends.crossbar.descent.variants import partly_varied, varied
from nm_backends.errors import UserError
from nm_backends.tables import table

CHIPS = ("odin", "tinyodin", "reckon")
METHODS = ("maxabs", "calibrated", "fine-tuned")
RATES, BATCH, CALMER = {"chip": 0.05, "model": 2.5e-4}, 64, 1.1
GIVEN, STEADY = 0.5, 0.98  # samples learned from as they are; how long running means remember
PER_EPOCH = 1600  # samples at most
SURE = 99  # spikes
ALLOWED = {"odin": 2.0, "tinyodin": 1.0, "reckon": 0.5, "tuned": 0.5}  # points
HEAD = ("task", "chip", "method", "float %", "accuracy %", "loss", "allowed", "over maxabs",
        "decisions %", "spikes hidden %", "spikes output %", "SNR hidden dB",
        "SNR output dB")  # fmt: skip


def model_of(task, data, seed, folder):
    """Return the NIR graph of a trained model; trains it unless the folder has it."""
    path = folder / f"{task}-{seed}.nir"
    if not path.exists():
        import torch

        torch.set_num_threads(1)  # the same result on every number of cores
        model = trained(TASKS[task], data.train, seed)
        folder.mkdir(parents=True, exist_ok=True)
        nir.write(path, nmb.to_nir(model, torch.from_numpy(data.train.spikes[:, :8]).float()))
    return nir.read(path)


def compiled(graph, data, chip, method, samples=None, lateral="auto"):
    """Return the program that a method makes, on so many calibration samples at most."""
    given = {"calibrate": data.seen.spikes[:, :samples]} if method != "maxabs" else {}
    return nmb.compile(graph, chip, options=nmb.CompileOptions(lateral=lateral), **given)


def fine_tuned(program, graph, data, epochs):
    """Return a program that was trained on with the chip in the loop, or the program as it is.

    The loss is half by labels and half by what the float model decides. Single steps are partly
    chance: the result is the chip of a running mean, at the end.
    """
    import torch
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    from nm_backends.torch import ChipModule

    torch.set_num_threads(1)
    way = "model" if program.chip == "reckon" else "chip"
    chip, rng = ChipModule(program, gradients=way), np.random.default_rng(4)
    mean = AveragedModel(chip, multi_avg_fn=get_ema_multi_avg_fn(STEADY))
    optimiser = torch.optim.Adam(chip.parameters(), lr=RATES[way])
    batches = max(1, min(PER_EPOCH, len(data.seen.labels)) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * batches)
    for _ in range(epochs):
        for given, wanted in epoch(graph, data.seen, batches, rng):
            step(chip, optimiser, given, wanted)
            mean.update_parameters(chip)
            schedule.step()
    return better(program, mean.module.program, with_variants(data.validation, rng))


def epoch(graph, seen, batches, rng):
    """Yield batches of spikes, and the labels and shares of classes that are wanted on them."""
    import torch

    chosen = rng.permutation(len(seen.labels))[: batches * BATCH]
    variants = partly_varied(seen.spikes[:, chosen], GIVEN, rng)
    decided = nmb.reference(graph, variants).spikes.sum(0)
    asked = torch.softmax(torch.from_numpy(decided.astype(np.float32)), 1)
    labels = torch.from_numpy(seen.labels[chosen])
    for batch in np.array_split(np.arange(len(chosen)), batches):
        yield torch.from_numpy(variants[:, batch]), (labels[batch], asked[batch])


def with_variants(samples, rng):
    """Return samples and a variant of each."""
    both = np.concatenate([samples.spikes, varied(samples.spikes, rng)], axis=1)
    return Spikes(both, np.tile(samples.labels, 2), 2 * samples.codings)


def better(first, last, samples):
    """Return the program that decides samples the more surely, the first of equals."""
    return min((first, last), key=lambda program: unsureness_of(program, samples))


def unsureness_of(program, samples):
    """Return how unsure right decisions are; without an end where the chip never comes to rest."""
    try:
        spikes = program.run(samples.spikes).spikes
    except UserError:
        return np.inf
    return decision_error(spikes, SURE * np.eye(spikes.shape[2])[samples.labels][None])


def over_samples(values, codings):
    """Return the mean and its standard error over samples.

    Samples that show the same digit count as one.
    """
    part = np.reshape(values, (codings, -1)).mean(axis=0)
    return part.mean(), part.std() / np.sqrt(part.size)


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


def measured(program, samples, expected):
    """Return what a program costs: a dictionary of numbers, and which decisions are right."""
    result = program.run(samples.spikes)
    wanted, right = (r.prediction == samples.labels for r in (expected, result))
    return {
        "float": 100 * np.mean(wanted),
        "accuracy": 100 * np.mean(right),
        "loss": 100 * (np.mean(wanted) - np.mean(right)),
        "loss_error": 100 * over_samples(1.0 * wanted - right, samples.codings)[1],
        "decisions": 100 * np.mean(result.prediction == expected.prediction),
        "spikes": [100 * agreement(result.layers[n], s) for n, s in expected.layers.items()],
        "snr": [fit.weight_snr for fit in program.fit.populations.values()],
    }, right


def entries_of(graph, data, chip, epochs, **ways):
    """Yield method and numbers of everything that is asked of one model on one chip."""
    expected = nmb.reference(graph, data.test.spikes)
    program, plain = None, None
    for method in METHODS[: 3 if epochs else 2]:
        try:
            if method == "fine-tuned" and program is not None:
                program = fine_tuned(program, graph, data, epochs)
            else:
                program = compiled(graph, data, chip, method, **ways)
            numbers, right = measured(program, data.test, expected)
            plain = right if method == "maxabs" else plain
            if plain is not None:
                gain = over_samples(1.0 * right - plain, data.test.codings)
                numbers["gain"], numbers["gain_error"] = (100 * float(g) for g in gain)
            yield method, numbers
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
        _gain(entries),
        _spread([e["decisions"] for e in entries]),
        *layers,
    )


def _spread(values):
    """Return the mean over seeds and the standard deviation."""
    return f"{np.mean(values):.1f} ± {np.std(values):.1f}"


def _gain(entries):
    """Return the mean gain over plain rounding and its standard error over samples."""
    if entries[0]["method"] == "maxabs" or not all("gain" in e for e in entries):
        return ""
    error = np.sqrt(np.sum([e["gain_error"] ** 2 for e in entries])) / len(entries)
    return f"{np.mean([e['gain'] for e in entries]):+.2f} ± {error:.2f}"


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
