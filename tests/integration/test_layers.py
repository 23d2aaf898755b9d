"""A small season goes through all layers of an object store; what is read back without Spark is what captures say."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import fastavro
import pytest
import yaml
from deltalake import DeltaTable

import mlbsdk
from mlbsdk.layers.report import ExportReport
from tests.conftest import SAMPLES
from tests.object_store import ACCESS_KEY, SECRET_KEY, Bucket
from tests.oracle.analytics import boxscore, distance_km, games_of
from tests.season import TEAMS, season, write_games

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.integration]

Row = dict[str, Any]
TRANSFORM = "game.live_game_v1"
REAL = SAMPLES / "live_game_747175.json.gz"
GAMES = season(games=32, days=8, teams=8)


@dataclass(frozen=True)
class Lake:
    """A bucket with three layers, as programs other than Spark see it."""

    bucket: Bucket
    captures: dict[int, str]
    """The text of each game's capture."""

    @property
    def responses(self) -> dict[int, Row]:
        return {game: json.loads(text)["response"] for game, text in self.captures.items()}

    def objects(self) -> dict[str, tuple[str, str]]:
        """Return the digest and the time of all objects, also of those that mlbsdk keeps for itself.

        But for the events of lineage: every export has some of its own.
        """
        client = self.bucket.store.client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket.name)
        return {
            one["Key"]: (one["ETag"], str(one["LastModified"]))
            for page in pages
            for one in page.get("Contents", [])
            if "_mlbsdk/lineage" not in one["Key"]
        }

    def copied(self, prefix: str, folder: Path) -> None:
        """Copy objects to a folder: what DuckDB reads buckets by is a download."""
        for key in self.bucket.keys(prefix):
            file = folder / key
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self.bucket.get(key))

    def delta(self, table: str) -> DeltaTable:
        """Return an analytics table as delta-rs reads it."""
        options = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "aws_region": "us-east-1"}
        options |= {"aws_endpoint": self.bucket.store.endpoint, "aws_allow_http": "true"}
        return DeltaTable(f"s3://{self.bucket.name}/analytics/{table}", storage_options=options)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a minute on a machine that has nothing else to do
def test_a_season_goes_through_all_layers_and_again_changes_nothing(
    spark: SparkSession, bucket: Bucket, tmp_path: Path
) -> None:
    source = tmp_path / "captures"
    write_games(source, GAMES)
    (source / REAL.name).write_bytes(REAL.read_bytes())
    config = tmp_path / "exports.yaml"
    storage = {"backend": "s3", "bucket": bucket.name, "region": "us-east-1", "endpoint": bucket.store.endpoint}
    layers = {
        "raw": {},
        "normalized": {"partition_by": ["game_date"]},
        "analytics": {"partition_by": ["season"], "z_order_by": ["game_pk", "team_id"]},
    }
    found = {"version": "1.0", "storage": storage, "layers": layers, "transforms": [TRANSFORM]}
    config.write_text(yaml.safe_dump(found), encoding="utf-8")
    request = mlbsdk.ExportRequest(config=config, source=str(source))
    lake = Lake(bucket, dict(_captures(source)))
    assert len(lake.captures) == len(GAMES) + 1 >= 30

    report = mlbsdk.export(request, spark=spark)
    assert report.status == "completed"
    assert report.raw is not None
    assert report.raw.kinds[TRANSFORM].added == len(lake.captures)
    _check_raw(lake)
    lake.copied("normalized/game/", tmp_path)
    _check_normalized(lake, tmp_path / "normalized" / "game", report)
    _check_performance(lake)
    _check_travel(lake)

    before = lake.objects()
    again = mlbsdk.export(request, spark=spark)
    assert lake.objects() == before
    assert again.raw is not None
    assert again.raw.kinds[TRANSFORM].unchanged == len(lake.captures)
    assert again.normalized is not None
    assert again.normalized.up_to_date == [TRANSFORM]
    assert again.analytics is not None
    assert [table.groups_built for table in again.analytics.tables.values()] == [0, 0]


def _captures(folder: Path) -> Iterator[tuple[int, str]]:
    for file in folder.iterdir():
        data = file.read_bytes()
        text = (gzip.decompress(data) if file.suffix == ".gz" else data).decode("utf-8")
        yield json.loads(text)["response"]["gamePk"], text


def _check_raw(lake: Lake) -> None:
    """Each capture lies once, as it came, in the partition of when it was captured."""
    kept: dict[int, str] = {}
    keys = lake.bucket.keys("raw/game/live_game_v1/")
    for key in keys:
        for row in fastavro.reader(io.BytesIO(lake.bucket.get(key))):
            response, moment = json.loads(row["data"])["response"], row["captured_at"]
            assert f"/year={moment:%Y}/month={moment:%m}/day={moment:%d}/" in key
            assert response["gamePk"] not in kept
            kept[response["gamePk"]] = row["data"]
    assert kept == lake.captures
    assert len({key.rpartition("/")[0] for key in keys}) == len(keys)


