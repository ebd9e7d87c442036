"""Where a value comes from: what the tracer knows of each tensor in a model's forward pass."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["INPUT", "Term", "Value"]

INPUT = ""


@dataclass(frozen=True)
class Term:
    """One summand: the output of a layer.

    Parameters
    ----------
    node
        Name of the layer's module, `INPUT` for what the model was given.
    step
        Which call of the layer made it; None for all time steps at once.
    scale
        Number that it was multiplied with.
    state
        Whether it is a state of the layer (its membrane), not its output.
    """

    node: str
    step: int | None = None
    scale: float = 1.0
    state: bool = False


@dataclass(frozen=True)
class Value:
    """A sum of terms, or the name of an operation that cannot be followed."""

    terms: tuple[Term, ...] = ()
    unknown: str = ""

    @property
    def is_input(self) -> bool:
        """Whether it comes from the model's input alone."""
        return not self.unknown and all(t.node == INPUT for t in self.terms)

    @property
    def whole(self) -> bool:
        """Whether it spans all time steps."""
        return not self.unknown and all(t.step is None for t in self.terms)

    def at(self, step: int | None) -> Value:
        """Return the same value at one step (None: at all)."""
        return replace(self, terms=tuple(replace(t, step=step) for t in self.terms))

    def times(self, factor: float) -> Value:
        """Return the value multiplied with a number."""
        return replace(self, terms=tuple(replace(t, scale=t.scale * factor) for t in self.terms))

    def plus(self, other: Value) -> Value:
        """Return the sum of two values."""
        return Value(self.terms + other.terms, self.unknown or other.unknown)

    def alike(self, other: Value) -> bool:
        """Whether both are the same thing, perhaps at different steps."""
        return self.at(None) == other.at(None)
