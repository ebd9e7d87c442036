"""Rules as pages: what ``nmb explain`` prints, for a chip or for all models."""

from __future__ import annotations

from collections.abc import Sequence

from nm_backends.docs.markdown import escaped, prose, table
from nm_backends.rules import Rule

__all__ = ["core_page", "rule_list"]

_CORE = """\
# Rules for every chip

Findings about the model itself: what could not be read, what had to be assumed, and what is lost on
the spikes of a run. `nmb explain {example}` prints one of them, `nmb explain` lists all; those of a
chip stand on its page.

"""


def core_page() -> str:
    """Return the page of the rules that hold for every chip, sets of plugins included."""
    from nm_backends.registry import core_rules, rules_of

    rules = [*core_rules(), *rules_of()]
    return _CORE.format(example=rules[0].code) + rule_list(rules)


def rule_list(rules: Sequence[Rule], level: int = 2) -> str:
    """Return a table of rules and the explanation of each, with the code as anchor."""
    ordered = sorted(rules, key=lambda rule: rule.code)
    rows = [(f"[{r.code}](#{anchor(r)})", r.severity, escaped(r.title)) for r in ordered]
    each = "\n".join(_one(rule, level) for rule in ordered)
    return table(("rule", "severity", "what it says"), rows) + "\n" + each


def anchor(rule: Rule) -> str:
    """Return the name under which a page can be pointed at."""
    return rule.code.lower()


def _one(rule: Rule, level: int) -> str:
    head = f"{'#' * level} {rule.code} {{#{anchor(rule)}}}\n\n*{rule.severity}*\n\n"
    return head + _paragraphs(rule.explanation) + "\n"


def _paragraphs(text: str) -> str:
    # Docstrings keep lists and indented lines as they are; the first line is the title.
    title, _, rest = text.partition("\n")
    return f"**{prose(title)}**\n\n{prose(rest).strip()}\n"