def _check_normalized(lake: Lake, folder: Path, report: ExportReport) -> None:
    """Rows and sums of each game are those of its capture, in every partition by DuckDB."""
    connection = duckdb.connect()

    def by_game(table: str, *figures: str) -> dict[int, tuple[Any, ...]]:
        files = str(folder / table / "*" / "*.parquet")
        rows = connection.execute(
            f"SELECT game_pk, {', '.join(figures)} FROM read_parquet(?, hive_partitioning = true) GROUP BY game_pk",
            [files],
        ).fetchall()
        return {row[0]: row[1:] for row in rows}

    responses = lake.responses
    assert by_game("live_game_metadata", "count(*)", "max(CAST(game_date AS VARCHAR))", "max(home_score)") == {
        game: (
            1,
            one["gameData"]["datetime"]["officialDate"],
            one["liveData"]["linescore"]["teams"]["home"].get("runs"),
        )
        for game, one in responses.items()
    }
    plays = {game: one["liveData"]["plays"]["allPlays"] for game, one in responses.items()}
    played = {game: found for game, found in plays.items() if found}
    assert by_game("live_game_plays", "count(*)", "sum(rbi)", "sum(at_bat_index)") == {
        game: (len(found), sum(one["result"]["rbi"] for one in found), sum(one["atBatIndex"] for one in found))
        for game, found in played.items()
    }
    pitches = {
        game: [event for one in found for event in one["playEvents"] if event["isPitch"]]
        for game, found in played.items()
    }
    speeds = "sum(CAST(round(start_speed * 10) AS BIGINT))"
    assert by_game("live_game_pitch_events", "count(*)", speeds) == {
        game: (len(found), sum(round(one["pitchData"].get("startSpeed", 0) * 10) for one in found))
        for game, found in pitches.items()
    }
    runners = {game: [runner for one in found for runner in one["runners"]] for game, found in played.items()}
    assert by_game("live_game_runners", "count(*)") == {game: (len(found),) for game, found in runners.items()}
    # What the run says that it wrote is what is there, of every table.
    assert report.normalized is not None
    (run,) = report.normalized.runs
    for name, table in run.tables.items():
        if table.rows:
            counts = by_game(name.removeprefix("game."), "count(*)")
            assert sum(count for (count,) in counts.values()) == table.inserted, name


def _home(response: Row) -> Row:
    return dict(response["liveData"]["linescore"]["teams"]["home"])


def _check_performance(lake: Lake) -> None:
    """The line of every player in every game is that of the game's boxscore."""
    rows = lake.delta("player_performance").to_pyarrow_table().to_pylist()
    counting = {one.game_pk for one in GAMES if one.game_type == "R" and not one.is_postponed} | {747175}
    boxscores = {game: boxscore(one) for game, one in lake.responses.items() if game in counting}
    lines = {(row["game_pk"], row["side"], row["player_id"]): row for row in rows}
    assert len(lines) == len(rows)
    assert lines.keys() == {(game, *player) for game, found in boxscores.items() for player in found}
    compared = 0
    for (game, *player), row in lines.items():
        theirs = boxscores[game][player[0], player[1]]
        own = {name: value for name, value in row.items() if name in theirs and isinstance(value, int)}
        assert own == {name: theirs[name] for name in own}
        compared += len(own)
    assert compared > 15_000
    assert {row["season"] for row in rows} == {2024}


def _check_travel(lake: Lake) -> None:
    """The distance of each leg is that between the ballparks, by another formula, and sums are of legs."""
    legs = lake.delta("team_travel").to_pyarrow_table().to_pylist()
    real = lake.responses[747175]["gameData"]["venue"]["location"]["defaultCoordinates"]
    found = {(row["team_id"], row["game_pk"]): row for row in legs}
    assert len(found) == len(legs)
    for team in TEAMS:
        before, total = None, 0.0
        for game in games_of(team, GAMES):
            here = None if game.venue.latitude is None else (game.venue.latitude, game.venue.longitude or 0.0)
            row = found.pop((team.team_id, game.game_pk), None)
            if before is not None:
                assert row is not None
                there = before[1]
                assert row["previous_game_pk"] == before[0]
                distance = None if here is None or there is None else distance_km(here, there)
                assert row["distance_km"] == (
                    None if distance is None else pytest.approx(distance, rel=0.001, abs=0.001)
                )
                total += distance or 0
                assert row["cumulative_distance_km"] == pytest.approx(total, rel=0.001, abs=0.001)
            before = (game.game_pk, here)
    assert {game for _, game in found} <= {747175}
    for row in found.values():
        assert row["latitude"] == pytest.approx(real["latitude"])
