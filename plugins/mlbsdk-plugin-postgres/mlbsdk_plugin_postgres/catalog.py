"""The tables of a mapping in a database: made where they are missing, brought forward where the mapping only adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg

from mlbsdk.plugin import (
    CREATE_POSTGRES_LEDGER,
    PostgresTable,
    StoredSchemaError,
    StoredTable,
    Table,
    postgres_quoted,
    postgres_schemas,
)

#: The schema of mlbsdk's own tables: the ledger of documents, the quarantine, staging.
OWN_SCHEMA = "mlbsdk"
#: PostgreSQL 18 can describe a foreign key without checking it.
NOT_ENFORCED_SINCE = 18


@dataclass(frozen=True)
class Stored:
    """A table as the database holds it."""

    columns: Mapping[str, str]
    """Type of each column, as the catalogue spells it."""
    required: frozenset[str]
    """Columns that may not be null."""
    key: tuple[str, ...]
    partition: str | None
    """The column by which it is partitioned."""
    names: frozenset[str]
    """The names of its constraints and indexes."""


def make_tables(connection: psycopg.Connection, tables: Sequence[Table]) -> dict[str, tuple[str, ...]]:
    """Make what is missing for tables, in one transaction; the caller holds the lock for it.

    Returns:
        By table, the columns that the database has and the mapping no longer has.

    Raises:
        StoredSchemaError: a stored table differs in more than what can be added; every difference is named.
    """
    own = {table.name: table for table in tables}
    stored = {table.name: read(connection, table.name) for table in tables}
    differing = [text for table in tables for text in differences(table, stored[table.name])]
    if differing:
        raise StoredSchemaError(
            f"stored tables differ from the mapping: {'; '.join(differing)}",
            fix="Nothing was changed. Alter them as 'mlbsdk mapping ddl' shows, or use another database.",
        )
    make_own(connection)
    for schema in postgres_schemas(own):
        _make_schema(connection, schema)
    for table in tables:
        _complete(connection, PostgresTable(table), stored[table.name])
    for table in tables:
        _relate(connection, PostgresTable(table), own, stored[table.name])
    return {table.name: _dropped(table, stored[table.name]) for table in tables}


def make_own(connection: psycopg.Connection) -> None:
    """Make mlbsdk's own schema and its ledger, where they are missing; the caller holds the lock for it."""
    _make_schema(connection, OWN_SCHEMA)
    if not _exists(connection, "SELECT FROM pg_tables WHERE schemaname = %s AND tablename = 'documents'", OWN_SCHEMA):
        connection.execute(CREATE_POSTGRES_LEDGER)


def _make_schema(connection: psycopg.Connection, name: str) -> None:
    if not _exists(connection, "SELECT FROM pg_namespace WHERE nspname = %s", name):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {postgres_quoted(name)}")


def read(connection: psycopg.Connection, name: str) -> Stored | None:
    """Return a table as it is stored; None where it is not."""
    schema, _, table = name.partition(".")
    found = connection.execute(
        "SELECT c.oid, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND c.relname = %s",
        (schema, table),
    ).fetchone()
    if found is None:
        return None
    oid, kind = found
    if kind not in ("r", "p"):
        raise StoredSchemaError(f"'{name}' is no table in the database (it may be a view)", fix="Rename it.")
    columns = connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
        "WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
        (oid,),
    ).fetchall()
    key = connection.execute(
        "SELECT a.attname FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(attnum, place), pg_attribute a "
        "WHERE i.indrelid = %(oid)s AND i.indisprimary AND a.attrelid = %(oid)s AND a.attnum = k.attnum ORDER BY place",
        {"oid": oid},
    ).fetchall()
    partition = connection.execute(
        "SELECT attname FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = p.partrelid "
        "AND a.attnum = p.partattrs[0] WHERE partrelid = %s",
        (oid,),
    ).fetchone()
    names = connection.execute(
        "SELECT conname FROM pg_constraint WHERE conrelid = %(oid)s "
        "UNION SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE indrelid = %(oid)s",
        {"oid": oid},
    ).fetchall()
    return Stored(
        columns={name: kind for name, kind, _ in columns},
        required=frozenset(name for name, _, is_required in columns if is_required),
        key=tuple(name for (name,) in key),
        partition=partition[0] if partition else None,
        names=frozenset(name for (name,) in names),
    )


