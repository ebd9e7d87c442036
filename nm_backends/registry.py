"""Which chips, frontends and rules there are, and who brought them.

Plugins are loaded one by one: one that cannot be imported or that declares nonsense is remembered
in `plugins` with its reason, warned about once, and skipped. What a plugin registers is light; the
code behind it is imported by `get_backend`, `rules_of` and `frontend_for`.
"""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import pluggy

from nm_backends import hookspecs
from nm_backends.discovery import Candidate, candidates, disabled_names
from nm_backends.entries import ChipEntry, Entry, FrontendEntry, RuleSet, load_object
from nm_backends.errors import PluginError, PluginWarning, UnknownNameError, did_you_mean

if TYPE_CHECKING:
    from nm_backends.chip import Backend, ChipSpec
    from nm_backends.rules import Rule

__all__ = [
    "Plugin",
    "Registry",
    "all_rules",
    "chip_rules",
    "chips",
    "core_rules",
    "frontend_for",
    "get_backend",
    "registry",
    "rules_in",
    "rules_of",
]

HOOKS = {
    "nm_register_chips": ChipEntry,
    "nm_register_frontends": FrontendEntry,
    "nm_register_rules": RuleSet,
}
CORE_RULES = (
    "nm_backends.lowering.rules:RULES",
    "nm_backends.frontends.rules:RULES",
    "nm_backends.frontends.lava_rules:RULES",
    "nm_backends.system.rules:RULES",
    "nm_backends.loss_rules:RULES",
    "nm_backends.fit_rules:RULES",
)


