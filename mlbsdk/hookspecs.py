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
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol, TypeVar, runtime_checkable

import pluggy

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa
    import typer
    from pyarrow.fs import FileSystem
    from pyspark.sql import DataFrame, SparkSession

    from mlbsdk.mapping.differences import StoredTable
    from mlbsdk.mapping.model import Mapping as TransformMapping
    from mlbsdk.mapping.plan import Plan, Table
    from mlbsdk.quality.profile import TableProfile
    from mlbsdk.quality.quarantine import QuarantineQuery
    from mlbsdk.quality.suggestions import SuggestedRule
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

    ``packages`` are Maven coordinates, ``session`` Spark settings. Values of ``spark.sql.extensions`` and
    ``spark.jars.excludes`` are joined. Jars that differ by Spark's version go by what
    ``mlbsdk.plugin.installed_spark()`` returns.
    """

    packages: tuple[str, ...] = ()
    session: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredFile:
    """A file as a listing tells of it."""

    path: str
    """Its whole address, such as ``s3a://bucket/games/1.json``; of a local file the path."""
    size: int
    """Bytes."""
    modified_at: datetime
    """UTC."""


class Storage(Protocol):
    """Keeps files: the disk of this machine, or an object store.

    Every path is a whole address, such as ``s3a://bucket/folder/file``. What goes wrong with an object store is raised
    as an MlbsdkError; the local storage raises OSError.
    """

    is_local: bool
    """Whether paths are those of this machine's file system."""

    def check(self, path: str) -> None:
        """Check, within seconds and without Spark, that the place can be reached and listed.

        Raises:
            StorageError: credentials, bucket or endpoint are not what they should be.
        """
        ...

    def exists(self, path: str) -> bool:
        """Return whether there is a file, or a folder with something in it."""
        ...

    def files(self, path: str) -> list[StoredFile]:
        """Return the file of this path, or all files below the folder at any depth, sorted; none where nothing is."""
        ...

    def open(self, path: str) -> IO[bytes]:
        """Open a file to be read.

        Raises:
            FileNotFoundError: there is none.
        """
        ...

    def write(self, path: str, data: bytes) -> None:
        """Write a file so that it is there whole, or as it was before, whenever the machine stops."""
        ...

    def move(self, path: str, to: str) -> None:
        """Give a file another path, taking the place of what is there.

        Interrupted in an object store it leaves both; moving it again then ends it.

        Raises:
            FileNotFoundError: there is none.
        """
        ...

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files; those that are not there are passed over."""
        ...

    def delete_folder(self, path: str) -> None:
        """Delete a folder with all that is in it; one that is not there is passed over."""
        ...

    def locked(self, path: str, *, wait: bool = True) -> AbstractContextManager[Callable[[], None]]:
        """Hold a lock, named by a path, alone; that of a process that was killed becomes free by itself.

        Gives a function to be called before a step that nobody else may do meanwhile: it raises WriteError where the
        lock was lost, as it may be in an object store by a process that slept for long.

        Raises:
            BlockingIOError: another holds it and ``wait`` is false; its text says who, as far as is known.
        """
        ...

    def arrow(self, path: str) -> tuple[FileSystem, str]:
        """Return the file system in which pyarrow finds a path, and the path's name there."""
        ...

    def address_of(self, name: str) -> str:
        """Return the path that has a name in pyarrow's file system."""
        ...

    def delta_options(self, path: str) -> dict[str, str]:
        """Return what delta-rs must be told, as its ``storage_options``, to open the table at a path."""
        ...

    def spark_settings(self, path: str) -> dict[str, str]:
        """Return Hadoop settings that are set in the session that uses a path; secrets may be among them."""
        ...


@dataclass(frozen=True, kw_only=True)
class StorageDecl:
    """A storage for one URI scheme of paths: with it every source and writer of files works on ``NAME://...``."""

    name: str
    """The URI scheme, such as ``s3a``."""
    summary: str
    make: Callable[[str, Mapping[str, object]], Storage]
    """(a path, the settings under ``storage:``) -> Storage, for all paths of the same host, that is bucket."""
    spark: SparkRequirements = field(default_factory=SparkRequirements)
    """What Spark needs to read and write such paths; loaded only where Spark does."""


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
    """(the address, options) -> RawStore. The option ``storage`` is the Storage of an address in an object store."""


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


