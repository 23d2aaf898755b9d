"""Every value of every column of every table of real captures, against a plain reading of their JSON."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from mlbsdk.report import RunReport
from mlbsdk.runtime import interpreting
from mlbsdk.runtime.run import RunRequest, run
from tests.conftest import DATA, SAMPLES
from tests.oracle import boxscore, linescore, live_game
from tests.oracle.compare import (
    BOXSCORE_KEYS,
    LINESCORE_KEYS,
    LIVE_GAME_KEYS,
    STAMPS,
    Tables,
    differences,
    of_game,
    stored,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

CAPTURES = DATA / "captures"
SAMPLE = SAMPLES / "live_game_747175.json.gz"
#: Captures by run: within a run each is of another game.
FIRST = {
    "747175": SAMPLE,
    "715720": CAPTURES / "715720_Final_78plays.json.gz",
    "746551 in progress": CAPTURES / "746551_In_Progress_70plays.json.gz",
    "746552 before its start": CAPTURES / "746552_Scheduled_0plays.json.gz",
}
SECOND = {
    "747175 again": CAPTURES / "747175_Final_again.json.gz",
    "746551 over": CAPTURES / "746551_Game_Over_73plays.json.gz",
}
ROWS_OF_747175 = {
    "game.live_game_metadata": 1,
    "game.live_game_venue_details": 1,
    "game.live_game_teams": 2,
    "game.live_game_players": 51,
    "game.live_game_umpires": 4,
    "game.live_game_batting_order": 18,
    "game.live_game_bench": 6,
    "game.live_game_bullpen": 16,
    "game.live_game_pitchers": 9,
    "game.live_game_linescore_innings": 18,
    "game.live_game_plays": 75,
    "game.live_game_pitch_events": 290,
    "game.live_game_play_actions": 41,
    "game.live_game_hit_data": 48,
    "game.live_game_runners": 101,
    "game.live_game_fielding_credits": 80,
    "game.live_game_scoring_plays": 8,
    "game.live_game_player_stats": 51,
}
#: Child table, its columns, the table that must hold them, by which columns.
PARENTS = [
    *((child, ("game_pk",), "game.live_game_metadata", ("game_pk",)) for child in list(LIVE_GAME_KEYS)[1:]),
    *(
        (f"game.live_game_{child}", ("game_pk", "at_bat_index"), "game.live_game_plays", ("game_pk", "at_bat_index"))
        for child in ("pitch_events", "play_actions", "hit_data", "runners", "fielding_credits", "scoring_plays")
    ),
    (
        "game.live_game_fielding_credits",
        ("game_pk", "at_bat_index", "runner_index"),
        "game.live_game_runners",
        ("game_pk", "at_bat_index", "runner_index"),
    ),
    (
        "game.live_game_hit_data",
        ("game_pk", "at_bat_index", "event_index"),
        "game.live_game_pitch_events",
        ("game_pk", "at_bat_index", "event_index"),
    ),
    *(
        (f"game.live_game_{child}", ("game_pk", column), "game.live_game_players", ("game_pk", "player_id"))
        for child, column in [
            ("batting_order", "player_id"),
            ("bench", "player_id"),
            ("bullpen", "player_id"),
            ("pitchers", "player_id"),
            ("player_stats", "player_id"),
            ("plays", "batter_id"),
            ("plays", "pitcher_id"),
            ("runners", "runner_id"),
            ("fielding_credits", "player_id"),
        ]
    ),
]


@dataclass(frozen=True)
class Published:
    """What a run over some captures left in its target."""

    report: RunReport
    tables: Tables
    captures: dict[str, Path]

    @property
    def of_747175(self) -> Tables:
        return of_game(self.tables, 747175)


def document(capture: Path) -> dict[str, Any]:
    """Return the response of a capture, with or without its envelope."""
    with gzip.open(capture) as stream:
        found = json.load(stream)
    response: dict[str, Any] = found.get("response", found)
    return response


def publish(spark: SparkSession, folder: Path, name: str, captures: dict[str, Path], keys: Any) -> Published:
    """Run a transform over captures into Delta, and read the tables back."""
    source = folder / "captures"
    source.mkdir()
    for capture in captures.values():
        (source / capture.name).symlink_to(capture)
    target = folder / "out"
    report = run(RunRequest(name=name, source=str(source), target=f"delta:{target}"), spark=spark)
    return Published(report, stored(target, keys), captures)


@pytest.fixture(scope="module")
def publishing(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Published]:
    """Return a function that publishes captures into a folder of its own."""
    return lambda *arguments: publish(spark, tmp_path_factory.mktemp("game"), *arguments)


@pytest.fixture(scope="module")
def first(publishing: Callable[..., Published]) -> Published:
    """Publish by the code that Spark makes for many rows; all others here are few and interpreted."""
    with patch.object(interpreting, "FEW_BYTES", -1):
        return publishing("game.live_game_v1", FIRST, LIVE_GAME_KEYS)


@pytest.fixture(scope="module")
def second(publishing: Callable[..., Published]) -> Published:
    return publishing("game.live_game_v1", SECOND, LIVE_GAME_KEYS)


@pytest.fixture
def published(request: pytest.FixtureRequest, capture: str) -> Published:
    """Return the run that a capture is in."""
    found: Published = request.getfixturevalue("first" if capture in FIRST else "second")
    return found


def test_rows_of_the_sample(first: Published) -> None:
    assert {name: len(rows) for name, rows in first.of_747175.items()} == ROWS_OF_747175


@pytest.mark.parametrize("table", LIVE_GAME_KEYS)
@pytest.mark.parametrize("capture", [*FIRST, *SECOND])
def test_every_value_of_a_live_game(published: Published, capture: str, table: str) -> None:
    expected = live_game.read(document(published.captures[capture]))[table]
    game_pk = int(capture.split()[0])
    found = of_game(published.tables, game_pk)[table]
    assert not differences(found, expected, LIVE_GAME_KEYS[table])


def test_the_oracle_covers_the_tables(first: Published) -> None:
    """Equal columns are asserted row by row: here that no table escapes by having no row, and none is unknown."""
    assert set(live_game.read(document(SAMPLE))) == set(LIVE_GAME_KEYS) == set(first.report.tables)
    assert all(first.of_747175.values())


@pytest.mark.parametrize(("child", "columns", "parent", "key"), PARENTS)
@pytest.mark.parametrize("which", ["first", "second"])
def test_every_child_has_its_parent(
    request: pytest.FixtureRequest, which: str, child: str, columns: tuple[str, ...], parent: str, key: tuple[str, ...]
) -> None:
    tables = request.getfixturevalue(which).tables
    parents = {tuple(row[part] for part in key) for row in tables[parent]}
    children = {tuple(row[part] for part in columns) for row in tables[child]}
    assert not {one for one in children if None not in one} - parents


@pytest.mark.parametrize("capture", [*FIRST, *SECOND])
def test_the_stamps_of_every_row(published: Published, capture: str) -> None:
    stamp = document(published.captures[capture])["metaData"]["timeStamp"]
    captured_at = datetime.strptime(stamp, "%Y%m%d_%H%M%S").replace(tzinfo=timezone.utc)
    for name, rows in of_game(published.tables, int(capture.split()[0])).items():
        for row in rows:
            lineage = row["lineage_metadata"]
            assert row.keys() >= STAMPS
            assert row["source_captured_at"] == captured_at
            assert row["transform_timestamp"] == lineage["transform_timestamp"] == published.report.started_at
            assert lineage["source_table"] == "game.live_game_v1"
            assert lineage["source_row_id"].endswith(published.captures[capture].name)
            assert lineage["transform_job"] == f"game.live_game_v1.{name.removeprefix('game.')}"
            assert lineage["run_id"] == published.report.run_id
            assert lineage["data_quality_passed"] is True


@pytest.mark.parametrize("which", ["first", "second"])
def test_the_report_counts_what_is_stored(request: pytest.FixtureRequest, which: str) -> None:
    published = request.getfixturevalue(which)
    report = published.report
    assert {name: table.inserted for name, table in report.tables.items()} == {
        name: len(rows) for name, rows in published.tables.items()
    }
    assert not [rule for rule in report.quality if rule.severity == "error"]
    assert (report.documents.read, report.documents.rejected) == (len(published.captures), 0)


@pytest.fixture(scope="module")
def box(publishing: Callable[..., Published]) -> Published:
    return publishing("game.boxscore", {"747175": SAMPLES / "boxscore_747175.json.gz"}, BOXSCORE_KEYS)


@pytest.fixture(scope="module")
def line(publishing: Callable[..., Published]) -> Published:
    return publishing("game.linescore", {"747175": SAMPLES / "linescore_747175.json.gz"}, LINESCORE_KEYS)


@pytest.mark.parametrize("table", BOXSCORE_KEYS)
def test_every_value_of_a_boxscore(box: Published, table: str) -> None:
    expected = boxscore.read(document(box.captures["747175"]), 747175)
    assert set(expected) == set(BOXSCORE_KEYS) == set(box.report.tables)
    assert box.tables[table]
    assert not differences(box.tables[table], expected[table], BOXSCORE_KEYS[table])


@pytest.mark.parametrize("table", LINESCORE_KEYS)
def test_every_value_of_a_linescore(line: Published, table: str) -> None:
    expected = linescore.read(document(line.captures["747175"]), 747175)
    assert set(expected) == set(LINESCORE_KEYS) == set(line.report.tables)
    assert line.tables[table]
    assert not differences(line.tables[table], expected[table], LINESCORE_KEYS[table])
