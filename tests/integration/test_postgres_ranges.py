"""Following a raw table in ranges: every row is in exactly one, whenever it is committed. Starts no Spark."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, cast

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlbsdk_plugin_postgres import newest, ranges, raw_table
from mlbsdk_plugin_postgres.source import PostgresSource
from psycopg import sql

from mlbsdk.mapping.load import load_file
from mlbsdk.plugin import RangeSource, SourceError
from tests.mini import MAPPING
from tests.postgres import Server

pytestmark = pytest.mark.integration

MINI = load_file(MAPPING).mapping
NO_SPARK = cast(Any, None)
_NUMBERS = itertools.count(1)

#: Raw tables by who made them: this plugin, and others with less in them.
TABLES = {
    "ours": "",
    "id only": "CREATE TABLE {} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data jsonb)",
    "uuid": "CREATE TABLE {} (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), data json)",
    "no id": "CREATE TABLE {} (data text)",
    "id that repeats": "CREATE TABLE {} (id int DEFAULT 7, data jsonb)",
    "partitioned": "CREATE TABLE {0} (id bigint GENERATED ALWAYS AS IDENTITY, data jsonb, PRIMARY KEY (id)) "
    "PARTITION BY HASH (id); CREATE TABLE {0}_a PARTITION OF {0} FOR VALUES WITH (MODULUS 2, REMAINDER 0); "
    "CREATE TABLE {0}_b PARTITION OF {0} FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
}


def make(connection: psycopg.Connection, kind: str) -> str:
    """Make an empty raw table of a kind; return its name."""
    name = f"raw.t{next(_NUMBERS)}"
    connection.execute("CREATE SCHEMA IF NOT EXISTS raw")
    if TABLES[kind]:
        connection.execute(TABLES[kind].format(name))
    else:
        raw_table.create(connection, name)
    connection.commit()
    return name


def insert(connection: psycopg.Connection, name: str, *numbers: int) -> None:
    for number in numbers:
        connection.execute(f"INSERT INTO {name} (data) VALUES (%s)", (json.dumps({"number": number}),))


def source(database: str, table: str) -> PostgresSource:
    return PostgresSource(f"{database}?table={table}", {})


def following(follower: PostgresSource, after: str | None) -> str | None:
    return follower.next_range(NO_SPARK, MINI, after)


def numbers(database: str, name: str, found: str) -> list[int]:
    """Return the rows of a range."""
    with psycopg.connect(database) as connection:
        table = raw_table.find(connection, name)
        inside = newest.all_of(ranges.bounds(table, ranges.Range.from_json(found)))
        query = sql.SQL("SELECT (data::jsonb ->> 'number')::int FROM {} AS raw WHERE {}")
        return sorted(row[0] for row in connection.execute(query.format(table.identifier, inside)))


@pytest.fixture
def connections(database: str) -> Iterator[list[psycopg.Connection]]:
    opened = [psycopg.connect(database) for _ in range(3)]
    yield opened
    for connection in opened:
        connection.close()


def test_it_is_a_source_that_can_be_followed(database: str) -> None:
    assert isinstance(source(database, "raw.t"), RangeSource)


@pytest.mark.parametrize("kind", TABLES)
def test_a_row_committed_late_is_not_missed(database: str, connections: list[psycopg.Connection], kind: str) -> None:
    early, late, _ = connections
    name = make(early, kind)
    follower = source(database, name)
    insert(late, name, 1)  # the lower id and the older transaction, but the later commit
    insert(early, name, 2)
    early.commit()
    first = following(follower, None)
    late.commit()
    second = following(follower, first)
    found = [numbers(database, name, one) for one in (first, second) if one]
    assert sorted(itertools.chain(*found)) == [1, 2]
    if kind == "ours":
        assert found == [[2], [1]]
    assert following(follower, second) is None


@pytest.mark.parametrize("kind", ["ours", "id only"])
def test_a_row_of_a_savepoint_is_not_missed(database: str, connections: list[psycopg.Connection], kind: str) -> None:
    early, late, _ = connections
    name = make(early, kind)
    follower = source(database, name)
    insert(late, name, 1)
    with late.transaction():  # a savepoint: a transaction of its own, of which snapshots do not tell
        insert(late, name, 2)
    insert(early, name, 3)
    early.commit()
    first = following(follower, None)
    late.commit()
    second = following(follower, first)
    assert sorted(itertools.chain(*(numbers(database, name, one) for one in (first, second) if one))) == [1, 2, 3]


_ACTIONS = st.lists(
    st.tuples(st.sampled_from(["insert", "insert", "savepoint", "commit", "rollback", "look"]), st.integers(0, 2)),
    max_size=25,
)


@pytest.mark.parametrize("kind", TABLES)
@given(actions=_ACTIONS, most=st.sampled_from([1, 2, 200]))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_row_is_in_exactly_one_range_however_transactions_interleave(
    database: str,
    connections: list[psycopg.Connection],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    actions: list[tuple[str, int]],
    most: int,
) -> None:
    monkeypatch.setattr(ranges, "MOST_ROWS", most)
    name = make(connections[0], kind)
    follower = source(database, name)
    count = itertools.count()
    written: list[list[int]] = [[], [], []]
    committed: set[int] = set()
    found: list[tuple[str, list[int]]] = []

    def look() -> bool:
        one = following(follower, found[-1][0] if found else None)
        if one is not None:
            found.append((one, numbers(database, name, one)))
        return one is not None

    for action, who in actions:
        connection = connections[who]
        if action in ("insert", "savepoint"):
            number = next(count)
            if action == "insert":
                insert(connection, name, number)
            else:
                insert(connection, name)
                with connection.transaction():
                    insert(connection, name, number)
                if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
                    committed.add(number)  # there was no transaction to be a part of
                    continue
            written[who].append(number)
        elif action == "look":
            look()
        else:
            getattr(connection, action)()
            committed |= set(written[who]) if action == "commit" else set()
            written[who] = []
    for connection, numbers_ in zip(connections, written, strict=True):
        connection.commit()
        committed |= set(numbers_)
    while look():
        pass
    assert sorted(itertools.chain(*(rows for _, rows in found))) == sorted(committed)
    if kind != "id that repeats":
        assert all(0 < len(rows) <= most for _, rows in found)
    assert [numbers(database, name, one) for one, _ in found] == [rows for _, rows in found]


def test_a_backlog_comes_in_chunks_and_what_is_new_comes_after_it(
    database: str, connections: list[psycopg.Connection]
) -> None:
    connection = connections[0]
    name = make(connection, "ours")
    insert(connection, name, *range(450))
    connection.commit()
    follower = source(database, name)
    found: list[str] = []
    while (one := following(follower, found[-1] if found else None)) is not None:
        found.append(one)
        if len(found) == 1:
            insert(connection, name, 450)
            connection.commit()
    rows = [numbers(database, name, one) for one in found]
    assert [len(part) for part in rows] == [200, 200, 50, 1]
    assert sorted(itertools.chain(*rows)) == [*range(451)]


def test_ranges_are_found_by_the_index_alone(database: str, connections: list[psycopg.Connection]) -> None:
    connection = connections[0]
    name = make(connection, "ours")
    for first in range(0, 6000, 100):
        connection.execute(
            f"INSERT INTO {name} (data) SELECT jsonb_build_object('number', n, 'filler', repeat('x', 500)) "
            "FROM generate_series(%s::int, %s) AS n",
            (first, first + 99),
        )
        connection.commit()
    connection.autocommit = True
    connection.execute(f"VACUUM ANALYZE {name}")
    follower = source(database, name)
    last = following(follower, None)
    while (one := following(follower, last)) is not None:
        last = one
    insert(connection, name, 6000)
    fresh = following(follower, last)
    assert fresh is not None
    table = raw_table.find(connection, name)
    query = sql.SQL("EXPLAIN (FORMAT JSON) SELECT raw.xact, raw.id FROM {} AS raw WHERE {} ORDER BY xact, id LIMIT 201")
    inside = newest.all_of(ranges.bounds(table, ranges.Range.from_json(fresh)))
    row = connection.execute(query.format(table.identifier, inside)).fetchone()
    assert row is not None
    plan = json.dumps(row[0])
    assert "Index Only Scan" in plan
    assert "Seq Scan" not in plan
    assert "Index Cond" in plan


def test_a_checkpoint_of_another_server_or_database_or_table_is_refused(
    database: str, connections: list[psycopg.Connection], postgres_server: Server
) -> None:
    connection = connections[0]
    name = make(connection, "ours")
    other = make(connection, "ours")
    insert(connection, name, 1)
    connection.commit()
    follower = source(database, name)
    found = following(follower, None)
    assert found is not None
    elsewhere = json.dumps(json.loads(found) | {"server": "7000000000000000000"})
    with pytest.raises(SourceError, match=r"server 7000000000000000000, and this is .* reset the checkpoint"):
        following(follower, elsewhere)
    with pytest.raises(SourceError, match="reset the checkpoint"):
        follower.read_range(NO_SPARK, MINI, elsewhere)
    with pytest.raises(SourceError, match=f"made with table '{name}'.*this is table '{other}'"):
        following(source(database, other), found)
    with postgres_server.database() as second, psycopg.connect(second) as there:
        there.execute("CREATE SCHEMA raw")
        raw_table.create(there, name)
        there.commit()
        with pytest.raises(SourceError, match=r"in database .* reset the checkpoint"):
            following(source(second, name), found)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 99}', "nonsense", '{"version": 1, "server": "1"}'])
def test_a_text_that_is_no_range_is_refused(database: str, connections: list[psycopg.Connection], text: str) -> None:
    name = make(connections[0], "ours")
    with pytest.raises(SourceError, match="no range of a PostgreSQL table"):
        source(database, name).read_range(NO_SPARK, MINI, text)


def test_a_table_restored_from_another_server_is_refused(database: str, connections: list[psycopg.Connection]) -> None:
    connection = connections[0]
    name = make(connection, "ours")
    connection.execute(f"INSERT INTO {name} (data, xact) VALUES ('{{}}', '99999999999'::xid8)")
    connection.commit()
    with pytest.raises(SourceError, match=r"restored.*UPDATE .* SET xact = pg_current_xact_id\(\)"):
        following(source(database, name), None)


def test_a_view_can_not_be_followed(database: str, connections: list[psycopg.Connection]) -> None:
    connection = connections[0]
    name = make(connection, "ours")
    connection.execute(f"CREATE VIEW raw.seen AS SELECT id, data FROM {name}")
    connection.commit()
    with pytest.raises(SourceError, match="can't be followed: it has no column id"):
        following(source(database, "raw.seen"), None)


def test_a_role_that_may_only_read_can_follow(database: str, connections: list[psycopg.Connection]) -> None:
    connection = connections[0]
    name = make(connection, "ours")
    insert(connection, name, 1)
    connection.execute("DROP ROLE IF EXISTS range_reader")
    connection.execute("CREATE ROLE range_reader LOGIN")
    connection.execute(f"GRANT USAGE ON SCHEMA raw TO range_reader; GRANT SELECT ON {name} TO range_reader")
    connection.commit()
    follower = source(database.replace("postgres@", "range_reader@"), name)
    first = following(follower, None)
    assert first is not None
    assert json.loads(first)["server"].isdigit()
    connection.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public")
    connection.commit()
    hosted = following(follower, None)
    assert hosted is not None
    assert json.loads(hosted)["server"] == "(unknown)"
    connection.execute("DROP OWNED BY range_reader; DROP ROLE range_reader")
    connection.commit()
