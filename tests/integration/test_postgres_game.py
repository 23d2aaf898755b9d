"""Real games in PostgreSQL: every value, every key, every index, read back by SQL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads

from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.ddl import PostgresTable, script
from mlbsdk.mapping.load import load_file
from mlbsdk.report import RunReport
from mlbsdk.runtime.run import RunRequest, run
from tests.conftest import REPOSITORY
from tests.oracle import live_game
from tests.oracle.compare import LIVE_GAME_KEYS, Tables, differences, of_game
from tests.spark.test_game_tables import FIRST, PARENTS, ROWS_OF_747175, SECOND, document

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tests.postgres import Server

pytestmark = [pytest.mark.spark, pytest.mark.integration]

NAME = "game.live_game_v1"
PLAN = compile_mapping(load_file(REPOSITORY / "mappings" / "game" / "live_game_v1.yaml"))


def load(spark: SparkSession, folder: Path, captures: dict[str, Path], target: str) -> RunReport:
    """Run the live game transform over captures."""
    folder.mkdir()
    for capture in captures.values():
        (folder / capture.name).symlink_to(capture)
    return run(RunRequest(name=NAME, source=str(folder), target=target), spark=spark)


def rows_of(address: str) -> Tables:
    """Return all rows of all tables; JSON columns as text."""
    with psycopg.connect(address, row_factory=dict_row, options="-c timezone=UTC") as connection:
        set_json_loads(lambda data: data.decode() if isinstance(data, bytes) else data, connection)
        select = sql.SQL("SELECT * FROM {} ORDER BY {}")
        return {
            name: connection.execute(
                select.format(sql.Identifier(*name.split(".")), sql.SQL(", ").join(map(sql.Identifier, key)))
            ).fetchall()
            for name, key in LIVE_GAME_KEYS.items()
        }


@pytest.fixture(scope="module")
def games(
    spark: SparkSession, postgres_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, RunReport]]:
    """Return a database that holds the first captures, and the report of the run."""
    with postgres_server.database() as address:
        yield address, load(spark, tmp_path_factory.mktemp("game") / "in", FIRST, address)


@pytest.fixture(scope="module")
def tables(games: tuple[str, RunReport]) -> Tables:
    return rows_of(games[0])


@pytest.mark.parametrize("table", LIVE_GAME_KEYS)
@pytest.mark.parametrize("capture", FIRST)
def test_every_value(tables: Tables, capture: str, table: str) -> None:
    expected = live_game.read(document(FIRST[capture]))[table]
    found = of_game(tables, int(capture.split()[0]))[table]
    assert not differences(found, expected, LIVE_GAME_KEYS[table])


def test_rows_and_figures(games: tuple[str, RunReport], tables: Tables) -> None:
    assert {name: len(rows) for name, rows in of_game(tables, 747175).items()} == ROWS_OF_747175
    assert {name: table.inserted for name, table in games[1].tables.items()} == {n: len(r) for n, r in tables.items()}
    assert games[1].datasets["game.live_game_plays"][0].startswith("postgres://127.0.0.1:")
    assert games[1].datasets["game.live_game_plays"][1].endswith(".game.live_game_plays")


def test_keys_types_and_comments_are_the_mappings(games: tuple[str, RunReport]) -> None:
    with psycopg.connect(games[0]) as connection:
        for table in PLAN.tables:
            found = connection.execute(
                "SELECT attname, format_type(atttypid, atttypmod), attnotnull, col_description(attrelid, attnum) "
                "FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
                (table.name,),
            ).fetchall()
            wanted = PostgresTable(table)
            assert {name: kind for name, kind, _, _ in found} == wanted.types()
            assert {name for name, _, required, _ in found if required} == {
                name for name in wanted.types() if wanted.is_required(name)
            }
            comments = {name: text for name, _, _, text in found if text}
            described = {column.name: column.description for column in table.columns if column.description}
            assert described.items() <= comments.items()
        keys = connection.execute(
            "SELECT conrelid::regclass::text, confrelid::regclass::text, condeferrable, condeferred, convalidated "
            "FROM pg_constraint WHERE contype = 'f'"
        ).fetchall()
    pairs = {(child, parent) for child, parent, *_ in keys}
    declared = {(table.name, one.to_table) for table in PLAN.tables for one in table.relationships}
    assert pairs == {pair for pair in declared if pair[1] in LIVE_GAME_KEYS}
    assert {(child, parent) for child, _, parent, _ in PARENTS if child != parent} >= pairs
    assert {tuple(facts) for _, _, *facts in keys} == {(True, True, True)}


def test_the_printed_ddl_makes_the_same_tables(games: tuple[str, RunReport], database: str) -> None:
    """Whoever may not create tables can have them made from ``mlbsdk mapping ddl``."""
    shape = (
        "SELECT c.relname, c.relkind::text, pg_get_indexdef(i.indexrelid), d.description "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace AND nspname = 'game' "
        "LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_description d ON d.objoid = c.oid AND objsubid = 0 "
        "UNION ALL SELECT conname, contype::text, pg_get_constraintdef(oid), NULL FROM pg_constraint "
        "WHERE contype IN ('f', 'p') ORDER BY 1, 2, 3"
    )
    with psycopg.connect(database) as connection:
        connection.execute(script(PLAN))
        made = connection.execute(shape).fetchall()
    with psycopg.connect(games[0]) as connection:
        found = connection.execute(shape).fetchall()
    assert made == found


#: Queries of docs/postgresql.md, each with the index that must serve it.
QUERIES = [
    ("SELECT * FROM game.live_game_plays WHERE game_pk = 1 ORDER BY at_bat_index", "live_game_plays_pkey"),
    (
        "SELECT * FROM game.live_game_pitch_events WHERE pitcher_id = 1 AND game_date >= '2024-07-01'",
        "live_game_pitch_events_pitcher_id_game_date_idx",
    ),
    (
        "SELECT * FROM game.live_game_plays WHERE batter_id = 1 AND game_date >= '2024-07-01'",
        "live_game_plays_batter_id_game_date_idx",
    ),
    (
        "SELECT * FROM game.live_game_metadata WHERE game_date = '2024-07-12'",
        "live_game_metadata_game_date_game_pk_idx",
    ),
    ("SELECT * FROM game.live_game_players WHERE last_name = 'X'", "live_game_players_last_name_first_name_idx"),
]


@pytest.fixture(scope="module")
def season(postgres_server: Server) -> Iterator[str]:
    """Return a database with a season's rows: the planner takes indexes only where there is something to find."""
    with postgres_server.database() as address, psycopg.connect(address) as connection:
        connection.execute(script(PLAN))
        connection.execute("SET session_replication_role = replica")  # no foreign keys while filling
        for name, more in {
            "metadata": "",
            "plays": ", at_bat_index, batter_id, pitcher_id",
            "pitch_events": ", at_bat_index, event_index, batter_id, pitcher_id",
            "players": ", player_id, last_name, first_name",
        }.items():
            values = "".join(
                f", {'md5((n % 900)::text)' if 'name' in column else 'n % 40' if 'index' in column else 'n % 900'}"
                for column in more.split(", ")[1:]
            )
            rows = 2000 if name == "metadata" else 40000
            step = rows // 2000
            connection.execute(
                f"INSERT INTO game.live_game_{name} "
                f"(source_captured_at, transform_timestamp, game_pk, game_date{more}) "
                f"SELECT now(), now(), n / {step}, date '2024-03-28' + n / {step} / 11{values} "
                f"FROM generate_series(0, {rows} - 1) AS n ON CONFLICT DO NOTHING"
            )
        connection.commit()
        connection.execute("ANALYZE")
        connection.commit()
        yield address