@runtime_checkable
class TableReader(Protocol):
    """A writer whose tables Spark can read back: ``mlbsdk quality`` and derived tables ask it."""

    def table_names(self) -> Iterable[str]:
        """Return the names of the tables that the store holds, ``schema.table``. Changes nothing, and needs no Spark.

        Raises:
            SourceError: there is no store at the address.
        """
        ...

    def read(self, spark: SparkSession, table: str) -> DataFrame:
        """Return a table's rows as they are stored now; where the store has versions, the same ones whenever computed.

        Partition columns that are only folders' names are text.

        Raises:
            SourceError: there is no such table.
        """
        ...


@runtime_checkable
class RowFinder(Protocol):
    """A writer whose tables can be asked for a few rows without Spark: ``mlbsdk lineage row`` asks it."""

    def find_rows(self, table: str, equal: Mapping[str, str], limit: int) -> Sequence[Mapping[str, Any]]:
        """Return the first rows of a table whose columns have these values, given as text; every column as stored.

        Raises:
            SourceError: there is no such table.
            ConfigurationError: it has no such column, or a value does not fit the column's type.
        """
        ...


@runtime_checkable
class QuarantineStore(Protocol):
    """A writer that can give back what it holds in quarantine: quality reports and replays ask it.

    Replays write :class:`TableRows` with ``joins``, so such a writer has to do as that says.
    """

    def quarantined(self, query: QuarantineQuery) -> pa.Table:
        """Return entries of the quarantine table: every column but lineage_metadata, the newest first.

        None where there is no such table; needs no Spark.
        """
        ...

    def newest_captures(self, plan: Plan) -> Mapping[tuple[str, str], datetime]:
        """Return the newest captured_at that the store has seen, by (ledger name, document name)."""
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
    reading: SparkRequirements = field(default_factory=SparkRequirements)
    """What reading tables back (:class:`TableReader`) needs of Spark besides ``spark``."""


@dataclass(frozen=True, order=True)
class CheckResult:
    """What one check of a table found."""

    check: str
    failed: int
    """Rows; 0 where it passed."""
    severity: Literal["error", "warning"] = "warning"
    """An ``error`` closes the gate of a run before anything is published; a ``warning`` is reported."""


@dataclass(frozen=True)
class Verification:
    """What all checks of a table found."""

    rows: int
    """Rows that were judged."""
    results: tuple[CheckResult, ...]
    """Every check, those that passed too."""


class QualityEngine(Protocol):
    """Judges the rows of one table."""

    def check(self, rows: DataFrame, table: Table) -> Iterable[CheckResult | tuple[str, int]]:
        """Return every check of the table that failed; as (check, failed rows) it is a warning."""
        ...


@runtime_checkable
class Verifier(Protocol):
    """A quality engine that also tells the checks that passed: what it finds is kept as a history of each check."""

    def verify(self, rows: DataFrame, table: Table) -> Verification:
        """Judge a table by all its checks; a run asks this instead of ``check``."""
        ...


@runtime_checkable
class Profiler(Protocol):
    """A quality engine that describes the columns of any table: ``mlbsdk quality profile --engine NAME``."""

    def profile(self, rows: DataFrame, table: str) -> TableProfile:
        """Return what each column holds; columns of nested types are left out."""
        ...


@runtime_checkable
class Suggester(Protocol):
    """A quality engine that proposes rules: ``mlbsdk quality suggest --engine NAME``."""

    def suggest(self, rows: DataFrame, table: Table) -> Iterable[SuggestedRule]:
        """Return rules that hold on these rows and that the table does not have, in the mapping's own form."""
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


@dataclass(frozen=True)
class LineageColumn:
    """A column as a lineage backend is told of it."""

    name: str
    type: str
    """As the mapping spells it; ``json`` for a JSON path of raw data."""
    description: str = ""
    sources: tuple[str, ...] = ()
    """The columns of the source table that it comes from: JSON paths."""
    expression: str = ""
    """The SQL that makes it; empty where the value is taken as it is."""


@dataclass(frozen=True)
class LineageTable:
    """A table, or the raw data, as a lineage backend is told of it. Names hold no game and no date."""

    name: str
    """``schema.table``; of raw data the mapping's raw table."""
    namespace: str
    """Where it is, as OpenLineage names it: ``file``, ``s3://bucket``, ``postgres://host:5432``."""
    dataset: str
    """Its name there: a path, or ``database.schema.table``."""
    columns: tuple[LineageColumn, ...] = ()
    description: str = ""


