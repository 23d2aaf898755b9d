"""Feeds of kinds that no kept capture shows, and values that fit no column: nothing is lost in silence."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlbsdk.errors import QualityGateError
from mlbsdk.report import RunReport
from mlbsdk.runtime.run import RunRequest, run
from mlbsdk.runtime.transformation import OnError
from tests.conftest import SAMPLES
from tests.oracle import boxscore, feeds, linescore, live_game
from tests.oracle.compare import BOXSCORE_KEYS, LINESCORE_KEYS, LIVE_GAME_KEYS, Tables, differences, stored

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark


def sample(method: str = "live_game") -> dict[str, Any]:
    """Return the real response that all others are made of."""
    with gzip.open(SAMPLES / f"{method}_747175.json.gz") as stream:
        response: dict[str, Any] = json.load(stream)["response"]
    return response


NAMES = list(feeds.made(sample()))


@dataclass(frozen=True)
class Published:
    """The documents of one run, and what the run left."""

    documents: dict[str, dict[str, Any]]
    report: RunReport
    by_game: dict[int, Tables]


def publish(
    spark: SparkSession, folder: Path, documents: dict[str, dict[str, Any]], on_error: OnError = OnError.FAIL
) -> Published:
    """Publish documents in one run, and read the tables back by game."""
    save(folder / "captures", documents)
    request = RunRequest(
        name="game.live_game_v1", source=str(folder / "captures"), target=f"delta:{folder / 'out'}", on_error=on_error
    )
    report = run(request, spark=spark)
    tables = stored(folder / "out", LIVE_GAME_KEYS)
    by_game: dict[int, Tables] = {
        document["gamePk"]: {name: [] for name in LIVE_GAME_KEYS} for document in documents.values()
    }
    for name, rows in tables.items():
        for row in rows:
            by_game[row["game_pk"]][name].append(row)
    return Published(documents, report, by_game)


def save(folder: Path, documents: dict[str, dict[str, Any]]) -> None:
    """Save bare responses; every second one indented, with letters beyond ASCII as they are."""
    folder.mkdir()
    for number, document in enumerate(documents.values()):
        text = json.dumps(document, ensure_ascii=bool(number % 2), indent=None if number % 2 else 1)
        (folder / f"{document['gamePk']}.json").write_text(text, encoding="utf-8")


def all_differences(found: Tables, document: dict[str, Any]) -> dict[str, list[str]]:
    """Return the differences of all tables that differ."""
    expected = live_game.read(document)
    judged = {name: differences(found[name], expected[name], key) for name, key in LIVE_GAME_KEYS.items()}
    return {name: different for name, different in judged.items() if different}


@pytest.fixture(scope="module")
def published(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish(spark, tmp_path_factory.mktemp("feeds"), feeds.made(sample()))


@pytest.mark.parametrize("name", NAMES)
def test_every_value_of_a_feed(published: Published, name: str) -> None:
    document = published.documents[name]
    assert not all_differences(published.by_game[document["gamePk"]], document)


def test_no_feed_breaks_a_rule_of_severity_error(published: Published) -> None:
    assert not [rule for rule in published.report.quality if rule.severity == "error"]
    assert (published.report.documents.newest, published.report.documents.rejected) == (len(NAMES), 0)


def test_a_feed_without_its_time_takes_that_of_its_file_and_says_so(published: Published) -> None:
    (note,) = (note for note in published.report.notes if "capture time" in note)
    assert note.startswith(f"2 of {len(NAMES)} documents")
    row = published.by_game[published.documents["metaData null"]["gamePk"]]["game.live_game_metadata"][0]
    assert row["feed_timestamp"] is None
    assert abs(row["source_captured_at"] - published.report.started_at) < timedelta(hours=1)


def test_feeds_say_what_they_are_about(published: Published) -> None:
    """The alterations reach the tables: these figures are read by a person, not by the oracle."""

    def rows(name: str, table: str) -> list[dict[str, Any]]:
        return published.by_game[published.documents[name]["gamePk"]][f"game.live_game_{table}"]

    assert len(rows("not started", "plays")) == len(rows("not started", "linescore_innings")) == 0
    assert len(rows("not started", "bench")) == 51
    assert rows("postponed", "metadata")[0]["status_reason"] == "Rain"
    last = max(rows("play in progress", "plays"), key=lambda row: row["at_bat_index"])
    assert (last["at_bat_index"], last["is_complete"], last["end_time"], last["event"]) == (21, False, None, None)
    assert {row["inning_number"] for row in rows("extra innings", "linescore_innings")} == set(range(1, 12))
    assert [row["base"] for row in rows("extra innings", "play_actions") if row["base"]] == [2, 2, 2, 2]
    assert len(rows("bottom of the ninth not played", "linescore_innings")) == 17
    assert len(rows("half inning absent or null", "linescore_innings")) == 13
    assert len(rows("seven innings", "linescore_innings")) == 14
    assert len(rows("before pitch tracking", "pitch_events")) == 290
    assert len(rows("before pitch tracking", "hit_data")) == 0
    assert len(rows("resumed with a player on both teams", "player_stats")) == 52
    assert {row["launch_angle"] for row in rows("numbers that went through javascript", "hit_data")} == {
        Decimal("-0.01")  # -0.005 to two places
    }
    assert rows("numbers that went through javascript", "metadata")[0]["attendance"] == 24441
    assert len(rows("events without a kind", "play_actions")) == 41


# Values of their own


OTHERS: dict[str, tuple[Callable[..., Tables], Callable[[dict[str, Any]], None], dict[str, tuple[str, ...]]]] = {
    "boxscore": (boxscore.read, feeds.complete_boxscore, BOXSCORE_KEYS),
    "linescore": (linescore.read, feeds.complete_linescore, LINESCORE_KEYS),
}


def with_values_of_their_own(method: str) -> dict[int, dict[str, Any]]:
    """Return documents of a boxscore or linescore by the number of their game."""
    whole = feeds.altered(sample(method), OTHERS[method][1])
    return {feeds.FIRST_GAME_PK + number: feeds.values_of_its_own(whole, number) for number in range(feeds.YES_OR_NO)}


@pytest.mark.parametrize("method", OTHERS)
def test_every_value_of_a_response_with_values_of_its_own(spark: SparkSession, tmp_path: Path, method: str) -> None:
    read, _, keys = OTHERS[method]
    documents = with_values_of_their_own(method)
    (tmp_path / "captures").mkdir()
    for game_pk, document in documents.items():
        envelope = {
            "endpoint": "game",
            "method": method,
            "path_params": {"game_pk": str(game_pk)},
            "response": document,
        }
        (tmp_path / "captures" / f"{game_pk}.json").write_text(json.dumps(envelope), encoding="utf-8")
    target = tmp_path / "out"
    report = run(
        RunRequest(name=f"game.{method}", source=str(tmp_path / "captures"), target=f"delta:{target}"), spark=spark
    )
    assert set(report.tables) == set(keys)
    found = stored(target, keys)
    expected = [read(document, game_pk) for game_pk, document in documents.items()]
    for name, key in keys.items():
        assert not differences(found[name], [row for tables in expected for row in tables[name]], key)


@pytest.mark.parametrize("method", ["live_game", *OTHERS])
def test_every_column_can_be_told_from_every_other(method: str) -> None:
    """No two columns of a table are alike in all documents, none is null in all: a wrong path can't go unseen."""
    if method in OTHERS:
        read = OTHERS[method][0]
        tables = [read(document, game_pk) for game_pk, document in with_values_of_their_own(method).items()]
    else:
        tables = [live_game.read(document) for document in feeds.made(sample()).values()]
    for name in tables[0]:
        rows = [row for one in tables for row in one[name]]
        columns = {column: tuple(repr(row[column]) for row in rows) for column in rows[0]}
        by_values: dict[tuple[str, ...], list[str]] = {}
        for column, values in columns.items():
            by_values.setdefault(values, []).append(column)
        assert not [alike for alike in by_values.values() if len(alike) > 1], name
        assert not [column for column, values in columns.items() if set(values) == {"None"}], name


