"""How long a step of a session takes, beside the same steps in one run.

``extra_info`` holds microseconds per step and per step and sample; nothing is asserted on times.
"""

from pathlib import Path

import numpy as np
import pytest

import nm_backends as nmb

DATA = Path(nmb.__file__).parent / "data"


@pytest.mark.parametrize("batch", [1, 32, 256])
@pytest.mark.parametrize("chip", ["odin", "reckon", "tinyodin"])
def test_steps_of_the_digits_network(benchmark, chip, batch):
    conventions = nmb.Discretisation(framework="snntorch", dt=1e-3, reset="zero")
    program = nmb.compile(DATA / "digits.nir", chip, conventions)
    spikes = np.load(DATA / "digits_test.npz")["spikes"][:, :batch]
    session = program.session(batch)

    def steps():
        session.reset()
        return [session.step(now) for now in spikes]

    assert np.array_equal(benchmark(steps), program.run(spikes).spikes)
    per_step = benchmark.stats.stats.min / len(spikes) * 1e6
    benchmark.extra_info["us per step"] = round(per_step)
    benchmark.extra_info["us per step and sample"] = round(per_step / batch, 1)
    print(f"\n{benchmark.name}: {benchmark.extra_info}")
