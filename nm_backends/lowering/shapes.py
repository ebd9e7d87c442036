"""Shapes of all nodes, from the weights and parameters and not from what the file notes."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from nm_backends.lowering import repairs as W
from nm_backends.lowering import rules as E
from nm_backends.lowering.geometry import Shape, ShapeError, expected_input, output_shape
from nm_backends.lowering.graph import Flat
from nm_backends.lowering.model import MAX_NEURONS, Node
from nm_backends.rules import Report

__all__ = ["Shape", "Shapes", "infer_shapes"]


class Shapes:
    """Input and output shape of every node, by full name."""

    def __init__(self) -> None:
        self.into: dict[str, Shape] = {}
        self.out: dict[str, Shape] = {}


def infer_shapes(flat: Flat, report: Report) -> Shapes:
    """Work out the shapes, starting at the inputs and following the edges, loops included."""
    shapes = Shapes()
    todo: deque[str] = deque()
    for name in flat.inputs:
        shape = _input_shape(flat, name, report)
        if shape is not None and _size_fits(name, shape, report):
            shapes.into[name] = shapes.out[name] = shape
            todo.append(name)
    failed: set[str] = set()
    _propagate(flat, shapes, todo, failed, report)
    _start_from_parameters(flat, shapes, failed, report)
    _check_edges(flat, shapes, failed, report)
    _check_ends(flat, shapes, failed, report)
    return shapes


def _propagate(
    flat: Flat, shapes: Shapes, todo: deque[str], failed: set[str], report: Report
) -> None:
    while todo:
        name = todo.popleft()
        for succ in flat.succs[name]:
            if succ in shapes.out or succ in failed:
                continue
            if _place(flat.nodes[succ], shapes.out[name], flat.nodes[name], shapes, report):
                todo.append(succ)
            else:
                failed.add(succ)


def _place(node: Node, incoming: Shape, source: Node, shapes: Shapes, report: Report) -> bool:
    """Fix the shapes of one node that receives ``incoming``."""
    if node.broken:
        return False
    try:
        into = _adapt(node, incoming, source, report)
        out = output_shape(node, into, report)
    except ShapeError as problem:
        report.add(problem.finding(node.name, source.name))
        return False
    if not _size_fits(node.name, out, report):
        return False
    shapes.into[node.name], shapes.out[node.name] = into, out
    return True


def _adapt(node: Node, incoming: Shape, source: Node, report: Report) -> Shape:
    """Return the shape in which ``node`` takes what arrives, or raise."""
    wanted = expected_input(node, incoming, report)
    if wanted is None or wanted == incoming:
        return incoming
    if math.prod(wanted) != math.prod(incoming):
        raise ShapeError(f"{node.kind} receives the wrong number of values", wanted, incoming)
    if source.kind == "Flatten":
        message = f"Flatten counts the batch axis: {incoming} is read as {wanted}"
        report.add(W.flatten_batch.at(message, node=source.name))
    else:
        message = f"{node.kind} takes {wanted} but receives {incoming}; read in C order"
        report.add(W.implicit_flatten.at(message, node=node.name))
    return wanted


def _size_fits(name: str, shape: Shape, report: Report) -> bool:
    size = math.prod(shape)
    if any(n <= 0 for n in shape):
        report.add(E.bad_field.at(f"the shape {shape} has no elements", node=name))
        return False
    if size > MAX_NEURONS:
        message = f"the node has {size:,} elements"
        report.add(E.too_large.at(message, node=name, found=f"{size:,}", limit=f"{MAX_NEURONS:,}"))
        return False
    return True


def _input_shape(flat: Flat, name: str, report: Report) -> Shape | None:
    """Return the shape of one sample at one step: what the file notes, less batch and time."""
    declared = flat.nodes[name].fields.get("shape")
    wishes = _wishes(flat, name)
    if declared is None or len(declared) == 0 or any(n <= 0 for n in declared):
        exact = [w for w in wishes if all(n > 0 for n in w)]
        if exact:
            if not flat.nodes[name].added:
                message = f"the Input notes no usable shape; {exact[0]} is what its listener takes"
                report.add(W.batch_axis.at(message, node=name))
            return exact[0]
        if not _broken_graph(report):
            report.add(E.unknown_shape.at("the shape of the input is not known", node=name))
        return None
    for skip in range(len(declared)):
        rest = tuple(declared[skip:])
        if all(_meets(rest, wish) for wish in wishes):
            if skip:
                message = f"the Input notes {tuple(declared)}; {rest} is one sample at one step"
                report.add(W.batch_axis.at(message, node=name))
            return rest
    channel = (1, *declared)
    listeners = {flat.nodes[n].kind for n in flat.succs[name]}
    if listeners & {"Conv1d", "Conv2d"} and all(
        len(w) == len(channel) and _meets(channel, w) for w in wishes
    ):
        message = f"the Input notes {tuple(declared)} without a channel; {channel} is used"
        report.add(W.batch_axis.at(message, node=name))
        return channel
    return tuple(declared)


def _wishes(flat: Flat, name: str) -> list[Shape]:
    """Return what the nodes fed by ``name`` need (0: any length), looking through ports."""
    wishes: list[Shape] = []
    todo, seen = list(flat.succs[name]), {name}
    while todo:
        succ = todo.pop(0)
        if succ in seen:
            continue
        seen.add(succ)
        node = flat.nodes[succ]
        if node.kind == "Port":
            todo.extend(flat.succs[succ])
            continue
        wish = _wish(node)
        if wish is not None and wish not in wishes:
            wishes.append(wish)
    return wishes


def _wish(node: Node) -> Shape | None:
    try:
        return None if node.broken else expected_input(node, None, None)
    except ShapeError:  # reported when the node is placed
        return None


def _meets(shape: Shape, wish: Shape) -> bool:
    if len(shape) != len(wish):
        return False
    return all(want in (0, have) for have, want in zip(shape, wish, strict=True))


def _start_from_parameters(flat: Flat, shapes: Shapes, failed: set[str], report: Report) -> None:
    """Place nodes that no input reaches, from their own parameters."""
    for name, node in flat.nodes.items():
        if name in shapes.out or name in failed or node.kind in ("Port", "Output"):
            continue
        wish = _wish(node)
        if wish is None or any(n <= 0 for n in wish):
            continue
        if _place(node, wish, node, shapes, report):
            _propagate(flat, shapes, deque([name]), failed, report)
        else:
            failed.add(name)


def _check_edges(flat: Flat, shapes: Shapes, failed: set[str], report: Report) -> None:
    """Everything else that arrives at a node must have the size that the first arrival had."""
    for name, into in shapes.into.items():
        for pred in flat.preds[name]:
            out = shapes.out.get(pred)
            if out is None or out == into or math.prod(out) == math.prod(into):
                continue
            problem = ShapeError("the node receives arrays of different sizes", into, out)
            report.add(problem.finding(name, pred))
            failed.add(name)


def _check_ends(flat: Flat, shapes: Shapes, failed: set[str], report: Report) -> None:
    broken_graph = _broken_graph(report)
    for name, node in flat.nodes.items():
        if name not in shapes.out:
            upstream_known = all(p in shapes.out for p in flat.preds[name])
            told = name in failed or node.broken or broken_graph or node.kind == "Input"
            if upstream_known and not told:
                message = f"the shape of this {node.kind} is not known"
                report.add(E.unknown_shape.at(message, node=name))
            continue
        declared = node.fields.get("shape")
        if node.kind not in ("Port", "Output") or declared is None or declared == shapes.out[name]:
            continue
        _declared(node, tuple(declared), shapes.out[name], report)


def _broken_graph(report: Report) -> bool:
    """Whether edges are missing, so that unknown shapes are a consequence."""
    causes = {E.no_path.code, E.missing_node.code, E.ambiguous_port.code}
    return any(d.code in causes for d in report.errors)


def _declared(node: Node, declared: Shape, actual: Shape, report: Report) -> None:
    if node.kind == "Port":
        message = f"the sub-graph notes {declared}, but {actual} passes here"
        report.add(W.port_shape.at(message, node=node.name))
    elif math.prod(declared) <= 1 or declared[-len(actual) :] == actual:
        message = f"the Output notes {declared}; {actual} is what arrives"
        report.add(W.batch_axis.at(message, node=node.name))
    elif int(np.prod(declared, dtype=object)) == math.prod(actual):
        message = f"the Output notes {declared}; {actual} arrives and is read in C order"
        report.add(W.implicit_flatten.at(message, node=node.name))
    else:
        message = "the Output notes another shape than what arrives"
        report.add(E.shape_mismatch.at(message, node=node.name, found=actual, limit=declared))
