"""Try refused rows again after a fix: their captures are read again, and what passes now is published.

A replay is a run like any other over the captures that entries of the quarantine table name: the same mapping, the same
upsert, so an older capture never takes the place of a newer one. Only when its tables are in the store are the entries
settled; a replay that was killed in between finds them open, publishes the same rows once more, which changes nothing,
and settles them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbsdk.errors import ConfigurationError, UnknownNameError, redact
from mlbsdk.hookspecs import QuarantineStore, RunListener, TransformDecl, Writer, WriterDecl
from mlbsdk.mapping.choice import chosen
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import LoadedMapping, load_file
from mlbsdk.mapping.plan import CAPTURED_AT, LINEAGE, Plan, Table
from mlbsdk.plugins import Plugins
from mlbsdk.quality import quarantine
from mlbsdk.quality.outcomes import Entry, Key, Outcome, Recut, Settled, Taken, key_of, plain
from mlbsdk.quality.quarantine import QuarantineQuery
from mlbsdk.report import RunReport, TableReport
from mlbsdk.runtime.addresses import split_address
from mlbsdk.runtime.arrow import LINEAGE_TYPE, arrow_schema, to_arrow
from mlbsdk.runtime.batch import Batch, Document, TableRows, TableWritten
from mlbsdk.runtime.kept_rows import kept_rows, table_of, why_not
from mlbsdk.runtime.preparation import DEFAULT_TARGET, find_transform, make_writer, open_report, writer_needs
from mlbsdk.runtime.refused_captures import Located, Portion, located
from mlbsdk.runtime.session import is_here, session
from mlbsdk.runtime.storage import Storages
from mlbsdk.runtime.transformation import (
    ARROW,
    BaseTransformation,
    OnError,
    TransformMode,
    new_report,
    transformation_for,
)
from mlbsdk.runtime.watchers import Watchers

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

#: Kept rows that are judged and written together.
_ROWS_A_BATCH = 5_000


@dataclass(frozen=True, kw_only=True)
class ReplayRequest:
    """Which refused rows to try again; by default all that are open in the target."""

    target: str = DEFAULT_TARGET
    transform: str | None = None
    """Only those of this transform."""
    table: str | None = None
    """Only those of this table; only it is written, and the tables that it refers to."""
    run_id: str | None = None
    """Only those that this run refused."""
    source: str | None = None
    """Read their captures from here, instead of from where they were read."""
    mapping: Path | None = None
    """Use this mapping file instead of the plugin's."""
    dry_run: bool = False
    """Write nothing: only say what would become of them."""
    spark: Mapping[str, str] = field(default_factory=dict)
    storage: Mapping[str, object] = field(default_factory=dict)
    """Settings of the storages of paths such as ``s3a://``: see :class:`mlbsdk.settings.Settings`."""
    log_file: Path | None = None


@dataclass(frozen=True)
class Unreplayed:
    """Rows of a table that could not be tried, all for one reason."""

    table: str
    why: str
    rows: int


@dataclass
class TransformReplay:
    """What became of the refused rows of one transform."""

    transform: str
    run_id: str | None = None
    """The run that published and settled them; None where nothing was written."""
    outcomes: dict[str, int] = field(default_factory=dict)
    """Entries by outcome: published, superseded, gone, refused_anew, still_refused, not_replayed."""
    tables: dict[str, TableReport] = field(default_factory=dict)
    """What changed in the store."""
    unreplayed: list[Unreplayed] = field(default_factory=list)

    @property
    def entries(self) -> int:
        """How many were tried, or could not be."""
        return sum(self.outcomes.values())

    @property
    def open(self) -> int:
        """How many are left in quarantine, new entries among them."""
        left = (Outcome.STILL_REFUSED, Outcome.REFUSED_ANEW, Outcome.NOT_REPLAYED)
        return sum(self.outcomes.get(one.value, 0) for one in left)

    def add(self, settled: Iterable[Settled]) -> None:
        """Count what became of entries."""
        found = list(settled)
        counts = Counter(one.outcome.value for one in found)
        self.outcomes = {
            one.value: self.outcomes.get(one.value, 0) + counts[one.value]
            for one in Outcome
            if one.value in self.outcomes or counts[one.value]
        }
        known = Counter({(one.table, one.why): one.rows for one in self.unreplayed})
        known.update((one.entry.table, one.why) for one in found if one.outcome is Outcome.NOT_REPLAYED)
        self.unreplayed = [Unreplayed(table, why, rows) for (table, why), rows in sorted(known.items())]


