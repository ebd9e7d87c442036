"""A compiled program as a torch module: bits of the chip forward, gradients back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from nm_backends.errors import UserError
from nm_backends.requantise import requantise
from nm_backends.rules import CompileError
from nm_backends.torch.float_model import FloatModel, Progress
from nm_backends.torch.surrogate import Surrogate, instead
from nm_backends.torch.values import Values

if TYPE_CHECKING:
    import nir

    from nm_backends.network import Network
    from nm_backends.program import Program
    from nm_backends.result import Result
    from nm_backends.session import Session

__all__ = ["ChipModule"]

_OTHER = "the model is not the one that the program was compiled from"
_GIVE = "give the model and the settings that were given to compile"


class ChipModule(torch.nn.Module):  # type: ignore[misc]
    """A program whose output is the chip's, bit for bit, and that gradients go through.

    Parameters
    ----------
    program
        What was compiled. It is not changed; `program` is the one of the moment.
    model
        What the program was compiled from. Needed only where the program does not know it: after
        `nm_backends.load`, if there are convolutions or other folded nodes.
    surrogate, detach_reset, dtype
        As for `FloatModel`.
    hidden
        What later layers of the float model hear: ``chip``, the spikes of the chip's earlier layers
        (gradients are then taken where the chip really is), or ``float``, those of the float model,
        which then runs undisturbed beside the chip.
    calibrate
        For chips that have to be compiled anew when weights change, see
        `nm_backends.requantise.requantise`.
    threads
        As for ``program.run``.
    gradients
        Whose: ``model``, those of the float model, whose weights and biases are trained; or
        ``chip``, those of the chip's own events, for everything that the image holds (see `Values`;
        chips whose backend has them, whole sequences, the output's spikes).

    Attributes
    ----------
    model
        The `FloatModel`; its parameters are what an optimiser trains.
    values
        With the chip's own gradients: the `Values` that an optimiser trains; ``model`` then stays.
    layers
        Spikes of the last call of every spiking population, tensors without gradients.
    result
        The last `Result` of a whole sequence.

    Notes
    -----
    When parameters have changed, the program follows before the next sequence (`refresh`): scales
    and placement stay, weights are quantised anew. A sequence that is run step by step ends on the
    program that it began with.
    """

    def __init__(
        self,
        program: Program,
        model: Any = None,
        *,
        surrogate: Surrogate | None = None,
        hidden: Literal["chip", "float"] = "chip",
        detach_reset: bool = True,
        calibrate: Any = None,
        threads: int | None = None,
        dtype: torch.dtype = torch.float32,
        gradients: Literal["model", "chip"] = "model",
    ) -> None:
        super().__init__()
        for name, given, known in (
            ("hidden", hidden, ("chip", "float")), ("gradients", gradients, ("model", "chip")),
        ):  # fmt: skip
            if given not in known:
                raise UserError(f"{name} is {given!r}, expected {' or '.join(known)}")
        network = program.network
        if model is not None:
            network = _same(network, model)
        self.model = FloatModel(
            network, surrogate=surrogate, detach_reset=detach_reset, dtype=dtype
        )
        self.values: Values | None = None
        if gradients == "chip":
            self.model.requires_grad_(False)
            self.values = Values(program, dtype)
        self.hidden, self.threads = hidden, threads
        self.layers: dict[str, torch.Tensor] = {}
        self.result: Result | None = None
        self._calibrate, self._source = calibrate, model
        self._base = self._current = program
        self._seen = self._snapshot()
        self._session: Session | None = None
        self._progress: Progress | None = None

    @property
    def program(self) -> Program:
        """The program with the parameters as they are now."""
        self.refresh()
        return self._current

    def refresh(self) -> bool:
        """Bring the program up to date with the parameters; return whether it had to change."""
        now = self._snapshot()
        if all(torch.equal(a, b) for a, b in zip(now, self._seen, strict=True)):
            return False
        if self.values is not None:
            self._current = self.values.program()
        else:
            self._current = requantise(self._base, self.model.to_network(), self._calibrate)
        self._seen = self._snapshot()
        return True

    def recompile(self, calibrate: Any = None) -> Program:
        """Compile the network of now from scratch: scales, thresholds and places may all change.

        Parameters
        ----------
        calibrate
            Spikes, as for `nm_backends.compile`.

        Raises
        ------
        CompileError
            The network does not fit any more; the module then is as it was.
        UserError
            With ``gradients="chip"``: there is no float network to compile.
        """
        from nm_backends.compiler import compile_model

        if self.values is not None:
            raise UserError("gradients='chip' trains the image: there is nothing to compile anew")
        network, base = self.model.to_network(), self._base
        made = compile_model(network, base.chip, calibrate=calibrate, options=base.options)
        self._base = self._current = made
        self._seen = self._snapshot()
        self.reset()
        return made

    def forward(self, spikes: torch.Tensor) -> torch.Tensor:
        """Run spikes on the chip.

        Parameters
        ----------
        spikes
            A whole sequence ``[time, batch, *input shape]``, each sample from rest; or one step
            ``[batch, *input shape]``, which goes on where the last one ended (`reset` begins anew).
            Counts, as tensors of any type; several inputs one after another in a single axis.

        Returns
        -------
        torch.Tensor
            Counts (or membranes, where the output does not spike) of the output,
            ``[time, batch, *output shape]`` or ``[batch, *output shape]``.
        """
        flat, whole = self._flat(spikes)
        out = self._run(flat) if whole else self._step(flat)
        return out.reshape(*out.shape[:-1], *self._base.network.output.shape)

    def reset(self) -> None:
        """End the sequence that is run step by step; the next step begins at rest."""
        self._session, self._progress = None, None

    def detach(self) -> None:
        """Cut what gradients flow through, between two steps of a sequence; states stay."""
        if self._progress is not None:
            self._progress = self._progress.detached()

    def to_nir(self, model: Any = None) -> nir.NIRGraph:
        """Return the float model with the parameters as they are now.

        Parameters
        ----------
        model
            What the program was compiled from; its copy then gets the parameters. By default that
            of the constructor; where none was given the graph has one node per projection
            (see ``program.to_nir``). With ``gradients="chip"`` it is the network of the image.
        """
        from nm_backends.network_graph import graph_of

        if self.values is not None:
            return self.program.to_nir()
        source = self._source if model is None else model
        if source is None:
            return graph_of(self.model.to_network())
        return _with_parameters(source, self.model)

    def _snapshot(self) -> list[torch.Tensor]:
        trained = self.model if self.values is None else self.values
        return [p.detach().clone() for p in trained.parameters()]

    def _flat(self, spikes: torch.Tensor) -> tuple[torch.Tensor, bool]:
        """Return ``[..., channels]``, and whether it is a whole sequence."""
        network = self._base.network
        shape = network.inputs[0].shape if len(network.inputs) == 1 else (network.input_size,)
        for form in dict.fromkeys([shape, (network.input_size,)]):
            lead = spikes.ndim - len(form)
            if lead in (1, 2) and tuple(spikes.shape[lead:]) == form:
                flat = spikes.reshape(*spikes.shape[:lead], -1).to(self.model._like)
                return flat, lead == 2
        axes = ", ".join(map(str, shape))
        raise UserError(
            f"spikes have shape {list(spikes.shape)}, expected [time, batch, {axes}], or "
            f"[batch, {axes}] for one step"
        )

    def _run(self, spikes: torch.Tensor) -> torch.Tensor:
        """Run a sequence from rest."""
        program = self.program
        self.reset()
        self.result = result = program.run(_counts(spikes), threads=self.threads)
        sent = {name: self._heard(layer) for name, layer in result.layers.items()}
        self.layers = {name: self._shaped(name, layer) for name, layer in sent.items()}
        shown = program.network.output.name
        real = sent[shown] if shown in sent else self._heard(result.spikes)
        if not self._wants_gradients(spikes):
            return real
        if self.values is not None:
            return self.values.through(_counts(spikes).astype(np.uint8), shown, real)
        smooth = self.model(spikes, sent if self.hidden == "chip" else None)
        return instead(smooth[shown], real)

    def _step(self, spikes: torch.Tensor) -> torch.Tensor:
        """Run one step of the sequence that is under way."""
        if self.values is not None and torch.is_grad_enabled():
            raise UserError(
                "gradients through the chip's events need a whole sequence",
                "give [time, batch, channels], or run steps under torch.no_grad()",
            )
        if self._session is None:
            self._session = self.program.session(batch=len(spikes))
            self._progress = self.model.start(len(spikes))
        if len(spikes) != self._session.batch:
            raise UserError(
                f"a step with a batch of {len(spikes)}, but the sequence began with "
                f"{self._session.batch}",
                "reset() begins a new sequence",
            )
        self._session.step(_counts(spikes))
        sent = {n: self._heard(a[None])[0] for n, a in self._session.layers.items()}
        self.layers = {name: self._shaped(name, layer) for name, layer in sent.items()}
        shown = self._base.network.output
        real = sent.get(shown.name)
        if real is None:
            real = self._heard(self._session.membranes[shown.name][None])[0]
        assert self._progress is not None
        heard = sent if self.hidden == "chip" else None
        smooth, self._progress = self.model.step(spikes, self._progress, heard=heard)
        return instead(smooth[shown.name], real)

    def _wants_gradients(self, spikes: torch.Tensor) -> bool:
        trained = any(p.requires_grad for p in self.parameters())
        return torch.is_grad_enabled() and (trained or spikes.requires_grad)

    def _heard(self, layer: np.ndarray) -> torch.Tensor:
        """Return what the chip gave as a tensor ``[time, batch, size]``."""
        flat = layer.reshape(*layer.shape[:2], -1)
        return torch.from_numpy(np.ascontiguousarray(flat)).to(self.model._like)

    def _shaped(self, name: str, layer: torch.Tensor) -> torch.Tensor:
        return layer.reshape(*layer.shape[:-1], *self._base.network.populations[name].shape)


def _counts(spikes: torch.Tensor) -> np.ndarray:
    return np.asarray(spikes.detach().cpu().numpy())


def _same(network: Network, model: Any) -> Network:
    """Return the network with the graph of ``model``, which must be what it was made from."""
    from nm_backends.api import lower

    mine = {(p.pre, p.post, p.delay): p.weights.shape for p in network.projections}
    try:
        found = lower(model, network.discretisation)
    except CompileError as error:
        raise UserError(f"{_OTHER}: {error.report.errors[0].message}", _GIVE) from error
    if mine != {(p.pre, p.post, p.delay): p.weights.shape for p in found.projections}:
        raise UserError(f"{_OTHER}: its projections differ", _GIVE)
    found.projections = network.projections
    found.populations = network.populations
    return found


def _with_parameters(source: Any, model: FloatModel) -> nir.NIRGraph:
    import copy

    from nm_backends.frontends import to_nir
    from nm_backends.readback import node_of

    graph = copy.deepcopy(to_nir(source))
    for name, layer in model.layers().items():
        node = node_of(graph, name)
        for key in ("weight", "bias"):
            value = getattr(layer, key)
            if value is not None:
                before = np.asarray(getattr(node, key))
                setattr(node, key, _like(before, value.detach().cpu().numpy()))
    return graph


def _like(before: np.ndarray, values: np.ndarray) -> np.ndarray:
    kind = before.dtype if before.dtype.kind == "f" else values.dtype
    return np.asarray(values.astype(kind).reshape(before.shape))