def differences(table: Table, stored: Stored | None) -> list[str]:
    """Return what a stored table has that the mapping contradicts; what is only missing is none."""
    if stored is None:
        return []
    wanted = PostgresTable(table)
    known = wanted.types()
    found = [
        f"{table.name}.{name} is {stored.columns[name]}, the mapping says {kind}"
        for name, kind in known.items()
        if name in stored.columns and stored.columns[name] != kind
    ]
    if set(stored.key) != set(table.primary_key):
        have = f"the primary key ({', '.join(stored.key)})" if stored.key else "no primary key"
        found.append(f"{table.name} has {have}, the mapping says ({', '.join(table.primary_key)})")
    found += [
        f"{table.name}.{name} may not be null and is not in the mapping"
        for name in sorted(stored.required - set(known))
    ]
    found += [
        f"{table.name}.{name} may not be null in the database, and may in the mapping"
        for name in sorted(stored.required & set(known))
        if not wanted.is_required(name)
    ]
    partition = wanted.partition_column.name if wanted.partition_column else None
    if stored.partition != partition:
        found.append(
            f"{table.name} is {_partitioned(stored.partition)}, the mapping makes it {_partitioned(partition)}"
        )
    return found


def as_stored(table: Table, stored: Stored) -> StoredTable:
    """Return a stored table as ``mlbsdk mapping diff`` compares it."""
    wanted = PostgresTable(table)
    return StoredTable(
        columns=dict(stored.columns),
        wanted=wanted.types(),
        required=stored.required,
        primary_key=stored.key,
        partition_by=(stored.partition,) if stored.partition else (),
        wanted_partition=(wanted.partition_column.name,) if wanted.partition_column else (),
        is_sql=True,
    )


def make_partitions(connection: psycopg.Connection, table: Table, staging: str) -> None:
    """Make the partitions that staged rows need."""
    wanted = PostgresTable(table)
    column = wanted.partition_column
    if column is None:
        return
    rows = connection.execute(wanted.partition_values(staging)).fetchall()
    for (value,) in rows:
        connection.execute(wanted.create_partition(value))


def _complete(connection: psycopg.Connection, table: PostgresTable, stored: Stored | None) -> None:
    """Make a table, or the columns and indexes that it lacks."""
    if stored is None:
        connection.execute(table.create())
        for statement in [*(index.sql for index in table.indexes()), *table.comments()]:
            connection.execute(statement)
        return
    missing = [name for name in table.types() if name not in stored.columns]
    for name in missing:
        connection.execute(table.add_column(name))
    for index in table.indexes():
        if index.name not in stored.names:
            connection.execute(index.sql)
    if missing:
        for statement in table.comments():
            connection.execute(statement)


def _relate(
    connection: psycopg.Connection, table: PostgresTable, own: Mapping[str, Table], stored: Stored | None
) -> None:
    """Add the foreign keys that are missing and can be there."""
    for key in table.foreign_keys(own):
        if stored is not None and key.name in stored.names:
            continue
        if not key.is_own:
            version = connection.info.server_version // 10000
            parent = read(connection, key.to_table) if version >= NOT_ENFORCED_SINCE else None
            if parent is None or set(parent.key) != set(key.to_columns):
                continue
        connection.execute(table.add_foreign_key(key))


def _dropped(table: Table, stored: Stored | None) -> tuple[str, ...]:
    known = PostgresTable(table).types()
    return tuple(name for name in stored.columns if name not in known) if stored else ()


def _exists(connection: psycopg.Connection, query: str, *values: str) -> bool:
    return connection.execute(query, values).fetchone() is not None


def _partitioned(column: str | None) -> str:
    return f"partitioned by {column}" if column else "not partitioned"