def test_the_comparison_sees_what_differs() -> None:
    row = {"id": 1, "speed": 95.0, "name": "a"}
    assert not differences([row], [row], ["id"])
    assert differences([row | {"speed": 95.1}], [row], ["id"]) == ["(1,) speed: 95.1, not 95.0"]
    assert differences([row | {"speed": 95}], [row], ["id"]) == ["(1,) speed: 95, not 95.0"]
    assert differences([row | {"id": 2}], [row], ["id"]) == ["(1,) is missing", "(2,) is not in the document"]
    assert differences([row, row], [row], ["id"]) == ["1 rows repeat a key"]
    assert "no {'name'}" in differences([{"id": 1, "speed": 95.0}], [row], ["id"])[0]


# Values that fit no column


def misfits(document: dict[str, Any]) -> None:
    """Put one value that does not fit its type into each kind of column, each in a row of its own."""
    data, live = document["gameData"], document["liveData"]
    plays = live["plays"]["allPlays"]
    pitches = list(feeds.pitches(document))
    data["gameInfo"]["attendance"] = "many"
    data["datetime"]["originalDate"] = "in July"
    data["venue"]["location"]["defaultCoordinates"]["latitude"] = "north"
    data["teams"]["away"]["record"]["winningPercentage"] = "half"
    data["teams"]["home"]["abbreviation"] = "A" * 21
    one, other, *_ = data["players"].values()
    one["birthDate"] = "1996-13-45"
    other["weight"] = 220.5
    live["boxscore"]["officials"][0]["officialType"] = None
    plays[0]["about"]["startTime"] = "soon"
    plays[1]["result"]["rbi"] = "none"
    plays[2]["about"]["isComplete"] = "perhaps"
    pitches[0]["pitchData"]["startSpeed"] = 12345.6
    pitches[1]["pitchData"]["breaks"]["spinRate"] = 3_000_000_000
    pitches[2]["pitchData"]["extension"] = "long"
    pitches[3]["details"]["isStrike"] = 7
    plays[0]["runners"][0]["details"]["runner"]["id"] = "the runner"


