"""Plugins: found, loaded one by one, and skipped with a reason when they are broken."""

import sys
import textwrap
from typing import get_args

import pytest

from nm_backends.discovery import Candidate, candidates
from nm_backends.entries import ChipEntry, FrontendEntry, RuleSet
from nm_backends.errors import PluginError, PluginWarning, UnknownNameError
from nm_backends.registry import Registry, chips, get_backend, registry, rules_in

HEAD = """
from nm_backends.entries import *
from nm_backends.hookspecs import hookimpl

def chip(**changes):
    values = dict(name="mine", summary="a chip", backend="mine.backend:BACKEND",
                  neurons=4, rows=4, synapses=16)
    return ChipEntry(**{**values, **changes})
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Write a plugin module and give its candidate."""
    monkeypatch.syspath_prepend(str(tmp_path))
    written = []

    def write(body, name=None):
        module = name or f"nmb_test_plugin_{len(written)}"
        written.append(module)
        (tmp_path / f"{module}.py").write_text(HEAD + textwrap.dedent(body))
        return Candidate(module, module, "some-dist", "1.2")

    yield write
    for module in written:
        sys.modules.pop(module, None)


def hook(line, kind="chips"):
    return f"""
    @hookimpl
    def nm_register_{kind}(register):
        {line}
    """


def load(*found):
    """Load plugins quietly."""
    with pytest.warns(PluginWarning) as caught:
        return Registry(found), [str(w.message) for w in caught]


def test_built_in_chips_come_through_entry_points():
    names = {entry.name for entry, _ in registry().entries(ChipEntry)}
    assert {"odin", "tinyodin"} <= names
    assert all(c.builtin and c.origin == "built in" for c in candidates() if c.name == "odin")


def test_specs_agree_with_the_light_declarations():
    found = chips()
    assert {"odin", "tinyodin"} <= set(found)
    for entry, _ in registry().entries(ChipEntry):
        spec = found[entry.name]
        assert (entry.neurons, entry.rows, entry.synapses) == (
            spec.neurons,
            spec.rows,
            spec.synapses,
        )


def test_a_sound_plugin(plugin):
    loaded = Registry([plugin(hook("register(chip())"))])
    entry, owner = loaded.chip("mine")
    assert entry.neurons == 4
    assert owner.status == "ok"
    assert owner.candidate.origin == "some-dist 1.2"


