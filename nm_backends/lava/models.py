"""How Lava executes a `ChipProcess`: one session of the program in a process of its own."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from nm_backends.errors import UserError
from nm_backends.lava.process import COUNTERS, ChipProcess, flat

__all__ = ["PyChipModel"]


@implements(proc=ChipProcess, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt", "fixed_pt", "bit_accurate_loihi")
class PyChipModel(PyLoihiProcessModel):
    """Steps a session once per time step.

    An exception in here would leave the other processes waiting for ever. So the first one is told
    to the host and on stderr, and the network is paused.
    """

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    t_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    membrane: np.ndarray = LavaPyType(np.ndarray, np.int64, precision=32)
    spikes: np.ndarray = LavaPyType(np.ndarray, np.int64, precision=32)
    events_in: np.ndarray = LavaPyType(np.ndarray, np.int64, precision=32)
    events_out: np.ndarray = LavaPyType(np.ndarray, np.int64, precision=32)
    sops: np.ndarray = LavaPyType(np.ndarray, np.int64, precision=32)
    cycles: np.ndarray = LavaPyType(np.ndarray, np.int64, precision=32)
    dropped: np.ndarray = LavaPyType(np.ndarray, np.int64, precision=32)
    learning: np.ndarray = LavaPyType(np.ndarray, np.int64, precision=32)
    new_sample: np.ndarray = LavaPyType(np.ndarray, np.int64, precision=32)
    send_image: np.ndarray = LavaPyType(np.ndarray, np.int64, precision=32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params=proc_params)
        chip = proc_params["chip"]
        self._pipe, self._sample_steps = chip["pipe"], chip["sample_steps"]
        self._session = chip["program"].session(learning=chip["learning"])
        self._several = len(chip["program"].network.inputs) > 1
        self._before = dict.fromkeys(COUNTERS, 0)  # counted in earlier samples
        self._failed = False

    def run_spk(self) -> None:
        """Take the spikes of one step, and send what the chip makes of them."""
        given, taught = self.s_in.recv(), self.t_in.recv()
        out = np.zeros(self.s_out.shape, np.int32)
        if not self._failed:
            try:
                out[:] = self._step(given, taught)
            except Exception as error:
                self._fail(error)
        self.s_out.send(out)

    def on_var_update(self) -> None:
        """Answer the host that asks for the image; the other switches wait for the next step."""
        if self.send_image[0]:
            self.send_image[:] = 0
            image = self._session.learned().image
            self._pipe.send((image.memories, image.registers))

    def _step(self, given: np.ndarray, taught: np.ndarray) -> np.ndarray:
        self._obey()
        targets = taught.astype(np.int64) if self.t_in.csp_ports else None
        spikes = self._session.step(given.ravel() if self._several else given, targets)
        self.spikes[:] = flat(self._session.layers)
        self.membrane[:] = flat(self._session.membranes)
        counted = self._session.counters
        for name in COUNTERS:
            getattr(self, name)[:] = self._before[name] + counted[name]
        return np.asarray(spikes)

    def _obey(self) -> None:
        """Do what the host asked for since the last step."""
        full = self._sample_steps is not None and self._session.steps >= self._sample_steps
        switched = bool(self.learning[0]) != self._session.learning
        if full or switched or self.new_sample[0]:
            self._before = {name: int(getattr(self, name)[0]) for name in COUNTERS}
            self._session.reset()
            self.new_sample[:] = 0
        if switched:
            self._session.learning = bool(self.learning[0])

    def _fail(self, error: Exception) -> None:
        self._failed = True
        hint = error.hint if isinstance(error, UserError) else ""
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        message = f"in time step {self.time_step}: {kind}{error}"
        print(f"nm_backends.lava: the chip stopped {message}", file=sys.stderr, flush=True)
        self._pipe.send((message, hint))
        self._req_pause = True
