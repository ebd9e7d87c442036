"""Errors that are the user's to mend: one screen of text, never a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["PluginError", "PluginWarning", "UnknownNameError", "UserError", "did_you_mean"]


class UserError(ValueError):
    """Wrong use or bad input: what is wrong, and what to do about it.

    Parameters
    ----------
    message
        What was found, naming the file, node or field.
    hint
        What to change.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UnknownNameError(UserError, LookupError):
    """A chip, rule, plugin or node that does not exist."""


class PluginError(UserError):
    """A plugin that cannot be used, with its reason."""


class PluginWarning(UserWarning):
    """A plugin was skipped; everything else works."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown name: the closest known ones, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"known: {', '.join(names)}" if names else "none is registered"
