"""Tables that the writer makes in PostgreSQL: partitions, foreign keys to other mappings, differences refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from mlbsdk_plugin_postgres.writer import PostgresWriter

from mlbsdk.errors import StoredSchemaError
from mlbsdk.mapping.plan import Relationship, Table
from mlbsdk.runtime.batch import Document, TableWritten
from tests.contract.test_writers import batch_of_arrow, made

pytestmark = pytest.mark.integration

START = datetime(2024, 7, 1, tzinfo=timezone.utc)


def write(address: str, table: Table, rows: list[dict[str, Any]], minute: int = 0) -> TableWritten:
    """Write the whole newest capture of document 1."""
    at = START + timedelta(minutes=minute)
    writer = PostgresWriter(address, {})
    batch = batch_of_arrow(table, [row | {"source_captured_at": at} for row in rows], [Document((1,), at)])
    try:
        return writer.write(batch)[table.name]
    finally:
        writer.close()


def query(address: str, text: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(address) as connection:
        return connection.execute(text).fetchall()


@pytest.mark.parametrize(
    ("kind", "values", "partitions"),
    [
        ("DATE", [date(2024, 7, 1), date(2024, 7, 31), date(2023, 12, 31)], 2),
        ("TIMESTAMPTZ", [START, START + timedelta(days=40), START + timedelta(days=1)], 2),
        ("INT", [2023, 2024, -5], 3),
        ("TEXT", ["2024", 'it\'s \\ "odd" é', ""], 3),
    ],
)
def test_partitions_come_with_their_rows(database: str, kind: str, values: list[Any], partitions: int) -> None:
    table = made({"a": "BIGINT", "p": kind}, "a p", "a", "p")
    rows = [{"a": 1, "p": value} for value in values]
    assert write(database, table, rows) == TableWritten(inserted=3)
    assert write(database, table, rows) == TableWritten(unchanged=3)
    assert write(database, table, rows[1:], 1) == TableWritten(updated=2, deleted=1)
    assert [(row[0],) for row in sorted(query(database, "SELECT p FROM x.t"), key=str)] == [
        (value,) for value in sorted(values[1:], key=lambda one: str((one,)))
    ]
    parts = query(database, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'x.t'::regclass")
    assert parts == [(partitions,)]


def test_keys_to_other_mappings_are_described_where_their_tables_are(database: str) -> None:
    """PostgreSQL 18 takes them as NOT ENFORCED: the parent's rows may come later, or never."""
    relation = Relationship("person.person", ("p",), ("person_id",), "many_to_one")
    table = replace(made({"a": "BIGINT", "p": "INT"}, "a", "a"), relationships=(relation,))
    keys = "SELECT confrelid::regclass::text, conenforced, convalidated FROM pg_constraint WHERE contype = 'f'"
    write(database, table, [{"a": 1, "p": 5}])
    assert query(database, keys) == []
    with psycopg.connect(database) as connection:
        connection.execute("CREATE SCHEMA person; CREATE TABLE person.person (person_id int PRIMARY KEY)")
    assert write(database, table, [{"a": 1, "p": 6}], 1) == TableWritten(updated=1)
    assert query(database, keys) == [("person.person", False, False)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("ALTER TABLE x.t ALTER v TYPE bigint", "x.t.v is bigint, the mapping says integer"),
        ("ALTER TABLE x.t DROP CONSTRAINT t_pkey", "x.t has no primary key, the mapping says (a)"),
        ("ALTER TABLE x.t ADD more int NOT NULL DEFAULT 1", "x.t.more may not be null and is not in the mapping"),
        ("ALTER TABLE x.t ALTER v SET NOT NULL", "x.t.v may not be null in the database, and may in the mapping"),
        ("ALTER TABLE x.t RENAME TO u; CREATE VIEW x.t AS SELECT * FROM x.u", "'x.t' is no table in the database"),
    ],
)
def test_what_differs_is_refused_in_words(database: str, change: str, words: str) -> None:
    table = made({"a": "BIGINT", "v": "INT"}, "a", "a")
    write(database, table, [{"a": 1, "v": 1}])
    with psycopg.connect(database) as connection:
        connection.execute(change)
    with pytest.raises(StoredSchemaError) as caught:
        write(database, table, [{"a": 1, "v": 2}], 1)
    assert words in str(caught.value)
    assert query(database, "SELECT v FROM x.t") == [(1,)]
