"""The normalized layer: an ordinary run of each transform, over the captures that its tables don't have yet."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from mlbsdk.errors import ConfigurationError, did_you_mean
from mlbsdk.hookspecs import RunListener, SparkRequirements, TransformDecl, WriterDecl
from mlbsdk.layers.dates import oldest_kept
from mlbsdk.layers.expired import WithoutExpired
from mlbsdk.layers.progress import Progress
from mlbsdk.layers.raw_writer import RawWriter
from mlbsdk.layers.report import FilesJoined, TablesReport
from mlbsdk.lineage.context import JobRun
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.model import Mapping as TransformMapping
from mlbsdk.mapping.plan import Plan, Table
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.addresses import child, dataset_of, escaped
from mlbsdk.runtime.preparation import load_mapping
from mlbsdk.runtime.raw import RawBatch
from mlbsdk.runtime.run import PreparedRun, RunRequest, prepared
from mlbsdk.runtime.several import run_prepared
from mlbsdk.runtime.sources import raw_rows
from mlbsdk.runtime.storage import Storages
from mlbsdk.runtime.transformation import OnError
from mlbsdk.settings import LineageSettings
from mlbsdk.writers.delta_care import DeltaTarget
from mlbsdk.writers.files import FileWriter
from mlbsdk.writers.lakehouse import Lakehouse

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from mlbsdk.layers.model import NormalizedLayer
    from mlbsdk.layers.places import LayerPlace

#: JSON text in a byte of a raw layer's file.
_PACKED = 5


@dataclass(frozen=True)
class Wanted:
    """How the runs of a normalized layer are to be."""

    place: LayerPlace
    layer: NormalizedLayer
    on_error: OnError
    on: date
    full: bool
    """Read all captures again, also those that the tables have."""
    settings: dict[str, str]
    """Spark's."""
    log_file: Path | None
    storages: Storages
    lineage: LineageSettings = field(default_factory=LineageSettings)
    parent: JobRun | None = None
    """The run that they are a part of."""

    @property
    def oldest(self) -> date | None:
        """The oldest day that the layer keeps."""
        return oldest_kept(self.layer.retention_days, self.on)

    @property
    def house(self) -> Lakehouse:
        """The layer as a target."""
        return Lakehouse(self.place.target, self.storages.of(self.place.target))

    def request(self, transform: str, source: str) -> RunRequest:
        """Return the run of one transform."""
        return RunRequest(
            name=transform,
            source=source,
            target=self.place.address,
            on_error=self.on_error,
            spark=self.settings,
            log_file=self.log_file,
            own_only=True,
            storage=self.storages.settings,
            lineage=self.lineage,
        )


@dataclass(frozen=True)
class CapturesOf:
    """The captures in some files of a raw layer: a source."""

    raw: RawWriter
    transform: str
    files: tuple[str, ...]
    size: int

    def prepare(self) -> int:
        """Return the bytes of JSON text, roughly."""
        return self.size

    def read(self, spark: SparkSession, mapping: TransformMapping) -> RawBatch:
        """Return their raw rows."""
        folder = child(self.raw.own, *self.transform.split("."))
        paths = [escaped(child(self.raw.own, file)) for file in self.files]
        table = spark.read.format(self.raw.format).option("basePath", folder).load(paths)
        return RawBatch(raw_rows(table, folder), dataset_of(folder), size=self.size)


def needs_of(layer: NormalizedLayer, plugins: Plugins) -> list[SparkRequirements]:
    """Return what writing the layer needs of Spark."""
    return [plugins.writer(layer.format).spark]


def laid_out(plan: Plan, layer: NormalizedLayer) -> Plan:
    """Return a plan whose tables have the partitions that the layer says.

    Raises:
        ConfigurationError: a table has no such column.
    """
    return replace(plan, tables=tuple(_laid_out(table, layer) for table in plan.tables))


def check_layout(transforms: Iterable[TransformDecl], layer: NormalizedLayer) -> list[str]:
    """Check that what the layer says of partitions is of tables that there are; return what is worth saying.

    Raises:
        ConfigurationError: an override is of no table.
    """
    if not layer.overrides and not layer.partition_by:
        return []
    plans = [compile_mapping(load_mapping(transform)) for transform in transforms]
    tables = {table.name: table for plan in plans for table in plan.tables}
    for name in layer.overrides:
        if name not in tables:
            raise ConfigurationError(
                f"layers.normalized.overrides: '{name}' is no table of the export's transforms."
                f"{did_you_mean(name, tables)}",
                fix="'mlbsdk mapping show NAME' lists the tables of a transform.",
            )
    columns = {column.name for table in tables.values() for column in table.columns}
    return [
        f"layers.normalized.partition_by: no table has a column '{name}'.{did_you_mean(name, columns)}"
        for name in layer.partition_by
        if name not in columns
    ]


def _laid_out(table: Table, layer: NormalizedLayer) -> Table:
    columns = {column.name for column in table.columns}
    override = layer.overrides.get(table.name)
    if override is None:
        fits = bool(layer.partition_by) and set(layer.partition_by) <= columns
        return replace(table, partition_by=tuple(layer.partition_by)) if fits else table
    for name in override.partition_by:
        if name not in columns:
            raise ConfigurationError(
                f"layers.normalized.overrides: {table.name} has no column '{name}'.{did_you_mean(name, columns)}"
            )
    return replace(table, partition_by=tuple(override.partition_by))


