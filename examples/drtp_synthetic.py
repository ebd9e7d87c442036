"""Six ways to learn, from backpropagation to random projections of the label, on made-up classes.

    pip install "nm-backends[snntorch]"
    python examples/drtp_synthetic.py --seeds 10

A network of 256-500-10 (tanh, sigmoid, binary cross-entropy), Nesterov's SGD, batches of 50: the
set-up of C. Frenkel, M. Lefebvre, D. Bol, Front. Neurosci. 15:629892, 2021. Printed is the accuracy
on the test set after each epoch, mean and standard deviation over seeds. ``--published`` sets one
run of the authors' code beside them, with its distance in standard deviations. ``--mnist DIR``
learns MNIST instead.
"""

import argparse
import json

import numpy as np
import torch

from nm_backends import datasets
from nm_backends.errors import UserError
from nm_backends.torch.drtp import METHODS, Feedback

HIDDEN, RATE, BATCH = 500, 5e-4, 50
# The authors' public code (commit b84e3fe), run once on this set: percent after epochs 1, 2, 3.
AUTHORS = {
    "BP": (43.1, 70.5, 81.1),
    "FA": (33.2, 57.7, 73.0),
    "DFA": (91.5, 93.9, 94.7),
    "sDFA": (89.1, 92.3, 92.7),
    "DRTP": (91.7, 93.4, 93.7),
    "shallow": (30.1, 54.8, 68.6),
}


def network(inputs, outputs):
    """Return the published network of one hidden layer."""
    return torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.Linear(inputs, HIDDEN),
        torch.nn.Tanh(),
        torch.nn.Linear(HIDDEN, outputs),
        torch.nn.Sigmoid(),
    )


def accuracies(split, method, seed, epochs, rate=RATE):
    """Train a network and return its accuracy on the test set after each epoch, in percent."""
    torch.manual_seed(seed)
    inputs, labels = map(torch.from_numpy, split.train)
    outputs = int(split.train.targets.max()) + 1
    model = network(inputs[0].numel(), outputs)
    feedback = Feedback(model, method, sample=inputs[:1])
    optimiser = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9, nesterov=True)
    wanted = torch.nn.functional.one_hot(labels, outputs).float()
    found = []
    for _ in range(epochs):
        for batch in torch.randperm(len(inputs)).split(BATCH):
            optimiser.zero_grad()
            output = feedback(inputs[batch], targets=labels[batch])
            torch.nn.functional.binary_cross_entropy(output, wanted[batch]).backward()
            optimiser.step()
        found.append(accuracy(model, split.test))
    return found


def accuracy(model, samples):
    """Return the percentage of samples that a model knows."""
    inputs, labels = map(torch.from_numpy, samples)
    with torch.no_grad():
        return 100 * float((model(inputs).argmax(1) == labels).double().mean())


def compared(split, seeds, epochs, methods=METHODS, rate=RATE):
    """Return accuracies ``[seeds, epochs]`` of each method."""
    return {
        method: np.array([accuracies(split, method, seed, epochs, rate) for seed in range(seeds)])
        for method in methods
    }


def spread(values):
    """Return mean and standard deviation over seeds; one seed has none."""
    return values.mean(axis=0), values.std(axis=0, ddof=min(1, len(values) - 1))


def table(found, published):
    """Return the accuracies after each epoch as text."""
    epochs = next(iter(found.values())).shape[1]
    lines = [f"{'test accuracy %':16}" + "".join(f"   epoch {n + 1:<9}" for n in range(epochs))]
    for method, values in found.items():
        cells = zip(*spread(values), strict=True)
        lines.append(f"{method:16}" + "".join(f"{m:8.2f} +-{s:5.2f}  " for m, s in cells).rstrip())
        if published:
            lines.append(f"{'  authors':16}" + beside(method, values))
    return "\n".join(lines)


def beside(method, values):
    """Return the run of the authors' code as text, and how far it lies from those of this one."""
    cells = zip(AUTHORS[method], *spread(values), strict=False)
    away = 1 + 1 / len(values)  # one run, compared with the mean of several
    return "".join(f"{v:7.1f}  ({(v - m) / (s * away**0.5):+4.1f} sd)" for v, m, s in cells)


def main(arguments=None):
    """Learn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--mnist", metavar="DIR", help="the four idx files of MNIST")
    parser.add_argument(
        "--published", action="store_true", help="beside a run of the authors' code"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    try:
        if min(options.seeds, options.epochs) < 1:
            raise UserError("--seeds and --epochs: expected 1 or more")
        if options.published and (options.seeds < 2 or options.mnist):
            raise UserError("--published needs two seeds or more, and the made-up set")
        made = datasets.mnist(options.mnist) if options.mnist else None
    except UserError as error:
        parser.error(str(error))
    torch.set_num_threads(1)  # such small products only wait for a second one
    split = made or datasets.synthetic_classification()
    found = compared(split, options.seeds, options.epochs, options.methods, options.rate)
    if options.json:
        print(json.dumps({name: values.tolist() for name, values in found.items()}))
    else:
        print(table(found, options.published))


if __name__ == "__main__":
    main()
