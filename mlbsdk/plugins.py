"""Find, check and list plugins; with :mod:`mlbsdk.hookspecs`, the only user of pluggy.

Nothing that crosses the plugin edge is trusted. A plugin that can't be used is recorded with its distribution,
version and reason, and takes no command down; the reason is told where somebody asks for what it might have provided.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from itertools import groupby
from typing import Any, Generic, ParamSpec, TypeAlias, TypeGuard, TypeVar

import pluggy

from mlbsdk.deprecation import warn_deprecated
from mlbsdk.errors import (
    MlbsdkError,
    PluginConflictError,
    PluginContractError,
    PluginError,
    PluginFailedError,
    PluginVersionError,
    UnknownNameError,
    did_you_mean,
    shortened,
)
from mlbsdk.hookspecs import (
    HOOKSPEC_VERSION,
    CommandDecl,
    DerivedDecl,
    Hooks,
    ListenerDecl,
    QualityDecl,
    RawStoreDecl,
    ReporterDecl,
    SourceDecl,
    SparkRequirements,
    StorageDecl,
    TransformDecl,
    WriterDecl,
)
from mlbsdk.known_plugins import distribution_for, known_names

GROUP = "mlbsdk"
BUILTIN = ("mlbsdk.builtin",)
LOAD = "MLBSDK_LOAD_PLUGINS"
DISABLED = "MLBSDK_DISABLED_PLUGINS"
_REASON_LENGTH = 300

AnyDecl: TypeAlias = (
    TransformDecl
    | SourceDecl
    | RawStoreDecl
    | WriterDecl
    | StorageDecl
    | QualityDecl
    | ListenerDecl
    | ReporterDecl
    | DerivedDecl
    | CommandDecl
)
D = TypeVar("D", bound=AnyDecl)
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class _Kind(Generic[D]):
    """A kind of declaration: its name in texts, its hook and its record."""

    name: str
    hook: str
    record: type[D]


_TRANSFORM = _Kind("transform", "mlbsdk_transforms", TransformDecl)
_SOURCE = _Kind("source", "mlbsdk_sources", SourceDecl)
_RAW_STORE = _Kind("raw_store", "mlbsdk_raw_stores", RawStoreDecl)
_WRITER = _Kind("writer", "mlbsdk_writers", WriterDecl)
_STORAGE = _Kind("storage", "mlbsdk_storages", StorageDecl)
_QUALITY = _Kind("quality", "mlbsdk_quality", QualityDecl)
_LISTENER = _Kind("listener", "mlbsdk_listeners", ListenerDecl)
_REPORTER = _Kind("reporter", "mlbsdk_reporters", ReporterDecl)
_DERIVED = _Kind("derived", "mlbsdk_derived", DerivedDecl)
_COMMAND = _Kind("command", "mlbsdk_commands", CommandDecl)
_KINDS: tuple[_Kind[Any], ...] = (
    _TRANSFORM,
    _SOURCE,
    _RAW_STORE,
    _WRITER,
    _STORAGE,
    _QUALITY,
    _LISTENER,
    _REPORTER,
    _DERIVED,
    _COMMAND,
)
_HOOKS = tuple(kind.hook for kind in _KINDS)
_NOUNS = {
    "quality": "quality engine",
    "derived": "derived table",
    "raw_store": "raw store",
    "reporter": "lineage backend",
}


@dataclass(frozen=True)
class DeclarationRecord:
    """One declaration, for listing."""

    kind: str
    name: str
    summary: str
    origin: str
    """The distribution and version, such as ``mlbsdk-plugin-game 0.1.0``."""
    status: str
    """``ready`` or ``conflict``."""
    reason: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    """What else the record says, as JSON data."""

    def to_json(self) -> dict[str, Any]:
        """Return the declaration as JSON data; ``origin`` is called ``from``."""
        data = asdict(self)
        return {"from" if key == "origin" else key: value for key, value in data.items()}


@dataclass(frozen=True)
class PluginRecord:
    """One plugin, for listing."""

    name: str
    """The entry point's name."""
    distribution: str
    version: str
    status: str
    """``ready``, ``failed`` or ``disabled``."""
    reason: str | None = None
    declarations: tuple[DeclarationRecord, ...] = ()

    @property
    def origin(self) -> str:
        """The distribution and version."""
        return f"{self.distribution} {self.version}"

    def to_json(self) -> dict[str, Any]:
        """Return the plugin as JSON data."""
        return asdict(self) | {"declarations": [each.to_json() for each in self.declarations]}


