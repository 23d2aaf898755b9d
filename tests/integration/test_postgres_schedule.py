"""Schedules, which have no document key, by way of PostgreSQL: loaded, read as a raw table, written as tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from mlbsdk.runtime.run import RunRequest, run
from tests.oracle.compare import differences
from tests.oracle.schedule import SCHEDULE_KEYS
from tests.spark.test_schedule_tables import ALL, expected

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.integration]

MLBSDK = Path(sys.executable).with_name("mlbsdk")


def load(database: str, *arguments: object) -> tuple[int, dict[str, Any]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLBSDK_", "PG"))}
    done = subprocess.run(
        [str(MLBSDK), "raw", "load", *map(str, arguments), "--to", database, "--json"],
        env=kept,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_overlapping_schedules_by_way_of_raw_tables(spark: SparkSession, database: str, tmp_path: Path) -> None:
    """Tied games are a method of their own and come into the same raw table; the tables are those of any store."""
    for capture in ALL:
        capture.save(tmp_path / "captures")
    code, report = load(database, tmp_path / "captures", "--name", "schedule.schedule")
    assert (code, report["tables"]) == (0, {"schedule.schedule_raw": {"loaded": len(ALL), "already_there": 0}})
    for hours in (range(7, 100), range(100)):  # the newer schedules first
        late = tmp_path / f"from_{hours.start}"
        for capture in ALL:
            if capture.hour in hours:
                capture.save(late)
        source = database if hours.start == 0 else str(late)
        run(RunRequest(name="schedule.schedule", source=source, target=database), spark=spark)
    rows, times = expected(ALL)
    with psycopg.connect(database, row_factory=dict_row, options="-c timezone=UTC") as connection:
        for name, key in SCHEDULE_KEYS.items():
            query = sql.SQL("SELECT * FROM {}").format(sql.Identifier(*name.split(".")))
            found = connection.execute(query).fetchall()
            assert {tuple(row[part] for part in key): row["source_captured_at"] for row in found} == times[name]
            assert not differences(list(map(plain, found)), list(map(plain, rows[name])), key)


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with the parameters of its request in order: jsonb keeps none."""
    return row | {"request": sorted(json.loads(row["request"]).items())} if row.get("request") else row


def test_a_response_of_something_else_is_not_loaded(database: str, tmp_path: Path) -> None:
    (tmp_path / "game.json").write_text('{"gamePk": 1, "dates": null}', encoding="utf-8")
    (tmp_path / "empty.json").write_text('{"dates": []}', encoding="utf-8")
    code, report = load(database, tmp_path, "--name", "schedule.schedule")
    assert (code, report["tables"]["schedule.schedule_raw"]["loaded"]) == (1, 1)
    assert [one["reason"] for one in report["rejected"]] == [
        "it has no $.dates: is it a response of schedule.schedule?"
    ]
