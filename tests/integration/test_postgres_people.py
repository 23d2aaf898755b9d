"""Teams and rosters through PostgreSQL: loaded as captures, read from a raw table, and written as tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from mlbsdk_plugin_postgres.connection import Database
from mlbsdk_plugin_postgres.raw_load import Loader
from psycopg.rows import dict_row

from mlbsdk.plugins import Plugins
from mlbsdk.runtime.run import RunRequest, load_mapping, run
from tests.oracle import team
from tests.oracle.compare import Tables, differences
from tests.people import newest
from tests.spark.test_team_tables import PIRATES, ROSTER_KEYS, TEAM_CAPTURES, TEAM_KEYS, YANKEES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.integration]


def rows_of(database: str, tables: dict[str, tuple[str, ...]]) -> Tables:
    with psycopg.connect(database, row_factory=dict_row, options="-c timezone=UTC") as connection:
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables}


def load(database: str, folder: Path, name: str | None = None) -> dict[str, int]:
    mappings = {
        n: load_mapping(Plugins.load().transform(n)).mapping for n in ("team.team", "team.roster", "person.person")
    }
    report = Loader(Database.parse(database), mappings, name).load([str(file) for file in sorted(folder.iterdir())])
    assert not report.rejected
    return {table: found.loaded for table, found in report.tables.items()}


def test_captures_of_teams_and_rosters_there_and_back(spark: SparkSession, database: str, tmp_path: Path) -> None:
    for capture in [*TEAM_CAPTURES, YANKEES]:
        capture.save(tmp_path / "in")
    PIRATES.save(tmp_path / "bare")
    # Envelopes say method teams, which the mapping of team.team reads too.
    assert load(database, tmp_path / "in") == {"team.team_raw": 8, "team.roster_raw": 1}
    assert load(database, tmp_path / "bare", "team.roster") == {"team.roster_raw": 1}
    for name in ("team.team", "team.roster"):
        run(RunRequest(name=name, source=database, target=database), spark=spark)
    teams = newest(TEAM_CAPTURES, lambda capture: team.read(capture.response), TEAM_KEYS)
    rosters = [
        team.read_roster(capture.response, capture.params, as_of)
        for capture, as_of in ((YANKEES, "2024"), (PIRATES, "current"))
    ]
    expected = teams | {name: [row for one in rosters for row in one[name]] for name in ROSTER_KEYS}
    found = rows_of(database, TEAM_KEYS | ROSTER_KEYS)
    for name, key in (TEAM_KEYS | ROSTER_KEYS).items():
        assert found[name]
        assert not differences(found[name], expected[name], key)
    again = run(RunRequest(name="team.team", source=database, target=database), spark=spark)
    assert {name: (one.inserted, one.updated, one.unchanged) for name, one in again.tables.items()} == {
        "team.team": (0, 0, 36),
        "venue.venue": (0, 0, 32),
    }
    with psycopg.connect(database) as connection:
        keys = connection.execute(
            "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'"
        ).fetchall()
        ledger = connection.execute("SELECT DISTINCT transform FROM mlbsdk.documents").fetchall()
    assert {("team.team", "venue.venue"), ("team.roster", "team.rosters")} <= set(keys)
    assert ledger == [("team.roster",)]
