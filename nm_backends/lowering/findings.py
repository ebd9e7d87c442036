"""A report that is filled quickly: a hostile file may give cause for many thousand findings."""

from __future__ import annotations

from nm_backends.rules import Diagnostic, Report

__all__ = ["Findings"]


class Findings(Report):
    """A `Report` whose ``add`` does not become slower with every finding."""

    def __init__(self, source: str) -> None:
        super().__init__(source=source)
        self._seen: set[Diagnostic] = set()
        self._errors: list[Diagnostic] = []

    @property
    def errors(self) -> list[Diagnostic]:
        """Findings that make the model impossible."""
        return self._errors

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep one more finding (the same finding is kept once)."""
        if diagnostic not in self._seen:
            self._seen.add(diagnostic)
            self.diagnostics.append(diagnostic)
            if diagnostic.severity == "error":
                self._errors.append(diagnostic)

    def plain(self) -> Report:
        """Return the findings as an ordinary report."""
        return Report(source=self.source, diagnostics=self.diagnostics)
