"""``mlbsdk quality`` over stored tables of every kind of target."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
import yaml
from deltalake import write_deltalake
from typer.testing import CliRunner, Result

from mlbsdk import RunRequest, run
from mlbsdk.cli.main import build
from mlbsdk.runtime.spark_lines import installed_spark
from tests.mini import MAPPING, Capture, save

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

GAMES = [Capture(1, 1), Capture(2, 2)]
#: Deequ has no build for Spark 4.
ENGINES = ("native", "deequ") if installed_spark().name == "3.5" else ("native",)


@pytest.fixture
def captures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLBSDK_HOME", str(tmp_path / "home"))
    return str(save(tmp_path / "captures", GAMES))


def publish(spark: SparkSession, captures: str, target: str) -> str:
    run(RunRequest(name="mini.game", mapping=MAPPING, source=captures, target=target), spark=spark)
    return target


def quality(*arguments: str) -> Result:
    return CliRunner().invoke(build(), ["quality", *arguments])


def checked(*arguments: str) -> dict[str, Any]:
    done = quality("check", "--mapping", str(MAPPING), *arguments, "--json")
    assert done.exit_code in (0, 3), done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def spoil(spark: SparkSession, path: Path) -> None:
    """Make two faults in a stored table of plays: a speed that no pitch has, and a row that is there twice."""
    from pyspark.sql import functions as F

    rows = spark.read.format("delta").load(str(path))
    first = (F.col("game_pk") == 1) & (F.col("play_index") == 0)
    bad = rows.withColumn("speed", F.when(first, F.lit(900)).otherwise(F.col("speed")).cast("decimal(5,2)"))
    twice = bad.unionByName(bad.where("game_pk = 1 AND play_index = 1"))
    twice.localCheckpoint().write.format("delta").mode("overwrite").save(str(path))


def test_a_good_table_passes_and_a_spoilt_one_closes_the_gate(
    spark: SparkSession, tmp_path: Path, captures: str
) -> None:
    target = publish(spark, captures, f"delta:{tmp_path / 'out'}")
    good = quality("check", "mini.*", "--mapping", str(MAPPING), "--target", target)
    assert good.exit_code == 0, good.output
    assert good.stdout.splitlines()[0] == "mini.games: 2 rows, all 6 checks passed"

    spoil(spark, tmp_path / "out" / "mini" / "plays")
    for engine in ENGINES:  # who judges makes no difference
        bad = quality("check", "mini.plays", "--mapping", str(MAPPING), "--target", target, "--engine", engine)
        assert bad.exit_code == 3
        assert bad.stdout.splitlines() == [
            "mini.plays: 8 rows, 2 of 7 checks failed",
            "  error: unique:primary_key: 2 rows",
            "    game_pk=1, play_index=1",
            "    game_pk=1, play_index=1",
            "  error: speed_plausible: 1 rows (no pitch is faster)",
            "    game_pk=1, play_index=0, speed=900.00",
        ]
    found = checked("mini.plays", "--target", target, "--examples", "0")["tables"][0]
    assert (found["rows"], found["passed"]) == (8, False)
    assert {one["check"]: one["failed"] for one in found["checks"] if one["failed"]} == {
        "unique:primary_key": 2,
        "speed_plausible": 1,
    }

    told = quality("history", "mini.plays", "--target", target, "--metric", "compliance", "--of", "speed_plausible")
    values = [line.split()[-1] for line in told.stdout.splitlines()[1:]]
    assert values == ["1", *["0.875" for _ in ENGINES], "0.875"]
    assert "no figures" in quality("history", "mini.other", "--target", target).output


@pytest.mark.parametrize("format", ["parquet", pytest.param("avro", marks=pytest.mark.slow)])
def test_files_are_checked_and_profiled(spark: SparkSession, tmp_path: Path, captures: str, format: str) -> None:
    target = publish(spark, captures, f"{format}:{tmp_path / 'out'}")
    found = checked("mini.games", "--target", target)["tables"]
    assert [(one["table"], one["rows"], one["passed"]) for one in found] == [("mini.games", 2, True)]
    done = quality("profile", "mini.plays", "--target", target, "--json")
    assert done.exit_code == 0, done.output
    columns = {column["name"]: column for column in json.loads(done.stdout)["columns"]}
    assert columns["play_index"]["completeness"] == 1.0
    assert columns["speed"]["type"] == "decimal(5,2)"
    assert "lineage_metadata" not in columns


@pytest.mark.integration
def test_a_database_is_checked_profiled_and_has_no_history(
    spark: SparkSession, tmp_path: Path, captures: str, database: str
) -> None:
    publish(spark, captures, database)
    found = checked("mini.plays", "mini.games", "--target", database)["tables"]
    assert [(one["rows"], one["passed"]) for one in found] == [(7, True), (2, True)]
    assert "no place for figures" in str(quality("history", "mini.plays", "--target", database).exception)
    kept = str(tmp_path / "figures")
    assert checked("mini.plays", "--target", database, "--history", kept)["tables"][0]["passed"]
    assert "compliance" in quality("history", "mini.plays", "--target", database, "--history", kept).stdout
    done = quality("profile", "mini.nothing", "--target", database)
    assert "has no table 'mini.nothing'" in str(done.exception)


def test_suggestions_are_yaml_for_the_mapping(spark: SparkSession, tmp_path: Path, captures: str) -> None:
    target = publish(spark, captures, f"delta:{tmp_path / 'out'}")
    arguments = ("suggest", "mini.plays", "--mapping", str(MAPPING), "--target", target)
    by_default, native = quality(*arguments), quality(*arguments, "--engine", "native")
    assert by_default.stdout.startswith(f"# Rules that mini.plays suggests by {ENGINES[-1]}")
    for done in (by_default, native):
        rules = {rule["name"]: rule for rule in yaml.safe_load(done.stdout)["data_quality"]}
        assert rules["event_is_known"] == {
            "name": "event_is_known",
            "type": "not_null",
            "field": "event",
            "severity": "error",
            "reason": "All 7 rows have a value.",
        }
        assert rules["speed_is_plausible"]["type"] == "range"


def test_wrong_requests_say_what_to_do(tmp_path: Path, captures: str) -> None:
    def error_of(*arguments: str) -> str:
        return str(quality(*arguments).exception)

    assert "no mapping has a table 'game.live_game_play'. Did you mean 'game.live_game_plays'?" in error_of(
        "check", "game.live_game_play"
    )
    assert "there is no target at" in error_of("profile", "mini.games", "--target", "delta:nowhere")
    Path("nothing").mkdir()
    assert "there are no tables at" in error_of("profile", "mini.games", "--target", "delta:nothing")
    Path("some/mini/games").mkdir(parents=True)
    write_deltalake("some/mini/games", pa.table({"game_pk": [1]}))
    assert "there is no delta table 'mini.game'" in error_of("profile", "mini.game", "--target", "delta:some")
    assert "is no name of a table" in error_of("profile", "../../etc", "--target", "delta:some")
    assert "mlbsdk-plugin" not in error_of("profile", "mini.games", "--target", "delta:some", "--engine", "dequ")
    assert "'deequ'" in error_of("profile", "mini.games", "--target", "delta:some", "--engine", "dequ")
