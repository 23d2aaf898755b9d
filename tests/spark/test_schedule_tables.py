"""Every value of every column of the tables of schedules, overlapping ones too, against a plain reading of them."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlbsdk.errors import DocumentsRejectedError, QualityGateError
from mlbsdk.report import RunReport
from mlbsdk.runtime.run import RunRequest, run
from tests.conftest import DATA, REPOSITORY
from tests.oracle import schedule as oracle
from tests.oracle.compare import Tables, differences, stored
from tests.oracle.schedule import POSTSEASON_KEYS, SCHEDULE_KEYS, SEASON_KEYS
from tests.oracle.schedule_feeds import Capture, altered, days, load, merged

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

CAPTURES = DATA / "schedule"
SAMPLES = REPOSITORY / "plugins" / "mlbsdk-plugin-schedule" / "mlbsdk_plugin_schedule" / "samples"
DOUBLEHEADER = CAPTURES / "schedule_doubleheader.json.gz"
GAMES = "schedule.schedule_games"


def real() -> list[Capture]:
    """Return the real schedules, each with a time of its own."""
    files = {
        "World Series": (SAMPLES / "schedule_2024-10-25.json.gz", 20, "schedule"),
        "doubleheader": (DOUBLEHEADER, 2, "schedule"),
        "probable pitchers": (CAPTURES / "schedule_probable_pitchers.json.gz", 3, "schedule"),
        "no games": (CAPTURES / "no_games_2024-10-27_teamId=147.json.gz", 4, "schedule"),
        "tie games": (CAPTURES / "tie_games_2024.json.gz", 4, "tieGames"),
    }
    return [Capture(name, hour, *load(file), method=method) for name, (file, hour, method) in files.items()]


ALL = [*real(), *altered(load(DOUBLEHEADER)[0])]


def expected(captures: Iterable[Capture]) -> tuple[Tables, dict[str, dict[tuple[Any, ...], datetime]]]:
    return merged(captures, lambda one: oracle.read_schedule(one.document, one.params), SCHEDULE_KEYS)


@dataclass(frozen=True)
class Published:
    report: RunReport
    tables: Tables


def publish(
    spark: SparkSession,
    source: Path,
    target: Path,
    name: str = "schedule.schedule",
    keys: Iterable[str] = SCHEDULE_KEYS,
) -> Published:
    report = run(RunRequest(name=name, source=str(source), target=f"delta:{target}"), spark=spark)
    return Published(report, stored(target, keys))


@pytest.fixture(scope="module")
def published(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Publish all schedules in one run."""
    folder = tmp_path_factory.mktemp("schedule")
    for capture in ALL:
        capture.save(folder / "captures")
    return publish(spark, folder / "captures", folder / "out")


@pytest.mark.parametrize("table", SCHEDULE_KEYS)
def test_every_value_of_overlapping_schedules(published: Published, table: str) -> None:
    rows, times = expected(ALL)
    assert rows[table]
    assert not differences(published.tables[table], rows[table], SCHEDULE_KEYS[table])
    found = {
        tuple(row[part] for part in SCHEDULE_KEYS[table]): row["source_captured_at"] for row in published.tables[table]
    }
    assert found == times[table]


def test_no_schedule_breaks_a_rule_of_severity_error(published: Published) -> None:
    assert not [rule for rule in published.report.quality if rule.severity == "error"]
    documents = published.report.documents
    assert (documents.read, documents.newest, documents.rejected) == (len(ALL), len(ALL), 0)


def test_schedules_say_what_they_are_about(published: Published) -> None:
    """The alterations reach the tables: these figures are read by a person, not by the oracle."""

    def games(number: int) -> dict[date, dict[str, Any]]:
        return {r["schedule_date"]: r for r in published.tables[GAMES] if r["game_pk"] == number}

    real_day = date(2024, 8, 26)
    first, second = games(746628)[real_day], games(746596)[real_day]
    assert (first["double_header"], first["game_number"], second["game_number"]) == ("S", 1, 2)
    assert (first["detailed_state"], first["away_score"], second["detailed_state"]) == (
        "Completed Early",
        4,
        "In Progress",
    )
    moved = games(9_000_021)
    assert {day: row["detailed_state"] for day, row in moved.items()} == {
        date(2024, 6, 5): "Postponed",
        date(2024, 6, 6): "Scheduled",
    }
    assert moved[date(2024, 6, 5)]["official_date"] == moved[date(2024, 6, 6)]["official_date"] == date(2024, 6, 6)
    assert set(games(9_000_031)) == {date(2024, 7, 1), date(2024, 7, 2)}
    pitchers = published.tables["schedule.schedule_probable_pitchers"]
    kept = {r["side"]: r["pitcher_id"] for r in pitchers if r["game_pk"] == 9_000_041}
    assert kept == {"away": 700_001, "home": 700_003}  # of the newest hydrated capture of each; none is taken away
    totals = {
        r["request_filters"]: r["total_games"]
        for r in published.tables["schedule.schedule_dates"]
        if r["schedule_date"] == real_day
    }
    assert totals == {"": 2, '"sportId":"1"': 2, '"sportId":"1","teamId":"114"': 1}


