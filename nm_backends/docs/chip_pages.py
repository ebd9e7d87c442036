"""A page for every registered chip, out of its `ChipSpec`, its rules and its assumptions.

What a plugin wants to add stands in ``page.md`` in its package; its first paragraph opens the page.
"""

from __future__ import annotations

from importlib.resources import files

from nm_backends.assumptions import assumptions_of
from nm_backends.chip import Backend, ChipSpec, Field, IntFormat
from nm_backends.docs.markdown import escaped, figure, table
from nm_backends.docs.node_table import node_table
from nm_backends.docs.rule_pages import rule_list
from nm_backends.entries import ChipEntry
from nm_backends.rules import Rule

__all__ = ["chip_names", "chip_page", "overview", "rules_for"]


def chip_names() -> list[str]:
    """Return the registered chips, in the order of the site."""
    from nm_backends.registry import registry

    return sorted(entry.name for entry, _ in registry().entries(ChipEntry))


def overview() -> str:
    """Return the page that lists all chips."""
    from nm_backends.registry import registry

    entries = [registry().chip(name)[0] for name in chip_names()]
    rows = [
        (f"[{e.name}]({e.name}.md)", f"{e.neurons:,}", f"{e.synapses:,}", escaped(e.summary))
        for e in entries
    ]
    text = "# Chips\n\nWhat `nmb chips` lists. Each page is made from the chip's plugin.\n\n"
    return text + table(("chip", "neurons", "synapses", "what it is"), rows)


def chip_page(name: str) -> str:
    """Return the page of one chip."""
    from nm_backends.registry import get_backend, registry

    entry, backend = registry().chip(name)[0], get_backend(name)
    spec = backend.spec
    parts = [
        f"# {name}\n\n{escaped(spec.summary)}.\n",
        _written(entry),
        f"## Facts and limits\n\n{_facts(spec)}\n{_notes(spec)}",
        f"## How NIR nodes are mapped\n\n{node_table(name)}",
        f"## Clock, energy, area\n\n{_quantities(spec)}",
        _assumed(name, backend),
        _unsupported(entry),
        f"## Memories\n\n{_memories(spec)}",
        f"## Registers\n\n{_registers(spec)}",
        f"## Rules\n\n{_RULES.format(chip=name)}{rule_list(rules_for(name), level=3)}",
        "## Sources\n\n" + "\n".join(f"* {escaped(source)}" for source in spec.sources),
    ]
    return "\n".join(part for part in parts if part) + "\n"


def rules_for(name: str) -> list[Rule]:
    """Return the rules of a chip, and those that other plugins add for this chip alone."""
    from nm_backends.registry import chip_rules, rules_of

    everywhere = {rule.code for rule in rules_of()}
    return [*chip_rules(name), *(r for r in rules_of(name) if r.code not in everywhere)]


_RULES = """\
Out of the code: `nmb explain CODE` prints the same text. Rules for every chip stand on
[a page of their own](../rules.md).

"""
_NO_ENERGY = """
No energy constants are published for {name}, so `result.energy` is None: nothing is made up.
"""


def _written(entry: ChipEntry) -> str:
    """Return what the plugin's own ``page.md`` says, if there is one."""
    package = entry.backend.partition(":")[0].partition(".")[0]
    page = files(package) / "page.md"
    return page.read_text(encoding="utf-8") if page.is_file() else ""


def _facts(spec: ChipSpec) -> str:
    rows = [
        ("neurons", f"{spec.neurons:,}"),
        ("rows", f"{spec.rows:,}" if spec.rows else "inputs have their own addresses"),
        ("synapses", f"{spec.synapses:,}"),
        ("weight", f"{_format(spec.weights)}, one sign per {spec.sign}"),
        ("membrane", _format(spec.membrane)),
        ("threshold", _format(spec.threshold)),
        ("leak", _format(spec.leak)),
        ("NIR neurons", ", ".join(spec.node_types)),
    ]
    return table(("", "value"), rows)


def _format(form: IntFormat) -> str:
    if form.minimum == form.maximum:
        return "none"
    return f"{form.bits} bits, {form.minimum} to {form.maximum}"


def _notes(spec: ChipSpec) -> str:
    return "\n".join(f"* {escaped(note)}" for note in spec.notes) + "\n"


def _quantities(spec: ChipSpec) -> str:
    rows = [
        (f"`{name}`", figure(q), q.status, escaped(q.condition), escaped(q.source))
        for name, q in spec.quantities.items()
    ]
    found = table(("figure", "value", "status", "condition", "source"), rows)
    energies = any(q.unit.startswith(("J", "W")) for q in spec.quantities.values())
    return found + ("" if energies else _NO_ENERGY.format(name=spec.name))


def _assumed(name: str, backend: Backend) -> str:
    found = assumptions_of(backend)
    if not found:
        return ""
    rows = [
        (f"`{a.name}` = {a.value}", escaped(a.still_open), escaped(a.chosen), escaped(a.why))
        for a in found
    ]
    head = (
        "## Assumptions\n\nNothing is published on these points. Other values: "
        f"`nmb compile --chip {name} --assume NAME=VALUE`.\n\n"
    )
    return head + table(("assumption", "open", "chosen", "why"), rows)


def _unsupported(entry: ChipEntry) -> str:
    if not entry.unsupported:
        return ""
    rows = [(f"`{test}`", escaped(reason)) for test, reason in entry.unsupported.items()]
    return "## What it does not do\n\n" + table(("conformance case", "reason"), rows)


def _memories(spec: ChipSpec) -> str:
    rows = [(f"`{m.name}`", f"{m.words:,}", m.width, escaped(m.doc)) for m in spec.memories]
    found = [table(("memory", "words", "bits", "holds"), rows)]
    found += [_fields(name, fields) for name, fields in spec.fields.items()]
    return "\n".join(found)


def _fields(name: str, fields: tuple[Field, ...]) -> str:
    rows = [(f"`{f.name}`", _bits(f), "yes" if f.signed else "", escaped(f.doc)) for f in fields]
    return f"A word of `{name}`:\n\n" + table(("field", "bits", "signed", "meaning"), rows)


def _bits(one: Field) -> str:
    return str(one.lsb) if one.width == 1 else f"{one.lsb + one.width - 1}..{one.lsb}"


def _registers(spec: ChipSpec) -> str:
    rows = [(f"`{r.name}`", r.address, r.width, escaped(r.doc)) for r in spec.registers]
    return table(("register", "address", "bits", "meaning"), rows)
