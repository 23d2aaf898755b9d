"""Incoming rows on their way into a database: copied into staging tables, from where one transaction takes them.

Rows that are already here as Arrow go into temporary tables of the writing connection. Others come from Spark's tasks,
each over a connection of its own, so they go into unlogged tables; a task that ran twice has copied twice, and only the
rows of the attempt that Spark counts are taken.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from mlbsdk.plugin import LINEAGE, PostgresTable, Table, TableRows, postgres_names, postgres_quoted
from mlbsdk_plugin_postgres.catalog import OWN_SCHEMA
from mlbsdk_plugin_postgres.connection import Database, reason
from mlbsdk_plugin_postgres.rows import columns_with_nul, csv_of, with_lineage_text

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, Row

TASK = "_task"
#: Rows here that are copied at a time: their lineage is in memory twice.
_PIECE = 100_000
#: Marks the session that owns the unlogged staging tables of one token: (this, token) as an advisory lock.
_OWNER_LOCK = 0x4D4C4253
_PREFIX = "staging_"
_CLOSED_WORKER = "java.net.SocketException: Socket is closed"


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
    with _of_table(rows.table):
        for start in range(0, rows.count, _PIECE):
            copy(connection, relation, with_lineage_text(rows.arrow.slice(start, _PIECE)))
    return Staged(rows.table, relation, rows.count)


def _temporary(connection: psycopg.Connection, name: str, types: Mapping[str, str]) -> str:
    """Return a temporary table of these columns, made once a connection."""
    columns = ", ".join(f"{postgres_quoted(column)} {kind}" for column, kind in types.items())
    digest = hashlib.sha256(f"{name} {columns}".encode()).hexdigest()[:16]
    relation = f"pg_temp.{postgres_quoted(f'{_PREFIX}{digest}')}"
    connection.execute(f"CREATE TEMPORARY TABLE IF NOT EXISTS {relation[8:]} ({columns}) ON COMMIT DELETE ROWS")
    return relation


def stage_documents(
    connection: psycopg.Connection, types: Mapping[str, str], documents: Iterable[tuple[Any, ...]], number: int
) -> str:
    """Put documents, (key..., is_new, is_stale), into the temporary table of that number and return its name."""
    columns = dict(types) | {"__is_new": "boolean", "__is_stale": "boolean"}
    relation = _temporary(connection, f"documents {number}", columns)
    with connection.cursor() as cursor, cursor.copy(f"COPY {relation} FROM STDIN") as stream:
        for document in documents:
            stream.write_row(document)
    return relation


def copy(connection: psycopg.Connection, relation: str, rows: pa.Table) -> None:
    """Copy rows into a table.

    Raises:
        psycopg.DataError: a value can't be stored; its text names the column.
    """
    statement = f"COPY {relation} ({postgres_names(rows.column_names)}) FROM STDIN (FORMAT csv)"
    try:
        with connection.cursor() as cursor, cursor.copy(statement) as stream:
            for text in csv_of(rows):
                stream.write(text)
    except errors.CharacterNotInRepertoire as problem:  # PostgreSQL does not say in which column
        columns = ", ".join(columns_with_nul(rows))
        why = f"column {columns}: a text has a NUL character (U+0000)" if columns else reason(problem)
        raise type(problem)(why) from problem
    except psycopg.DataError as problem:
        column = re.search(r"^COPY .*, column ([^:\n]+)", problem.diag.context or "", re.MULTILINE)
        raise type(problem)(f"column {column[1]}: {reason(problem)}" if column else reason(problem)) from problem


def _collected(frame: DataFrame) -> list[Row]:
    """Return the rows of a frame that Python workers make.

    After a task that failed, Spark may close a worker that it has put among the idle ones already, and that the next
    task takes; a session of one machine gives a task no second try. Rows that were copied in vain do not count.
    """
    from py4j.protocol import Py4JJavaError

    try:
        return frame.collect()
    except Py4JJavaError as problem:
        if _CLOSED_WORKER not in str(problem):
            raise
        return frame.collect()


@contextmanager
def _of_table(table: Table) -> Iterator[None]:
    """Have errors about values name the table."""
    try:
        yield
    except psycopg.DataError as problem:
        raise type(problem)(f"{table.name}: {reason(problem)}") from problem


class TaskStaging:
    """Unlogged staging tables for the rows of Spark's tasks, owned by one session until it drops them or ends."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        # What the driver's environment and ~/.pgpass say is not known on executors.
        address = make_conninfo("", **connection.info.get_parameters(), password=connection.info.password or None)
        self.database = Database(address, {})
        self.token = uuid.uuid4().int & 0x7FFFFFFF
        self._numbers = itertools.count()
        connection.execute("SELECT pg_advisory_lock(%s, %s)", (_OWNER_LOCK, self.token))

    def create(self, table: Table) -> str:
        """Make the staging table of a table and return its name."""
        columns = PostgresTable(table).types() | {TASK: "text"}
        relation = f"{OWN_SCHEMA}.{postgres_quoted(f'{_PREFIX}{self.token:08x}_{next(self._numbers)}')}"
        listed = ", ".join(f"{postgres_quoted(name)} {kind}" for name, kind in columns.items())
        self.connection.execute(f"CREATE UNLOGGED TABLE {relation} ({listed})")
        return relation

    def stage(self, rows: TableRows, relation: str) -> tuple[Staged, list[str]]:
        """Have Spark's tasks copy rows; return what is staged, and the attempts that count.

        Raises:
            psycopg.Error: what a task met.
        """
        from pyspark.sql import functions as F

        text = rows.frame.withColumn(LINEAGE, F.to_json(LINEAGE))
        database = self.database

        def copied(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
            from mlbsdk_plugin_postgres.staging import copy_task

            yield from copy_task(batches, database, relation)

        with _of_table(rows.table), _as_in_task():
            done = _collected(text.mapInArrow(copied, "task string, rows bigint, refused string, why string"))
            for refused, why in ((row["refused"], row["why"]) for row in done if row["refused"]):
                raise getattr(errors, refused, psycopg.DataError)(why)
        return Staged(rows.table, relation, sum(row["rows"] for row in done)), [row["task"] for row in done]

    def keep_only(self, relation: str, tasks: list[str]) -> None:
        """Take away the rows of attempts that Spark does not count; one that still copies comes too late from now."""
        self.connection.execute(f"LOCK TABLE {relation} IN ACCESS EXCLUSIVE MODE")
        self.connection.execute(f"DELETE FROM {relation} WHERE {TASK} <> ALL(%s)", (tasks,))

    def drop(self, relations: Iterable[str]) -> None:
        """Drop staging tables, in the caller's transaction."""
        for relation in relations:
            self.connection.execute(f"DROP TABLE IF EXISTS {relation}")

    def close(self) -> None:
        """Let go of the token."""
        if not self.connection.closed:
            self.connection.execute("SELECT pg_advisory_unlock(%s, %s)", (_OWNER_LOCK, self.token))


@contextmanager
def _as_in_task() -> Iterator[None]:
    """Raise what psycopg raised in a task, of which Spark hands on the text."""
    try:
        yield
    except Exception as problem:  # pyspark and py4j raise many kinds
        found = re.findall(r"^psycopg\.(?:errors\.)?(\w+): (.*)", str(problem), re.MULTILINE)
        kind = getattr(errors, found[-1][0], None) if found else None
        if kind is None:
            raise
        raise kind(found[-1][1]) from problem


def copy_task(batches: Iterable[pa.RecordBatch], database: Database, relation: str) -> Iterator[pa.RecordBatch]:
    """Copy the rows of one task attempt in one transaction, and tell its name and rows: runs on an executor.

    A value that the database refuses is told as well, instead of failing the task: Spark would have others try the same
    rows again, and would stop the tasks beside it, after which it may give later ones a Python worker that is closed.
    """
    import pyarrow as pa
    from pyspark import TaskContext

    context = TaskContext.get()
    attempt = f"{context.partitionId() if context else 0}-{uuid.uuid4().hex}"
    count = 0
    refused = why = None
    batches = iter(batches)
    try:
        with database.connect() as connection:
            for batch in batches:
                if batch.num_rows:
                    rows = pa.Table.from_batches([batch])
                    copy(connection, relation, rows.append_column(TASK, pa.repeat(pa.scalar(attempt), batch.num_rows)))
                    count += batch.num_rows
    except psycopg.DataError as problem:
        refused, why = type(problem).__name__, str(problem)
        for _ in batches:  # a worker that leaves rows unread can't be used again
            pass
    if count or refused:
        columns = [pa.array([attempt]), pa.array([count]), pa.array([refused], "string"), pa.array([why], "string")]
        yield pa.RecordBatch.from_arrays(columns, ["task", "rows", "refused", "why"])


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
        with suppress(errors.LockNotAvailable), connection.transaction():
            # A task of the lost session may still copy; the next run will find its table.
            connection.execute("SET LOCAL lock_timeout = '2s'")
            free = connection.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", (_OWNER_LOCK, token)).fetchone()
            if free and free[0]:
                for name in names:
                    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(OWN_SCHEMA, name)))
