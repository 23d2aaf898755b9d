"""Data definition for PostgreSQL: names, types, keys, indexes, partitions."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
import sqlglot
from typer.testing import CliRunner

from mlbsdk.cli.main import build
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.ddl import PostgresTable, literal, qualified, quoted, script, short_name
from mlbsdk.mapping.load import load_file
from mlbsdk.mapping.plan import Index, Relationship, Table
from mlbsdk.quality.quarantine import quarantine_table
from tests.conftest import REPOSITORY
from tests.mini import MAPPING

MINI = compile_mapping(load_file(MAPPING))
GAMES, PLAYS = MINI.table("mini.games"), MINI.table("mini.plays")


def test_a_table_with_its_key() -> None:
    text = PostgresTable(PLAYS).create()
    assert text.startswith('CREATE TABLE "mini"."plays" (\n  "game_pk" bigint NOT NULL,\n')
    assert 'CONSTRAINT "plays_pkey" PRIMARY KEY ("game_pk", "play_index")' in text
    assert '"lineage_metadata" jsonb' in text
    assert "PARTITION" not in text  # game_date is not in the primary key


@pytest.mark.parametrize(
    ("column", "kind", "value", "bounds"),
    [
        ("game_date", "RANGE", date(2024, 12, 1), "FROM ('2024-12-01') TO ('2025-01-01')"),
        ("game_pk", "RANGE", 7, "FROM (7) TO (8)"),
        ("state", "LIST", "it's", "IN ('it''s')"),
    ],
)
def test_partitions_by_a_column_of_the_key(column: str, kind: str, value: date | int | str, bounds: str) -> None:
    table = PostgresTable(replace(GAMES, primary_key=("game_pk", column), partition_by=(column,)))
    assert table.create().endswith(f') PARTITION BY {kind} ("{column}")')
    made = table.create_partition(value)
    assert made.startswith('CREATE TABLE IF NOT EXISTS "mini"."games_')
    assert made.endswith(f'PARTITION OF "mini"."games" FOR VALUES {bounds}')


def test_indexes_of_the_mapping_and_those_that_deletes_need() -> None:
    table = replace(
        PLAYS,
        indexes=(Index(("event",), "hash"), Index(("game_date", "game_pk"), "btree")),
        primary_key=("play_index", "game_pk"),
    )
    assert [(one.name, one.sql.partition(" ON ")[2]) for one in PostgresTable(table).indexes()] == [
        ("plays_event_hash_idx", '"mini"."plays" USING hash ("event")'),
        ("plays_game_date_game_pk_idx", '"mini"."plays" USING btree ("game_date", "game_pk")'),
        ("plays_game_pk_idx", '"mini"."plays" USING btree ("game_pk")'),
    ]


def related(*relations: Relationship) -> Table:
    return replace(PLAYS, relationships=relations)


def test_foreign_keys_to_the_same_mapping_and_to_others() -> None:
    table = PostgresTable(
        related(
            Relationship("mini.games", ("game_pk",), ("game_pk",), "many_to_one"),
            Relationship("person.person", ("game_pk",), ("person_id",), "many_to_one"),
            Relationship("mini.games", ("event",), ("state",), "many_to_one"),  # no key over there
            Relationship("mini.games", ("game_pk",), ("game_pk",), "many_to_many"),
        )
    )
    own, other = table.foreign_keys({"mini.games": GAMES})
    assert (own.to_table, own.is_own) == ("mini.games", True)
    assert (other.to_table, other.is_own) == ("person.person", False)
    assert own.name != other.name
    assert table.add_foreign_key(own).endswith('REFERENCES "mini"."games" ("game_pk") DEFERRABLE INITIALLY DEFERRED')
    assert table.add_foreign_key(other).endswith('REFERENCES "person"."person" ("person_id") NOT ENFORCED')


def test_names_and_texts_are_quoted() -> None:
    assert quoted('a"b') == '"a""b"'
    assert qualified("a.b") == '"a"."b"'
    assert literal("it's") == "'it''s'"
    assert literal("a\\'b") == "E'a\\\\''b'"


def test_long_names_stay_distinct() -> None:
    names = {short_name("x" * 70 + end, "idx") for end in "ab"}
    assert len(names) == 2
    assert all(len(name) <= 63 and name.endswith("_idx") for name in names)
    assert short_name("plays", "pkey") == "plays_pkey"


@pytest.mark.parametrize("name", ["live_game_v1", "boxscore", "linescore"])
def test_the_script_is_sql(name: str) -> None:
    plan = compile_mapping(load_file(REPOSITORY / "mappings" / "game" / f"{name}.yaml"))
    statements = [one for one in sqlglot.parse(script(plan), dialect="postgres") if one]
    created = [one for one in statements if one.key == "create" and one.args["kind"] == "TABLE"]
    assert len(created) == len(plan.tables) + 1  # and the ledger


def test_the_command_prints_the_script() -> None:
    done = CliRunner().invoke(build(), ["mapping", "ddl", str(MAPPING)])
    assert (done.exit_code, done.output) == (0, script(MINI, [quarantine_table()]))
    assert 'CREATE TABLE "mlbsdk"."quarantine"' in done.output
    assert 'CREATE TABLE IF NOT EXISTS "mlbsdk"."documents"' in done.output