@dataclass
class ReplayReport:
    """What a replay did, by transform."""

    target: str
    dry_run: bool
    transforms: list[TransformReplay] = field(default_factory=list)

    @property
    def open(self) -> int:
        """How many entries are left in quarantine."""
        return sum(one.open for one in self.transforms)

    def to_json(self) -> dict[str, Any]:
        """Return the report as the ``--json`` object, format version 1."""
        return {
            "version": 1,
            "target": self.target,
            "dry_run": self.dry_run,
            "open": self.open,
            "transforms": [
                {
                    "transform": one.transform,
                    "run_id": one.run_id,
                    "entries": one.entries,
                    "outcomes": {outcome.value: one.outcomes.get(outcome.value, 0) for outcome in Outcome},
                    "tables": {name: vars(table) for name, table in one.tables.items()},
                    "not_replayed": [vars(each) for each in one.unreplayed],
                }
                for one in self.transforms
            ],
        }


def replay(
    request: ReplayRequest,
    plugins: Plugins | None = None,
    spark: SparkSession | None = None,
    listeners: tuple[RunListener, ...] = (),
) -> ReplayReport:
    """Try refused rows of a target again.

    Args:
        request: which rows.
        plugins: the loaded plugins; by default those installed.
        spark: the session to use; by default one is made, and none where nothing is open.
        listeners: watchers of the run of each transform, besides those that plugins declare.

    Raises:
        ConfigurationError: the target's writer can't give back what is in quarantine, or a name is unknown.
        StorageError: the target's object store can't be reached, or refuses.
        MlbsdkError: captures can't be read, or tables can't be written; entries are settled only once their rows are in
            the store.
    """
    plugins = plugins or Plugins.load()
    storages = Storages(plugins, request.storage)
    store = _store(plugins, request.target, storages)
    storages.check()
    loaded = load_file(request.mapping) if request.mapping is not None else None
    name = request.transform or (loaded.mapping.name if loaded is not None else None)
    query = QuarantineQuery(transform=name, run_id=request.run_id, is_open=True)
    found = [Entry.of(row) for row in store.quarantined(query).to_pylist()]
    wanted = [entry for entry in found if request.table is None or _is_called(entry.table, request.table)]
    report = ReplayReport(redact(request.target), request.dry_run)
    for transform in sorted({entry.transform for entry in wanted}):
        own = [entry for entry in wanted if entry.transform == transform]
        report.transforms.append(_replayed(request, transform, own, store, plugins, spark, listeners, storages))
    return report


def _store(plugins: Plugins, target: str, storages: Storages) -> QuarantineStore:
    scheme, rest = split_address(target, "delta")
    declared = plugins.writer(scheme)
    made = plugins.call(declared, declared.make, rest, storages.options(rest))
    if not isinstance(made, QuarantineStore):
        raise ConfigurationError(
            f"the writer '{scheme}' can't give back what it holds in quarantine",
            fix="Run the transform over the same source again instead.",
        )
    return made


def _replayed(
    request: ReplayRequest,
    name: str,
    entries: Sequence[Entry],
    store: QuarantineStore,
    plugins: Plugins,
    spark: SparkSession | None,
    listeners: tuple[RunListener, ...],
    storages: Storages,
) -> TransformReplay:
    """Try the entries of one transform."""
    try:
        transform, loaded = find_transform(name, request.mapping, plugins)
    except UnknownNameError as problem:
        if request.transform is not None:
            raise
        done = TransformReplay(name)
        done.add(Settled(entry, Outcome.NOT_REPLAYED, problem.message) for entry in entries)
        return done
    # Whole captures are of no table, and all tables are cut from them.
    is_of_table = request.table is not None and not all(entry.is_capture for entry in entries)
    plan = chosen(compile_mapping(loaded), (request.table,) if is_of_table and request.table else ())
    captures = {plain(entry.row_id) for entry in entries}
    # A capture is cut whole, so all that is refused of it is decided anew.
    names = {table.name for table in plan.tables}
    is_part = plan.is_part
    others = store.quarantined(QuarantineQuery(transform=name, is_open=True)).to_pylist()
    all_open = [
        entry
        for entry in map(Entry.of, others)
        if plain(entry.row_id) in captures and (not is_part or entry.table in names)
    ]
    places = located(all_open, request.source, request.target, plan, plugins, storages)
    return _Replay(request, transform, loaded, plan, store, plugins, listeners, storages).run(places, spark)


def _is_called(table: str, name: str) -> bool:
    return name in (table, table.partition(".")[2])


