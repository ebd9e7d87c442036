"""How fast SPOON's model is, on one core, with the default topology and 28 x 28 images.

``extra_info`` holds images per second from the best round, of processor time. The floors are those
that the project promises.
pytest tests/benchmarks/test_bench_spoon.py -s -n 0
"""

import time

import numpy as np
import pytest

import nm_backends as nmb
from nm_backends.assumptions import backend_of
from nm_spoon.graphs import spoon_graph

IMAGES = 2000


@pytest.fixture(scope="module")
def program():
    rng = np.random.default_rng(0)
    graph = spoon_graph(
        rng.normal(0, 0.05, (128, 360)), rng.normal(0, 0.1, (10, 128)),
        rng.normal(0.1, 0.15, (10, 1, 5, 5)), shape=(1, 28, 28),
    )  # fmt: skip
    options = nmb.CompileOptions(learn=("hidden", "output"))
    return nmb.compile(graph, "spoon", options=options)


@pytest.fixture(scope="module")
def given():
    """Every pixel has an event: the most work there can be."""
    rng = np.random.default_rng(1)
    return nmb.latency_code(rng.integers(1, 256, (IMAGES, 28, 28)).astype(np.uint8))


def rate(benchmark, work):
    """Images per second of processor time, the best of some rounds."""
    work()
    spent = []

    def timed():
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)

    benchmark.pedantic(timed, rounds=5)
    found = IMAGES / min(spent)
    benchmark.extra_info["images/s"] = round(found)
    print(f"\n{benchmark.name}: {benchmark.extra_info}")
    return found


def test_inference(benchmark, program, given):
    assert rate(benchmark, lambda: program.run(given, threads=1)) > 2000


def test_learning(benchmark, program, given):
    trainer = backend_of(program).learner(program, None)
    labels = np.arange(IMAGES)[None] % 10
    assert rate(benchmark, lambda: trainer.epoch(given, labels)) > 500
