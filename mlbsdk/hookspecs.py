"""Every hook and every record that hooks return; no logic.

Hooks *declare*; objects *act*. A plugin returns small frozen records that say what it offers and how to make
it; the runtime calls the factory only when a command needs it. So keep the module that your entry point names
light, and import Spark inside the factory.

Register the module in ``pyproject.toml``::

    [project.entry-points.mlbsdk]
    csv = "mlbsdk_csv"
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import pluggy

if TYPE_CHECKING:
    import typer
    from pyspark.sql import DataFrame, SparkSession

    from mlbsdk.mapping.differences import StoredTable
    from mlbsdk.mapping.model import Mapping as TransformMapping
    from mlbsdk.mapping.plan import Table
    from mlbsdk.report import RunReport
    from mlbsdk.runtime.batch import Batch, TableWritten
    from mlbsdk.runtime.raw import RawBatch
    from mlbsdk.runtime.raw_capture import RawCapture, RawRequest, StoredCapture
    from mlbsdk.runtime.transformation import BaseTransformation

#: Major version of the hook specifications; a plugin states the one it was built for: ``MLBSDK_PLUGIN_API = 1``.
HOOKSPEC_VERSION = 1

_F = TypeVar("_F", bound=Callable[..., Any])
_hookspec = pluggy.HookspecMarker("mlbsdk")
_hookimpl = pluggy.HookimplMarker("mlbsdk")


def hookimpl(function: _F) -> _F:
    """Mark a function of a plugin module as the implementation of the hook of the same name."""
    return _hookimpl(function)


@dataclass(frozen=True, kw_only=True)
class SparkRequirements:
    """What a plugin needs of the Spark session; loaded only when the plugin is used in a run.

    ``packages`` are Maven coordinates, ``session`` Spark settings. Values of ``spark.sql.extensions`` are joined.
    """

    packages: tuple[str, ...] = ()
    session: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TransformDecl:
    """A transform: its mapping as a package resource and, if it has one, its class."""

    name: str
    summary: str
    mapping: tuple[str, str]
    """(package, resource path), such as ``("mlbsdk_plugin_game", "mappings/game/live_game_v1.yaml")``."""
    make: Callable[[], type[BaseTransformation]] | None = None
    """Imports and returns the BaseTransformation subclass; None for a generated class."""
    sample: tuple[str, str] | None = None
    """(package, resource path) of a sample capture, used when a run names no source."""


class Source(Protocol):
    """Reads raw rows."""

    def prepare(self) -> int | None:
        """Check that there is something to read, before Spark starts.

        Returns:
            The bytes of JSON text, roughly; None where only reading tells.

        Raises:
            SourceError: there is nothing at the address.
        """
        ...

    def read(self, spark: SparkSession, mapping: TransformMapping) -> RawBatch:
        """Return the raw rows: see :class:`mlbsdk.runtime.raw.RawBatch` for their columns."""
        ...


@runtime_checkable
class StreamSource(Protocol):
    """A source that Spark's Structured Streaming follows by itself, keeping its offsets in the checkpoint."""

    def stream(self, spark: SparkSession, mapping: TransformMapping) -> RawBatch:
        """Return the raw rows that there are and that will come, as a streaming DataFrame."""
        ...


@runtime_checkable
class RangeSource(Protocol):
    """A source that is followed in ranges: each is written into the checkpoint before it is read.

    A range is text that only the source understands.
    """

    def dataset(self, mapping: TransformMapping) -> tuple[str, str]:
        """Return the OpenLineage dataset (namespace, name) of the raw data; no row is read for it."""
        ...

    def next_range(self, spark: SparkSession, mapping: TransformMapping, after: str | None) -> str | None:
        """Return the range that follows ``after`` (None: from the beginning); None where nothing is new.

        No row is ever between two ranges, also one that is committed late.
        """
        ...

    def read_range(self, spark: SparkSession, mapping: TransformMapping, range: str) -> RawBatch:
        """Return the raw rows of a range: the same ones whenever it is asked."""
        ...


@dataclass(frozen=True, kw_only=True)
class SourceDecl:
    """A source of raw rows for one URI scheme. ``file`` also serves plain paths, folders and globs."""

    name: str
    """The URI scheme, such as ``delta`` in ``delta:warehouse/raw``."""
    summary: str
    make: Callable[[str, Mapping[str, object]], Source]
    """(the address, options) -> Source. Options are ``plan``, the compiled mapping, and ``where``, the values that root
    fields must have, by field; a source that can't look them up raises ConfigurationError."""
    spark: SparkRequirements = field(default_factory=SparkRequirements)


class RawStore(Protocol):
    """Keeps captures as they came, and only adds to them; a source of the same scheme reads them.

    Captures are stored whole or not at all, whatever happens on the way.
    """

    batch: int
    """How many captures the store likes to get at once: 1, or more where each append costs a commit or a file."""

    def prepare(self) -> None:
        """Check that the store can be written; before anything is asked of an API.

        Raises:
            TargetUnwritableError: nothing can be written at the address.
        """
        ...

    def append(self, captures: Sequence[RawCapture]) -> None:
        """Store captures. After an error those of the call that are stored are stored whole."""
        ...

    def newest(self, requests: Collection[RawRequest]) -> Mapping[str, StoredCapture]:
        """Return what is known of the newest capture of each request, by the request's key; no response is read.

        Captures that were not stored by :meth:`append` may be left out.
        """
        ...

    def body(self, request: RawRequest) -> str | None:
        """Return the response of the newest capture of a request; None where there is none."""
        ...


