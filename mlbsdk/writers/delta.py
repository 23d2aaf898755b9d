"""The Delta writer.

Rows that are already here as Arrow are committed by delta-rs, others by delta-spark. Both keep the same rules:

* tables with ``on_missing: delete`` hold the newest capture of each document: its rows are replaced in one commit, and
  nothing is written for a capture older than the one stored;
* tables with ``on_missing: keep`` are merged by primary key, and a row is replaced only by one of an equal or newer
  capture.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbsdk.errors import StoredSchemaError, WriteError
from mlbsdk.mapping.plan import CAPTURED_AT, Plan, Table
from mlbsdk.quality.quarantine import NAME as QUARANTINE
from mlbsdk.quality.quarantine import QuarantineQuery
from mlbsdk.runtime.addresses import child
from mlbsdk.runtime.batch import NO_DECISIONS, Batch, Decisions, TableRows, TableWritten
from mlbsdk.runtime.storage import read_text
from mlbsdk.runtime.threads import for_each_table
from mlbsdk.writers import found, quarantined
from mlbsdk.writers.changes import columns_to_compare, compare, in_groups, rows_of
from mlbsdk.writers.lakehouse import Lakehouse, Ledger, documents_predicate, joining, storable
from mlbsdk.writers.partitions import by_partition
from mlbsdk.writers.stored import check_types, no_table, stored_table
from mlbsdk.writers.turns import Turns

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable
    from pyspark.sql import DataFrame, SparkSession

    from mlbsdk.mapping.differences import StoredTable

_CHECKPOINT_EVERY = {"delta.checkpointInterval": "100"}


class DeltaWriter:
    """Writes each table to a Delta table, ``TARGET/{schema}/{table}``."""

    def __init__(self, address: str, options: Mapping[str, object]) -> None:
        self.house = Lakehouse.of(address, options)
        self._turns = Turns()

    def prepare(self) -> None:
        """Check that the target can be written.

        Raises:
            TargetUnwritableError: it can't.
            ConfigurationError: it holds tables of another format.
        """
        self.house.check_writable()
        self.house.claim("delta")

    def address_of(self, table: str) -> tuple[str, str]:
        """Return the table's OpenLineage dataset (namespace, name)."""
        return self.house.dataset(table)

    def stored(self, table: Table) -> StoredTable | None:
        """Return a table as it is stored; None where it is not."""
        path = self.house.path(table.name)
        if not self.house.is_delta(path):
            return None
        delta = self.house.open_delta(path)
        return stored_table(_stored_schema(delta), table, delta.metadata().partition_columns)

    def table_names(self) -> tuple[str, ...]:
        """Return the names of the tables that are stored."""
        return self.house.table_names("delta")

    def read(self, spark: SparkSession, table: str) -> DataFrame:
        """Return the rows of a table's newest version.

        Raises:
            SourceError: there is no such table.
        """
        path = self.house.path(table)
        if not self.house.is_delta(path):
            raise no_table("delta", table, path)
        # Without a version each Spark job would read the newest one of its own time.
        version = self.house.open_delta(path).version()
        return spark.read.format("delta").option("versionAsOf", version).load(path)

    def find_rows(self, table: str, equal: Mapping[str, str], limit: int) -> list[dict[str, Any]]:
        """Return the first rows of a table whose columns have these values."""
        return found.in_delta(self.house, self.house.path(table), table, equal, limit)

    def quarantined(self, query: QuarantineQuery) -> pa.Table:
        """Return what the quarantine table holds of a query."""
        return quarantined.in_delta(self.house, self.house.path(QUARANTINE), query)

    def newest_captures(self, plan: Plan) -> Mapping[tuple[str, str], datetime]:
        """Return the newest captured_at that the target has seen, by (ledger name, document name)."""
        return Ledger(self.house, plan).newest()

    def write(self, batch: Batch) -> Mapping[str, TableWritten]:
        """Write all tables, a few at a time. Each table changes in one commit.

        Raises:
            WriteError: a table could not be written; the tables before it are, and running again completes the others.
        """
        tables = {rows.table.name: storable(rows) for rows in batch.tables.values()}
        with self.house.locked():
            ledger = Ledger(self.house, batch.plan)
            ledger.check(lambda table: self.house.is_delta(self.house.path(table)))
            decisions = ledger.decide(batch.documents)
            ledger.record(batch.documents, batch.run_id)
            return for_each_table(
                lambda table: self._write(tables[table.name], decisions.get(table.name, NO_DECISIONS), batch.spark),
                [rows.table for rows in tables.values()],
            )

    def _write(self, rows: TableRows, decisions: Decisions, spark: SparkSession) -> TableWritten:
        path = self.house.path(rows.table.name)
        rows = joining(rows, decisions) if rows.joins else rows
        by_spark = rows.arrow is None or _needs_spark(self.house, path, rows.table)
        if by_spark and rows.arrow is not None and not _has_delta(spark):
            raise WriteError(
                f"table '{rows.table.name}' has files of Spark's whose names only Spark can handle",
                fix="Run again with the Spark setting spark.mlbsdk.arrow: 'false'.",
            )
        commit: _ArrowCommit | _SparkCommit = (
            _SparkCommit(self.house, rows.frame, rows.count, spark)
            if rows.arrow is None or by_spark
            else _ArrowCommit(self.house, rows.arrow)
        )
        try:
            with self._turns.of(rows):
                if rows.table.on_missing == "keep":
                    change = commit.merge(path, rows.table)
                else:
                    change = commit.replace(path, rows.table, decisions)
        except StoredSchemaError:
            raise
        except Exception as problem:  # whatever the store raises, the user needs to know which table it was
            reason = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
            raise WriteError(
                f"table '{rows.table.name}' could not be written: {reason}",
                fix="Tables written before it stay; run again to complete the rest.",
            ) from problem
        return _with_commit(self.house, path, change, commit.version)


