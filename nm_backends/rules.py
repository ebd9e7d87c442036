"""Rules and their findings: everything that can be said about a model before it meets a chip.

A rule is a code, a severity and one docstring (limit, why, how to fix) that feeds the command line,
``--json``, ``nmb explain`` and the documentation. All findings are collected before anyone stops.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from nm_backends.assumptions import Assumption

if TYPE_CHECKING:
    from nm_backends.chip import ChipSpec
    from nm_backends.network import Network

__all__ = ["CompileError", "Diagnostic", "Report", "Rule", "Severity", "rule"]

Severity = Literal["error", "warning", "info"]
_ORDER = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class Diagnostic:
    """One finding.

    Parameters
    ----------
    code
        Rule code, such as ``"ODIN003"``.
    node
        The user's own NIR node name, or ``""`` when the finding is about the whole model.
    neurons
        First and last neuron of the node concerned, or None for all.
    found, limit
        What is there, and what is allowed (text, with units).
    source
        Where the limit comes from.
    hint
        What to change.
    """

    code: str
    severity: Severity
    message: str
    node: str = ""
    neurons: tuple[int, int] | None = None
    found: str = ""
    limit: str = ""
    source: str = ""
    hint: str = ""

    @property
    def place(self) -> str:
        """Node and neuron range, as printed."""
        if self.neurons is None:
            return self.node
        first, last = self.neurons
        return f"{self.node}[{first}]" if first == last else f"{self.node}[{first}..{last}]"

    def __str__(self) -> str:
        place = f" at {self.place}" if self.place else ""
        lines = [f"{self.code} {self.severity}{place}: {self.message}"]
        if self.found or self.limit:
            source = f" ({self.source})" if self.source else ""
            lines.append(f"    found {self.found or '-'}, limit {self.limit or '-'}{source}")
        if self.hint:
            lines.append(f"    help: {self.hint}")
        return "\n".join(lines)


@dataclass
class Report:
    """All findings about one model, for one chip or for none (lowering alone).

    ``assumptions`` are what they rest on where nothing is published about the chip.
    """

    chip: str | None = None
    source: str = "model"
    diagnostics: list[Diagnostic] = field(default_factory=list)
    assumptions: list[Assumption] = field(default_factory=list)

    def _of(self, severity: Severity) -> list[Diagnostic]:
        return [d for d in self.diagnostics if d.severity == severity]

    @property
    def errors(self) -> list[Diagnostic]:
        """Findings that make the model impossible on this chip."""
        return self._of("error")

    @property
    def warnings(self) -> list[Diagnostic]:
        """Findings that cost something (accuracy, spikes, time) or had to be assumed."""
        return self._of("warning")

    @property
    def ok(self) -> bool:
        """True when there is no error."""
        return not self.errors

    @property
    def codes(self) -> set[str]:
        """Codes of all findings."""
        return {d.code for d in self.diagnostics}

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep one more finding (the same finding is kept once)."""
        if diagnostic not in self.diagnostics:
            self.diagnostics.append(diagnostic)

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Keep more findings."""
        for diagnostic in diagnostics:
            self.add(diagnostic)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(sorted(self.diagnostics, key=lambda d: _ORDER[d.severity]))

    def __len__(self) -> int:
        return len(self.diagnostics)

    def __str__(self) -> str:
        target = f" on {self.chip}" if self.chip else ""
        verdict = "fits" if self.ok else "does not fit"
        if self.chip is None:
            verdict = "can be lowered" if self.ok else "cannot be lowered"
        count = ", ".join(
            f"{len(found)} {word}{'' if len(found) == 1 else 's'}"
            for word, found in (("error", self.errors), ("warning", self.warnings))
        )
        last = f"{self.source}{target}: {verdict} ({count})"
        return "\n".join([*map(str, self), *([self.rests_on] if self.assumptions else []), last])

    def _repr_html_(self) -> str:
        from nm_backends.html import report_html

        return report_html(self)

    @property
    def rests_on(self) -> str:
        """How many assumptions there are, and which are not the default, as printed."""
        changed = [f"{a.name}={a.value}" for a in self.assumptions if not a.default]
        text = f"{len(self.assumptions)} assumptions, {', '.join(changed) or 'all by default'}"
        return f"rests on {text} (nmb chips {self.chip} --assumptions)"

    def to_json(self) -> str:
        """Return the same findings as a JSON object (the form of ``nmb check --json``)."""
        return json.dumps(self.to_dict(), indent=2)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: ``ok``, ``chip``, ``source``, ``diagnostics``, ``assumptions``."""
        found: dict[str, Any] = {
            "ok": self.ok,
            "chip": self.chip,
            "source": self.source,
            "diagnostics": [asdict(d) for d in self],
        }
        if self.assumptions:
            found["assumptions"] = [asdict(a) for a in self.assumptions]
        return found


class CompileError(ValueError):
    """A model cannot be lowered or cannot fit the chip; ``report`` holds every reason."""

    def __init__(self, report: Report) -> None:
        super().__init__(str(report))
        self.report = report


Check = Callable[..., Iterable[Diagnostic]]


@dataclass(frozen=True)
class Rule:
    """A rule: code, severity, one-line title, and the docstring that explains it.

    ``check(network, spec)`` yields diagnostics; None for rules that are only reported by the code
    that meets them (lowering, mapping, reading files).
    """

    code: str
    severity: Severity
    title: str
    explanation: str
    check: Callable[[Network, ChipSpec], Iterable[Diagnostic]] | None = None

    def at(
        self,
        message: str,
        *,
        node: str = "",
        neurons: tuple[int, int] | None = None,
        found: object = "",
        limit: object = "",
        source: str = "",
        hint: str = "",
    ) -> Diagnostic:
        """Make a finding of this rule."""
        return Diagnostic(
            self.code, self.severity, message, node, neurons, str(found), str(limit), source, hint
        )


def rule(code: str, severity: Severity, *, checks: bool = True) -> Callable[[Check], Rule]:
    """Turn a documented function into a `Rule`.

    The first line of the docstring is the title; ``nmb explain`` prints the whole docstring. With
    ``checks=False`` the function's body is never called: its findings are made with `Rule.at` by
    the code that meets the problem.
    """

    def decorate(function: Check) -> Rule:
        text = inspect.getdoc(function) or ""
        if not text:
            raise TypeError(f"rule {code} has no docstring: say the limit, why, and how to fix it")
        title = text.splitlines()[0]
        return Rule(code, severity, title, text, function if checks else None)

    return decorate
