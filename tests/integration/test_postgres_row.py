"""Where a row of a PostgreSQL table came from: row and capture are looked up in the database, without Spark."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from mlbsdk.errors import ConfigurationError, SourceError
from mlbsdk.lineage.row import KeysFound, RowLineage, row_lineage
from mlbsdk.plugins import Plugins
from tests.mini import MAPPING

pytestmark = pytest.mark.integration
PLUGINS = Plugins.load()
DOCUMENT = {"gamePk": 7, "date": "2024-07-01", "plays": [{"event": "a"}, {"event": "single", "speed": 88.5}]}
STAMP = {
    "source_table": "mini.game",
    "source_row_id": "41",
    "run_id": "0195f3c4-0000-7000-8000-00000000000a",
    "transform_job": "mini.game.plays",
    "quality_checks_run": ["speed_plausible"],
    "quality_checks_failed": [],
}


@pytest.fixture
def target(database: str) -> str:
    """Return a database with two plays, and the raw table with their capture."""
    with psycopg.connect(database) as connection:
        connection.execute("CREATE SCHEMA mini")
        connection.execute(
            "CREATE TABLE mini.plays (game_date date, game_pk bigint, play_index int, event varchar(10),"
            ' speed numeric(5,2), "odd ""name" text, source_captured_at timestamptz, lineage_metadata jsonb,'
            " PRIMARY KEY (game_pk, play_index))"
        )
        for number, play in enumerate(DOCUMENT["plays"]):  # type: ignore[arg-type]
            connection.execute(
                "INSERT INTO mini.plays VALUES ('2024-07-01', 7, %s, %s, %s, 'x', '2024-07-01T23:05Z', %s)",
                (number, play["event"], play.get("speed"), json.dumps(STAMP)),
            )
        connection.execute(
            "CREATE TABLE mini.game (id bigint PRIMARY KEY, captured_at timestamptz, endpoint text, method text,"
            " params jsonb, url text, status_code int, data jsonb)"
        )
        connection.execute(
            "INSERT INTO mini.game VALUES (41, '2024-07-01T23:05Z', 'mini', 'game', '{\"game_pk\": 7}',"
            " 'https://statsapi.example/7', 200, %s)",
            (json.dumps(DOCUMENT),),
        )
    return database


def look(target: str, **key: str) -> Any:
    """Look up rows."""
    return row_lineage("mini.plays", key, target, mapping=str(MAPPING), plugins=PLUGINS)


def test_a_row_leads_to_the_raw_row_beside_it(target: str) -> None:
    found = look(target, game_pk="7", play_index="1")
    assert isinstance(found, RowLineage)
    assert (found.capture.url, found.capture.params, found.capture.status_code) == (
        "https://statsapi.example/7",
        {"game_pk": 7},
        200,
    )
    assert found.capture.captured_at is not None
    assert found.capture.captured_at.startswith("2024-07-01T23:05")
    assert (found.place, found.run["run_id"]) == ("plays[1]", STAMP["run_id"])
    assert [(rule.name, rule.held) for rule in found.rules] == [("speed_plausible", True)]
    assert json.loads(json.dumps(found.to_json()))["key"] == {"game_pk": 7, "play_index": 1}


def test_values_are_bound_and_names_are_checked(target: str) -> None:
    assert isinstance(look(target, game_pk="7"), KeysFound)
    assert look(target, **{'odd "name': "x", "play_index": "0"}).key["play_index"] == 0
    for key in ({"event": "'; DROP TABLE mini.plays; --"}, {"event": "single-and-more"}, {"game_pk": "8"}):
        with pytest.raises(SourceError, match="has no row with"):
            look(target, **key)
    with pytest.raises(ConfigurationError, match=r"a value does not fit.*\"x\""):
        look(target, game_pk="x")
    with pytest.raises(ConfigurationError, match="has no column 'game_p'"):
        look(target, game_p="7")
    with pytest.raises(SourceError, match=r"has no table 'mini\.nothing'"):
        row_lineage("mini.nothing", {"a": "1"}, target, plugins=PLUGINS)
