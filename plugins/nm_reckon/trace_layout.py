"""What recorded traces of ReckOn look like: the three kinds, their arrays, and their images."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import numpy as np

from nm_backends.image import Image
from nm_backends.trace import Expect, Trace, TraceError
from nm_reckon.sample import GENERATORS, Sample, SampleLog
from nm_reckon.spec import INPUTS, NEURONS, OUTPUTS, RESET_SEEDS, SPEC
from nm_reckon.spi_slave import SEED_WIDTHS

__all__ = [
    "CASE",
    "CUE",
    "SPI",
    "Simulator",
    "SimulatorClass",
    "case_image",
    "check_generators",
    "image_of",
    "kind_of",
    "registers_of",
]

# Registers without an effect in the public RTL; a trace may leave them out.
_ABSENT = ("SPI_RO_STAGE_SEL", "SPI_GET_CLKINT_OUT", "SPI_GET_TAR_REQ_OUT", "SPI_SRAM_SPEEDMODE")
_WORD = 1 << 32
_TICKS, _SAMPLES = "ticks", "samples"
_WIDTHS = [bits for widths in SEED_WIDTHS.values() for bits in widths]


class Simulator(Protocol):
    """What replays a trace: the simulator of this plugin, or a model to hold it against."""

    @property
    def lfsr(self) -> np.ndarray:
        """States of the generators, uint32 ``[13]``."""
        ...

    def set_register(self, name: str, value: int) -> None:
        """Write a register between two samples."""
        ...

    def sample(
        self, sample: Sample, record: Sequence[str] = (), capture: Sequence[int] = ()
    ) -> SampleLog:
        """Run one sample."""
        ...

    def image(self) -> Image:
        """Return the memories as they are now."""
        ...


SimulatorClass = Callable[..., Simulator]


def _registers(optional: bool = False) -> dict[str, Expect]:
    tables = {}
    for register in SPEC.registers:
        wide = register.width > 62  # a bit vector
        shape = (register.width,) if wide else ()
        top = 1 if wide else (1 << register.width) - 1
        tables[register.name] = Expect(shape, 0, top, optional or register.name in _ABSENT)
    return tables


def _weights(shape: tuple[int | str, ...]) -> Expect:
    return Expect(shape, -128, 127)


def _rows(*shape: int, low: int = 0, high: int = _WORD - 1) -> Expect:
    return Expect((_TICKS, *shape), low, high)


CASE: Mapping[str, Expect] = {
    **_registers(),
    "do_eprop_sample": Expect((_SAMPLES,), 0, 7),
    "seeds_programmed": Expect((), 0, 1),
    "lfsr_init": Expect((len(GENERATORS),), 0, _WORD - 1),
    "neur_mem_init": Expect((128, 16), 0, 255),
    "dirty_init": Expect((NEURONS,), 0, 1),
    "w_inp_init": _weights((INPUTS, NEURONS)),
    "w_rec_init": _weights((NEURONS, NEURONS)),
    "w_out_init": _weights((NEURONS, OUTPUTS)),
    "n_ticks": Expect((_SAMPLES,), 2, (1 << 31) - 1),
    "tick_start": Expect(("tick_start",), 0, (1 << 31) - 1),
    "ev_tick": Expect(("events",), 0, (1 << 31) - 1),
    "ev_addr": Expect(("events",), 0, INPUTS - 1),
    "target_valid": _rows(high=1),
    "infer_acc": _rows(high=1),
    "label": Expect((_SAMPLES,), 0, 255),
    "label_tick": Expect((_SAMPLES,), -1, (1 << 31) - 1),
    "label_on_request": _rows(high=255),
    "reg_target": _rows(OUTPUTS, low=-32768, high=32767),
    "out_data": Expect(("outputs",), 0, 255),
    "out_tick": Expect(("outputs",), 0, (1 << 31) - 1),
    "dw_inp": _weights((_SAMPLES, INPUTS, NEURONS)),
    "dw_rec": _weights((_SAMPLES, NEURONS, NEURONS)),
    "dw_out": _weights((_SAMPLES, NEURONS, OUTPUTS)),
    "neur_mem_after": Expect((_SAMPLES, 128, 16), 0, 255),
    "spikes": _rows(NEURONS // 8, high=255),
    "oneur_step": _rows(OUTPUTS, low=-32768, high=32767),
    "oneur_ready": _rows(OUTPUTS, low=-32768, high=32767),
    "winner_count": _rows(OUTPUTS, high=65535),
    "lfsr": _rows(len(GENERATORS)),
    "cycles": _rows(4),
    "cap_tick": Expect(("captures",), 0, (1 << 31) - 1),
    "cap_mem_step": Expect(("captures", 128, 16), 0, 255),
    "cap_mem_ready": Expect(("captures", 128, 16), 0, 255),
}

SPI: Mapping[str, Expect] = {
    **_registers(optional=True),
    "mosi_words": Expect(("words",), 0, _WORD - 1),
    "is_header": Expect(("words",), 0, 1),
    "neur_mem": Expect((128, 16), 0, 255),
    "w_inp": _weights((INPUTS, NEURONS)),
    "w_rec": _weights((NEURONS, NEURONS)),
    "w_out": _weights((NEURONS, OUTPUTS)),
    "dirty": Expect((NEURONS,), 0, 1),
    "lfsr": Expect((len(GENERATORS),), 0, _WORD - 1),
    "read_header": Expect(("reads",), 0, _WORD - 1),
    "read_len": Expect(("reads",), 0, 4095),
    "read_data": Expect(("answers",), 0, _WORD - 1),
}

_TRACED = 2250  # ticks of a sample of the cue-accumulation task
CUE: Mapping[str, Expect] = {
    **{f"label_{phase}": Expect((50,), 0, 1) for phase in ("train", "test")},
    **{f"inferred_{phase}": Expect(("epochs", 50), 0, 15) for phase in ("train", "test")},
    **{f"correct_{phase}": Expect(("epochs",), 0, 50) for phase in ("train", "test")},
    **{f"n_spikes_{phase}": Expect(("epochs", 50)) for phase in ("train", "test")},
    **{f"cycles_{phase}": Expect(("epochs", 50)) for phase in ("train", "test")},
    "w_inp_after_epoch": _weights(("epochs", 40, 112)),
    "w_rec_after_epoch": _weights(("epochs", 100, 112)),
    "w_out_after_epoch": _weights(("epochs", 100, 2)),
    "lfsr_after_epoch": Expect(("epochs", 13), 0, _WORD - 1),
    "w_inp_after_sample": _weights(("traced", 40, 112)),
    "w_rec_after_sample": _weights(("traced", 100, 112)),
    "w_out_after_sample": _weights(("traced", 100, 2)),
    "lfsr_after_sample": Expect(("traced", 13), 0, _WORD - 1),
    "trace_spikes": Expect(("traced", _TRACED, 13), 0, 255),
    "trace_oneur_step": Expect(("traced", _TRACED, 2), -32768, 32767),
    "trace_lfsr": Expect(("traced", _TRACED, 13), 0, _WORD - 1),
    "trace_cycles": Expect(("traced", _TRACED, 4)),
    "trace_mem_tick": Expect(("captures",), 0, _TRACED - 1),
    "trace_mem_ready": Expect(("traced", "captures", 52, 16), 0, 255),
}

# Arrays that tell the kinds apart; no other chip's traces have them.
_MARKS = {
    "case": ("neur_mem_init", "do_eprop_sample", "label_on_request"),
    "cue": ("w_inp_after_epoch", "trace_oneur_step"),
    "spi": ("mosi_words", "read_header", "neur_mem"),
}


def kind_of(arrays: Collection[str]) -> str | None:
    """Return ``"case"``, ``"cue"`` or ``"spi"`` for the names of a trace's arrays, or None."""
    return next((kind for kind, marks in _MARKS.items() if set(marks) <= set(arrays)), None)


