"""Evaluation order of the populations, and which connections close a loop."""

from __future__ import annotations

from collections.abc import Iterable

from nm_backends.lowering.graph import natural

__all__ = ["evaluation_order"]


def evaluation_order(
    inputs: list[str], others: list[str], edges: Iterable[tuple[str, str]]
) -> tuple[list[str], set[tuple[str, str]]]:
    """Order the populations so that instantaneous connections go forward.

    Parameters
    ----------
    inputs, others
        Names of the populations.
    edges
        Connections without delay.

    Returns
    -------
    order, closing
        All names, inputs first; and the connections that lead back to a population that the walk
        from the inputs has come through. These deliver the spikes of the previous step.
    """
    after: dict[str, list[str]] = {name: [] for name in [*inputs, *others]}
    for pre, post in edges:
        after[pre].append(post)
    for targets in after.values():
        targets.sort(key=natural, reverse=True)
    walk = _Walk(after)
    for root in [*inputs, *sorted(others, key=natural)]:
        walk.start(root)
    order = walk.finished[::-1]
    first = set(inputs)
    return [*inputs, *(n for n in order if n not in first)], walk.closing


class _Walk:
    """Depth-first search without recursion; networks may be thousands of layers deep."""

    def __init__(self, after: dict[str, list[str]]) -> None:
        self.after = {name: list(targets) for name, targets in after.items()}
        self.open: set[str] = set()
        self.seen: set[str] = set()
        self.finished: list[str] = []
        self.closing: set[tuple[str, str]] = set()

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