@pytest.mark.parametrize(("query", "index"), QUERIES)
def test_indexes_serve_the_documented_queries(season: str, query: str, index: str) -> None:
    with psycopg.connect(season) as connection:
        plan = "\n".join(line for (line,) in connection.execute(f"EXPLAIN {query}"))
    assert re.search(rf"\b{index}\b", plan), plan


def test_later_captures_and_older_ones(spark: SparkSession, database: str, tmp_path: Path) -> None:
    load(spark, tmp_path / "first", FIRST, database)
    second = load(spark, tmp_path / "second", SECOND, database)
    for capture, path in SECOND.items():
        game_pk = int(capture.split()[0])
        expected = live_game.read(document(path))
        found = of_game(rows_of(database), game_pk)
        assert not [
            text for name, key in LIVE_GAME_KEYS.items() for text in differences(found[name], expected[name], key)
        ]
    assert second.tables["game.live_game_metadata"].updated >= 1
    before = rows_of(database)
    older = load(spark, tmp_path / "again", FIRST, database)
    after = rows_of(database)
    assert of_game(after, 746551) == of_game(before, 746551)
    assert not [name for name, table in older.tables.items() if table.inserted or table.deleted]


def test_a_table_that_changes_only_by_addition_is_brought_forward(
    spark: SparkSession, database: str, tmp_path: Path
) -> None:
    def state() -> dict[str, Any]:
        with psycopg.connect(database) as connection:
            columns = connection.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = 'game.live_game_plays'::regclass AND attnum > 0 "
                "AND NOT attisdropped"
            ).fetchall()
            indexes = connection.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'live_game_plays'")
            return {"columns": {name for (name,) in columns}, "indexes": {name for (name,) in indexes}}

    only = {"747175": FIRST["747175"]}
    load(spark, tmp_path / "first", only, database)
    whole = state()
    with psycopg.connect(database) as connection:
        connection.execute("ALTER TABLE game.live_game_plays DROP COLUMN description, DROP COLUMN rbi")
        connection.execute("DROP INDEX game.live_game_plays_event_type_idx")
    assert state() != whole
    report = load(spark, tmp_path / "second", only, database)
    assert state() == whole
    assert report.tables["game.live_game_plays"].updated == 75
    expected = live_game.read(document(FIRST["747175"]))["game.live_game_plays"]
    assert not differences(rows_of(database)["game.live_game_plays"], expected, LIVE_GAME_KEYS["game.live_game_plays"])
