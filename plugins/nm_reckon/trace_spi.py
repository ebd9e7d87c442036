"""Checking a recorded SPI stream: what it leaves in the chip, and what reads give back."""

from __future__ import annotations

import numpy as np

from nm_backends.spi import StreamError
from nm_backends.trace import Trace, TraceError, load_trace
from nm_reckon.comparison import Comparison
from nm_reckon.spec import SPEC
from nm_reckon.spi_slave import ReckonSlave
from nm_reckon.trace_case import weights_in
from nm_reckon.trace_layout import SPI

__all__ = ["load_spi", "replay_spi"]


def load_spi(path: str) -> Trace:
    """Read a recorded stream; `TraceError` where its parts do not fit each other."""
    trace = load_trace(path, SPI, meta=False)
    if int(trace["read_len"].sum()) != len(trace["read_data"]):
        raise TraceError(f"{trace.name}: array read_data: not read_len words for each read_header")
    if (trace["read_header"] >> 31 != 1).any():
        raise TraceError(f"{trace.name}: array read_header: bit 31 is not set: no read")
    if (trace["read_header"] >> 16 & 0xFFF != trace["read_len"]).any():
        raise TraceError(f"{trace.name}: array read_len: not the lengths in read_header")
    return trace


def replay_spi(trace: Trace) -> Comparison:
    """Send the stream to a model of the chip's SPI, and compare everything behind it."""
    slave, comparison = ReckonSlave(), Comparison("spi")
    words = trace["mosi_words"].tolist()
    try:
        comparison.state("is_header", trace["is_header"], _headers(words), 0)
        slave.accept(words)
        answers = [word for header in trace["read_header"].tolist() for word in slave.read(header)]
    except StreamError as error:
        raise TraceError(f"{trace.name}: {error}") from error
    _compare_registers(comparison, trace, slave)
    for name, array in weights_in(slave.memories).items():
        comparison.state(f"w_{name}", trace[f"w_{name}"], array, 0, "neuron")
    neurons = slave.memories["neuron"]
    comparison.state("neur_mem", trace["neur_mem"], neurons, 0, "byte")
    comparison.state("dirty", trace["dirty"], slave.dirty, 0, "neuron")
    comparison.state("lfsr", trace["lfsr"], slave.lfsr, 0, "generator")
    comparison.state("read_data", trace["read_data"], np.array(answers, np.uint32), 0)
    return comparison


def _headers(words: list[int]) -> np.ndarray:
    """Return which words are headers: each says how many data words follow."""
    found = np.zeros(len(words), np.uint8)
    at = 0
    while at < len(words):
        found[at] = 1
        at += 1 + (words[at] >> 16 & 0xFFF)
    return found


def _compare_registers(comparison: Comparison, trace: Trace, slave: ReckonSlave) -> None:
    for register in SPEC.registers:
        if register.name not in trace:
            continue
        want = trace[register.name]
        held = slave.registers.get(register.name, 0)
        if want.ndim:
            got = np.array([held >> bit & 1 for bit in range(register.width)], np.uint8)
        else:
            got = np.array(held)
        comparison.state(register.name, want, got, 0)
