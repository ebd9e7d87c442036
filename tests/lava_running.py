"""Lava networks for the tests: sources, sinks, and runs that are always stopped."""

from contextlib import contextmanager

import numpy as np

import nm_backends.lava  # noqa: F401 - before Lava's own modules, on Python 3.11 and later

# isort: split
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi1SimCfg, Loihi2SimCfg
from lava.proc.conv.process import Conv
from lava.proc.dense.process import DelayDense, Dense, LearningDense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.learning_rules.stdp_learning_rule import STDPLoihi
from lava.proc.lif.process import LIF, LIFRefractory, LIFReset, TernaryLIF
from lava.proc.monitor.process import Monitor
from lava.proc.sparse.process import DelaySparse, Sparse

__all__ = [
    "LIF", "Conv", "DelayDense", "DelaySparse", "Dense", "LIFRefractory", "LIFReset",
    "LearningDense", "Monitor", "STDPLoihi", "Sparse", "TernaryLIF", "seen", "sink", "source",
    "steps", "stopping",
]  # fmt: skip

CONFIGS = {
    "loihi1-fixed": lambda: Loihi1SimCfg(select_tag="fixed_pt"),
    "loihi2-fixed": lambda: Loihi2SimCfg(select_tag="fixed_pt"),
    "loihi1-float": lambda: Loihi1SimCfg(select_tag="floating_pt"),
    "loihi2-float": lambda: Loihi2SimCfg(select_tag="floating_pt"),
}


def source(data, port):
    """Feed ``[time, *shape]`` into a port; return the process."""
    found = Source(data=np.moveaxis(np.asarray(data), 0, -1))
    found.s_out.connect(port)
    return found


def sink(port, steps):
    """Record what a port sends; return the process."""
    found = Sink(shape=port.shape, buffer=steps)
    port.connect(found.a_in)
    return found


def seen(recorder):
    """Return what a sink has recorded, ``[time, *shape]``."""
    return np.moveaxis(recorder.data.get(), -1, 0)


@contextmanager
def stopping(process):
    """Stop the network in the end, whatever happens."""
    try:
        yield
    finally:
        process.stop()


def steps(process, number, config="loihi1-float"):
    process.run(condition=RunSteps(num_steps=number), run_cfg=CONFIGS[config]())
