"""The PostgreSQL writer: all tables of a batch in one transaction, so that no reader ever sees half of it."""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from mlbsdk.plugin import (
    Batch,
    Decisions,
    Plan,
    QuarantineQuery,
    SourceError,
    StoredTable,
    Table,
    TableWritten,
    TargetUnwritableError,
    WriteError,
    decisions_by_table,
    names_seen,
)
from mlbsdk_plugin_postgres import found, jdbc, quarantined
from mlbsdk_plugin_postgres.catalog import OWN_SCHEMA, as_stored, make_own, make_partitions, make_tables, read
from mlbsdk_plugin_postgres.connection import Database, dataset, explained, may_pass
from mlbsdk_plugin_postgres.staging import (
    Staged,
    TaskStaging,
    remove_leftovers,
    stage_documents,
    stage_here,
)
from mlbsdk_plugin_postgres.upsert import Documents, take

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

#: (this, checksum of a table's name) is the advisory lock of its writers.
_TABLE_LOCK = 0x4D4C4254
#: How long a batch waits, all in all, between its tries.
_PATIENCE_SECONDS = 60.0
_TABLES = """
SELECT table_schema || '.' || table_name FROM information_schema.tables
WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1
"""


class PostgresWriter:
    """Writes each table to ``schema.table`` of a database.

    The newest captured_at of every document is kept in ``mlbsdk.documents``, written in the same transaction.
    """

    def __init__(self, address: str, options: Mapping[str, object]) -> None:
        self.database = Database.parse(address)
        self._open: psycopg.Connection | None = None
        self._made: dict[str, dict[str, tuple[str, ...]]] = {}

    def prepare(self) -> None:
        """Check that the database can be written, make the ledger, and drop what a crashed run staged.

        Raises:
            TargetUnwritableError: there is no way to it, or it takes no changes.
        """
        with explained(f"can't write to the database {self.database.shown}", TargetUnwritableError):
            connection = self._connection()
            found = connection.execute("SHOW transaction_read_only").fetchone()
            if found and found[0] == "on":
                raise TargetUnwritableError(
                    f"the database {self.database.shown} takes no changes: it is a standby, or read-only",
                    fix="Write to the primary server.",
                )
            with connection.transaction():
                _lock(connection, [OWN_SCHEMA])
                make_own(connection)
            remove_leftovers(connection)

    def address_of(self, table: str) -> tuple[str, str]:
        """Return the table's OpenLineage dataset (namespace, name)."""
        return dataset(self._connection(), table)

    def stored(self, table: Table) -> StoredTable | None:
        """Return a table as the database holds it; None where it does not.

        Raises:
            WriteError: there is no way to the database.
        """
        with explained(f"the database {self.database.shown} can't be read", WriteError):
            found = read(self._connection(), table.name)
        return as_stored(table, found) if found else None

    def table_names(self) -> tuple[str, ...]:
        """Return the names of the tables that the database holds, sorted.

        Raises:
            SourceError: there is no way to the database.
        """
        with explained(f"the tables of the database {self.database.shown} can't be listed", SourceError):
            found = self._connection().execute(_TABLES).fetchall()
        return tuple(row[0] for row in found)

    def read(self, spark: SparkSession, table: str) -> DataFrame:
        """Return the rows of a table, over one connection: as they are at one moment.

        Raises:
            SourceError: there is no way to the database, or no such table in it.
        """
        with explained(f"'{table}' can't be read from the database {self.database.shown}", SourceError):
            connection = self._connection()
            if read(connection, table) is None:
                raise SourceError(
                    f"the database {self.database.shown} has no table '{table}'",
                    fix="Name another table, or run its transform first.",
                )
            return jdbc.table(spark, jdbc.url(connection), jdbc.properties(connection), table)

    def find_rows(self, table: str, equal: Mapping[str, str], limit: int) -> list[dict[str, Any]]:
        """Return the first rows of a table whose columns have these values, given as text.

        Raises:
            SourceError: there is no way to the database, or no such table in it.
            ConfigurationError: the table has no such column, or a value does not fit its type.
        """
        with explained(f"'{table}' can't be read from the database {self.database.shown}", SourceError):
            return found.rows(self._connection(), self.database, table, equal, limit)

    def quarantined(self, query: QuarantineQuery) -> pa.Table:
        """Return what the quarantine table holds of a query.

        Raises:
            WriteError: there is no way to the database.
        """
        with explained(f"the database {self.database.shown} can't be read", WriteError):
            return quarantined.rows(self._connection(), query)

    def newest_captures(self, plan: Plan) -> Mapping[tuple[str, str], datetime]:
        """Return the newest captured_at that the database has seen, by (ledger name, document name)."""
        with explained(f"the database {self.database.shown} can't be read", WriteError):
            return quarantined.newest_captures(self._connection(), plan)

    def write(self, batch: Batch) -> Mapping[str, TableWritten]:
        """Write all tables in one transaction; where the connection is lost, again for up to a minute.

        Raises:
            StoredSchemaError: stored tables differ from the mapping.
            WriteError: the database refused; nothing of the batch is visible.
        """
        tries = Retrying(
            retry=retry_if_exception(may_pass),
            wait=wait_random_exponential(multiplier=0.2, max=5),
            stop=_waited_enough,
            reraise=True,
        )
        with explained(f"the tables of {batch.plan.name} could not be written", WriteError):
            return tries(self._write, batch)

    def close(self) -> None:
        """Close the connection."""
        if self._open is not None:
            self._open.close()

    def _connection(self) -> psycopg.Connection:
        if self._open is None or self._open.closed or self._open.broken:
            self._open = self.database.connect(autocommit=True)
            # Whatever the database's default: the ledger must be read as it is once the locks are held.
            self._open.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        return self._open

    def _write(self, batch: Batch) -> dict[str, TableWritten]:
        connection = self._connection()
        dropped = self._tables_made(connection, batch)
        if all(rows.arrow is not None for rows in batch.tables.values()):
            with connection.transaction():
                staged = [stage_here(connection, rows) for rows in batch.tables.values()]
                return self._publish(connection, batch, staged, dropped)
        with self._staged_by_tasks(connection, batch) as (staging, staged, tasks), connection.transaction():
            for one in staged:
                staging.keep_only(one.relation, tasks[one.relation])
            written = self._publish(connection, batch, staged, dropped)
            staging.drop(one.relation for one in staged)
            return written

    def _tables_made(self, connection: psycopg.Connection, batch: Batch) -> dict[str, tuple[str, ...]]:
        """Make what is missing, once for each set of tables."""
        tables = [rows.table for rows in batch.tables.values()]
        known = " ".join([batch.plan.fingerprint, *(table.name for table in tables)])
        if known not in self._made:
            with connection.transaction():
                _lock(connection, [OWN_SCHEMA])
                self._made[known] = make_tables(connection, tables)
        return self._made[known]

    @contextmanager
    def _staged_by_tasks(
        self, connection: psycopg.Connection, batch: Batch
    ) -> Iterator[tuple[TaskStaging, list[Staged], dict[str, list[str]]]]:
        staging = TaskStaging(connection)
        relations: list[str] = []
        tasks: dict[str, list[str]] = {}
        staged = []
        try:
            for rows in batch.tables.values():
                relations.append(staging.create(rows.table))
                one, tasks[relations[-1]] = staging.stage(rows, relations[-1])
                staged.append(one)
            yield staging, staged, tasks
        finally:
            if not connection.closed:
                staging.drop(relations)
                staging.close()

    def _publish(
        self,
        connection: psycopg.Connection,
        batch: Batch,
        staged: Sequence[Staged],
        dropped: Mapping[str, tuple[str, ...]],
    ) -> dict[str, TableWritten]:
        """Take what is staged into its tables: after this commits everything is visible, before it nothing."""
        _lock(connection, [one.table.name for one in staged])
        documents = self._documents(connection, batch)
        for one in staged:
            make_partitions(connection, one.table, one.relation)
        return {
            one.table.name: take(
                connection,
                one,
                documents.get(one.table.name),
                dropped[one.table.name],
                joins=batch.tables[one.table.name].joins,
            )
            for one in staged
        }

    def _documents(self, connection: psycopg.Connection, batch: Batch) -> dict[str, Documents]:
        """Compare the batch's documents with the ledger, note them there, and stage them for each table that asks."""
        names = [document.name for document in batch.documents]
        seen = connection.execute(
            f"SELECT transform, document, captured_at FROM {OWN_SCHEMA}.documents "
            "WHERE transform = ANY(%s) AND document = ANY(%s)",
            (list(names_seen(batch.plan)), names),
        ).fetchall()
        decisions = decisions_by_table(batch.plan, batch.documents, {(name, one): at for name, one, at in seen})
        connection.execute(
            f"INSERT INTO {OWN_SCHEMA}.documents AS noted (transform, document, captured_at, run_id) "
            "SELECT transform, name, moment, %s "
            "FROM unnest(%s::text[]) AS own(transform), unnest(%s::text[], %s::timestamptz[]) AS found(name, moment) "
            "ON CONFLICT (transform, document) DO UPDATE "
            "SET captured_at = excluded.captured_at, run_id = excluded.run_id, recorded_at = now() "
            "WHERE excluded.captured_at >= noted.captured_at",
            (batch.run_id, list(batch.plan.ledger_names), names, [one.captured_at for one in batch.documents]),
        )
        return _staged_documents(connection, batch.plan.tables, decisions)