@dataclass(eq=False)
class _Plugin:
    """A plugin found, and what became of it."""

    name: str
    distribution: str
    version: str
    key: str = ""
    """The name in pluggy, unique: two distributions may have entry points of one name."""
    refusal: PluginError | None = None
    """Why it was not registered."""
    broken_hooks: dict[str, PluginError] = field(default_factory=dict)
    """What went wrong in its hooks, by kind of declaration."""
    disabled: str | None = None

    @property
    def origin(self) -> str:
        return f"{self.distribution} {self.version}"

    @property
    def where(self) -> str:
        return f"plugin '{self.name}' of {self.origin}"

    @property
    def failures(self) -> list[PluginError]:
        return ([self.refusal] if self.refusal else []) + list(self.broken_hooks.values())

    @property
    def status(self) -> str:
        return "disabled" if self.disabled else "failed" if self.failures else "ready"

    @property
    def reason(self) -> str | None:
        return self.disabled or "; ".join(_reason(failure) for failure in self.failures) or None


@dataclass
class _Found(Generic[D]):
    """The declarations of one kind: the usable ones by name, and for other names why they are not."""

    every: list[tuple[D, _Plugin]] = field(default_factory=list)
    usable: dict[str, D] = field(default_factory=dict)
    conflicts: dict[str, PluginConflictError] = field(default_factory=dict)


@dataclass(frozen=True)
class _Choice:
    """Which plugins the environment asks for; entry point or distribution names."""

    allowed: frozenset[str] | None
    """None: all."""
    disabled: frozenset[str]

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> _Choice:
        """Read the choice from environment variables."""
        allowed = _names(environment[LOAD]) if LOAD in environment else None
        return cls(allowed, _names(environment.get(DISABLED, "")))

    def refuses(self, plugin: _Plugin) -> str | None:
        """Return why the plugin shall not be loaded, or None."""
        names = {_normalized(plugin.name), _normalized(plugin.distribution)}
        if names & self.disabled:
            return f"in {DISABLED}"
        if self.allowed is not None and not names & self.allowed:
            return f"not in {LOAD}"
        return None

    def notes(self, installed: Iterable[_Plugin]) -> list[str]:
        """Return a note for each name that no installed plugin has."""
        known = {_normalized(name) for plugin in installed for name in (plugin.name, plugin.distribution)}
        notes = [
            f"{variable} names '{name}', but no such plugin is installed.{did_you_mean(name, known)}"
            for variable, names in ((LOAD, self.allowed or frozenset()), (DISABLED, self.disabled))
            for name in sorted(names - known - {GROUP})
        ]
        core = f"{DISABLED} names '{GROUP}', but the core's own plugin is always loaded."
        return notes + ([core] if GROUP in self.disabled else [])