@dataclass(frozen=True, kw_only=True)
class RawStoreDecl:
    """A raw store for one URI scheme. ``file`` also serves plain paths."""

    name: str
    """The URI scheme, such as ``delta`` in ``delta:warehouse/raw``."""
    summary: str
    make: Callable[[str, Mapping[str, object]], RawStore]
    """(the address, options) -> RawStore. There are no options yet."""


class Writer(Protocol):
    """Writes all tables of one batch to one store.

    Writing a batch twice leaves the store as writing it once does, and rows of a capture never replace rows of a
    newer one, in whatever order batches arrive.
    """

    def prepare(self) -> None:
        """Check that the target can be written and finish what a crashed run left; before anything is read.

        Raises:
            TargetUnwritableError: nothing can be written at the address.
        """
        ...

    def write(self, batch: Batch) -> Mapping[str, TableWritten]:
        """Write every table of the batch and return, by table name, what changed in the store."""
        ...

    def address_of(self, table: str) -> tuple[str, str]:
        """Return the table's OpenLineage dataset (namespace, name)."""
        ...


@runtime_checkable
class TableInspector(Protocol):
    """A writer that can say how its store holds a table: ``mlbsdk mapping diff --target`` asks it."""

    def stored(self, table: Table) -> StoredTable | None:
        """Return a table as it is stored; None where it is not. Changes nothing, and needs no Spark."""
        ...


@dataclass(frozen=True, kw_only=True)
class WriterDecl:
    """A writer for one URI scheme."""

    name: str
    summary: str
    make: Callable[[str, Mapping[str, object]], Writer]
    """(the address without its scheme for lakehouse paths, options) -> Writer."""
    spark: SparkRequirements = field(default_factory=SparkRequirements)
    supports: frozenset[str] = frozenset({"upsert", "delete"})
    """``upsert`` (defensive, by key), ``delete`` (on_missing: delete), ``atomic`` (all tables at once), ``stream``."""


class QualityEngine(Protocol):
    """Judges the rows of one table."""

    def check(self, rows: DataFrame, table: Table) -> Iterable[tuple[str, int]]:
        """Return (check, failed rows) for every check of the table that failed."""
        ...


@dataclass(frozen=True, kw_only=True)
class QualityDecl:
    """A quality engine, by name."""

    name: str
    summary: str
    make: Callable[[Mapping[str, object]], QualityEngine]
    spark: SparkRequirements = field(default_factory=SparkRequirements)


@runtime_checkable
class RunListener(Protocol):
    """Watches runs: lineage, progress, reports. An exception here is reported and never stops a run."""

    def run_started(self, report: RunReport) -> None:
        """The source is open: ``report`` has name, source, target, plan and all datasets. Nothing is parsed yet."""
        ...

    def phase_changed(self, report: RunReport, phase: str) -> None:
        """The run enters ``phase``: "start" (of Spark), "read" (and parse), "write" (and check)."""
        ...

    def batch_written(self, report: RunReport, batch_id: int) -> None:
        """A batch is in the store; ``report.tables`` has the figures so far."""
        ...

    def run_completed(self, report: RunReport) -> None:
        """The run is done and the store is as it should be."""
        ...

    def run_failed(self, report: RunReport, error: BaseException) -> None:
        """The run ended with an error."""
        ...


@dataclass(frozen=True, kw_only=True)
class ListenerDecl:
    """A watcher of runs, such as a lineage backend."""

    name: str
    summary: str
    make: Callable[[Mapping[str, object]], RunListener]


@dataclass(frozen=True, kw_only=True)
class CommandDecl:
    """A sub-command group of the command line."""

    name: str
    summary: str
    make: Callable[[], typer.Typer]


class Hooks:
    """The hook specifications."""

    @_hookspec
    def mlbsdk_transforms(self) -> Iterable[TransformDecl]:
        """Declare transforms, by the name that ``mlbsdk run NAME`` uses, such as ``game.live_game_v1``."""
        return ()

    @_hookspec
    def mlbsdk_sources(self) -> Iterable[SourceDecl]:
        """Declare sources, by the URI scheme of ``--source``."""
        return ()

    @_hookspec
    def mlbsdk_raw_stores(self) -> Iterable[RawStoreDecl]:
        """Declare raw stores, by the URI scheme of ``mlbsdk fetch --to``."""
        return ()

    @_hookspec
    def mlbsdk_writers(self) -> Iterable[WriterDecl]:
        """Declare writers, by the URI scheme of ``--target``."""
        return ()

    @_hookspec
    def mlbsdk_quality(self) -> Iterable[QualityDecl]:
        """Declare quality engines, by the name that ``--quality`` uses."""
        return ()

    @_hookspec
    def mlbsdk_listeners(self) -> Iterable[ListenerDecl]:
        """Declare watchers of runs; each is made once for a run and told of every event."""
        return ()

    @_hookspec
    def mlbsdk_commands(self) -> Iterable[CommandDecl]:
        """Declare sub-commands: ``mlbsdk NAME ...``."""
        return ()
