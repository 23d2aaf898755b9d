"""Raw tables: how mlbsdk makes one, and what is known of one that is there, whoever made it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import psycopg
from psycopg import sql

from mlbsdk.plugin import ConfigurationError, RawSchemaError, SourceError, did_you_mean, shortened

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
#: Types of a column ``id`` by which rows can be told apart and put in order.
_NUMBERS = ("smallint", "integer", "bigint")
_IDENTITY_TYPES = (*_NUMBERS, "numeric", "uuid", "text", "character varying")
_TEXTS = ("text", "character varying", "character")
_DATA_TYPES = ("jsonb", "json", *_TEXTS)
_MOMENTS = ("timestamp with time zone", "timestamp without time zone", "date")
#: Bytes of JSON text for a byte that PostgreSQL stores, compressed (2.8 for game 747175).
TEXT_PER_BYTE = 3

_RELATION = """
    SELECT c.oid, c.relkind, pg_relation_size(c.oid) / current_setting('block_size')::bigint,
           (SELECT sum(pg_total_relation_size(p.relid))
            FROM pg_partition_tree(c.oid) AS p WHERE c.relkind = 'p')::bigint,
           pg_total_relation_size(c.oid)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
_COLUMNS = """
    SELECT a.attname, format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL), a.attnotnull
    FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_UNIQUE = """
    SELECT a.attname FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts = 1
"""
_TABLES = """
    SELECT n.nspname || '.' || c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""
_CREATE = """
    CREATE TABLE {table} (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        captured_at timestamptz,
        endpoint text,
        method text,
        params jsonb,
        url text,
        status_code int,
        data jsonb NOT NULL,
        digest bytea UNIQUE,
        fetched jsonb,
        loaded_at timestamptz NOT NULL DEFAULT now(),
        xact xid8 NOT NULL DEFAULT pg_current_xact_id()
    )
"""


@dataclass(frozen=True)
class RawTable:
    """A raw table as the database describes it. ``columns`` gives each column's type by its name in lower case."""

    schema: str
    name: str
    oid: int
    kind: str
    """PostgreSQL's relkind: r table, p partitioned, v view, m materialized view, f foreign."""
    columns: dict[str, str]
    names: dict[str, str]
    """Column names as they are, by their names in lower case."""
    never_null: frozenset[str]
    identity: str | None
    """The column (lower case) that tells rows apart: ``id`` or ``row_id``, unique and never null."""
    pages: int
    stored: int | None
    """Bytes on disk; None where the table has no storage of its own."""

    @property
    def identifier(self) -> sql.Identifier:
        """The quoted name."""
        return sql.Identifier(self.schema, self.name)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    def column(self, name: str) -> sql.Composable:
        """Return a column of the table, which queries call ``raw``; NULL where there is none."""
        return sql.Identifier("raw", self.names[name]) if name in self.names else sql.SQL("NULL")

    @property
    def is_heap(self) -> bool:
        """Whether rows have a place (ctid) of their own and the transaction that wrote them (xmin)."""
        return self.kind in ("r", "m")

    @property
    def has_numbers(self) -> bool:
        """Whether rows are told apart by whole numbers."""
        return self.identity is not None and self.columns[self.identity] in _NUMBERS

    @property
    def has_transactions(self) -> bool:
        """Whether rows say in a column which transaction wrote them."""
        return self.columns.get("xact") == "xid8" and "xact" in self.never_null

    @property
    def is_binary_json(self) -> bool:
        """Whether the database can look into every document: texts may be no JSON, and ``json`` may hold U+0000."""
        return self.columns["data"] == "jsonb"

    @property
    def has_moments(self) -> bool:
        """Whether captured_at is there and a moment, not its text."""
        return self.columns.get("captured_at") in _MOMENTS


def split_name(name: str) -> tuple[str, str]:
    """Split ``schema.table``.

    Raises:
        ConfigurationError: it is not of that form.
    """
    schema, dot, table = name.partition(".")
    if not dot or not _NAME.match(schema) or not _NAME.match(table):
        raise ConfigurationError(
            f"'{name[:120]}' is not a table name", fix="Write schema.table, such as ?table=game.live_game_v1."
        )
    return schema, table


