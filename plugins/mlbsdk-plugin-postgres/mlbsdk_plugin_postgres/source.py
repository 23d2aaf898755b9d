"""A raw table in PostgreSQL as a source of captures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import psycopg
from psycopg import sql

from mlbsdk.plugin import (
    JsonNode,
    Plan,
    RawBatch,
    SourceError,
    TransformMapping,
    conditions,
    document_tree,
    matching,
)
from mlbsdk_plugin_postgres import capture_sql, jdbc, newest, ranges, raw_table
from mlbsdk_plugin_postgres.connection import Database, dataset, explained
from mlbsdk_plugin_postgres.raw_table import TEXT_PER_BYTE, RawTable, is_restored

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Bytes of JSON text that one task reads, at most, where ids allow it.
_TASK_BYTES = 256 * 1024 * 1024
#: What rows are divided by among tasks: their id, or where they are on disk.
_ID = sql.Identifier("__id")
_PLACE = sql.Identifier("__place")


class PostgresSource:
    """A raw table: the mapping's ``source.raw_table``, or the one that ``?table=schema.name`` names.

    Args:
        address: ``postgresql://user@host/database``; what it leaves out comes from libpq's usual places.
        options: ``where`` (a field's value by its name) and ``plan`` (the compiled mapping), where they are known.
    """

    def __init__(self, address: str, options: Mapping[str, object]) -> None:
        self.database = Database.parse(address)
        self._where = cast(Mapping[str, str], options.get("where") or {})
        plan = options.get("plan")
        self._plan = plan if isinstance(plan, Plan) else None

    def prepare(self) -> int | None:
        """Check that the database and the table are there and can be read; return the bytes of its text, roughly.

        Raises:
            SourceError: the server can't be reached, refuses the user, or has no such database or table, or the role
                may not read it.
            RawSchemaError: the table is no raw table.
        """
        name = self.database.parameters.get("table") or (self._plan.raw_table if self._plan else None)
        with self._connected(name) as connection:
            jdbc.properties(connection)
            table = raw_table.find(connection, name) if name else None
            return _text_size(table) if table else None

    def read(self, spark: SparkSession, mapping: TransformMapping) -> RawBatch:
        """Return the raw rows, as they were when reading began.

        Where no table of the mapping keeps rows of older captures, only the newest capture of each document is read.

        Raises:
            SourceError, RawSchemaError: as :meth:`prepare`.
        """
        with self._connected(self._name(mapping)) as connection:
            table = raw_table.find(connection, self._name(mapping))
            return self._batch(spark, mapping, connection, table, _visible(connection, table))

    def dataset(self, mapping: TransformMapping) -> tuple[str, str]:
        """Return the raw table's OpenLineage dataset (namespace, name).

        Raises:
            SourceError: as :meth:`prepare`.
        """
        with self._connected(self._name(mapping)) as connection:
            return dataset(connection, self._name(mapping))

    def next_range(self, spark: SparkSession, mapping: TransformMapping, after: str | None) -> str | None:
        """Return the range that follows ``after``, at most 200 rows; None where nothing is new. Reads ids only.

        Raises:
            SourceError, RawSchemaError: as :meth:`prepare`; or ``after`` is of another server, database or table.
        """
        with self._connected(self._name(mapping)) as connection:
            table = raw_table.find(connection, self._name(mapping))
            found = ranges.following(connection, table, ranges.Range.from_json(after) if after else None)
            return found.to_json() if found else None

    def read_range(self, spark: SparkSession, mapping: TransformMapping, range: str) -> RawBatch:
        """Return the raw rows of a range: the same ones whenever it is asked, as raw tables are only added to.

        Raises:
            SourceError, RawSchemaError: as :meth:`next_range`.
        """
        with self._connected(self._name(mapping)) as connection:
            table = raw_table.find(connection, self._name(mapping))
            found = ranges.Range.from_json(range)
            ranges.check(connection, table, found)
            return self._batch(spark, mapping, connection, table, ranges.bounds(table, found), is_part=True)

    def _batch(
        self,
        spark: SparkSession,
        mapping: TransformMapping,
        connection: psycopg.Connection,
        table: RawTable,
        bounds: Sequence[sql.Composable],
        *,
        is_part: bool = False,
    ) -> RawBatch:
        """Return the rows within bounds that meet the conditions of the run."""
        wanted = conditions(mapping, self._where)
        asked = [one for one in wanted if capture_sql.can_see(table, one.place)]
        inside = [*bounds, *(capture_sql.meets(table, one) for one in asked)]
        chosen = self._chosen(connection, table, mapping, inside, is_part or bool(asked))
        parallelism = spark.sparkContext.defaultParallelism
        if chosen is not None:
            size: int | None = chosen.size
            inside, parts = [], _id_lists(connection, table, chosen, parallelism)
        else:
            size = None if is_part else _text_size(table)
            parts = _pieces(connection, table, parallelism, size)
        query = sql.SQL("SELECT {}, {} AS {}, {} AS {} FROM {} AS raw WHERE {}").format(
            capture_sql.columns(table),
            table.column(table.identity or ""),
            _ID,
            sql.SQL("raw.ctid" if table.is_heap else "NULL"),
            _PLACE,
            table.identifier,
            newest.all_of(inside),
        )
        frame = jdbc.read(spark, jdbc.url(connection), jdbc.properties(connection), query.as_string(connection), parts)
        frame = matching(frame, [one for one in wanted if one not in asked])
        return RawBatch(frame, dataset(connection, str(table)), size=size)

    def _chosen(
        self,
        connection: psycopg.Connection,
        table: RawTable,
        mapping: TransformMapping,
        inside: Sequence[sql.Composable],
        is_part: bool,
    ) -> newest.Chosen | None:
        """Return the rows to read, where the database can tell; None for all of them."""
        if newest.can_choose(table, mapping):
            return newest.newest(connection, table, mapping, self._tree(mapping), inside)
        return newest.rows(connection, table, inside) if is_part and table.identity else None

    def _tree(self, mapping: TransformMapping) -> JsonNode:
        return self._plan.document if self._plan else document_tree(mapping)

    def _name(self, mapping: TransformMapping) -> str:
        return self.database.parameters.get("table") or mapping.source.raw_table

    @contextmanager
    def _connected(self, table: str | None) -> Iterator[psycopg.Connection]:
        """Open a connection, in one transaction that sees the database at one moment."""
        what = f"can't read '{table}'" if table else f"can't read {self.database.shown}"
        with explained(what, SourceError), self.database.connect() as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            yield connection


def _text_size(table: RawTable) -> int | None:
    return table.stored * TEXT_PER_BYTE if table.stored is not None else None


def _visible(connection: psycopg.Connection, table: RawTable) -> list[sql.Composable]:
    """Return what keeps rows out that are committed while tasks read: each task has a transaction of its own."""
    if table.has_transactions and not is_restored(connection, table):
        snapshot = str(_one(connection, sql.SQL("SELECT pg_current_snapshot()::text")))
        template = "pg_visible_in_snapshot({}, {}::pg_snapshot)"
        return [sql.SQL(template).format(table.column("xact"), sql.Literal(snapshot))]
    if table.has_numbers:
        template = "SELECT max({}) FROM {} AS raw"
        assert table.identity is not None
        column = table.column(table.identity)
        last = _one(connection, sql.SQL(template).format(column, table.identifier))
        return [sql.SQL("{} <= {}").format(column, sql.Literal(last))] if last is not None else [sql.SQL("false")]
    return []


def _id_lists(connection: psycopg.Connection, table: RawTable, chosen: newest.Chosen, parallelism: int) -> list[str]:
    """Return conditions that divide chosen rows evenly."""
    count = min(len(chosen.ids), max(parallelism, math.ceil(chosen.size / _TASK_BYTES)))
    if not count:
        return ["false"]
    bounds = [len(chosen.ids) * number // count for number in range(count + 1)]
    lists = [chosen.ids[first:end] for first, end in itertools.pairwise(bounds)]
    return [newest.among(table, ids, _ID).as_string(connection) for ids in lists]


def _pieces(connection: psycopg.Connection, table: RawTable, parallelism: int, size: int | None) -> list[str]:
    """Return conditions that divide a whole table: by ranges of its id, else by where rows are on disk."""
    count = max(parallelism, math.ceil((size or 0) / _TASK_BYTES))
    if table.has_numbers:
        assert table.identity is not None
        column = table.column(table.identity)
        ends = sql.SQL("SELECT min({0})::text || ' ' || max({0})::text FROM {1} AS raw").format(
            column, table.identifier
        )
        found = _one(connection, ends)
        if found is None:
            return ["false"]
        first, last = (int(end) for end in str(found).split())
        by: sql.Identifier = _ID
        bounds: list[sql.Composable] = [sql.Literal(bound) for bound in _cuts(first, last + 1, count)]
    elif table.is_heap:
        by = _PLACE
        bounds = [sql.SQL("'({},0)'::tid").format(sql.SQL(str(page))) for page in _cuts(0, table.pages, count)]
    else:
        return ["true"]
    lower = [sql.SQL("true"), *(sql.SQL("{} >= {}").format(by, bound) for bound in bounds)]
    upper = [*(sql.SQL("{} < {}").format(by, bound) for bound in bounds), sql.SQL("true")]
    return [
        sql.SQL("{} AND {}").format(one, other).as_string(connection) for one, other in zip(lower, upper, strict=True)
    ]


def _cuts(first: int, end: int, count: int) -> list[int]:
    """Return where to cut a range of numbers into at most ``count`` pieces."""
    count = min(count, max(end - first, 1))
    return [first + (end - first) * number // count for number in range(1, count)]


def _one(connection: psycopg.Connection, query: sql.SQL | sql.Composed) -> object:
    row = connection.execute(query).fetchone()
    return row[0] if row else None