def _with_commit(house: Lakehouse, path: str, change: TableWritten, version: int | None) -> TableWritten:
    """Add what the table's log says of a commit: nothing of the table is read for it."""
    if version is None or not change.is_change:
        return replace(change, version=version)
    try:
        text = read_text(house.storage, child(path, "_delta_log", f"{version:020}.json"))
        actions = [json.loads(line) for line in text.splitlines() if line.startswith('{"add"')]
    except (OSError, ValueError):  # what is written is written, whatever can be told of it
        return replace(change, version=version)
    size = sum(int(one["add"]["size"]) for one in actions)
    return replace(change, version=version, files=len(actions), size=size)


class _ArrowCommit:
    """Commits Arrow rows with delta-rs."""

    def __init__(self, house: Lakehouse, rows: pa.Table) -> None:
        self.house = house
        self.rows = rows
        self._stored: DeltaTable | None = None

    @property
    def version(self) -> int | None:
        """The table's version after the commit; delta-rs keeps the opened table up to date."""
        return self._stored.version() if self._stored is not None else 0

    def replace(self, path: str, table: Table, decisions: Decisions) -> TableWritten:
        from deltalake import write_deltalake

        stored_table = self._stored = _open(self.house, path, table)
        stale = rows_of(self.rows, table, decisions.stale).num_rows
        current = (
            self.rows if not decisions.stale else rows_of(self.rows, table, (*decisions.new, *decisions.replacing))
        )
        if stored_table is None:
            self._create(path, table, current)
            return TableWritten(inserted=current.num_rows, unchanged=stale)
        documents = (*decisions.new, *decisions.replacing)
        if not documents:
            return TableWritten(unchanged=stale)
        if not decisions.replacing:
            if current.num_rows:
                rows = by_partition(current, table.partition_by)
                write_deltalake(stored_table, rows, mode="append", schema_mode="merge")
            return TableWritten(inserted=current.num_rows, unchanged=stale)
        change = TableWritten(unchanged=stale)
        for group, incoming in in_groups(documents, current, table):
            stored = _stored_rows(stored_table, table, group, self.rows.schema)
            change = change.plus(compare(stored, incoming, table))
        if change.is_change:
            predicate = documents_predicate(table, documents, '"')
            rows = by_partition(current, table.partition_by)
            write_deltalake(stored_table, rows, mode="overwrite", predicate=predicate, schema_mode="merge")
        return change

    def merge(self, path: str, table: Table) -> TableWritten:
        stored = self._stored = _open(self.house, path, table)
        if stored is None:
            self._create(path, table, self.rows)
            return TableWritten(inserted=self.rows.num_rows)
        if not self.rows.num_rows:
            return TableWritten()
        have = _stored_schema(stored)
        rows = self.rows
        for field in have:
            if field.name not in rows.column_names:
                # A column that the mapping no longer has: null in what replaces a row, not the older capture's value.
                rows = rows.append_column(field.name, _nulls(rows.num_rows, field.type))
        merge = stored.merge(rows, _on_key(table, '"'), source_alias="s", target_alias="t", merge_schema=True)
        newer = _is_newer(table, '"', have.names)
        result = merge.when_matched_update_all(newer).when_not_matched_insert_all().execute()
        inserted, updated = int(result["num_target_rows_inserted"]), int(result["num_target_rows_updated"])
        return TableWritten(inserted, updated, self.rows.num_rows - inserted - updated)

    def _create(self, path: str, table: Table, rows: pa.Table) -> None:
        from deltalake import write_deltalake

        write_deltalake(
            path,
            by_partition(rows, table.partition_by),
            partition_by=list(table.partition_by) or None,
            description=table.description,
            configuration=_CHECKPOINT_EVERY,
            storage_options=self.house.delta_options(path),
        )