def find(connection: psycopg.Connection, name: str) -> RawTable:
    """Look up a raw table and check that it can be read as one.

    Raises:
        SourceError: there is no such table.
        RawSchemaError: it has no column ``data``, or columns of types that can't be read.
        psycopg.Error: the role may not read it.
    """
    schema, table = split_name(name)
    relation = connection.execute(_RELATION, (schema, table)).fetchone()
    if relation is None:
        known = [str(row[0]) for row in connection.execute(_TABLES).fetchall()]
        raise SourceError(
            f"there is no table '{name}' in database '{connection.info.dbname}'.{did_you_mean(name, known)}",
            fix=f"'mlbsdk raw load CAPTURES --to ...' makes {name}; another one is named by ?table=schema.name.",
        )
    oid, kind, pages, partitions, stored = relation
    rows = connection.execute(_COLUMNS, (oid,)).fetchall()
    columns = {column.lower(): str(type) for column, type, _ in rows}
    never_null = frozenset(str(column).lower() for column, _, not_null in rows if not_null)
    unique = {str(row[0]).lower() for row in connection.execute(_UNIQUE, (oid,)).fetchall()} & never_null
    identity = next((key for key in ("row_id", "id") if key in unique and columns[key] in _IDENTITY_TYPES), None)
    found = RawTable(
        schema=schema,
        name=table,
        oid=oid,
        kind=kind,
        columns=columns,
        names={str(column).lower(): str(column) for column, _, _ in rows},
        never_null=never_null,
        identity=identity,
        pages=pages,
        stored=partitions if kind == "p" else stored if kind in ("r", "m") else None,
    )
    _check_columns(found)
    # The catalog is open to everybody; whether the rows are, only reading tells.
    connection.execute(sql.SQL("SELECT {} FROM {} AS raw WHERE false").format(found.column("data"), found.identifier))
    return found


def create(connection: psycopg.Connection, name: str) -> None:
    """Make a raw table and its schema, unless it is there. The caller commits.

    ``xact`` is the transaction that wrote the row, for :mod:`~mlbsdk_plugin_postgres.ranges`; ``digest`` makes loading
    a capture again add nothing.

    Raises:
        psycopg.Error: the role may not.
    """
    schema, table = split_name(name)
    # Two that make it at once would both find it missing.
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"mlbsdk raw table {name}",))
    if connection.execute(_RELATION, (schema, table)).fetchone() is not None:
        return
    if connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone() is None:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    identifier = sql.Identifier(schema, table)
    connection.execute(sql.SQL(_CREATE).format(table=identifier))
    connection.execute(sql.SQL("CREATE INDEX ON {} (xact, id)").format(identifier))


def is_restored(connection: psycopg.Connection, table: RawTable) -> bool:
    """Whether rows name transactions that this server has not begun: they came with a dump of another server.

    Raises:
        psycopg.Error: the table can't be read.
    """
    query = sql.SQL(
        "SELECT coalesce((SELECT {xact} FROM {table} AS raw ORDER BY {xact} DESC LIMIT 1) "
        ">= pg_snapshot_xmax(pg_current_snapshot()), false)"
    )
    row = connection.execute(query.format(xact=table.column("xact"), table=table.identifier)).fetchone()
    return row is not None and bool(row[0])


def _check_columns(table: RawTable) -> None:
    columns = table.columns
    if "data" not in columns:
        raise RawSchemaError(
            f"'{table}' has no column 'data' with the JSON text; it has {shortened(list(table.names.values()), 12)}",
            fix="A raw table has data, captured_at, endpoint, method, params, url and status_code; "
            "?table=schema.name names another one.",
        )
    wrong = [] if columns["data"] in _DATA_TYPES else [f"data is {columns['data']}"]
    if columns.get("captured_at", "text") not in (*_MOMENTS, *_TEXTS):
        wrong.append(f"captured_at is {columns['captured_at']}")
    if wrong:
        raise RawSchemaError(
            f"'{table}': {' and '.join(wrong)}", fix="data must be jsonb, json or text, captured_at a timestamp."
        )
