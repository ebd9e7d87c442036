"""The options of on-chip learning: what those of every chip have in common."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from nm_backends.errors import UserError, did_you_mean

__all__ = ["LearningOptions"]

T = TypeVar("T", bound="LearningOptions")


class LearningOptions:
    """Base of a chip's learning options, which are a frozen dataclass of fields with defaults.

    A chip's class checks its fields in ``__post_init__`` (`whole`), and may take further names in
    `gather`.
    """

    @classmethod
    def of(cls: type[T], options: Any) -> T:
        """Return options from themselves, a mapping of names to values, or None (defaults).

        Raises
        ------
        UserError
            When it is something else, or a name or value is not one of these options.
        """
        if options is None:
            return cls()
        if isinstance(options, cls):
            return options
        try:
            given = cls.gather(dict(options))
        except (TypeError, ValueError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(
                f"learning options: {type(options).__name__}, expected {cls.__name__} or a mapping"
            ) from None
        known = cls.known()
        for name in given:
            if name not in known:
                hint = did_you_mean(str(name), known)
                raise UserError(f"learning option {name!r}: unknown", hint)
        return cls(**given)

    @classmethod
    def known(cls) -> list[str]:
        """Return the names of the options."""
        return [field.name for field in fields(cls)]  # type: ignore[arg-type]

    @classmethod
    def knows(cls, name: str, value: Any) -> bool:
        """Whether something is one of the options, or a name that `gather` takes."""
        return set(cls.gather({name: value})) <= set(cls.known())

    @classmethod
    def gather(cls, given: dict[Any, Any]) -> dict[Any, Any]:
        """Return options by the names of fields; for names that stand for several in one field."""
        return given

    def whole(self, name: str, low: int, high: int | None = None) -> None:
        """Refuse a field that is not a whole number of ``low..high`` (None: no end)."""
        value = getattr(self, name)
        right = isinstance(value, int) and not isinstance(value, bool)
        if not right or value < low or (high is not None and value > high):
            most = f"{low} to {high}" if high is not None else f"a whole number, {low} or more"
            raise UserError(f"{type(self).__name__}: {name} is {value!r}, expected {most}")
