"""What plugins register: frozen descriptions that cost nothing to import."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from nm_backends.chip import API_VERSION
from nm_backends.errors import PluginError

__all__ = ["API_VERSION", "ChipEntry", "Entry", "FrontendEntry", "RuleSet", "load_object"]

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class ChipEntry:
    """A chip, as a plugin registers it.

    Parameters
    ----------
    name
        What the user writes after ``--chip``: lower case letters, digits, ``-`` and ``_``.
    summary
        One line for ``nmb chips``.
    backend
        ``"package.module:attribute"`` of the `nm_backends.chip.Backend`, imported when used.
    neurons, rows, synapses
        Dimensions for ``nmb chips``; they must agree with the backend's ``spec``.
    rules
        ``"package.module:attribute"`` of the chip's rules, importable without numpy, so that
        ``nmb explain`` starts fast; empty: taken from the backend.
    api_version
        The `nm_backends.chip.API_VERSION` for which the plugin was written.
    unsupported
        Conformance test (`nm_backends.testing`) to the reason why this chip does not pass it.
    """

    name: str
    summary: str
    backend: str
    neurons: int
    rows: int
    synapses: int
    rules: str = ""
    api_version: int = API_VERSION
    unsupported: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raise `PluginError` when the declaration makes no sense."""
        _check_name("chip", self.name)
        _check_text("chip", self.name, "summary", self.summary)
        _check_target("chip", self.name, "backend", self.backend)
        if self.rules:
            _check_target("chip", self.name, "rules", self.rules)
        _check_version("chip", self.name, self.api_version)
        for dimension, least in (("neurons", 1), ("rows", 0), ("synapses", 0)):
            value = getattr(self, dimension)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise PluginError(
                    f"chip {self.name!r}: {dimension} is {value!r}, expected an integer >= {least}"
                )
        if not isinstance(self.unsupported, Mapping) or not all(
            isinstance(text, str) and text for pair in self.unsupported.items() for text in pair
        ):
            raise PluginError(f"chip {self.name!r}: unsupported must map a test name to a reason")


@dataclass(frozen=True)
class FrontendEntry:
    """A kind of model object that can be turned into NIR.

    Parameters
    ----------
    name, summary
        For ``nmb plugins``.
    claims
        Says whether this frontend takes ``model``. It must be light: look at
        ``type(model).__module__`` and at ``sys.modules``, never import a framework.
    loader
        ``"package.module:function"``; ``function(model, sample, dt)`` returns a ``nir.NIRGraph``,
        a `nm_backends.Discretisation` and, if it has any, its findings: a list of
        `nm_backends.rules.Diagnostic`. With errors among them the graph may be None.
    """

    name: str
    summary: str
    claims: Callable[[object], bool]
    loader: str
    api_version: int = API_VERSION

    def check(self) -> None:
        """Raise `PluginError` when the declaration makes no sense."""
        _check_name("frontend", self.name)
        _check_text("frontend", self.name, "summary", self.summary)
        _check_target("frontend", self.name, "loader", self.loader)
        _check_version("frontend", self.name, self.api_version)
        if not callable(self.claims):
            raise PluginError(f"frontend {self.name!r}: claims is not callable")


@dataclass(frozen=True)
class RuleSet:
    """Extra rules for ``check``.

    Parameters
    ----------
    name, summary
        For ``nmb plugins`` and ``nmb explain``.
    rules
        ``"package.module:attribute"`` of a sequence of `nm_backends.rules.Rule`.
    chips
        Chips to which they apply; None for all.
    """

    name: str
    summary: str
    rules: str
    chips: tuple[str, ...] | None = None
    api_version: int = API_VERSION

    def check(self) -> None:
        """Raise `PluginError` when the declaration makes no sense."""
        _check_name("rule set", self.name)
        _check_text("rule set", self.name, "summary", self.summary)
        _check_target("rule set", self.name, "rules", self.rules)
        _check_version("rule set", self.name, self.api_version)
        if self.chips is not None and not isinstance(self.chips, tuple):
            raise PluginError(f"rule set {self.name!r}: chips must be a tuple of names or None")


Entry = ChipEntry | FrontendEntry | RuleSet


def load_object(target: str) -> Any:
    """Import ``"package.module:attribute"``."""
    module, _, attribute = target.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except AttributeError as error:
        if getattr(error, "name", None) == attribute:
            raise PluginError(f"module {module} has no attribute {attribute!r}") from error
        raise


def _check_name(kind: str, name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PluginError(f"{kind} name {name!r}: expected lower case letters, digits, - and _")


def _check_text(kind: str, name: str, what: str, text: object) -> None:
    if not isinstance(text, str) or not text.strip() or "\n" in text:
        raise PluginError(f"{kind} {name!r}: {what} is {text!r}, expected one line of text")


def _check_target(kind: str, name: str, what: str, target: object) -> None:
    if not isinstance(target, str) or not _TARGET.fullmatch(target):
        raise PluginError(
            f"{kind} {name!r}: {what} is {target!r}, expected 'package.module:attribute'"
        )


def _check_version(kind: str, name: str, version: object) -> None:
    if version != API_VERSION:
        raise PluginError(
            f"{kind} {name!r} was written for plugin API {version!r}, this is API {API_VERSION}"
        )