class _SparkCommit:
    """Commits a DataFrame with delta-spark."""

    def __init__(self, house: Lakehouse, frame: DataFrame, count: int, spark: SparkSession) -> None:
        self.house = house
        self.frame = frame
        self.count = count
        self.spark = spark
        self.version: int | None = None
        """The table's version after the commit; None where nothing was committed."""

    def replace(self, path: str, table: Table, decisions: Decisions) -> TableWritten:
        stored = _open(self.house, path, table)
        current = (*decisions.new, *decisions.replacing)
        fresh, stale = self.frame, 0
        if decisions.stale:
            fresh = self.frame.where(documents_predicate(table, current, "`") if current else "false")
            stale = self.count - fresh.count()
        if stored is None or not decisions.replacing:
            inserted = self._append(path, table, fresh) if current or stored is None else 0
            return TableWritten(inserted=inserted, unchanged=stale)
        of_documents = documents_predicate(table, current, "`", "t.")
        merge = self._merge(path, table, fresh, _stored_schema(stored).names, f" AND {of_documents}")
        return self._merged(path, merge.whenNotMatchedBySourceDelete(of_documents))

    def merge(self, path: str, table: Table) -> TableWritten:
        stored = _open(self.house, path, table)
        if stored is None:
            return TableWritten(inserted=self._append(path, table, self.frame))
        return self._merged(path, self._merge(path, table, self.frame, _stored_schema(stored).names))

    def _merge(self, path: str, table: Table, rows: DataFrame, have: Iterable[str], condition: str = "") -> Any:
        """Return a merge of rows by primary key that has still to be executed."""
        from delta.tables import DeltaTable as SparkDeltaTable
        from pyspark.sql import functions as F

        stored = SparkDeltaTable.forPath(self.spark, path)
        dropped = [field for field in stored.toDF().schema.fields if field.name not in rows.columns]
        if dropped:  # null in what replaces a row, not the older capture's value
            rows = rows.select("*", *(F.lit(None).cast(field.dataType).alias(field.name) for field in dropped))
        merge = stored.alias("t").merge(rows.alias("s"), _on_key(table, "`") + condition).withSchemaEvolution()
        return merge.whenMatchedUpdateAll(_is_newer(table, "`", have)).whenNotMatchedInsertAll()

    def _merged(self, path: str, merge: Any) -> TableWritten:
        figures = self._figures(path, merge.execute)
        inserted, updated, deleted = (
            figures.get(f"numTargetRows{what}", 0) for what in ("Inserted", "Updated", "Deleted")
        )
        return TableWritten(inserted, updated, self.count - inserted - updated, deleted)

    def _append(self, path: str, table: Table, rows: DataFrame) -> int:
        writer = rows.write.format("delta").mode("append").option("mergeSchema", "true")
        writer = writer.option("delta.checkpointInterval", _CHECKPOINT_EVERY["delta.checkpointInterval"])
        figures = self._figures(path, lambda: writer.partitionBy(*table.partition_by).save(path))
        return figures.get("numOutputRows", 0)

    def _figures(self, path: str, commit: Callable[[], object]) -> dict[str, int]:
        """Commit, and return what Delta says of it; the target is locked, so the last commit is ours, if there is one.

        Delta leaves out a commit that changes nothing.
        """
        before = self.house.open_delta(path).version() if self.house.is_delta(path) else -1
        commit()
        stored = self.house.open_delta(path)
        self.version = stored.version()
        if self.version == before:
            return {}
        found = stored.history(1)[0]["operationMetrics"]
        return {name: int(value) for name, value in found.items() if str(value).isdigit()}