class _Reading:
    """A writer that keeps the batch that it is given, and writes it unless this is a dry run."""

    def __init__(self, writer: Writer | None) -> None:
        self.writer = writer
        self.batch: Batch | None = None

    def prepare(self) -> None:
        """Nothing to prepare: the writer is."""

    def write(self, batch: Batch) -> Mapping[str, TableWritten]:
        """Write it."""
        self.batch = batch
        return {} if self.writer is None else self.writer.write(batch)

    def address_of(self, table: str) -> tuple[str, str]:
        """Return what the writer says."""
        return ("", table) if self.writer is None else self.writer.address_of(table)


@dataclass
class _Replay:
    """The replay of one transform."""

    request: ReplayRequest
    transform: TransformDecl
    mapping: LoadedMapping
    plan: Plan
    store: QuarantineStore
    plugins: Plugins
    listeners: tuple[RunListener, ...]
    storages: Storages
    batches: int = 0

    def run(self, places: Located, spark: SparkSession | None) -> TransformReplay:
        done = TransformReplay(self.plan.name)
        if self.request.dry_run:
            spark = spark or self._session(places, None)
            report = new_report(self.plan, "", self.request.target, TransformMode.BATCH.value)
            self._take(places, spark, None, report, done)
            return done
        declared, writer = make_writer(self.plugins, self.request.target, self.plan, storages=self.storages)
        source = self.request.source or f"the captures of {self._count(places)} refused rows"
        report = open_report(self.plan, source, self.request.target, TransformMode.BATCH, writer, self.storages)
        report.source_dataset = writer.address_of(quarantine.NAME)
        watchers = Watchers.made(self.listeners, self.plugins, report)
        with watchers.told():
            with watchers.phase("start"):
                spark = spark or self._session(places, declared)
            with watchers.phase("read"):
                for portion in places.portions[:1]:
                    report.source_dataset = portion.read(spark, self.mapping.mapping).dataset
            watchers.tell("run_started")
            with watchers.phase("write"):
                self._take(places, spark, writer, report, done)
            watchers.batch_written(0)
        done.run_id = report.run_id
        done.tables = report.tables
        return done

    def _session(self, places: Located, declared: WriterDecl | None) -> SparkSession:
        sizes = [portion.size for portion in places.portions]
        size = None if None in sizes else max((one for one in sizes if one is not None), default=0)
        target, settings = self.request.target, self.request.spark
        writer_spark = writer_needs(declared, target, size, settings, self.storages) if declared is not None else []
        needs = [*(portion.declared.spark for portion in places.portions), *writer_spark]
        needs += self.storages.needed
        made = session(needs, self.request.spark, self.request.log_file)
        self.storages.use_in(made)
        return made

    def _count(self, places: Located) -> int:
        return sum(len(portion.entries) for portion in places.portions) + len(places.missing)

    def _take(
        self, places: Located, spark: SparkSession, writer: Writer | None, report: RunReport, done: TransformReplay
    ) -> None:
        """Try everything: first what can be read again, then what is left of the rest."""
        missing = list(places.missing)
        for portion in places.portions:
            settled = self._read_again(portion, spark, writer, report)
            lost = [one for one in settled if one.outcome is Outcome.NOT_REPLAYED]
            missing += [(one.entry, one.why) for one in lost]
            done.add(self._resolved(spark, writer, report, [one for one in settled if one not in lost]))
        done.add(self._from_kept_rows(missing, spark, writer, report, done))

    # Captures that are read again

    def _read_again(
        self, portion: Portion, spark: SparkSession, writer: Writer | None, report: RunReport
    ) -> list[Settled]:
        kind = self.plugins.call(self.transform, transformation_for, self.transform.name, self.transform.make)
        part = new_report(self.plan, report.source, report.target, TransformMode.BATCH.value, report.run_id)
        reading = _Reading(writer)
        # As in a stream, a batch in which every capture is refused still is no failure of the whole.
        steps = kind(
            spark, self.mapping, TransformMode.STREAMING, writer=reading, on_error=OnError.QUARANTINE, report=part
        )
        try:
            with self.plugins.running(portion.declared, "reading"):
                raw = portion.read(spark, self.mapping.mapping)
            tables = steps.transform(steps.take(raw))
            steps.write_targets(tables, self._next())
            report.add(part)
            assert reading.batch is not None
            return self._recut(steps, reading.batch, portion.entries).settle(portion.entries)
        finally:
            steps.release()

    def _recut(self, steps: BaseTransformation, batch: Batch, entries: Iterable[Entry]) -> Recut:
        intake = steps.intake
        taken = tuple(
            Taken(doc.row_id, Document(doc.key, _utc(doc.captured_at)), doc.document_id in intake.newest)
            for doc in intake.in_order
            if doc.key is not None and doc.captured_at is not None
        )
        wanted = {entry.table for entry in entries}
        refused = batch.tables.get(quarantine.NAME)
        return Recut(
            plan=self.plan,
            taken=taken,
            rejected=frozenset(one.name for one in intake.rejected),
            passed={name: _keys(rows) for name, rows in batch.tables.items() if name in wanted},
            refused=[Entry.of(row) for row in _rows(refused).to_pylist()] if refused is not None else [],
            seen=self.store.newest_captures(self.plan),
        )

    # Rows whose captures are gone

    def _from_kept_rows(
        self,
        missing: Sequence[tuple[Entry, str]],
        spark: SparkSession,
        writer: Writer | None,
        report: RunReport,
        done: TransformReplay,
    ) -> list[Settled]:
        """Try rows from what is kept of them; return those that can't be tried so either."""
        hopeless = []
        by_table: dict[str, list[Entry]] = {}
        for entry, lost in missing:
            against = why_not(entry, self.plan)
            if against:
                hopeless.append(Settled(entry, Outcome.NOT_REPLAYED, f"{lost}; {against}"))
            else:
                by_table.setdefault(entry.table, []).append(entry)
        for name, entries in by_table.items():
            for at in range(0, len(entries), _ROWS_A_BATCH):
                part = entries[at : at + _ROWS_A_BATCH]
                settled = self._kept(self.plan.table(name), part, spark, writer, report)
                done.add(self._resolved(spark, writer, report, settled))
        return hopeless

    def _kept(
        self, table: Table, entries: Sequence[Entry], spark: SparkSession, writer: Writer | None, report: RunReport
    ) -> Sequence[Settled]:
        from mlbsdk.runtime.cut import RunStamp

        stamp = RunStamp(report.run_id, self.plan.name, self.plan.raw_table, report.started_at, report.source)
        seen = self.store.newest_captures(self.plan)
        found = kept_rows(spark, table, entries, self.plan, seen, stamp, self._is_arrow(spark))
        if found.rows is not None and writer is not None:
            tables = {table.name: found.rows}
            written = writer.write(Batch(spark, self.plan, report.run_id, self._next(), found.documents, tables))
            entry = report.tables.setdefault(table.name, TableReport())
            change = written[table.name]
            entry.rows += found.rows.count
            entry.inserted += change.inserted
            entry.updated += change.updated
            entry.unchanged += change.unchanged
        return found.settled

    # Settling

    def _resolved(
        self, spark: SparkSession, writer: Writer | None, report: RunReport, settled: Sequence[Settled]
    ) -> Sequence[Settled]:
        """Note in the quarantine table what has been settled: only now, as its rows are in the store."""
        closed = [one for one in settled if one.outcome.settles]
        if closed and writer is not None:
            table = quarantine.quarantine_table()
            rows = _closed(closed, self.plan.raw_table, report.run_id)
            tables = {table.name: table_of(spark, table, rows, self._is_arrow(spark))}
            writer.write(Batch(spark, self.plan, report.run_id, self._next(), (), tables))
        return settled

    def _is_arrow(self, spark: SparkSession) -> bool:
        return is_here(spark.sparkContext.master) and spark.conf.get(ARROW, "true") != "false"

    def _next(self) -> int:
        self.batches += 1
        return self.batches - 1