def normalize_raw(
    wanted: Wanted,
    raw: RawWriter,
    transforms: Sequence[TransformDecl],
    *,
    plugins: Plugins,
    spark: SparkSession | None,
    listeners: tuple[RunListener, ...],
) -> TablesReport:
    """Run the transforms whose captures are in the raw layer, over files that their tables don't have yet.

    Raises:
        MlbsdkError: a run can't start; none was started then. Runs that failed are in the report.
    """
    report = TablesReport(wanted.place.own, wanted.oldest)
    raw.prepare()
    # Nothing may join or remove the files that are being read.
    with raw.house.locked(), contextlib.ExitStack() as stack:
        ready, files = [], {}
        for transform in transforms:
            stored = raw.captures_of(transform.name)
            if not stored:
                continue
            source = f"{raw.format}:{child(raw.own, *transform.name.split('.'))}"
            one = stack.enter_context(prepared(wanted.request(transform.name, source), plugins))
            one = _by_layer(one, wanted, plugins)
            progress = _progress(one, wanted)
            new = [file for file in stored if wanted.full or file.path not in progress.seen]
            files[transform.name] = (progress, [file.path for file in stored])
            if not new:
                report.up_to_date.append(transform.name)
                continue
            size = sum(file.size for file in new) * _PACKED
            source_of = CapturesOf(raw, transform.name, tuple(file.path for file in new), size)
            ready.append(replace(one, source=source_of, size=size))
        _run(ready, report, wanted, spark, listeners)
        for run in report.runs:
            if run.status == "completed":
                progress, all_files = files[run.transform]
                progress.save(all_files)
    return report


def normalize_source(
    wanted: Wanted,
    source: str,
    transforms: Sequence[TransformDecl],
    *,
    plugins: Plugins,
    spark: SparkSession | None,
    listeners: tuple[RunListener, ...],
) -> TablesReport:
    """Run the transforms over a source, for a configuration without a raw layer.

    Raises:
        MlbsdkError: as :func:`normalize_raw`.
    """
    report = TablesReport(wanted.place.own, wanted.oldest)
    with contextlib.ExitStack() as stack:
        ready = [
            _by_layer(stack.enter_context(prepared(wanted.request(one.name, source), plugins)), wanted, plugins)
            for one in transforms
        ]
        _run(ready, report, wanted, spark, listeners)
    return report


def _by_layer(one: PreparedRun, wanted: Wanted, plugins: Plugins) -> PreparedRun:
    """Return a run that writes as the layer says: in its partitions and codec, without what is expired."""
    assert one.report.plan is not None
    plan = one.report.plan = laid_out(one.report.plan, wanted.layer)
    declared: WriterDecl = one.writer_decl
    options = wanted.storages.options(wanted.place.target) | {"compression": wanted.layer.compression}
    writer = plugins.call(declared, declared.make, wanted.place.target, options)
    _check_partitions(writer, plan)
    return replace(one, writer=writer if wanted.oldest is None else WithoutExpired(writer, wanted.oldest))


def _check_partitions(writer: object, plan: Plan) -> None:
    from mlbsdk.hookspecs import TableInspector

    assert isinstance(writer, TableInspector)
    for table in plan.tables:
        stored = writer.stored(table)
        by = None if stored is None else stored.partition_by
        if by is not None and tuple(by) != table.partition_by:
            raise ConfigurationError(
                f"{table.name} is stored by {', '.join(by) or 'nothing'}, "
                f"not by {', '.join(table.partition_by) or 'nothing'}",
                fix="Take the stored partitions in layers.normalized, or remove the layer's folder and export again "
                "with --full.",
            )


def _progress(one: PreparedRun, wanted: Wanted) -> Progress:
    plan = one.report.plan
    assert plan is not None
    layout = {table.name: table.partition_by for table in plan.tables}
    return Progress.of(wanted.house, plan.name, f"{plan.fingerprint} {sorted(layout.items())}", wanted.oldest)


def _run(
    ready: Sequence[PreparedRun],
    report: TablesReport,
    wanted: Wanted,
    spark: SparkSession | None,
    listeners: tuple[RunListener, ...],
) -> None:
    """Run what is ready, then join the small files of the tables that it changed."""
    found = run_prepared(ready, spark, listeners, wanted.parent)
    report.runs = found.runs
    report.failed = {name: str(problem) for name, problem in found.problems.items()}
    report.failed |= {name: f"skipped: it refers to tables of {parent}" for name, parent in found.skipped.items()}
    report.problems = list(found.problems.values())
    for one in ready:
        if isinstance(one.writer, WithoutExpired):
            report.expired |= one.writer.expired
    changed = [
        name
        for run in report.runs
        for name, table in run.tables.items()
        if table.inserted or table.updated or table.deleted
    ]
    report.joined = list(_joined(wanted, changed))


def _joined(wanted: Wanted, tables: Sequence[str]) -> Iterator[FilesJoined]:
    if not tables:
        return
    if wanted.layer.format == "delta":
        for done in DeltaTarget(wanted.place.address, wanted.storages.settings).optimize(tables):
            if done.files_before != done.files_after:
                yield FilesJoined(done.table, done.files_before, done.files_after)
        return
    options = wanted.storages.options(wanted.place.target) | {"compression": wanted.layer.compression}
    writer = FileWriter(wanted.layer.format, wanted.place.target, options)
    for table, (before, after) in writer.compact(tables).items():
        yield FilesJoined(table, before, after)