@dataclass
class Plugin:
    """A plugin that was found, and what became of it.

    ``status`` is ``"ok"``, ``"disabled"`` or ``"broken"``; ``reason`` and ``trace`` say why a
    plugin cannot be used. An entry whose code fails when it is used moves from ``entries`` to
    ``dropped``: the plugin is broken, its other entries still work.
    """

    candidate: Candidate
    status: str = "ok"
    reason: str = ""
    trace: str = ""
    entries: list[Entry] = field(default_factory=list)
    dropped: list[Entry] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name of the entry point."""
        return self.candidate.name

    @property
    def key(self) -> str:
        """Name under which pluggy knows it."""
        return f"{self.candidate.distribution}:{self.name}"

    def drop(self, entry: Entry, reason: str, error: BaseException) -> None:
        """Stop using one entry, and say so once."""
        if entry in self.entries:
            self.entries.remove(entry)
            self.dropped.append(entry)
            self.fail(reason, error)

    def fail(self, reason: str, error: BaseException) -> None:
        """Remember why the plugin cannot be used, and say so once."""
        self.status = "broken"
        self.reason = reason
        self.trace = "".join(traceback.format_exception(error))
        warnings.warn(
            f"plugin {self.name!r} ({self.candidate.origin}) skipped: {reason}",
            PluginWarning,
            stacklevel=2,
        )


class Registry:
    """All plugins, loaded."""

    def __init__(self, found: Sequence[Candidate] | None = None) -> None:
        self.manager = pluggy.PluginManager("nm_backends")
        self.manager.add_hookspecs(hookspecs)
        self.plugins: list[Plugin] = []
        self._owner: dict[tuple[type[Entry], str], Plugin] = {}
        for candidate in candidates() if found is None else found:
            self.add(candidate)

    def add(self, candidate: Candidate) -> Plugin:
        """Load one plugin, unless it is switched off."""
        plugin = Plugin(candidate)
        self.plugins.append(plugin)
        if candidate.name in disabled_names():
            plugin.status, plugin.reason = "disabled", "NM_BACKENDS_DISABLE"
        else:
            self._load(plugin)
        return plugin

    def remove(self, plugin: Plugin) -> None:
        """Forget a plugin."""
        self.plugins.remove(plugin)
        self._owner = {key: owner for key, owner in self._owner.items() if owner is not plugin}
        if self.manager.has_plugin(plugin.key):
            self.manager.unregister(name=plugin.key)

    def _load(self, plugin: Plugin) -> None:
        # SystemExit too: a plugin that gives up on import must not take the others with it.
        try:
            module = plugin.candidate.load()
        except (Exception, SystemExit) as error:
            plugin.fail(f"cannot be imported: {_reason(error)}", error)
            return
        try:
            self.manager.register(module, plugin.key)
            self.manager.check_pending()
            staged = self._collect(module)
        except (Exception, SystemExit) as error:
            if self.manager.is_registered(module):
                self.manager.unregister(module)
            plugin.fail(_reason(error), error)
            return
        plugin.entries = staged
        self._owner.update({(type(entry), entry.name): plugin for entry in staged})

    def _collect(self, module: object) -> list[Entry]:
        """Call the registering hooks of one plugin; nothing counts unless all of it is sound."""
        staged: dict[tuple[type[Entry], str], Entry] = {}

        def register_as(kind: type[Entry]) -> Callable[[Entry], None]:
            def register(entry: Entry) -> None:
                if not isinstance(entry, kind):
                    raise PluginError(f"registered {entry!r}, expected a {kind.__name__}")
                entry.check()
                key = (kind, entry.name)
                owner = self._owner.get(key)
                if owner or key in staged:
                    by = f"plugin {owner.name!r}" if owner else "the same plugin"
                    raise PluginError(
                        f"{kind.__name__} {entry.name!r} is already registered by {by}"
                    )
                staged[key] = entry

            return register

        for hook, kind in HOOKS.items():
            self.call_one(hook, module, register=register_as(kind))
        return list(staged.values())

    def call_one(self, hook: str, module: object, **arguments: Any) -> None:
        """Call a hook of one plugin only, so that a failure has a name."""
        others = [p for p in self.manager.get_plugins() if p is not module]
        self.manager.subset_hook_caller(hook, others)(**arguments)

    def add_commands(self, cli: Any) -> None:
        """Let every plugin add its commands to ``nmb``."""
        for plugin in [plugin for plugin in self.plugins if plugin.status == "ok"]:
            module = self.manager.get_plugin(plugin.key)
            try:
                self.call_one("nm_register_commands", module, cli=cli)
            except (Exception, SystemExit) as error:
                plugin.fail(f"nm_register_commands: {_reason(error)}", error)

    def entries(self, kind: type[Entry]) -> Iterator[tuple[Any, Plugin]]:
        """Every entry of one kind that can be used, with its plugin."""
        for plugin in self.plugins:
            for entry in list(plugin.entries):
                if isinstance(entry, kind):
                    yield entry, plugin

    def chip(self, name: str) -> tuple[ChipEntry, Plugin]:
        """Return the entry of a chip; raise `UnknownNameError` with the closest names."""
        known = {entry.name: (entry, plugin) for entry, plugin in self.entries(ChipEntry)}
        if name in known:
            return known[name]
        for plugin in self.plugins:
            if plugin.status != "ok" and name in (plugin.name, *(e.name for e in plugin.dropped)):
                raise PluginError(
                    f"chip {name!r}: its plugin is {plugin.status}: {plugin.reason}",
                    "nmb plugins -v shows more",
                )
        raise UnknownNameError(f"unknown chip {name!r}", did_you_mean(name, known))

    def backend(self, name: str) -> Backend:
        """Import the backend of a chip and check that it is one."""
        entry, plugin = self.chip(name)
        try:
            backend = _load_backend(entry)
            _refuse_taken(plugin, backend.rules)
            return backend
        except Exception as error:
            reason = f"chip {name!r}: {_reason(error)}"
            plugin.drop(entry, reason, error)
            raise PluginError(
                f"plugin {plugin.name!r} ({plugin.candidate.origin}) is broken: {reason}",
                "nmb plugins -v shows the traceback",
            ) from error


@cache
def registry() -> Registry:
    """Return the plugins of this process, loaded on first use."""
    return Registry()


@cache
def get_backend(name: str) -> Backend:
    """Return the backend of the chip ``name``; its code is imported now.

    Raises
    ------
    UnknownNameError
        There is no such chip; the message names the closest ones.
    PluginError
        The plugin that brings the chip is broken.
    """
    return registry().backend(name)


def chips() -> dict[str, ChipSpec]:
    """Return every chip that can be used: name to `nm_backends.chip.ChipSpec`."""
    found: dict[str, ChipSpec] = {}
    for entry, _ in registry().entries(ChipEntry):
        try:
            found[entry.name] = get_backend(entry.name).spec
        except PluginError:  # warned about, and listed by ``nmb plugins``
            continue
    return found


def rules_of(chip: str | None = None) -> list[Rule]:
    """Return the rules that plugins add for one chip, or (None) for all models."""
    return [
        rule
        for entry, plugin in registry().entries(RuleSet)
        if entry.chips is None or chip in entry.chips
        for rule in rules_in(entry, plugin)
    ]


def rules_in(entry: RuleSet, plugin: Plugin) -> list[Rule]:
    """Return the rules of one extra set; none when it is broken (which is warned about)."""
    try:
        return _refuse_taken(plugin, _rules(entry.rules))
    except Exception as error:
        plugin.drop(entry, f"rule set {entry.name!r}: {_reason(error)}", error)
        return []


def chip_rules(name: str) -> list[Rule]:
    """Return the rules of one chip; without importing its backend where the plugin allows it."""
    entry, plugin = registry().chip(name)
    if not entry.rules:
        return list(get_backend(name).rules)
    try:
        return _refuse_taken(plugin, _rules(entry.rules))
    except Exception as error:
        plugin.drop(entry, f"chip {name!r}: {_reason(error)}", error)
        return []


def core_rules() -> list[Rule]:
    """Return the rules that hold for every chip."""
    return [rule for target in CORE_RULES for rule in _rules(target)]


def all_rules() -> Iterator[tuple[Rule, str]]:
    """Yield every rule with its owner: the core, each chip, each extra set; not broken ones."""
    for rule in core_rules():
        yield rule, "core"
    for entry, _ in registry().entries(ChipEntry):
        try:
            for rule in chip_rules(entry.name):
                yield rule, entry.name
        except PluginError:
            continue
    for entry, plugin in registry().entries(RuleSet):
        for rule in rules_in(entry, plugin):
            yield rule, entry.name


def _reserved_codes() -> set[str]:
    """Return the codes of the core's rules and of the chips that come with it."""
    builtin = [e.rules for e, plugin in registry().entries(ChipEntry) if plugin.candidate.builtin]
    targets = (*CORE_RULES, *filter(None, builtin))
    return {rule.code for target in targets for rule in _rules(target)}


