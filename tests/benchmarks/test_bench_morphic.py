"""How fast MorphIC's engine is: one core, and a mesh of 64 chips (131,072 neurons).

``extra_info`` holds ``GSOP/s`` from the best round, the spikes per served event, and for the mesh
the memory of the process at its peak. pytest tests/benchmarks/test_bench_morphic.py -s -n 0
"""

import resource

import numpy as np
import pytest
from morphic_cases import chip

from nm_morphic.routes import Route, encode
from nm_morphic.simulator import MorphicSimulator


def report(benchmark, log, **more):
    rate = log.sops / benchmark.stats.stats.min / 1e9
    benchmark.extra_info["GSOP/s"] = round(float(rate), 3)
    benchmark.extra_info["spikes per event"] = round(log.out.size / int(log.served.sum()), 3)
    benchmark.extra_info |= more
    print(f"\n{benchmark.name}: {benchmark.extra_info}")
    return rate


def core_image(learning):
    enabled = np.zeros((4, 1024), np.uint8)
    enabled[:, 512:] = 1
    fields = {
        "thr": 90, "ca_en": int(learning), "ca_theta2": 4, "ca_theta3": 7, "ca_leak": 2,
        "thetamem": 5,
    }  # fmt: skip
    weights = np.random.default_rng(0).integers(0, 2, (4, 1024, 512), np.uint8)
    options = {"PLASTIC": 7, "P_UP": 30, "P_DOWN": 20} if learning else {}
    return chip(weights, enabled=enabled, fields=fields, **options)


@pytest.mark.parametrize(("learning", "least"), [(False, 1.0), (True, 0.2)])
def test_one_core(benchmark, learning, least):
    events = np.zeros((50_000, 3), np.int64)
    events[:, 2] = np.random.default_rng(1).integers(512, 1024, len(events))
    events[::500] = (-1, -1, -1)
    simulator = MorphicSimulator(core_image(learning))
    log = benchmark(simulator.send, events, threads=1)
    assert report(benchmark, log) > least


def mesh_images(rng):
    """8 x 8 chips; one neuron in 64 reaches its own core, two others and a chip next to its own."""
    images = []
    for at in range(64):
        x, y = at % 8, at // 8
        enabled = (rng.random((4, 1024)) < np.where(np.arange(1024) < 512, 1 / 64, 1)).astype("u1")
        routes = np.zeros((4, 512), np.int64)
        for core in range(4):
            for k in range(0, 512, 64):
                dx, dy = ((1, 0), (-1, 0), (0, 1), (0, -1))[rng.integers(4)]
                inside = 0 <= x + dx < 8 and 0 <= y + dy < 8
                others = tuple(c for c in range(4) if c not in (core, (core + 1) % 4))
                route = Route(others, k // 64, dx * inside, dy * inside, int(rng.integers(256)))
                routes[core, k] = encode(route, core)
        weights = rng.integers(0, 2, (4, 1024, 512), np.uint8)
        images.append(chip(weights, routes, {"thr": 16, "leak_str": 1}, enabled))
    return images


@pytest.mark.parametrize(("threads", "share_from"), [(1, 1024), (None, 1024), (None, 128)])
def test_mesh_of_64_chips(benchmark, threads, share_from):
    rng = np.random.default_rng(2)
    simulator = MorphicSimulator(mesh_images(rng), 8)
    simulator.share_from = share_from
    cores = np.tile(np.arange(256), 200)
    rows = rng.integers(512, 1024, cores.size)
    events = np.column_stack([cores // 4, cores % 4, rows])
    events[::2560] = (-1, -1, -1)
    log = benchmark(simulator.send, events, wait=False, threads=threads)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    report(benchmark, log, peak_GiB=round(peak, 2), chip_seconds=round(log.cycles / 55e6, 4))
    assert peak < 2
