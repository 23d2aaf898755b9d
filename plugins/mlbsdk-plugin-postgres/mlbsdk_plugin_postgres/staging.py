"""Incoming rows on their way into a database: copied into staging tables, from where one transaction takes them.

A small batch, already here as Arrow, goes into temporary tables of the writing connection. The rows of a large one
come from Spark's tasks, each over a connection of its own, so they go into unlogged tables; a task that ran twice has
copied twice, and only the rows of the attempt that Spark counts are taken.
"""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from mlbsdk.plugin import LINEAGE, PostgresTable, Table, TableRows
from mlbsdk_plugin_postgres.catalog import OWN_SCHEMA, names_of, quoted
from mlbsdk_plugin_postgres.rows import csv_of, with_lineage_text

if TYPE_CHECKING:
    import pyarrow as pa

TASK = "_task"
#: Marks the session that owns the unlogged staging tables of one token: (this, token) as an advisory lock.
_OWNER_LOCK = 0x4D4C4253
_PREFIX = "staging_"


@dataclass(frozen=True)
class Staged:
    """The staged rows of one table."""

    table: Table
    relation: str
    """The staging table, quoted."""
    rows: int


def stage_here(connection: psycopg.Connection, rows: TableRows) -> Staged:
    """Copy Arrow rows into a temporary table, which empties itself when the transaction ends."""
    assert rows.arrow is not None
    relation = _temporary(connection, rows.table.name, PostgresTable(rows.table).types())
    copy(connection, relation, with_lineage_text(rows.arrow))
    return Staged(rows.table, relation, rows.count)


def _temporary(connection: psycopg.Connection, name: str, types: Mapping[str, str]) -> str:
    """Return a temporary table of these columns, made once a connection."""
    columns = ", ".join(f"{quoted(column)} {kind}" for column, kind in types.items())
    digest = hashlib.sha256(f"{name} {columns}".encode()).hexdigest()[:16]
    relation = f"pg_temp.{quoted(f'{_PREFIX}{digest}')}"
    connection.execute(f"CREATE TEMPORARY TABLE IF NOT EXISTS {relation[8:]} ({columns}) ON COMMIT DELETE ROWS")
    return relation


def stage_documents(
    connection: psycopg.Connection, types: Mapping[str, str], documents: Iterable[tuple[Any, ...]]
) -> str:
    """Put documents, (key..., is_new, is_stale), into a temporary table and return its name."""
    columns = dict(types) | {"__is_new": "boolean", "__is_stale": "boolean"}
    relation = _temporary(connection, "documents", columns)
    with connection.cursor() as cursor, cursor.copy(f"COPY {relation} FROM STDIN") as stream:
        for document in documents:
            stream.write_row(document)
    return relation


def copy(connection: psycopg.Connection, relation: str, rows: pa.Table) -> None:
    """Copy rows into a table."""
    statement = f"COPY {relation} ({names_of(rows.column_names)}) FROM STDIN (FORMAT csv)"
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        for text in csv_of(rows):
            stream.write(text)


class TaskStaging:
    """Unlogged staging tables for the rows of Spark's tasks, owned by one session until it drops them or ends."""

    def __init__(self, connection: psycopg.Connection, address: str) -> None:
        self.connection = connection
        self.address = address
        self.token = uuid.uuid4().int & 0x7FFFFFFF
        self._numbers = itertools.count()
        connection.execute("SELECT pg_advisory_lock(%s, %s)", (_OWNER_LOCK, self.token))

    def create(self, table: Table) -> str:
        """Make the staging table of a table and return its name."""
        columns = PostgresTable(table).types() | {TASK: "text"}
        relation = f"{OWN_SCHEMA}.{quoted(f'{_PREFIX}{self.token:08x}_{next(self._numbers)}')}"
        listed = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
        self.connection.execute(f"CREATE UNLOGGED TABLE {relation} ({listed})")
        return relation

    def stage(self, rows: TableRows, relation: str) -> tuple[Staged, list[str]]:
        """Have Spark's tasks copy rows; return what is staged, and the attempts that count."""
        from pyspark.sql import functions as F

        text = rows.frame.withColumn(LINEAGE, F.to_json(LINEAGE))
        address = self.address

        def copied(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
            from mlbsdk_plugin_postgres.staging import copy_task

            yield from copy_task(batches, address, relation)

        done = text.mapInArrow(copied, "task string, rows bigint").collect()
        return Staged(rows.table, relation, sum(row["rows"] for row in done)), [row["task"] for row in done]

    def keep_only(self, relation: str, tasks: list[str]) -> None:
        """Take away the rows of attempts that Spark does not count."""
        self.connection.execute(f"DELETE FROM {relation} WHERE {TASK} <> ALL(%s)", (tasks,))

    def drop(self, relations: Iterable[str]) -> None:
        """Drop staging tables, in the caller's transaction."""
        for relation in relations:
            self.connection.execute(f"DROP TABLE IF EXISTS {relation}")

    def close(self) -> None:
        """Let go of the token."""
        if not self.connection.closed:
            self.connection.execute("SELECT pg_advisory_unlock(%s, %s)", (_OWNER_LOCK, self.token))


def copy_task(batches: Iterable[pa.RecordBatch], address: str, relation: str) -> Iterator[pa.RecordBatch]:
    """Copy the rows of one task attempt in one transaction, and tell its name and rows: runs on an executor."""
    import pyarrow as pa
    from pyspark import TaskContext

    context = TaskContext.get()
    attempt = f"{context.partitionId() if context else 0}-{uuid.uuid4().hex}"
    count = 0
    with psycopg.connect(address, options="-c timezone=UTC") as connection:
        for batch in batches:
            if batch.num_rows:
                rows = pa.Table.from_batches([batch])
                copy(connection, relation, rows.append_column(TASK, pa.repeat(pa.scalar(attempt), batch.num_rows)))
                count += batch.num_rows
    if count:
        yield pa.RecordBatch.from_pydict({"task": [attempt], "rows": [count]})


def remove_leftovers(connection: psycopg.Connection) -> None:
    """Drop the staging tables of sessions that ended without doing so."""
    found = connection.execute(
        "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace "
        "WHERE nspname = %s AND relname ~ %s AND pg_has_role(relowner, 'USAGE')",
        (OWN_SCHEMA, f"^{_PREFIX}[0-9a-f]{{8}}_[0-9]+$"),
    ).fetchall()
    by_token: dict[int, list[str]] = {}
    for (name,) in found:
        by_token.setdefault(int(name[len(_PREFIX) :][:8], 16), []).append(name)
    for token, names in by_token.items():
        with connection.transaction():
            free = connection.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", (_OWNER_LOCK, token)).fetchone()
            if free and free[0]:
                for name in names:
                    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(OWN_SCHEMA, name)))