class Plugins:
    """A set of plugins and what they declare. Make one with :meth:`load`.

    Declarations are collected when they are first asked for, and nothing heavy is imported before a factory is called.
    """

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(Hooks)
        self._plugins: dict[str, _Plugin] = {}
        self._found_by_kind: dict[str, _Found[Any]] = {}
        self._notes: list[str] = []

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Plugins:
        """Load the core's own plugin and every installed one; the one loading point of all commands.

        Args:
            environment: Where ``MLBSDK_LOAD_PLUGINS`` (a comma list of the entry point or distribution names to load;
                empty: none) and ``MLBSDK_DISABLED_PLUGINS`` are read from; by default the process's environment.
        """
        plugins = cls()
        for module in BUILTIN:
            plugin = _Plugin(module.rpartition(".")[2], GROUP, _core_version())
            plugins._activate(plugin, partial(import_module, module))
        plugins._load_installed(_Choice.of(os.environ if environment is None else environment))
        return plugins

    def register(self, module: object, *, name: str, distribution: str = "(in code)", version: str = "-") -> None:
        """Add a plugin that is not installed, as tests and notebooks do; checked like any other."""
        self._found_by_kind.clear()
        self._activate(_Plugin(name, distribution, version), lambda: module)

    # What is asked for by name.

    def transform(self, name: str) -> TransformDecl:
        """Return the transform of this name.

        Raises:
            UnknownNameError: no usable plugin declares it.
            PluginConflictError: two plugins declare it.
        """
        return self._get(_TRANSFORM, name)

    def source(self, scheme: str) -> SourceDecl:
        """Return the source for a URI scheme; raises as :meth:`transform`."""
        return self._get(_SOURCE, scheme)

    def raw_store(self, scheme: str) -> RawStoreDecl:
        """Return the raw store for a URI scheme; raises as :meth:`transform`."""
        return self._get(_RAW_STORE, scheme)

    def writer(self, scheme: str) -> WriterDecl:
        """Return the writer for a URI scheme; raises as :meth:`transform`."""
        return self._get(_WRITER, scheme)

    def storage(self, scheme: str) -> StorageDecl:
        """Return the storage for a URI scheme of paths; raises as :meth:`transform`."""
        return self._get(_STORAGE, scheme)

    def quality(self, name: str) -> QualityDecl:
        """Return the quality engine of this name; raises as :meth:`transform`."""
        return self._get(_QUALITY, name)

    def listener(self, name: str) -> ListenerDecl:
        """Return the listener of this name; raises as :meth:`transform`."""
        return self._get(_LISTENER, name)

    def reporter(self, name: str) -> ReporterDecl:
        """Return the lineage backend of this name; raises as :meth:`transform`."""
        return self._get(_REPORTER, name)

    def derived(self, name: str) -> DerivedDecl:
        """Return the derived table of this name; raises as :meth:`transform`."""
        return self._get(_DERIVED, name)

    def command(self, name: str) -> CommandDecl:
        """Return the sub-command of this name; raises as :meth:`transform`."""
        return self._get(_COMMAND, name)

    # All of a kind, in the order of loading, without the names that two plugins claim (see failures()).

    def transforms(self) -> tuple[TransformDecl, ...]:
        """Return all usable transforms."""
        return tuple(self._found(_TRANSFORM).usable.values())

    def sources(self) -> tuple[SourceDecl, ...]:
        """Return all usable sources."""
        return tuple(self._found(_SOURCE).usable.values())

    def raw_stores(self) -> tuple[RawStoreDecl, ...]:
        """Return all usable raw stores."""
        return tuple(self._found(_RAW_STORE).usable.values())

    def writers(self) -> tuple[WriterDecl, ...]:
        """Return all usable writers."""
        return tuple(self._found(_WRITER).usable.values())

    def storages(self) -> tuple[StorageDecl, ...]:
        """Return all usable storages."""
        return tuple(self._found(_STORAGE).usable.values())

    def qualities(self) -> tuple[QualityDecl, ...]:
        """Return all usable quality engines."""
        return tuple(self._found(_QUALITY).usable.values())

    def listeners(self) -> tuple[ListenerDecl, ...]:
        """Return all usable listeners."""
        return tuple(self._found(_LISTENER).usable.values())

    def reporters(self) -> tuple[ReporterDecl, ...]:
        """Return all usable lineage backends that do not speak OpenLineage."""
        return tuple(self._found(_REPORTER).usable.values())

    def derived_tables(self) -> tuple[DerivedDecl, ...]:
        """Return all usable derived tables."""
        return tuple(self._found(_DERIVED).usable.values())

    def commands(self) -> tuple[CommandDecl, ...]:
        """Return all usable sub-commands."""
        return tuple(self._found(_COMMAND).usable.values())

    def origin(self, decl: AnyDecl) -> str:
        """Return the distribution and version that a declaration is from, such as ``mlbsdk-plugin-game 0.1.0``."""
        return next((owner.origin for _, each, owner in self._every() if each is decl), "an unknown plugin")

    def call(self, decl: AnyDecl, factory: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a factory of ``decl``; an error of the plugin's code names the plugin.

        Raises:
            PluginError: the factory raised something other than an MlbsdkError, which passes through.
        """
        try:
            return factory(*args, **kwargs)
        except MlbsdkError:
            raise
        except (Exception, SystemExit) as problem:  # a plugin's code may raise anything
            raise PluginError(
                f"'{decl.name}' can't be made: {_described(problem)}", where=self.origin(decl)
            ) from problem

    @contextlib.contextmanager
    def running(self, decl: AnyDecl, doing: str) -> Iterator[None]:
        """Name the plugin of ``decl`` where its object raises something unexpected inside; the core's own pass through.

        Raises:
            PluginFailedError: it did. An MlbsdkError passes through, and so does what Spark raises.
        """
        try:
            yield
        except MlbsdkError:
            raise
        except Exception as problem:
            of_spark = type(problem).__module__.partition(".")[0] in ("pyspark", "py4j")
            origin = self.origin(decl)
            if of_spark or origin.partition(" ")[0] == GROUP:
                raise
            raise PluginFailedError(
                f"'{decl.name}' failed while {doing}: {_described(problem)}",
                where=origin,
                fix="It is a fault of that plugin: --debug shows where.",
            ) from problem

    # What became of each plugin.

    def records(self) -> tuple[PluginRecord, ...]:
        """Return every plugin found, whatever its status, with its declarations."""
        every = self._every()
        return tuple(
            PluginRecord(
                name=plugin.name,
                distribution=plugin.distribution,
                version=plugin.version,
                status=plugin.status,
                reason=plugin.reason,
                declarations=tuple(self._record(kind, decl, owner) for kind, decl, owner in every if owner is plugin),
            )
            for plugin in self._plugins.values()
        )

    def find(self, name: str) -> tuple[PluginRecord, ...]:
        """Return the plugins of this entry point, distribution or declaration name.

        For the name of a declaration the records hold that declaration only.

        Raises:
            UnknownNameError: there is nothing of this name.
        """
        records = self.records()
        wanted = _normalized(name)
        whole = tuple(one for one in records if wanted in (_normalized(one.name), _normalized(one.distribution)))
        if whole:
            return whole
        parts = ((one, tuple(each for each in one.declarations if each.name == name)) for one in records)
        found = tuple(replace(one, declarations=chosen) for one, chosen in parts if chosen)
        if not found:
            raise self._nothing_named(name, records)
        return found

    def failures(self) -> tuple[PluginError, ...]:
        """Return every failure of a plugin and every conflict between two."""
        self._every()
        failures = [failure for plugin in self._plugins.values() for failure in plugin.failures]
        failures += [error for found in self._found_by_kind.values() for error in found.conflicts.values()]
        return tuple(dict.fromkeys(failures))

    def notes(self) -> tuple[str, ...]:
        """Return what else a person should know, such as a disabled name that no plugin has."""
        return tuple(self._notes)

    # Loading.

    def _load_installed(self, choice: _Choice) -> None:
        found = sorted(((_plugin_of(entry), entry) for entry in entry_points(group=GROUP)), key=_load_order)
        self._notes += choice.notes([*self._plugins.values(), *(plugin for plugin, _ in found)])
        for plugin, _ in found:
            plugin.disabled = choice.refuses(plugin)
        wanted = [(plugin, entry) for plugin, entry in found if not plugin.disabled]
        _refuse_equal_names([plugin for plugin, _ in wanted])
        for plugin, entry in found:
            if plugin.disabled or plugin.refusal:
                self._keep(plugin)
            else:
                self._activate(plugin, entry.load)

    def _activate(self, plugin: _Plugin, load: Callable[[], object]) -> None:
        """Load, check and register one plugin; whatever goes wrong is recorded."""
        self._keep(plugin)
        try:
            # Standard output is for results: a plugin that prints on import must not end up in somebody's JSON.
            with contextlib.redirect_stdout(sys.stderr):
                module = load()
                _check_version(plugin, module)
                self._register(plugin, module)
        except PluginError as problem:
            plugin.refusal = problem
        except (Exception, SystemExit) as problem:  # a plugin's module may raise anything, and some call sys.exit
            plugin.refusal = _failure(PluginError, plugin, _described(problem), problem)

    def _keep(self, plugin: _Plugin) -> None:
        plugin.key = f"{plugin.distribution}:{plugin.name}:{len(self._plugins)}"
        self._plugins[plugin.key] = plugin

    def _register(self, plugin: _Plugin, module: object) -> None:
        _check_marks(plugin, module)
        if self._manager.is_registered(module):
            raise PluginContractError("another entry point loads the same module.", where=plugin.where)
        try:
            self._manager.register(module, name=plugin.key)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as problem:
            text = self._misspelt(module) or _cut(str(problem))
            if self._manager.is_registered(module):  # pluggy may register a plugin before it finds the mistake
                self._manager.unregister(module)
            raise PluginContractError(text, where=plugin.where) from problem

    def _misspelt(self, module: object) -> str:
        callers = self._manager.get_hookcallers(module) or []
        unknown = [caller.name for caller in callers if not caller.has_spec()]
        return " ".join(f"there is no hook '{name}'.{did_you_mean(name, _HOOKS)}" for name in unknown)

    # Collecting.

    def _found(self, kind: _Kind[D]) -> _Found[D]:
        if kind.name not in self._found_by_kind:
            self._found_by_kind[kind.name] = self._collect(kind)
        return self._found_by_kind[kind.name]

    def _collect(self, kind: _Kind[D]) -> _Found[D]:
        found: _Found[D] = _Found()
        for implementation in getattr(self._manager.hook, kind.hook).get_hookimpls():
            plugin = self._plugins[implementation.plugin_name]
            found.every += [(decl, plugin) for decl in _declared(kind, plugin, implementation.function)]
        by_name: dict[str, list[tuple[D, _Plugin]]] = {}
        for decl, plugin in found.every:
            by_name.setdefault(decl.name, []).append((decl, plugin))
        for name, claims in by_name.items():
            if len(claims) == 1:
                found.usable[name] = claims[0][0]
            else:
                found.conflicts[name] = _conflict(f"{_noun(kind.name)} '{name}'", [owner for _, owner in claims])
        return found

    def _every(self) -> list[tuple[str, AnyDecl, _Plugin]]:
        return [(kind.name, decl, owner) for kind in _KINDS for decl, owner in self._found(kind).every]

    def _record(self, kind: str, decl: AnyDecl, owner: _Plugin) -> DeclarationRecord:
        conflict = self._found_by_kind[kind].conflicts.get(decl.name)
        return DeclarationRecord(
            kind=kind,
            name=decl.name,
            summary=decl.summary,
            origin=owner.origin,
            status="conflict" if conflict else "ready",
            reason=_reason(conflict) if conflict else None,
            details=_details(decl),
        )

    # Names that are not there.

    def _get(self, kind: _Kind[D], name: str) -> D:
        found = self._found(kind)
        if name in found.conflicts:
            raise found.conflicts[name]
        if name not in found.usable:
            raise self._unknown(kind, name)
        return found.usable[name]

    def _unknown(self, kind: _Kind[Any], name: str) -> UnknownNameError:
        found = self._found(kind)
        names = sorted({*found.usable, *found.conflicts})
        distribution = distribution_for(kind.name, name)
        unusable = [plugin for plugin in self._plugins.values() if plugin.status != "ready"]
        likely = [plugin for plugin in unusable if _may_provide(plugin, kind.name, name, distribution)]
        message = [f"no plugin provides the {_noun(kind.name)} '{name}'."]
        message.append(did_you_mean(name, [*names, *known_names(kind.name)]).strip())
        message += [f"{plugin.where} is installed, but {plugin.status}: {plugin.reason}" for plugin in likely]
        installed = {_normalized(plugin.distribution) for plugin in self._plugins.values()}
        fix = []
        if distribution and _normalized(distribution) not in installed:
            fix.append(f"Install it: pip install {distribution}.")
        elif names:
            fix.append(f"There are: {shortened(names, 12)}.")
        if any(plugin.status == "failed" for plugin in unusable if plugin not in likely):
            fix.append("Some other plugins failed: see 'mlbsdk plugins list'.")
        return UnknownNameError(" ".join(filter(None, message)), fix=" ".join(fix))

    def _nothing_named(self, name: str, records: Sequence[PluginRecord]) -> UnknownNameError:
        declared = [each.name for one in records for each in one.declarations]
        known = {*declared, *(one.name for one in records), *(one.distribution for one in records)}
        provider = next(filter(None, (distribution_for(kind.name, name) for kind in _KINDS)), None)
        install = bool(provider) and provider not in {one.distribution for one in records}
        fix = f"Install it: pip install {provider}." if install else "'mlbsdk plugins list' shows all."
        return UnknownNameError(f"no plugin or declaration is called '{name}'.{did_you_mean(name, known)}", fix=fix)


def _names(text: str) -> frozenset[str]:
    return frozenset(_normalized(name) for name in text.split(",") if name.strip())


def _normalized(name: str) -> str:
    """Return a distribution's name as the package index compares it: Mlbsdk_CSV and mlbsdk-csv are one."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _core_version() -> str:
    try:
        return version(GROUP)
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "(not installed)"


def _plugin_of(entry: EntryPoint) -> _Plugin:
    # Metadata that somebody edited or a broken install left may lack either.
    distribution = entry.dist.metadata["Name"] if entry.dist else None
    return _Plugin(entry.name, distribution or "(unknown)", (entry.dist.version if entry.dist else None) or "-")


def _load_order(found: tuple[_Plugin, EntryPoint]) -> tuple[str, str]:
    return found[0].distribution, found[0].name


def _refuse_equal_names(plugins: list[_Plugin]) -> None:
    """Record a conflict for plugins with one entry point name: which one comes first is chance."""
    for name, group in groupby(sorted(plugins, key=lambda plugin: plugin.name), key=lambda plugin: plugin.name):
        same = list(group)
        if len(same) > 1:
            conflict = _conflict(f"entry point '{name}'", same)
            for plugin in same:
                plugin.refusal = conflict


def _check_version(plugin: _Plugin, module: object) -> None:
    built_for = getattr(module, "MLBSDK_PLUGIN_API", None)
    if built_for is None:
        warn_deprecated(
            f"{plugin.where}, which does not say MLBSDK_PLUGIN_API,",
            since="0.1",
            removed_in="1.0",
            instead=f"Say it in the module of the entry point: MLBSDK_PLUGIN_API = {HOOKSPEC_VERSION}.",
        )
        return
    if built_for == HOOKSPEC_VERSION:
        return
    newer = isinstance(built_for, int) and built_for > HOOKSPEC_VERSION
    change = "mlbsdk" if newer else plugin.distribution
    raise PluginVersionError(
        f"built for version {built_for!r} of the plugin interface (MLBSDK_PLUGIN_API); "
        f"this mlbsdk ({_core_version()}) has version {HOOKSPEC_VERSION}.",
        where=plugin.where,
        fix=f"Upgrade {change}, or disable the plugin with {DISABLED}={plugin.distribution}.",
    )


def _check_marks(plugin: _Plugin, module: object) -> None:
    """Refuse a hook that was not marked, as pluggy would ignore it."""
    present = [name for name in _HOOKS if callable(vars(module).get(name))] if hasattr(module, "__dict__") else []
    bare = [name for name in present if not hasattr(vars(module)[name], f"{GROUP}_impl")]
    if bare:
        raise PluginContractError(f"not marked with @hookimpl: {', '.join(bare)}.", where=plugin.where)


def _declared(kind: _Kind[D], plugin: _Plugin, function: Callable[..., object]) -> list[D]:
    """Call one hook of one plugin; a failure is recorded and gives no declarations."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            returned = function()
            # A generator runs only here, so its errors belong to the hook as well.
            listed = list(returned) if _is_listing(returned) else [returned]
        return [_checked(kind, plugin, each) for each in listed]
    except PluginContractError as problem:
        failure: PluginError = problem
    except (Exception, SystemExit) as problem:  # a plugin's code may raise anything
        failure = _failure(PluginError, plugin, f"{kind.hook} raised {_described(problem)}", problem)
    plugin.broken_hooks[kind.name] = failure
    return []


def _is_listing(returned: object) -> TypeGuard[Iterable[object]]:
    # A text or a mapping is a mistake to be shown whole, not letter by letter.
    return isinstance(returned, Iterable) and not isinstance(returned, str | bytes | Mapping)


def _checked(kind: _Kind[D], plugin: _Plugin, decl: object) -> D:
    """Return the declaration if it is what the hook allows.

    Raises:
        PluginContractError: it is not.
    """
    expected = kind.record.__name__
    if not isinstance(decl, kind.record):
        got = f"{_cut(repr(decl), 80)} ({type(decl).__name__})"
        raise PluginContractError(f"{kind.hook} returned {got}; expected {expected} records.", where=plugin.where)
    wrong = _mistakes(decl)
    if wrong:
        text = f"{kind.hook} returned a {expected} named {_cut(repr(decl.name), 80)}: {'; '.join(wrong)}."
        raise PluginContractError(text, where=plugin.where)
    return decl


def _mistakes(decl: Any) -> list[str]:
    """Return what is wrong with the fields of a record, which Python does not check."""
    generated = isinstance(decl, TransformDecl) and decl.make is None
    rules: list[tuple[object, str]] = [
        (isinstance(decl.name, str) and re.fullmatch(r"\S+", decl.name), "name must be text without spaces"),
        (isinstance(decl.summary, str), "summary must be text"),
        (callable(decl.make) or generated, "make must be callable"),
    ]
    if isinstance(decl, TransformDecl):
        rules.append((_is_resource(decl.mapping), "mapping must be (package, path)"))
        rules.append((decl.sample is None or _is_resource(decl.sample), "sample must be (package, path)"))
    if isinstance(decl, WriterDecl):
        rules.append((_is_texts(decl.supports, set | frozenset), "supports must be a frozenset of texts"))
    if isinstance(decl, DerivedDecl):
        rules += _rules_of_derived(decl)
    if isinstance(decl, SourceDecl | WriterDecl | StorageDecl | QualityDecl):
        rules.append(
            (_is_requirements(decl.spark), "spark must be SparkRequirements with a tuple and a mapping of texts")
        )
    return [text for fine, text in rules if not fine]


def _rules_of_derived(decl: Any) -> list[tuple[object, str]]:
    name = isinstance(decl.name, str) and re.fullmatch(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*", decl.name)
    needed = ("inputs", "document_key", "group_by", "primary_key")
    texts = (*needed, "optional_inputs", "partition_by", "z_order_by")
    rules: list[tuple[object, str]] = [(name, "name must be schema.table in small letters")]
    rules += [(_is_texts(getattr(decl, each), tuple), f"{each} must be a tuple of texts") for each in texts]
    rules += [(getattr(decl, each), f"{each} must not be empty") for each in needed]
    figures = decl.figures
    are_texts = isinstance(figures, Mapping) and _is_texts([*figures, *figures.values()], list)
    rules.append((isinstance(decl.version, str), "version must be text"))
    rules.append((are_texts, "figures must be a mapping of texts"))
    return rules


def _is_texts(value: object, kind: Any) -> bool:
    return isinstance(value, kind) and all(isinstance(part, str) for part in value)


def _is_resource(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and _is_texts(value, tuple)


def _is_requirements(value: object) -> bool:
    if not isinstance(value, SparkRequirements) or not isinstance(value.session, Mapping):
        return False
    return _is_texts(value.packages, tuple | list) and _is_texts([*value.session, *value.session.values()], list)


def _details(decl: AnyDecl) -> dict[str, object]:
    """Return what a record says beyond its name and summary, as JSON data."""
    details: dict[str, object] = {}
    if isinstance(decl, TransformDecl):
        details["mapping"] = "/".join(decl.mapping)
        details["sample"] = "/".join(decl.sample) if decl.sample else None
        details["class"] = "own" if decl.make else "generated"
    if isinstance(decl, WriterDecl):
        details["supports"] = sorted(decl.supports)
    if isinstance(decl, DerivedDecl):
        names = ("inputs", "optional_inputs", "group_by", "primary_key", "partition_by", "z_order_by")
        details |= {name: list(getattr(decl, name)) for name in names} | {"formulas": decl.version}
    if isinstance(decl, SourceDecl | WriterDecl | StorageDecl | QualityDecl):
        details["packages"] = list(decl.spark.packages)
        details["session"] = dict(decl.spark.session)
    return details


def _may_provide(plugin: _Plugin, kind: str, name: str, distribution: str | None) -> bool:
    """Say whether a plugin that can't be used might have provided a name."""
    own = _normalized(plugin.distribution)
    if kind in plugin.broken_hooks or (distribution and own == _normalized(distribution)):
        return True
    words = {_normalized(name), _normalized(name.partition(".")[0])}
    return _normalized(plugin.name) in words or bool(words & set(own.split("-")))


def _conflict(what: str, owners: Sequence[_Plugin]) -> PluginConflictError:
    origins = list(dict.fromkeys(owner.origin for owner in owners))
    if len(origins) == 1:
        return PluginConflictError(f"{what} is declared {len(owners)} times by {origins[0]}.")
    other = next((owner for owner in reversed(owners) if owner.distribution != GROUP), owners[-1])
    return PluginConflictError(
        f"{what} is declared {'twice' if len(owners) == 2 else f'{len(owners)} times'}: by {' and by '.join(origins)}.",
        fix=f"Uninstall one, or disable one with {DISABLED}={other.distribution}.",
    )


def _failure(error: type[PluginError], plugin: _Plugin, text: str, cause: BaseException) -> PluginError:
    failure = error(text, where=plugin.where)
    failure.__cause__ = cause
    return failure


def _described(problem: BaseException) -> str:
    return _cut(f"{type(problem).__name__}: {problem}")


def _reason(error: PluginError) -> str:
    return _cut(f"{error.message} {error.fix or ''}")


def _cut(text: str, length: int = _REASON_LENGTH) -> str:
    """Return the text on one line, cut at ``length``."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _noun(kind: str) -> str:
    return _NOUNS.get(kind, kind)
