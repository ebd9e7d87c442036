"""Fine-tune a digits classifier with the chip in the loop: forward on the chip, backward in float.

A 64-16-10 network of snnTorch ``Leaky`` neurons is trained for a few epochs, compiled, and then
trained on with the chip's own spikes: every forward pass is the compiled image, bit for bit, every
gradient is that of the float model. Beside it, the float model is trained on for as many epochs and
compiled then. Which state is kept is decided on validation digits, which no training has seen; the
test digits decide nothing.

    pip install "nm-backends[snntorch]"
    python examples/chip_in_the_loop.py --chip odin

prints the accuracies of the float model and of the chip, and with ``--out`` writes the program and
the fine-tuned network.
"""

import argparse
import json
from pathlib import Path

import nir
import numpy as np
import torch
import train_digits as digits
from sklearn.model_selection import train_test_split

import nm_backends as nmb
from nm_backends.torch import ChipModule

HIDDEN = 16
RATE = 4e-3
DRAWS = 3  # of spikes for each validation digit
CALIBRATION = 96


def float_model(train, epochs, rng):
    """Return the float network of `train_digits`, with fewer neurons, trained for some epochs."""
    digits.HIDDEN = HIDDEN
    model = digits.Digits()
    digits.train(model, *train, epochs, rng)
    return model


def drawn(images, labels, times, seed):
    """Return spikes and labels of images, each drawn some times."""
    rng = np.random.default_rng(seed)
    spikes = [digits.rate_code(images, rng) for _ in range(times)]
    return np.concatenate(spikes, axis=1), np.tile(labels, times)


def accuracy(model, spikes, labels):
    """Return the share of samples whose neuron fires most, on the chip."""
    with torch.no_grad():
        counts = model(torch.from_numpy(spikes)).sum(0)
    return float((counts.argmax(1).numpy() == labels).mean())


def fine_tune(model, train, validation, epochs, rng):
    """Train with the chip in the loop; return the validation accuracies, the first untrained.

    The module ends with the parameters of the best epoch, which may be none at all.
    """
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    images, labels = train
    history = [accuracy(model, *validation)]
    best = {name: value.clone() for name, value in model.state_dict().items()}
    for epoch in range(epochs):
        order = rng.permutation(len(images))
        for batch in np.array_split(order, len(order) // 64):
            spikes = torch.from_numpy(digits.rate_code(images[batch], rng))
            counts = model(spikes).sum(0)
            loss = torch.nn.functional.cross_entropy(counts, torch.from_numpy(labels[batch]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        history.append(accuracy(model, *validation))
        print(f"epoch {epoch + 1:3d}  validation on the chip {100 * history[-1]:.1f} %", flush=True)
        if history[-1] > max(history[:-1]):
            best = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(best)
    return history


def main(arguments=None):
    """Train, compile, fine-tune, and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chip", default="odin")
    parser.add_argument("--float-epochs", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=14, help="with the chip in the loop")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hidden", choices=["chip", "float"], default="chip")
    parser.add_argument("--out", type=Path, help="folder for the program and the network")
    parser.add_argument("--json", action="store_true", help="print the results as one object")
    options = parser.parse_args(arguments)

    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    train_x, test_x, train_y, test_y = digits.data(options.seed)
    train_x, valid_x, train_y, valid_y = train_test_split(
        train_x, train_y, test_size=0.25, random_state=options.seed, stratify=train_y
    )
    train = train_x, train_y
    valid = drawn(valid_x, valid_y, DRAWS, options.seed + 3)
    test = drawn(test_x, test_y, 1, options.seed + 1)
    typical, _ = drawn(train_x[:CALIBRATION], train_y[:CALIBRATION], 1, options.seed + 2)

    def deployed(network):
        graph = digits.to_nir(network)
        program = nmb.compile(graph, options.chip, calibrate=typical)
        reference = nmb.reference(graph, test[0]).prediction
        return graph, program, float((reference == test[1]).mean())

    network = float_model(train, options.float_epochs, rng)
    graph, program, in_float = deployed(network)
    model = ChipModule(program, hidden=options.hidden)
    found = {"chip": options.chip, "float": in_float, "before": accuracy(model, *test)}
    found["validation"] = fine_tune(model, train, valid, options.epochs, rng)
    found["after"] = accuracy(model, *test)
    digits.train(network, *train, options.epochs, rng)
    _, longer, found["longer_float"] = deployed(network)
    found["longer_on_chip"] = accuracy(ChipModule(longer), *test)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        model.program.save(options.out / "fine_tuned.nmb")
        nir.write(options.out / "fine_tuned.nir", model.to_nir(graph))
        nir.write(options.out / "on_chip.nir", model.program.to_nir())
    if options.json:
        print(json.dumps(found))
        return
    for text, name in (
        (f"float model, {options.float_epochs} epochs", "float"),
        (f"the same on {options.chip}", "before"),
        (f"after {options.epochs} epochs with {options.chip} in the loop", "after"),
        (f"instead {options.epochs} epochs more in float", "longer_float"),
        (f"the same on {options.chip}", "longer_on_chip"),
    ):
        print(f"{text:45s} {100 * found[name]:5.1f} %")


if __name__ == "__main__":
    main()
