"""How each NIR node fares on a chip: asked of ``nmb.check``, not written down."""

from __future__ import annotations

from nm_backends.docs.markdown import escaped, table
from nm_backends.docs.node_graphs import specimens
from nm_backends.registry import chip_rules, core_rules
from nm_backends.rules import Report, Rule

__all__ = ["node_table"]


_NODES = """\
What `nmb check` says of a network of four neurons with this one node in it (`--chip {chip}`); every
other thing about the network is as simple as it can be. Weights of any pattern (Conv, pools, Scale,
Flatten) become synapses one by one.

"""
_NONE = """\
The chip is no collection of neurons and synapses to be wired at will: it takes none of the small
networks of one node each that are tried here (`nmb check`), and says why:

"""


def node_table(chip: str) -> str:
    """Return a table: whether a chip takes each NIR node, and by which rules it changes it."""
    from nm_backends.compiler import check

    own = {rule.code: rule for rule in chip_rules(chip)}
    core = {rule.code: rule for rule in core_rules()}
    reports = [(one.label, check(one.graph, chip, one.rules)) for one in specimens()]
    if not any(report.ok for _, report in reports):
        codes = dict.fromkeys(d.code for _, report in reports for d in report.errors)
        return _NONE + "\n".join(f"* {_link(code, own, core)}" for code in codes) + "\n"
    rows = [(escaped(label), _verdict(r), _reasons(r, own, core)) for label, r in reports]
    return _NODES.format(chip=chip) + table(("NIR node", "taken", "what to know"), rows)


def _verdict(report: Report) -> str:
    return "yes" if report.ok else "**no**"


def _reasons(report: Report, own: dict[str, Rule], core: dict[str, Rule]) -> str:
    """Name the rules that speak: the errors where the node is refused, else all."""
    found = report.errors or list(report)
    codes = dict.fromkeys(finding.code for finding in found)
    return "; ".join(_link(code, own, core) for code in codes)


def _link(code: str, own: dict[str, Rule], core: dict[str, Rule]) -> str:
    rule = own.get(code) or core[code]
    page = "" if code in own else "../rules.md"
    return f"{escaped(rule.title.rstrip('.'))} ([{code}]({page}#{code.lower()}))"