def _staged_documents(
    connection: psycopg.Connection, tables: Iterable[Table], decisions: Mapping[str, Decisions]
) -> dict[str, Documents]:
    """Stage the documents' keys, with the types that tables have them in, for tables that do not keep every row.

    Tables that have seen the same captures share what is staged: all of them, unless tables were chosen before.
    """
    staged: dict[Decisions, Documents] = {}
    found = {}
    for table in tables:
        if table.on_missing == "keep":
            continue
        known = decisions[table.name]
        if known not in staged:
            types = {name: table.column(name).type.postgresql for name in table.document_key}
            rows: list[tuple[Any, ...]] = [(*one.key, True, False) for one in known.new]
            rows += [(*one.key, False, False) for one in known.replacing]
            rows += [(*one.key, False, True) for one in known.stale]
            relation = stage_documents(connection, types, rows, len(staged))
            staged[known] = Documents(relation, table.document_key, bool(known.replacing), bool(known.stale))
        found[table.name] = staged[known]
    return found


def _waited_enough(state: RetryCallState) -> bool:
    # A large batch may take longer than this before it is lost, so what counts is the time between tries.
    return state.idle_for >= _PATIENCE_SECONDS


def _lock(connection: psycopg.Connection, names: Iterable[str]) -> None:
    """Wait until no other run writes these tables, always in the same order; the transaction's end lets them go."""
    for number in sorted({_checksum(name) for name in names}):
        connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_TABLE_LOCK, number))


def _checksum(name: str) -> int:
    return binascii.crc32(name.encode()) - (1 << 31)