MISFITS = {
    ("game.live_game_metadata", "type:attendance"),
    ("game.live_game_metadata", "type:original_date"),
    ("game.live_game_venue_details", "type:original_date"),
    ("game.live_game_venue_details", "type:latitude"),
    ("game.live_game_teams", "type:winning_percentage"),
    ("game.live_game_teams", "length:abbreviation"),
    ("game.live_game_players", "type:birth_date"),
    ("game.live_game_players", "type:weight"),
    ("game.live_game_umpires", "not_null:umpire_position"),
    ("game.live_game_plays", "type:start_time"),
    ("game.live_game_plays", "type:rbi"),
    ("game.live_game_plays", "type:is_complete"),
    ("game.live_game_pitch_events", "type:start_speed"),
    ("game.live_game_pitch_events", "type:spin_rate"),
    ("game.live_game_pitch_events", "type:extension"),
    ("game.live_game_pitch_events", "type:is_strike"),
    ("game.live_game_runners", "type:runner_id"),
    ("game.live_game_fielding_credits", "type:runner_id"),
}
#: Rows of each table that a check above refuses.
REFUSED = {
    "game.live_game_metadata": 1,
    "game.live_game_venue_details": 1,
    "game.live_game_teams": 2,
    "game.live_game_players": 2,
    "game.live_game_umpires": 1,
    "game.live_game_plays": 3,
    "game.live_game_pitch_events": 4,
    "game.live_game_runners": 1,
    "game.live_game_fielding_credits": 2,
}


#: A document without teams is no game: these rules of its one row refuse it.
NO_GAME = {("game.live_game_metadata", "home_team_is_known"), ("game.live_game_metadata", "away_team_is_known")}
#: Warnings that refused rows fail besides.
BESIDES = {("game.live_game_runners", "runner_is_known")}


def refused_documents() -> dict[str, dict[str, Any]]:
    whole = feeds.cut_down(sample())
    no_teams = feeds.altered(whole, lambda document: feeds.put_null(document, "gameData.teams"))
    return {"misfits": feeds.altered(whole, misfits), "no teams": no_teams | {"gamePk": feeds.FIRST_GAME_PK}}


def test_values_that_do_not_fit_close_the_gate_by_name(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(QualityGateError, match=r"live_game_metadata type:\w+ \(1 rows\)"):
        publish(spark, tmp_path, refused_documents())
    assert not (tmp_path / "out" / "game").exists()


def test_values_that_do_not_fit_are_counted_named_and_kept(spark: SparkSession, tmp_path: Path) -> None:
    from deltalake import DeltaTable

    documents = refused_documents()
    found = publish(spark, tmp_path, documents, OnError.QUARANTINE)
    assert {(rule.table, rule.rule): rule.failed for rule in found.report.quality if rule.severity == "error"} == {
        check: 2 if check == ("game.live_game_fielding_credits", "type:runner_id") else 1 for check in MISFITS | NO_GAME
    }
    both = REFUSED | {"game.live_game_metadata": 2}
    assert {name: table.quarantined for name, table in found.report.tables.items() if table.quarantined} == both
    kept = DeltaTable(tmp_path / "out" / "mlbsdk" / "quarantine").to_pyarrow_table().to_pylist()
    assert len(kept) == sum(both.values())
    assert {(row["table_name"], check) for row in kept for check in row["checks"].split(",")} == (
        MISFITS | NO_GAME | BESIDES
    )
    for row in kept:
        assert Path(row["source_row_id"]).stem == str(json.loads(row["row_json"])["game_pk"])
    for name, rows in live_game.read(feeds.cut_down(sample())).items():
        told = differences(found.by_game[747175][name], rows, LIVE_GAME_KEYS[name])
        assert len(told) == REFUSED.get(name, 0), told  # the rows beside them are whole and right
        assert all(text.endswith("is missing") for text in told), told
