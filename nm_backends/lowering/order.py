"""Evaluation order of the populations, and which connections close a loop."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable

from nm_backends.lowering.graph import natural

__all__ = ["evaluation_order"]


Edge = tuple[str, str]


def evaluation_order(
    inputs: list[str], others: list[str], instant: Iterable[Edge], delayed: Iterable[Edge]
) -> tuple[list[str], set[Edge]]:
    """Order the populations so that instantaneous connections go forward.

    Parameters
    ----------
    inputs, others
        Names of the populations.
    instant, delayed
        Connections without and with a delay of their own.

    Returns
    -------
    order, closing
        All names, inputs first, delayed connections forward where that is possible; and the
        instantaneous connections that lead back to a population that the walk from the inputs has
        come through. These deliver the spikes of the previous step.
    """
    roots = [*inputs, *sorted(others, key=natural)]
    instant = set(instant)
    _, closing = _walk(roots, instant)
    wished, _ = _walk(roots, instant | set(delayed))
    first = set(inputs)
    rank = {name: (name not in first, i) for i, name in enumerate(wished)}
    rank |= {name: (False, i) for i, name in enumerate(inputs)}
    return _sorted(rank, instant - closing), closing


def _walk(roots: list[str], edges: set[Edge]) -> tuple[list[str], set[Edge]]:
    """Return the reverse finishing order of a depth-first search, and the edges going back."""
    after: dict[str, list[str]] = {name: [] for name in roots}
    for pre, post in edges:
        after[pre].append(post)
    for targets in after.values():
        targets.sort(key=natural, reverse=True)
    walk = _Walk(after)
    for root in roots:
        walk.start(root)
    return walk.finished[::-1], walk.closing


def _sorted(rank: dict[str, tuple[bool, int]], edges: set[Edge]) -> list[str]:
    """Sort topologically, lowest rank first among those that may come next."""
    waiting = Counter(post for _, post in edges)
    after: dict[str, list[str]] = {name: [] for name in rank}
    for pre, post in edges:
        after[pre].append(post)
    ready = [(rank[name], name) for name in rank if not waiting[name]]
    heapq.heapify(ready)
    order: list[str] = []
    while ready:
        _, name = heapq.heappop(ready)
        order.append(name)
        for post in after[name]:
            waiting[post] -= 1
            if not waiting[post]:
                heapq.heappush(ready, (rank[post], post))
    return order


class _Walk:
    """Depth-first search without recursion; networks may be thousands of layers deep."""

    def __init__(self, after: dict[str, list[str]]) -> None:
        self.after = after
        self.open: set[str] = set()
        self.seen: set[str] = set()
        self.finished: list[str] = []
        self.closing: set[Edge] = set()

    def start(self, root: str) -> None:
        if root in self.seen:
            return
        stack = [root]
        self._enter(root)
        while stack:
            current = stack[-1]
            if not self.after[current]:
                stack.pop()
                self.open.discard(current)
                self.finished.append(current)
                continue
            target = self.after[current].pop()
            if target in self.open:
                self.closing.add((current, target))
            elif target not in self.seen:
                self._enter(target)
                stack.append(target)

    def _enter(self, name: str) -> None:
        self.seen.add(name)
        self.open.add(name)
