"""``nmb explain``: what a rule says, why, and how to satisfy it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nm_backends.cli.output import COLOURS, echo_json, echo_table, json_option
from nm_backends.errors import UnknownNameError, did_you_mean

if TYPE_CHECKING:
    from nm_backends.rules import Rule

__all__ = ["explain_command"]


@click.command("explain")
@click.argument("code", required=False)
@json_option
def explain_command(code: str | None, as_json: bool) -> None:
    """Explain a rule by its code, or list all rules."""
    from nm_backends.registry import all_rules

    rules = {rule.code: (rule, owner) for rule, owner in all_rules()}
    if code is None:
        _list(rules, as_json)
        return
    if code.upper() not in rules:
        hint = did_you_mean(code.upper(), rules) if rules else "nmb explain lists all rules"
        raise UnknownNameError(f"unknown rule {code!r}", f"{hint} (nmb explain lists all)")
    rule, owner = rules[code.upper()]
    if as_json:
        echo_json(_as_dict(rule, owner))
        return
    click.secho(f"{rule.code} ({rule.severity}, {owner})", fg=COLOURS[rule.severity], bold=True)
    click.echo(rule.explanation)


def _list(rules: dict[str, tuple[Rule, str]], as_json: bool) -> None:
    ordered = [rules[code] for code in sorted(rules)]
    if as_json:
        echo_json({"rules": [_as_dict(rule, owner) for rule, owner in ordered]})
        return
    rows = [(rule.code, rule.severity, owner, rule.title) for rule, owner in ordered]
    echo_table(("rule", "severity", "of", "title"), rows)


def _as_dict(rule: Rule, owner: str) -> dict[str, str]:
    return {
        "code": rule.code,
        "severity": rule.severity,
        "of": owner,
        "title": rule.title,
        "explanation": rule.explanation,
    }
