"""Drafts of mappings run as they are: their tables hold what a plain reading of the same captures finds."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable

import mlbsdk
from mlbsdk.mapping.infer.text import yaml_text
from mlbsdk.mapping.plan import SYSTEM_COLUMNS
from mlbsdk.runtime.inference import infer
from tests.conftest import DATA

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

ENDPOINTS = DATA / "captures" / "endpoints"


def responses(folder: Path) -> list[dict[str, Any]]:
    """Read the captures' responses."""
    captures = [json.loads(gzip.decompress(file.read_bytes())) for file in sorted(folder.glob("*.gz"))]
    return [capture.get("response", capture) for capture in captures]


def tables(spark: SparkSession, name: str, source: Path, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Draft a mapping, run it, and return the rows of its tables."""
    mapping = folder / "draft.yaml"
    mapping.write_text(yaml_text(infer([str(source)], name).draft), encoding="utf-8")
    request = mlbsdk.RunRequest(name=name, source=str(source), target=f"delta:{folder / 'out'}", mapping=mapping)
    report = mlbsdk.run(request, spark=spark)
    assert report.documents.rejected == 0
    return {
        table: DeltaTable(str(folder / "out" / Path(*table.split(".")))).to_pyarrow_table().to_pylist()
        for table in report.tables
    }


@pytest.mark.parametrize("source", ["schedule/schedule", "bare/schedule"])
def test_schedule(spark: SparkSession, tmp_path: Path, source: str) -> None:
    found = tables(spark, "schedule.schedule", ENDPOINTS / source, tmp_path)
    documents = responses(ENDPOINTS / source)
    dates = [date for document in documents for date in document["dates"]]
    games = [game for date in dates for game in date["games"]]
    assert len(found["schedule.schedule"]) == len(documents)
    assert sorted(row["total_items"] for row in found["schedule.schedule"]) == sorted(
        d["totalItems"] for d in documents
    )
    assert sorted(str(row["date"]) for row in found["schedule.schedule_dates"]) == sorted(d["date"] for d in dates)
    by_game = {row["game_pk"]: row for row in found["schedule.schedule_games"]}
    assert by_game.keys() == {game["gamePk"] for game in games}
    assert len(found["schedule.schedule_games"]) == len(games) > 0
    for game in games:
        row = by_game[game["gamePk"]]
        assert row["status_detailed_state"] == game["status"]["detailedState"]
        assert row["game_date"].strftime("%Y-%m-%dT%H:%M:%SZ") == game["gameDate"]
        assert (str(row["official_date"]), row["venue_id"]) == (game["officialDate"], game["venue"]["id"])
    teams = {(row["game_pk"], row["team_key"]): row for row in found["schedule.schedule_teams"]}
    assert teams.keys() == {(game["gamePk"], side) for game in games for side in game["teams"]}
    for game in games:
        for side, team in game["teams"].items():
            row = teams[game["gamePk"], side]
            assert (row["team_id"], row.get("score")) == (team["team"]["id"], team.get("score"))
            assert row["league_record_pct"] == team["leagueRecord"]["pct"]


def test_person(spark: SparkSession, tmp_path: Path) -> None:
    found = tables(spark, "person.person", ENDPOINTS / "person", tmp_path)
    documents = responses(ENDPOINTS / "person" / "person")
    people = [person for document in documents for person in document["people"]]
    rows = {row["person_id"]: row for row in found["person.person_people"]}
    assert rows.keys() == {person["id"] for person in people}
    for person in people:
        row = rows[person["id"]]
        assert (row["full_name"], str(row["birth_date"])) == (person["fullName"], person["birthDate"])
        assert (row["draft_year"], row["pitch_hand_code"]) == (person.get("draftYear"), person["pitchHand"]["code"])
        assert float(row["strike_zone_top"]) == person["strikeZoneTop"]
        assert row["active"] is person["active"]


@pytest.mark.parametrize("source", ["team/roster", "bare/roster"])
def test_roster(spark: SparkSession, tmp_path: Path, source: str) -> None:
    found = tables(spark, "team.roster", ENDPOINTS / source, tmp_path)
    (document,) = responses(ENDPOINTS / source)
    assert [(row["team_id"], row["roster_type"]) for row in found["team.roster"]] == [
        (document["teamId"], document["rosterType"])
    ]
    rows = {row["person_id"]: row for row in found["team.roster_roster"]}
    assert rows.keys() == {each["person"]["id"] for each in document["roster"]}
    for each in document["roster"]:
        row = rows[each["person"]["id"]]
        assert (row["jersey_number"], row["status_code"]) == (each.get("jerseyNumber"), each["status"]["code"])
        assert row["person_full_name"] == each["person"]["fullName"]


def test_nested_arrays_maps_and_branches_at_the_root(spark: SparkSession, tmp_path: Path) -> None:
    document = {
        "id": 5,
        "grid": [[1, 2], [], [3]],
        "rows": [{"8": {"x": 1}, "9": {"x": 2}}],
        "away": {"a": 1, "b": 2, "c": "x"},
        "home": {"a": 3, "b": 4, "c": None},
        "totals": {"away": {"a": 9, "b": 9, "c": "x"}, "home": {"a": 9, "b": 9, "c": "y"}},
        "mixed": [{"a": 1}, 7],
    }
    source = tmp_path / "captures"
    source.mkdir()
    (source / "one.json").write_text(json.dumps(document), encoding="utf-8")
    found = tables(spark, "demo.thing", source, tmp_path)
    shown = {
        name: [{key: value for key, value in row.items() if key not in SYSTEM_COLUMNS} for row in rows]
        for name, rows in found.items()
    }
    grid = sorted(tuple(row.values()) for row in shown["demo.thing_grid_items"])
    assert grid == [(5, 0, 0, 1), (5, 0, 1, 2), (5, 2, 0, 3)]
    assert sorted((row["row_key"], row["x"]) for row in shown["demo.thing_rows_items"]) == [("8", 1), ("9", 2)]
    assert sorted((row["thing_key"], row["a"], row["c"]) for row in shown["demo.thing_away_home"]) == [
        ("away", 1, "x"),
        ("home", 3, None),
    ]
    assert sorted(row["mixed"] for row in shown["demo.thing_mixed"]) == ["7", '{"a":1}']