def _needs_spark(house: Lakehouse, path: str, table: Table) -> bool:
    """Return whether a stored table has files that delta-rs can't replace.

    Where Spark wrote letters beyond ASCII into a file's path, as it does for text partitions, delta-rs 1.6 removes the
    file by another spelling: it stays, and its rows are doubled.
    """
    has_text = any(table.column(name).type.is_text for name in table.partition_by)
    if not has_text or not house.is_delta(path):
        return False
    paths = house.open_delta(path).get_add_actions(flatten=True).column("path").to_pylist()
    return not all(str(file).isascii() for file in paths)


def _has_delta(spark: SparkSession | None) -> bool:
    return spark is not None and "delta" in (spark.conf.get("spark.sql.extensions", "") or "")


def _on_key(table: Table, quote: str) -> str:
    return " AND ".join(f"t.{quote}{name}{quote} = s.{quote}{name}{quote}" for name in table.primary_key)


def _is_newer(table: Table, quote: str, have: Iterable[str]) -> str:
    """Return SQL: the incoming row is of a newer capture, or of an equal one and differs.

    A column that the stored table does not ``have`` yet counts as null there. A refused capture may have no time, and
    gives way to any that differs.
    """
    stored = set(have)
    captured = f"{quote}{CAPTURED_AT}{quote}"
    distinct = [
        f"NOT (t.{quote}{name}{quote} IS NOT DISTINCT FROM s.{quote}{name}{quote})"
        if name in stored
        else f"s.{quote}{name}{quote} IS NOT NULL"
        for name in table.compared_columns
        if name not in (*table.primary_key, CAPTURED_AT)
    ]
    differs = " OR ".join(distinct) or "false"
    same_or_no_time = f"s.{captured} = t.{captured} OR t.{captured} IS NULL"
    return f"s.{captured} > t.{captured} OR (({same_or_no_time}) AND ({differs}))"


def _open(house: Lakehouse, path: str, table: Table) -> DeltaTable | None:
    """Open a stored table, or return None where there is none yet.

    Raises:
        StoredSchemaError: a stored column has another type than the mapping says.
    """
    if not house.is_delta(path):
        return None
    stored = house.open_delta(path)
    check_types(_stored_schema(stored), table, path)
    return stored


def _stored_schema(stored: DeltaTable) -> pa.Schema:
    import pyarrow as pa

    return pa.schema(stored.schema().to_arrow())


def _nulls(rows: int, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    return pa.nulls(rows, kind)


def _stored_rows(stored: DeltaTable, table: Table, documents: Any, schema: pa.Schema) -> pa.Table:
    """Return the stored rows of some documents, compared columns only, with the mapping's types."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    names = columns_to_compare(table)
    dataset = stored.to_pyarrow_dataset()
    have = [name for name in names if name in dataset.schema.names]
    first = table.document_key[0]
    values = pa.array([document.key[0] for document in documents], schema.field(first).type)
    found = dataset.to_table(columns=have, filter=ds.field(first).isin(values))
    for name in names:
        if name not in have:
            found = found.append_column(name, pa.nulls(found.num_rows, schema.field(name).type))
    found = found.select(names).cast(pa.schema([schema.field(name) for name in names]))
    return found if len(table.document_key) == 1 else rows_of(found, table, documents)
