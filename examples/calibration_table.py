"""What compilation costs in accuracy: three tasks, three training seeds, three chips.

    pip install "nm-backends[snntorch]"
    python examples/calibration_table.py

trains the models of ``calibration_models.py`` (once: they are kept as ``.nir`` files), compiles
each for every chip by plain rounding (``maxabs``: scales by the largest weight, no calibration)
and with calibration on training samples, and runs both on held-out samples. With ``--fine-tune N``
the calibrated programs are also trained on with the chip in the loop, for N epochs with labels;
training samples that calibration and fine-tuning have not seen choose the epoch.
"""

import argparse
import json
import sys
from pathlib import Path

import nir
import numpy as np
from calibration_models import TASKS, trained

import nm_backends as nmb
from nm_backends.agreement import agreement
from nm_backends.errors import UserError
from nm_backends.tables import table

CHIPS = ("odin", "tinyodin", "reckon")
METHODS = ("maxabs", "calibrated", "fine-tuned")
RATE, BATCH, VALIDATION = 1e-3, 64, 200
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


def compiled(graph, data, chip, method):
    """Return the program that a method makes."""
    given = {"calibrate": data.calibration} if method != "maxabs" else {}
    return nmb.compile(graph, chip, **given)


def fine_tuned(program, data, epochs):
    """Return a program that was trained on with the chip in the loop; see ``chip_in_the_loop.py``.

    The last training samples choose the epoch, which may be none at all.
    """
    import torch

    from nm_backends.torch import ChipModule

    torch.set_num_threads(1)
    chip, rng = ChipModule(program), np.random.default_rng(4)
    optimiser = torch.optim.Adam(chip.parameters(), lr=RATE)
    seen, labels = data.spikes[:, :-VALIDATION], torch.from_numpy(data.labels[:-VALIDATION])
    unseen, wanted = data.spikes[:, -VALIDATION:], data.labels[-VALIDATION:]
    best, most = program, np.mean(program.run(unseen).prediction == wanted)
    for _ in range(epochs):
        for batch in np.array_split(rng.permutation(seen.shape[1]), seen.shape[1] // BATCH):
            counts = chip(torch.from_numpy(seen[:, batch])).sum(0)
            loss = torch.nn.functional.cross_entropy(counts, labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        right = np.mean(chip.program.run(unseen).prediction == wanted)
        if right > most:
            best, most = chip.program, right
    return best


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


def entries_of(graph, data, chip, epochs):
    """Yield method and numbers of everything that is asked of one model on one chip."""
    expected = nmb.reference(graph, data.test_spikes)
    program = None
    for method in METHODS[: 3 if epochs else 2]:
        try:
            if method == "fine-tuned" and program is not None:
                program = fine_tuned(program, data, epochs)
            else:
                program = compiled(graph, data, chip, method)
            yield method, measured(program, data, expected)
        except (UserError, nmb.CompileError) as error:
            yield method, {"stopped": str(error).splitlines()[0]}


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
    parser.add_argument("--seeds", type=int, default=3, help="training seeds 0, 1, ...")
    parser.add_argument("--fine-tune", type=int, default=0, metavar="EPOCHS")
    parser.add_argument("--json", action="store_true", help="every number as one object")
    options = parser.parse_args()
    found = []
    for task in options.tasks:
        for seed in range(options.seeds):
            print(f"{task}, seed {seed}", file=sys.stderr, flush=True)
            data = TASKS[task].data(seed)
            graph = model_of(task, data, seed, options.models)
            for chip in options.chips:
                for method, numbers in entries_of(graph, data, chip, options.fine_tune):
                    found.append(
                        {"task": task, "seed": seed, "chip": chip, "method": method, **numbers}
                    )
    if options.json:
        print(json.dumps({"allowed": ALLOWED, "found": found}, indent=1))
        return
    print("\n".join(table(HEAD, list(rows_of(found, options.tasks, options.chips)))))


if __name__ == "__main__":
    main()
