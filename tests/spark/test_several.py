"""Several transforms over one folder: each takes its own captures, and one that fails stops no other."""

from __future__ import annotations

import gzip
import json
import shutil
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deltalake import DeltaTable

import mlbsdk
from tests.openlineage_schemas import events_below, parents_by_job

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

SAMPLES = ("boxscore_747175.json.gz", "linescore_747175.json.gz")


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Return a folder with a capture of each of two endpoints, in their envelopes."""
    folder = tmp_path / "captures"
    folder.mkdir()
    for name in SAMPLES:
        with resources.as_file(resources.files("mlbsdk_plugin_game").joinpath("samples", name)) as file:
            shutil.copy(file, folder)
    return folder


def requests(source: Path, target: Path, **changes: object) -> list[mlbsdk.RunRequest]:
    return [
        mlbsdk.RunRequest(name="game.linescore", source=str(source), target=f"delta:{target}", **changes),  # type: ignore[arg-type]
        mlbsdk.RunRequest(
            name="game.boxscore",
            source=str(source),
            target=f"delta:{target}",
            tables=("boxscore_officials",),
            **changes,  # type: ignore[arg-type]
        ),
    ]


def test_each_takes_its_own_captures(spark: SparkSession, mixed: Path, tmp_path: Path) -> None:
    found = mlbsdk.run_several(requests(mixed, tmp_path / "out", where={"game_pk": "747175"}), spark=spark)
    assert found.status == "completed"
    assert [report.transform for report in found.runs] == ["game.linescore", "game.boxscore"]
    assert [(report.documents.read, report.documents.rejected) for report in found.runs] == [(1, 0), (1, 0)]
    linescore, boxscore = (report.tables for report in found.runs)
    assert (linescore["game.linescore_innings"].inserted, boxscore["game.boxscore_officials"].inserted) == (18, 4)
    assert list(boxscore) == ["game.boxscore", "game.boxscore_officials"]
    assert len(DeltaTable(str(tmp_path / "out/game/boxscore_officials")).to_pyarrow_table()) == 4
    assert not (tmp_path / "out/game/boxscore_players").exists()
    events = events_below(tmp_path / "out" / "_mlbsdk")
    parents = parents_by_job(events)
    assert parents["mlbsdk.run"] is None
    assert {parents["game.linescore"], parents["game.boxscore"]} == {"mlbsdk.run"}
    assert {event["eventType"] for event in events} == {"START", "COMPLETE"}
    (innings,) = next(e for e in reversed(events) if e["job"]["name"] == "game.linescore.linescore_innings")["outputs"]
    assert innings["facets"]["version"]["datasetVersion"] == "0"
    written = innings["outputFacets"]["outputStatistics"]
    (file,) = (tmp_path / "out/game/linescore_innings").rglob("*.parquet")
    assert (written["rowCount"], written["fileCount"], written["size"]) == (18, 1, file.stat().st_size)
    none = mlbsdk.run_several(requests(mixed, tmp_path / "out", where={"game_pk": "1"}), spark=spark)
    assert [report.documents.read for report in none.runs] == [0, 0]
    assert "no capture has game_pk=1" in none.runs[0].notes


def test_one_that_fails_stops_no_other(spark: SparkSession, mixed: Path, tmp_path: Path) -> None:
    capture = json.loads(gzip.decompress((mixed / SAMPLES[1]).read_bytes()))
    (mixed / "bad.json").write_text(json.dumps(capture | {"status_code": 500, "path_params": {"game_pk": 2}}))
    found = mlbsdk.run_several(requests(mixed, tmp_path / "out"), spark=spark)
    assert [report.status for report in found.runs] == ["failed", "completed"]
    assert list(found.problems) == ["game.linescore"]
    assert "the API answered with status 500" in str(found.problems["game.linescore"])
    said = found.to_json()
    assert (said["status"], said["skipped"], len(said["runs"])) == ("failed", [], 2)