def check_generators(trace: Trace, name: str) -> None:
    """Raise `TraceError` where a state does not fit its generator."""
    for generator, state, bits in zip(GENERATORS, trace[name].tolist(), _WIDTHS, strict=True):
        if state >> bits:
            raise TraceError(
                f"{trace.name}: array {name}: {state} for {generator}, a generator of {bits} bits"
            )


def registers_of(trace: Trace) -> dict[str, int | np.ndarray]:
    """Return every register of the chip, 0 where the trace leaves one out."""
    registers: dict[str, int | np.ndarray] = {}
    for register in SPEC.registers:
        if register.name not in trace:
            value = np.zeros(register.width if register.width > 62 else (), np.uint8)
        else:
            value = trace[register.name]
        registers[register.name] = value.astype(np.uint8) if value.ndim else int(value)
    return registers


def image_of(
    registers: Mapping[str, int | np.ndarray], neurons: np.ndarray,
    w_inp: np.ndarray, w_rec: np.ndarray, w_out: np.ndarray,
) -> Image:  # fmt: skip
    """Return the image of neuron words and of weights ``[pre, post]``."""
    output = np.zeros((512, OUTPUTS), np.uint8)
    output[:NEURONS] = w_out.astype(np.int8).view(np.uint8)
    memories = {
        "neuron": neurons.astype(np.uint8),
        "input_weight": w_inp.astype(np.int8).view(np.uint8).reshape(4096, 16),
        "recurrent_weight": w_rec.astype(np.int8).view(np.uint8).reshape(4096, 16),
        "output_weight": output,
    }
    return Image(memories, dict(registers))


def case_image(trace: Trace) -> Image:
    """Return what the chip held before the first sample of a random case."""
    registers = registers_of(trace)
    if not trace["seeds_programmed"]:
        registers |= RESET_SEEDS
    weights = (trace[f"w_{name}_init"] for name in ("inp", "rec", "out"))
    return image_of(registers, trace["neur_mem_init"], *weights)
