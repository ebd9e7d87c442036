"""Random cores and events for the engine tests, and what both chips' tests compare."""

from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from reference_models.clocked import Host

from nm_backends.eventcore.errors import LivelockError
from nm_backends.image import Image

TRACES = Path(__file__).resolve().parent / "traces"

thorough = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
bit = st.integers(0, 1)
seed = st.integers(0, 2**32 - 1)

hosts = st.builds(
    Host,
    driving=st.sampled_from(["idle", "back_to_back", "scheduled"]),
    ack_delay=st.integers(0, 12),
    release_delay=st.integers(0, 6),
    idle_cycles=st.integers(1, 10),
)


def draw_schedule(host, events, number):
    """Give a scheduled host request cycles: some too early, some after a long pause."""
    if host.driving == "scheduled":
        gaps = np.random.default_rng(number).choice([0, 1, 5, 40, 600, 3000], len(events))
        host.schedule = np.cumsum(gaps).tolist()
    return host


def same_outputs(log, reference):
    got = list(zip(log.out_addr.tolist(), log.out_event.tolist(), strict=True))
    assert got == [(address, event) for address, event, _ in reference.out]
    for name, column in (
        ("ev_core_cycles", "core"),
        ("ev_stall_cycles", "stall"),
        ("ev_pops", "pops"),
        ("ev_drops", "drops"),
    ):
        assert getattr(log, name).tolist() == reference.log[column], name
    assert int(log.drops_by_neuron.sum()) == sum(reference.log["drops"])


def same_clock(log, reference):
    assert log.out_cycle.tolist() == [cycle for _, _, cycle in reference.out]
    for column in ("req", "accept", "ack", "done"):
        assert getattr(log, f"ev_{column}_cycle").tolist() == reference.log[column], column
    assert log.ev_reqdn_cycles.tolist() == reference.log["reqdn"]
    assert log.total_cycles == reference.log["total"]


def send_timed(simulator, events, host, max_pops=60):
    """Send events as ``host`` would; give up on cores that do not become idle."""
    try:
        return simulator.send_timed(
            np.array(events, np.uint32),
            driving=host.driving,
            req_cycle=np.array(host.schedule, np.int64) if host.driving == "scheduled" else None,
            ack_delay=host.ack_delay,
            release_delay=host.release_delay,
            idle_cycles=host.idle_cycles,
            max_pops=max_pops,
        )
    except LivelockError:
        assume(False)


def send(simulator, events, max_pops=60, **options):
    try:
        return simulator.send(np.array(events, np.uint32), max_pops=max_pops, **options)
    except LivelockError:
        assume(False)


def trace_image(arrays):
    registers = {
        name: value if value.ndim else int(value)
        for name, value in arrays.items()
        if name.startswith("SPI_")
    }
    memories = {name: arrays[f"{name}_init"] for name in ("neuron", "synapse")}
    return Image(memories, registers)


def altered(path, target, **changes):
    """Copy a trace with some arrays replaced (None removes one)."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    for name, change in changes.items():
        value = change(arrays[name].copy()) if callable(change) else change
        arrays[name] = value
        if value is None:
            del arrays[name]
    np.savez_compressed(target, **arrays)
    return str(target)