def test_the_order_of_schedules_does_not_count(spark: SparkSession, tmp_path: Path) -> None:
    """Newer schedules first, older ones after; in the tables nothing tells."""
    late = [capture for capture in ALL if capture.hour >= 7]
    for capture in ALL:
        capture.save(tmp_path / ("late" if capture in late else "early"))
    publish(spark, tmp_path / "late", tmp_path / "out")
    tables = publish(spark, tmp_path / "early", tmp_path / "out").tables
    rows, _ = expected(ALL)
    assert not {name: found for name in rows if (found := differences(tables[name], rows[name], SCHEDULE_KEYS[name]))}


def test_of_schedules_of_one_time_the_last_by_name_wins(spark: SparkSession, tmp_path: Path) -> None:
    """Copied files may all have one time: that is no ambiguity, and no capture is lost."""
    document, _ = load(DOUBLEHEADER)
    for number, (name, numbers) in enumerate({"a": (71, 72), "b": (72, 73)}.items()):
        found = days(document, {"2024-09-09": numbers})
        for listing in found["dates"][0]["games"]:
            listing["description"] = f"of {name}"
        path = tmp_path / "captures" / f"{name}.json"
        path.parent.mkdir(exist_ok=bool(number))
        path.write_text(json.dumps(found), encoding="utf-8")
        os.utime(path, (1_725_900_000, 1_725_900_000))
    tables = publish(spark, tmp_path / "captures", tmp_path / "out").tables
    found = {row["game_pk"]: row["description"] for row in tables[GAMES]}
    assert found == {9_000_071: "of a", 9_000_072: "of b", 9_000_073: "of b"}


def test_a_response_of_something_else_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    """Without a key it is told by what is missing; nothing is lost in silence."""
    (tmp_path / "game.json").write_text('{"gamePk": 1, "dates": null}', encoding="utf-8")
    with pytest.raises(DocumentsRejectedError, match=r"it has no \$\.dates: is it a response of schedule\.schedule\?"):
        publish(spark, tmp_path / "game.json", tmp_path / "out")


@pytest.fixture(scope="module")
def postseason(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Published]:
    """Publish the real postseason with a game that was postponed, and a series without games."""
    folder = tmp_path_factory.mktemp("postseason")
    document, _ = load(SAMPLES / "postseason_2024.json.gz")
    games = document["series"][0]["games"]
    moved = json.loads(json.dumps(games[0]))
    moved |= {"officialDate": "2024-10-25", "gameDate": "2024-10-25T00:08:00Z", "rescheduleGameDate": "2024-10-25"}
    games.append(moved)
    games[0]["rescheduledFromDate"] = "2024-10-24"
    document["series"].append({"series": {"id": "X_1", "gameType": "F"}, "games": []})
    path = folder / "postseason.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return document, publish(spark, path, folder / "out", "schedule.postseason", POSTSEASON_KEYS)


@pytest.mark.parametrize("table", POSTSEASON_KEYS)
def test_every_value_of_a_postseason(postseason: tuple[dict[str, Any], Published], table: str) -> None:
    document, published = postseason
    rows = {name: [row for row in found if row["season"]] for name, found in oracle.read_postseason(document).items()}
    assert len(rows[table]) == {"schedule.postseason_series": 11, "schedule.postseason_games": 44}[table]
    assert not differences(published.tables[table], rows[table], POSTSEASON_KEYS[table])
    assert not published.report.quality


def seasons(folder: Path, captures: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Save season responses with times in this order, and return the rows that they leave."""
    folder.mkdir()
    rows: dict[str, dict[str, Any]] = {}
    for number, (name, path) in enumerate(captures.items()):
        with gzip.open(path) as stream:
            (folder / f"{9 - number}.json").write_bytes(stream.read())
        os.utime(folder / f"{9 - number}.json", (1_700_000_000 + number, 1_700_000_000 + number))
        document, params = load(path)
        assert params, name
        rows |= {row["season_id"]: row for row in oracle.read_seasons(document, params)["season.season"]}
    return list(rows.values())


def test_every_value_of_all_seasons(spark: SparkSession, tmp_path: Path) -> None:
    files = {name: CAPTURES / f"seasons_{name}.json.gz" for name in ("2021", "2025")}
    rows = seasons(tmp_path / "captures", files | {"all": SAMPLES / "all_seasons.json.gz"})
    published = publish(spark, tmp_path / "captures", tmp_path / "out", "season.season", SEASON_KEYS)
    assert len(rows) == 151
    assert not differences(published.tables["season.season"], rows, SEASON_KEYS["season.season"])
    assert not [rule for rule in published.report.quality if rule.severity == "error"]


def test_seasons_of_no_known_sport_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    document, _ = load(CAPTURES / "seasons_2025.json.gz")
    (tmp_path / "bare.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(QualityGateError, match="not_null:sport_id"):
        publish(spark, tmp_path / "bare.json", tmp_path / "out", "season.season", SEASON_KEYS)
