"""Refused rows in PostgreSQL, tried again: from their captures, and from what is kept of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from mlbsdk.plugins import Plugins
from mlbsdk.runtime.replay import ReplayRequest, replay
from mlbsdk.runtime.run import RunRequest, run
from mlbsdk.runtime.transformation import OnError
from tests.mini import MAPPING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.integration]

PLUGINS = Plugins.load()


def save(file: Path, game: int, minute: int, speeds: list[float]) -> Path:
    plays = [{"event": f"play {n}", "speed": speed} for n, speed in enumerate(speeds)]
    found = {"gamePk": game, "time": f"20240701_00{minute:02d}00", "date": "2024-07-01", "state": "x", "plays": plays}
    file.write_text(json.dumps(found), encoding="utf-8")
    return file


def query(address: str, text: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(address) as connection:
        return connection.execute(text).fetchall()


def test_rows_are_published_and_their_entries_settled(database: str, tmp_path: Path, spark: SparkSession) -> None:
    strict = tmp_path / "strict.yaml"
    strict.write_text(MAPPING.read_text(encoding="utf-8").replace("AND 120", "AND 100"), encoding="utf-8")
    captures = tmp_path / "captures"
    captures.mkdir()
    save(captures / "1.json", 1, 0, [90.0, 110.0, 130.0])
    gone = [save(captures / "2.json", 2, 0, [80.0, 111.0]), save(captures / "3.json", 3, 0, [112.0])]
    bad = captures / "4.json"
    bad.write_text("{}", encoding="utf-8")

    def again(source: Path, mapping: Path) -> None:
        request = RunRequest(
            name="mini.game", source=str(source), target=database, mapping=mapping, on_error=OnError.QUARANTINE
        )
        run(request, PLUGINS, spark)

    def tried() -> dict[str, int]:
        (one,) = replay(ReplayRequest(target=database, mapping=MAPPING), PLUGINS, spark).transforms
        return {name: count for name, count in one.outcomes.items() if count}

    again(captures, strict)
    again(save(tmp_path / "3-newer.json", 3, 5, [60.0]), MAPPING)
    for file in gone:
        file.unlink()
    save(bad, 4, 0, [70.0])

    # 110 from its capture and game 4 as a whole; 111 joins what is stored of its capture; game 3 has a newer one.
    assert tried() == {"published": 3, "superseded": 1, "still_refused": 1}
    plays = "SELECT game_pk, play_index FROM mini.plays ORDER BY 1, 2"
    assert query(database, plays) == [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (4, 0)]
    open_ones = "SELECT table_name, row_json::jsonb ->> 'play_index' FROM mlbsdk.quarantine WHERE resolution IS NULL"
    assert query(database, open_ones) == [("mini.plays", "2")]
    settled = "SELECT count(resolution), count(resolved_at), count(DISTINCT resolved_by_run) FROM mlbsdk.quarantine"
    assert query(database, settled) == [(4, 4, 1)]

    before = query(database, "SELECT * FROM mini.plays ORDER BY game_pk, play_index")
    assert tried() == {"still_refused": 1}
    assert query(database, "SELECT * FROM mini.plays ORDER BY game_pk, play_index") == before