def _rows(rows: TableRows) -> pa.Table:
    return rows.arrow if rows.arrow is not None else to_arrow(rows.frame)


def _keys(rows: TableRows) -> dict[Key, datetime | None]:
    """Return the capture time of each row, by its primary key."""
    table = rows.table
    names = [*table.primary_key, CAPTURED_AT]
    found = rows.arrow.select(names) if rows.arrow is not None else to_arrow(rows.frame.select(*names))
    keys = ((key_of(table, row), row[CAPTURED_AT]) for row in found.to_pylist())
    return {key: captured_at for key, captured_at in keys if key is not None}


def _closed(settled: Iterable[Settled], raw_table: str, run_id: str) -> pa.Table:
    """Return entries as rows of the quarantine table that say what became of them."""
    import pyarrow as pa

    now = datetime.now(timezone.utc)
    rows = [
        {
            **one.entry.stored,
            "resolution": one.outcome.value,
            "resolved_at": now,
            "resolved_by_run": run_id,
            LINEAGE: {
                "source_table": raw_table,
                "source_row_id": one.entry.row_id,
                "transform_job": f"{one.entry.transform}.quarantine",
                "run_id": run_id,
                "transform_timestamp": now,
                "data_quality_passed": False,
                "quality_checks_run": [],
                "quality_checks_failed": list(one.entry.checks),
            },
        }
        for one in settled
    ]
    schema = arrow_schema(quarantine.quarantine_table())
    assert schema.field(LINEAGE).type == LINEAGE_TYPE
    return pa.Table.from_pylist(rows, schema=schema)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(timezone.utc)
