"""A Lava network as a NIR graph; see `read`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nm_backends.discretisation import Discretisation
from nm_backends.frontends import lava_rules as R
from nm_backends.frontends.lava_parameters import (
    Arithmetic,
    Neurons,
    by_delay,
    convolution,
    guess,
    neurons,
    weights,
)
from nm_backends.frontends.lava_wiring import (
    count_up,
    find,
    given_name,
    kind_of,
    names,
    sources,
)
from nm_backends.lowering.findings import Findings

if TYPE_CHECKING:
    import nir

    from nm_backends.rules import Diagnostic

__all__ = ["load", "read"]

_DT = 1e-3
_SNAP = 1e-12  # 1 - dt / (dt / du) is 1 - du but for the last bit
_PORTS = ("s_in", "a_in", "s_out", "a_out")
_NEURONS = ("LIF", "LIFReset", "LearningLIF")
_ROOM = 1 << 17  # currents and membranes have 24 bits, 6 of them below the unit of the threshold
_LARGEST = 1 << 26  # elements of a matrix that a convolution becomes


def load(
    model: Any, sample: Any = None, dt: float | None = None
) -> tuple[nir.NIRGraph | None, Discretisation, list[Diagnostic]]:
    """Read the network of a process; what the registry calls. ``sample`` is not needed."""
    return read(model, dt=dt)


def read(
    process: Any,
    arithmetic: Literal["auto", "floating_pt", "fixed_pt"] = "auto",
    dt: float | None = None,
) -> tuple[nir.NIRGraph | None, Discretisation, list[Diagnostic]]:
    """Turn a Lava network into a NIR graph, as it was constructed.

    All values are flat, in C order, as in the ports of Lava's connections. Inputs are the ports of
    processes that only send (a RingBuffer source), and ``s_in`` (or ``a_in``) of the first
    connections and neurons where nothing is connected; outputs are neurons (or connections) that
    nothing, or a process that only receives, listens to. Every connection ends in a ``Delay`` of
    one step, which is what Lava's models do; a reshaped port needs nothing, a transposed one a
    permutation. Lava counts an input above 1 as 1 unless ``num_message_bits`` says otherwise.

    Parameters
    ----------
    process
        Any process of the network. It need not have been run.
    arithmetic
        As ``select_tag`` of the run configuration: which of Lava's models is meant. ``auto`` goes
        by the parameters.
    dt
        Length of a step in seconds; 1 ms if None.

    Returns
    -------
    tuple
        The graph (None if it cannot be read), its conventions, and findings.
    """
    from nm_backends.lava.environment import load_lava

    load_lava()
    return _Reader(process, arithmetic, _DT if dt is None else dt).read()


class _Reader:
    """One reading: nodes and edges as they are made, findings as they are met."""

    def __init__(self, process: Any, arithmetic: str, dt: float) -> None:
        self.dt, self.notes = dt, Findings("Lava network")
        processes = find(process)
        self.neurons = [p for p in processes if kind_of(p) in _NEURONS]
        self.connections = [p for p in processes if kind_of(p) and p not in self.neurons]
        self.others = [p for p in processes if not kind_of(p)]
        self.name = names([p for p in processes if kind_of(p)])
        self.arithmetic: Arithmetic = self._arithmetic(arithmetic)
        self.nodes: dict[str, Any] = {}
        self.edges: list[tuple[str, str]] = []
        self.ends: dict[Any, tuple[list[str], list[str]]] = {}  # where a process begins and ends
        self.inputs: dict[Any, str] = {}
        self.v0: dict[str, Any] = {}
        self.rounded: dict[Any, float] = {}  # how far off the sum of a connection is
        self.largest: dict[Any, np.ndarray] = {}  # and how large

    def read(self) -> tuple[nir.NIRGraph | None, Discretisation, list[Diagnostic]]:
        import nir

        self._refuse_others()
        if self.notes.ok:
            for process in self.connections:
                self._connection(process)
            for process in self.neurons:
                self._neurons(process)
            self._wire()
            self._outputs()
        conventions = Discretisation(
            framework="lava", dt=self.dt, reset="zero", spike_cmp=">", if_gain="r",
            snap=_SNAP, v0=self.v0 or "zero",
        )  # fmt: skip
        found = self.notes.plain().diagnostics
        if not self.notes.ok:
            return None, conventions, found
        return nir.NIRGraph(self.nodes, list(dict.fromkeys(self.edges))), conventions, found

    def _arithmetic(self, wanted: str) -> Arithmetic:
        if wanted in ("floating_pt", "fixed_pt"):
            return wanted  # type: ignore[return-value]
        if wanted != "auto":
            raise ValueError(f"arithmetic is {wanted!r}, expected auto, floating_pt or fixed_pt")
        found, sure = guess(self.neurons, self.connections)
        if not sure:
            self.notes.add(R.guessed_arithmetic.at("nothing says which models are meant: float"))
        return found

    def _refuse_others(self) -> None:
        if not self.neurons:
            self.notes.add(R.unmapped_process.at("there is no LIF process in this network"))
        for process in self.others:
            taken = [w for port in process.in_ports.members for w in self._sources(port)]
            heard = any(self._known(port) for port in process.out_ports.members)
            if heard and any(kind_of(w.port.process) for w in taken):
                message = f"{type(process).__name__} is not read"
                self.notes.add(R.unmapped_process.at(message, node=process.name))
        for process in [*self.neurons, *self.connections]:
            for port in process.in_ports.members + process.out_ports.members:
                connected = port.in_connections or port.out_connections
                if connected and port.name not in _PORTS and not _learns(process):
                    message = f"port {port.name} is connected"
                    self.notes.add(R.unmapped_wiring.at(message, node=self.name[process]))

    def _known(self, port: Any) -> bool:
        return any(kind_of(p.process) for p in port.get_dst_ports())

    def _sources(self, port: Any) -> list[Any]:
        try:
            return list(sources(port))
        except NotImplementedError as error:
            message = f"{port.name}: a {error} is on the way"
            self.notes.add(R.unmapped_wiring.at(message, node=port.process.name))
            return []

    def _connection(self, process: Any) -> None:
        """Add a matrix and a delay for every number of steps that spikes take."""
        import nir

        kind, name = kind_of(process), self.name[process]
        if _learns(process):
            message = "the weights are those it began with"
            self.notes.add(R.learning_is_left_out.at(message, node=name))
        matrix = self._matrix(process, kind)
        if matrix is None:
            return
        matrix, self.rounded[process] = weights(process, matrix, self.arithmetic, kind)
        dense = np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix.toarray())
        self.largest[process] = np.maximum(dense.clip(0).sum(1), -dense.clip(None, 0).sum(1))
        begins, ends = [], []
        for wait, part in by_delay(process, dense):
            begins.append(name if wait == 0 else self._free(f"{name}_{wait}"))
            self._linear(begins[-1], part)
            ends.append(self._free(f"{begins[-1]}_delay"))
            self.nodes[ends[-1]] = nir.Delay(np.full(len(part), (1 + wait) * self.dt))
            self.edges.append((begins[-1], ends[-1]))
        self.rounded[process] *= len(ends)  # each is rounded by itself
        self.ends[process] = (begins, ends)
        self._tell_weights(process, name)

    def _linear(self, name: str, matrix: np.ndarray) -> None:
        import nir

        self.nodes[name] = nir.Linear(matrix)

    def _matrix(self, process: Any, kind: str) -> Any:
        if kind != "Conv":
            return process.weights.init
        inputs, outputs = (int(np.prod(port.shape)) for port in (process.s_in, process.a_out))
        if inputs * outputs > _LARGEST:
            message = f"the matrix of this Conv has {inputs:,} x {outputs:,} elements"
            self.notes.add(R.unmapped_process.at(message, node=self.name[process]))
            return None
        return convolution(process)

    def _tell_weights(self, process: Any, name: str) -> None:
        if self.arithmetic == "floating_pt":
            return
        given = process.proc_params.get
        bits, exponent = given("num_weight_bits", 8), given("weight_exp", 0) or 0
        message = f"{bits} weight bits and exponent {exponent} are in the weights"
        if kind_of(process) == "Conv":
            message = "the fixed-point Conv of Lava uses neither weight bits nor exponent"
        self.notes.add(R.lava_parameters.at(message, node=name))

    def _neurons(self, process: Any) -> None:
        import nir

        name, found = self.name[process], neurons(process, self.arithmetic)
        self.ends[process] = ([name], [name])
        self._check(process, name, found)
        tau_mem, r = _time(found.dv, self.dt)
        v_leak = np.divide(found.bias, found.dv, out=np.zeros_like(r), where=found.dv > 0)
        common = {"v_threshold": found.threshold, "v_reset": np.zeros(r.size)}
        if (found.du == 1).all():
            self.nodes[name] = nir.LIF(tau=tau_mem, r=r, v_leak=v_leak, **common)
        else:
            tau_syn, w_in = _time(found.du, self.dt)
            self.nodes[name] = nir.CubaLIF(
                tau_syn=tau_syn, tau_mem=tau_mem, r=r, v_leak=v_leak, w_in=w_in, **common
            )
        if found.v0.any():
            self.v0[name] = found.v0
        self._tell(process, name, found)

    def _check(self, process: Any, name: str, found: Neurons) -> None:
        """Say what has no counterpart; a bias without a leak goes in by a matrix of its own."""
        keeps = found.du < 1
        if (found.u0[keeps] != 0).any():
            self.notes.add(R.unmapped_parameter.at("u is not 0 before the first step", node=name))
        lonely = (found.dv == 0) & (found.bias != 0)
        if (lonely & keeps).any():
            message = "a bias, a current that lasts (du) and no leak (dv is 0)"
            self.notes.add(R.unmapped_parameter.at(message, node=name))
        elif lonely.any():
            self._bias(process, name, found.bias * lonely)

    def _bias(self, process: Any, name: str, bias: np.ndarray) -> None:
        """Add the bias to what arrives, in an Affine of its own in front of the neurons."""
        import nir

        own = self._free(f"{name}_bias")
        self.nodes[own] = nir.Affine(np.eye(bias.size), bias)
        self.edges.append((own, name))
        self.ends[process] = ([own], [name])

    def _tell(self, process: Any, name: str, found: Neurons) -> None:
        current = "no current of its own" if (found.du == 1).all() else f"du {_span(found.du)}"
        message = (
            f"per step {current}, dv {_span(found.dv)}, bias {_span(found.bias)}, "
            f"vth {_span(found.threshold)}; a step is {self.dt:g} s"
        )
        self.notes.add(R.lava_parameters.at(message, node=name))
        if kind_of(process) == "LIFReset":
            every = process.proc_params["reset_interval"]
            message = f"set to 0 every {every} steps"
            self.notes.add(R.resets_by_the_clock.at(message, node=name))
        if self.arithmetic == "fixed_pt":
            self._tell_rounding(process, name, found)

    def _tell_rounding(self, process: Any, name: str, found: Neurons) -> None:
        arriving = [w.port.process for w in self._sources(process.a_in)]
        off = sum(self.rounded.get(p, 0.0) for p in arriving)
        current = (off + found.rounding[0]) / float(found.du.min())
        if current or found.rounding[1]:
            step = current + found.rounding[1]
            slow = float(found.dv.min())
            far = f"{step / slow:.4g}" if slow else f"{step:.4g} more in every step"
            message = f"Lava's membrane can be away by {far} (vth {_span(found.threshold)})"
            self.notes.add(R.rounds_in_lava.at(message, node=name))
        most = [self.largest[p].max() for p in arriving if p in self.largest]
        total = float(sum(most)) / float(found.du.min())
        if total >= _ROOM:
            message, number = "all inputs together can make it overflow", f"{total:,.0f}"
            self.notes.add(R.may_overflow.at(message, node=name, found=number, limit=_ROOM))

    def _wire(self) -> None:
        for process in [*self.connections, *self.neurons]:
            if process not in self.ends:
                continue
            port = process.a_in if process in self.neurons else process.s_in
            self._refuse_meetings(process, port)
            for wire in self._sources(port):
                ends = self._begin(wire.port)
                self._connect(ends, self.ends[process][0], wire)
            if not port.in_connections and process in self.connections:
                self._connect([self._input(port)], self.ends[process][0])
        if not self.inputs:
            for process in self.neurons:
                if not process.a_in.in_connections and process in self.ends:
                    self._connect([self._input(process.a_in)], self.ends[process][0])

    def _refuse_meetings(self, process: Any, port: Any) -> None:
        """Say where Lava does not simply add what arrives, or NIR cannot."""
        arriving = [wire.port for wire in self._sources(port)]
        binary = process in self.connections and not np.any(process.num_message_bits.init)
        if len(arriving) > 1 and binary:
            message = f"{len(arriving)} sources meet at {port.name}, where Lava counts 0 or 1"
            hint = "give each source a connection of its own"
            self.notes.add(R.unmapped_wiring.at(message, node=self.name[process], hint=hint))
        elif len(set(arriving)) < len(arriving):
            message = f"one port is connected with {port.name} more than once"
            self.notes.add(R.unmapped_wiring.at(message, node=self.name[process]))

    def _begin(self, port: Any) -> list[str]:
        process = port.process
        return self.ends[process][1] if process in self.ends else [self._input(port)]

    def _input(self, port: Any) -> str:
        """Return the node that brings the values of a port from outside, flat."""
        import nir

        if port not in self.inputs:
            known = port.process in self.name
            name = self._free("input" if known else given_name(port.process) or "input")
            self.nodes[name] = nir.Input({"input": np.array(port.shape)})
            self.inputs[port] = name
            if len(port.shape) > 1:
                flat, shape = self._free(f"{name}_flat"), {"input": np.array(port.shape)}
                self.nodes[flat] = nir.Flatten(shape, start_dim=0, end_dim=-1)
                self.edges.append((name, flat))
                self.inputs[port] = flat
        return self.inputs[port]

    def _connect(self, begins: list[str], ends: list[str], wire: Any = None) -> None:
        for first in begins:
            for last in ends:
                if wire is None or wire.straight:
                    self.edges.append((first, last))
                else:
                    name = self._free(f"{first}_to_{last}")
                    self._linear(name, np.eye(wire.order.size)[wire.order])
                    self.edges += [(first, name), (name, last)]

    def _outputs(self) -> None:
        import nir

        read = [p for p in [*self.neurons, *self.connections] if p in self.ends]
        shown = [p for p in read if self._is_shown(p)] or [p for p in read if p in self.neurons]
        for process in shown:
            port = process.s_out if process in self.neurons else process.a_out
            size = int(np.prod(port.shape))
            name = self._free("output" if len(shown) == 1 else f"{self.name[process]}_output")
            self.nodes[name] = nir.Output({"output": np.array([size])})
            self.edges += [(end, name) for end in self.ends[process][1]]

    def _is_shown(self, process: Any) -> bool:
        port = process.s_out if process in self.neurons else process.a_out
        heard = port.get_dst_ports()
        return not heard or any(not kind_of(p.process) for p in heard)

    def _free(self, name: str) -> str:
        taken = {*self.nodes, *self.name.values()}
        return next(n for n in count_up(name) if n not in taken)


def _time(lost: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the time constant for what is lost per step, and the factor that makes the gain 1."""
    with np.errstate(divide="ignore"):
        return dt / lost, 1.0 / lost


def _learns(process: Any) -> bool:
    return kind_of(process).startswith("Learning")


def _span(values: np.ndarray) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"