def _refuse_taken(plugin: Plugin, rules: Sequence[Rule]) -> list[Rule]:
    """Raise `PluginError` where a third party's rule takes the code of a built-in one."""
    if not plugin.candidate.builtin:
        reserved = _reserved_codes()
        for rule in rules:
            if rule.code in reserved:
                raise PluginError(f"rule {rule.code} is built in: choose a prefix of your own")
    return list(rules)


def frontend_for(model: object) -> FrontendEntry | None:
    """Return the first frontend that claims ``model``, or None."""
    for entry, plugin in registry().entries(FrontendEntry):
        try:
            if entry.claims(model):
                return entry  # type: ignore[no-any-return]
        except Exception as error:
            plugin.drop(entry, f"frontend {entry.name!r}: {_reason(error)}", error)
    return None


def _rules(target: str) -> list[Rule]:
    from nm_backends.rules import Rule

    rules = list(load_object(target))
    wrong = [item for item in rules if not isinstance(item, Rule)]
    if wrong:
        raise PluginError(f"{target} holds {wrong[0]!r}, expected rules")
    return rules


def _load_backend(entry: ChipEntry) -> Backend:
    from nm_backends.chip import Backend
    from nm_backends.validate import check_backend

    backend = load_object(entry.backend)
    if isinstance(backend, type):
        backend = backend()
    check_backend(entry, backend)
    assert isinstance(backend, Backend)
    return backend


def _reason(error: BaseException) -> str:
    """Return an error in one line: its type unless it is ours, and the first line of its text."""
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else "no reason given"
    return text if isinstance(error, PluginError) else f"{type(error).__name__}: {text}"