class LineageReporter(Protocol):
    """A lineage backend that does not speak OpenLineage.

    It is told twice of a run: when it starts, so that most can be sent while Spark works, and when it ends; of a stream
    also after its first batch. It is called in a thread of its own and may take its time: a run waits little more than
    a second for it, what was not delivered by then is kept on disk, and ``mlbsdk lineage flush`` sends it. So the same
    report may come twice, and one of an older run after one of a newer.
    """

    def report_transform(
        self,
        source_table: LineageTable,
        target_tables: Sequence[LineageTable],
        job_id: str,
        metrics: Mapping[str, Any],
    ) -> None:
        """Tell the backend of one run of a transform.

        Args:
            source_table: what it reads; its columns are the JSON paths that any column comes from.
            target_tables: what it writes, with column lineage.
            job_id: the transform's name, ``game.live_game_v1``; the same for every run of it.
            metrics: JSON data of the run: ``run_id``, ``state`` (START, RUNNING, COMPLETE, FAIL, ABORT), ``mode``,
                ``started_at`` and ``at`` (ISO 8601, UTC), ``duration_s``, ``documents``, ``tables`` (rows by table and
                what became of them), ``quality`` (table, rule, severity and failed rows of each rule that failed) and,
                of one that failed, ``error``.

        Raises:
            Exception: the backend did not take it; the report is kept.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class ReporterDecl:
    """A lineage backend that does not speak OpenLineage."""

    name: str
    summary: str
    make: Callable[[Mapping[str, object]], LineageReporter | None]
    """options -> LineageReporter, or None where nothing says where the backend is. The option ``timeout_s`` is how many
    seconds a request may take."""


class DerivedTable(Protocol):
    """Makes a table's rows from other tables.

    Each row belongs to one group, such as a team's season, and depends on nothing but the rows of those documents that
    belong to that group, and on tables without documents. So a group is made again when one of its documents has
    changed, from its documents alone, and the others stay.
    """

    def groups(self, inputs: Mapping[str, DataFrame]) -> DataFrame:
        """Return which documents belong to which groups: columns ``document_key`` and ``group_by``, none null.

        It is called with whole tables, and reads few of their columns. A document may belong to many groups or to none.
        """
        ...

    def rows(self, inputs: Mapping[str, DataFrame]) -> DataFrame:
        """Return rows with the columns of ``primary_key``, ``group_by`` and whatever else the table has.

        It is called with the rows of some documents, all those of the groups that are to be made, and tables without
        documents whole. Rows of other groups may come with them, and are dropped.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class DerivedDecl:
    """A table that is made from tables that transforms have written."""

    name: str
    """``schema.table``, such as ``analytics.team_travel``."""
    summary: str
    inputs: tuple[str, ...]
    """Tables that it reads, and that must be there."""
    make: Callable[[Mapping[str, object]], DerivedTable]
    document_key: tuple[str, ...]
    """Columns that identify a document in every input that has them; an input without them counts for all groups."""
    group_by: tuple[str, ...]
    """Columns that identify a group, the unit that is made again, such as ``("season", "team_id")``."""
    primary_key: tuple[str, ...]
    """Columns that identify a row."""
    optional_inputs: tuple[str, ...] = ()
    """Tables that it reads where they are there."""
    partition_by: tuple[str, ...] = ()
    """Columns that the stored table is partitioned by; best some of ``group_by``."""
    z_order_by: tuple[str, ...] = ()
    """Columns in which rows that lie together are alike."""
    version: str = "1"
    """Of its formulas: all rows are made again after a change of it."""
    figures: Mapping[str, str] = field(default_factory=dict)
    """Facts for the report: name -> a SQL aggregate over the table, such as ``count_if(distance_km IS NULL)``."""


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
    def mlbsdk_storages(self) -> Iterable[StorageDecl]:
        """Declare storages, by the URI scheme of paths: ``delta:NAME://...`` works with it."""
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
    def mlbsdk_reporters(self) -> Iterable[ReporterDecl]:
        """Declare lineage backends that do not speak OpenLineage; each is told of every run, if it is configured."""
        return ()

    @_hookspec
    def mlbsdk_derived(self) -> Iterable[DerivedDecl]:
        """Declare tables that are made from other tables, by the name that ``mlbsdk derive NAME`` uses."""
        return ()

    @_hookspec
    def mlbsdk_commands(self) -> Iterable[CommandDecl]:
        """Declare sub-commands: ``mlbsdk NAME ...``."""
        return ()