BROKEN = {
    "import": ("import nothing_of_that_name", "cannot be imported: ModuleNotFoundError"),
    "syntax": ("def (", "cannot be imported: SyntaxError"),
    "exit": ("raise SystemExit('bye')", "cannot be imported: SystemExit: bye"),
    "raises": (hook("raise RuntimeError('not today')"), "RuntimeError: not today"),
    "not an entry": (hook("register('odin')"), "registered 'odin', expected a ChipEntry"),
    "wrong kind": (
        hook("register(chip())", "frontends"),
        "expected a FrontendEntry",
    ),
    "bad name": (hook("register(chip(name='No Name'))"), "chip name 'No Name'"),
    "name is a number": (hook("register(chip(name=7))"), "chip name 7"),
    "no summary": (hook("register(chip(summary=''))"), "summary is ''"),
    "bad backend": (hook("register(chip(backend='nowhere'))"), "backend is 'nowhere'"),
    "no neurons": (hook("register(chip(neurons=0))"), "neurons is 0"),
    "neurons as text": (hook("register(chip(neurons='256'))"), "neurons is '256'"),
    "negative rows": (hook("register(chip(rows=-1))"), "rows is -1"),
    "old api": (hook("register(chip(api_version=0))"), "plugin API 0, this is API 1"),
    "unsupported without reason": (
        hook("register(chip(unsupported={'verify': ''}))"),
        "unsupported must map a test name to a reason",
    ),
    "twice": (hook("register(chip()); register(chip())"), "already registered by the same plugin"),
    "missing field": (hook("register(ChipEntry(name='x'))"), "TypeError"),
    "unknown hook": (
        "@hookimpl\ndef nm_register_robots(register): pass",
        "unknown hook 'nm_register_robots'",
    ),
    "wrong argument": ("@hookimpl\ndef nm_register_chips(chips): pass", "hook"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_named_and_skipped(plugin, case):
    body, reason = BROKEN[case]
    good = plugin(hook("register(chip(name='good'))"), "nmb_test_good")
    loaded, messages = load(plugin(textwrap.dedent(body), "nmb_test_bad"), good)
    assert len(messages) == 1
    assert messages[0].startswith("plugin 'nmb_test_bad' (some-dist 1.2) skipped: ")
    assert reason in messages[0]
    bad = loaded.plugins[0]
    assert (bad.status, bad.entries) == ("broken", [])
    assert bad.trace.strip().startswith("Traceback")
    assert loaded.chip("good")


def test_a_broken_plugin_registers_nothing_at_all(plugin):
    loaded, _ = load(plugin(hook("register(chip()); raise RuntimeError('too late')")))
    assert list(loaded.entries(ChipEntry)) == []


def test_the_second_of_two_chips_of_the_same_name_is_refused(plugin):
    first = plugin(hook("register(chip(summary='first'))"), "nmb_test_first")
    second = plugin(hook("register(chip(summary='second'))"), "nmb_test_second")
    loaded, messages = load(first, second)
    assert "ChipEntry 'mine' is already registered by plugin 'nmb_test_first'" in messages[0]
    assert loaded.chip("mine")[0].summary == "first"


def test_a_third_party_cannot_take_the_name_of_a_built_in_chip(plugin):
    theirs = plugin(hook("register(chip(name='odin'))"))
    loaded, messages = load(*candidates(), theirs)
    assert "already registered by plugin 'odin'" in messages[0]
    assert loaded.chip("odin")[1].candidate.builtin


def test_switched_off(plugin, monkeypatch):
    monkeypatch.setenv("NM_BACKENDS_DISABLE", "nmb_test_plugin_0, other")
    loaded = Registry([plugin("raise RuntimeError('never imported')")])
    assert loaded.plugins[0].status == "disabled"


def test_no_autoload_leaves_only_built_in_plugins(monkeypatch):
    monkeypatch.setenv("NM_BACKENDS_NO_AUTOLOAD", "1")
    assert all(c.builtin for c in candidates())
    assert {"odin", "tinyodin"} <= {c.name for c in candidates()}


def test_the_source_tree_will_do_without_an_installation(monkeypatch):
    monkeypatch.setattr("nm_backends.discovery.entry_points", lambda group: [])
    assert {"odin", "tinyodin"} <= {c.name for c in candidates()}


def test_unknown_chip():
    with pytest.raises(UnknownNameError, match=r"^unknown chip 'tinyodn'$") as caught:
        get_backend("tinyodn")
    assert caught.value.hint.startswith("did you mean tinyodin")


BACKEND = """
from nm_backends.chip import ChipSpec, IntFormat
FORM = IntFormat(4, -8, 7)
class Base:
    spec = ChipSpec("mine", "a chip", 4, 4, 16, FORM, FORM, FORM, FORM)
    rules = ()
    def map(self): ...
    execute = write_stream = read_stream = estimate = verify = map
"""
NONSENSE = {
    "missing module": ("", "nowhere:BACKEND", "ModuleNotFoundError"),
    "missing attribute": ("", "{module}:NOTHING", "has no attribute 'NOTHING'"),
    "lacks members": (
        "class Lacking: spec = Base.spec; rules = ()",
        "{module}:Lacking",
        "lacks map, execute, write_stream, read_stream, estimate, verify",
    ),
    "not a method": ("class Odd(Base): map = 3", "{module}:Odd", "map is not a method"),
    "no spec": ("class Odd(Base): spec = {}", "{module}:Odd", "spec is dict, expected ChipSpec"),
    "another chip": (
        "class Odd(Base): spec = ChipSpec('odin', '', 4, 4, 16, FORM, FORM, FORM, FORM)",
        "{module}:Odd",
        "spec is of 'odin', the plugin declares 'mine'",
    ),
    "other dimensions": (
        "class Odd(Base): spec = ChipSpec('mine', '', 5, 4, 16, FORM, FORM, FORM, FORM)",
        "{module}:Odd",
        "spec has 5 neurons, the plugin declares 4",
    ),
    "impossible format": (
        "class Odd(Base): spec = ChipSpec('mine','',4,4,16, IntFormat(3,-8,7), FORM, FORM, FORM)",
        "{module}:Odd",
        "spec.weights: -8..7 is not a range of 3 bits",
    ),
    "rules of something else": (
        "class Odd(Base): rules = ('MINE001',)",
        "{module}:Odd",
        "hold 'MINE001', expected Rule",
    ),
    "constructor fails": (
        "class Odd(Base):\n    def __init__(self): raise OSError('no licence')",
        "{module}:Odd",
        "OSError: no licence",
    ),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_a_broken_backend_is_named_when_it_is_used(plugin, case):
    body, target, reason = NONSENSE[case]
    target = target.format(module="nmb_test_backend")
    two = f"register(chip(backend={target!r})); register(chip(name='good', backend='{{}}:Good'))"
    good = "class Good(Base): spec = ChipSpec('good', '', 4, 4, 16, FORM, FORM, FORM, FORM)"
    found = plugin(
        BACKEND + body + "\n" + good + textwrap.dedent(hook(two.format("nmb_test_backend"))),
        "nmb_test_backend",
    )
    loaded = Registry([found])
    with pytest.warns(PluginWarning) as caught, pytest.raises(PluginError) as error:
        loaded.backend("mine")
    assert reason in str(error.value)
    assert "plugin 'nmb_test_backend' (some-dist 1.2)" in str(error.value)
    assert len(caught) == 1
    assert loaded.plugins[0].status == "broken"
    assert loaded.backend("good").spec.name == "good"
    with pytest.raises(PluginError, match="its plugin is broken"):
        loaded.backend("mine")


def test_frontends_and_rule_sets_are_declared_the_same_way(plugin):
    body = """
    @hookimpl
    def nm_register_frontends(register):
        register(FrontendEntry("f", "takes sets", lambda m: isinstance(m, set), "a.b:c"))

    @hookimpl
    def nm_register_rules(register):
        register(RuleSet("house", "house rules", "a.b:RULES", chips=("odin",)))
    """
    loaded = Registry([plugin(body)])
    assert [e.name for e, _ in loaded.entries(FrontendEntry)] == ["f"]
    assert [e.chips for e, _ in loaded.entries(RuleSet)] == [("odin",)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("register(FrontendEntry('f', 'x', None, 'a:b'))", "claims is not callable"),
        ("register(FrontendEntry('f', 'x', print, 'a'))", "loader is 'a'"),
    ],
)
def test_broken_frontend_declarations(plugin, line, reason):
    _, messages = load(plugin(hook(line, "frontends")))
    assert reason in messages[0]


def test_the_first_frontend_that_claims_a_model_wins(plugin, monkeypatch):
    from nm_backends import registry as module

    body = """
    def fails(model):
        raise RuntimeError("cannot look")

    @hookimpl
    def nm_register_frontends(register):
        register(FrontendEntry("failing", "fails", fails, "a.b:c"))
        register(FrontendEntry("sets", "takes sets", lambda m: isinstance(m, set), "a.b:c"))
        register(FrontendEntry("all", "takes all", lambda m: True, "a.b:c"))
    """
    loaded = Registry([plugin(body)])
    monkeypatch.setattr(module, "registry", lambda: loaded)
    with pytest.warns(PluginWarning, match="frontend 'failing': RuntimeError: cannot look"):
        assert module.frontend_for({1}).name == "sets"
    assert module.frontend_for([1]).name == "all"


def test_extra_rules(plugin, monkeypatch):
    from nm_backends import registry as module

    body = """
    from nm_backends.rules import rule

    @rule("HOUSE001", "error")
    def no_names_with_x(network, spec):
        '''No x.'''
        return []

    RULES = (no_names_with_x,)

    @hookimpl
    def nm_register_rules(register):
        register(RuleSet("house", "house rules", "nmb_test_rules:RULES", chips=("odin",)))
        register(RuleSet("gone", "not there", "nmb_test_rules:GONE"))
    """
    loaded = Registry([plugin(body, "nmb_test_rules")])
    monkeypatch.setattr(module, "registry", lambda: loaded)
    with pytest.warns(PluginWarning, match="rule set 'gone'"):
        assert [r.code for r in module.rules_of("odin")] == ["HOUSE001"]
    assert module.rules_of("tinyodin") == []


def test_plugins_add_commands(plugin):
    import click

    body = """
    import click

    @hookimpl
    def nm_register_commands(cli):
        @cli.command("hello")
        def hello():
            click.echo("hello")
    """
    failing = hook("raise RuntimeError('no')", "commands").replace("register)", "cli)")
    loaded = Registry([plugin(body), plugin(failing)])
    group = click.Group("nmb")
    with pytest.warns(PluginWarning, match="nm_register_commands: RuntimeError: no"):
        loaded.add_commands(group)
    assert list(group.commands) == ["hello"]


def test_every_hook_is_documented():
    from nm_backends import hookspecs
    from nm_backends.registry import HOOKS

    hooks = [name for name in dir(hookspecs) if name.startswith("nm_register_")]
    assert sorted([*HOOKS, "nm_register_commands"]) == sorted(hooks)
    assert all(len(getattr(hookspecs, name).__doc__) > 40 for name in hooks)


def test_reset_rules_of_the_command_line_are_those_of_the_network():
    from nm_backends.cli.options import RESETS
    from nm_backends.network import Reset

    assert get_args(Reset) == RESETS


@pytest.mark.parametrize("code", ["NMB009", "ODIN001"])
def test_rules_cannot_take_built_in_codes(plugin, code):
    found = plugin(
        hook('register(RuleSet("mine", "rules", __name__ + ":RULES"))', "rules")
        + f"""
    from nm_backends.rules import Rule
    RULES = [Rule("{code}", "error", "Mine.", "Mine.")]
    """
    )
    loaded = Registry([found])
    entry, owner = next(loaded.entries(RuleSet))
    with pytest.warns(PluginWarning, match=f"rule {code} is built in: choose a prefix of your own"):
        assert rules_in(entry, owner) == []


def test_no_rule_code_stands_twice():
    from collections import Counter

    from nm_backends.registry import chip_rules, chips, core_rules

    rules = [*core_rules(), *(rule for chip in chips() for rule in chip_rules(chip))]
    taken = Counter(rule.code for rule in rules)
    assert [code for code, times in taken.items() if times > 1] == []
