"""Bad input gives one clear error with its exit code, and loses nothing."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlbsdk.errors import (
    DocumentsRejectedError,
    MappingError,
    MlbsdkError,
    QualityGateError,
    SourceError,
    UnknownNameError,
)
from mlbsdk.runtime.run import RunRequest, run
from mlbsdk.runtime.transformation import OnError
from tests.conftest import SAMPLES
from tests.mini import MAPPING, Capture, save

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.integration


def command(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    environment = os.environ | {"MLBSDK_HOME": str(cwd / "home")} | variables
    return subprocess.run(
        [sys.executable, "-m", "mlbsdk.cli.main", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def mini(source: Path, target: Path, on_error: OnError = OnError.FAIL) -> RunRequest:
    return RunRequest(
        name="mini.game", mapping=MAPPING, source=str(source), target=f"delta:{target}", on_error=on_error
    )


def wrong_mapping(folder: Path, old: str, new: str) -> Path:
    """Return the mini mapping with one thing changed."""
    text = MAPPING.read_text(encoding="utf-8")
    assert old in text
    path = folder / "wrong.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "game.live_game_v1", "--source", "nowhere.json"], 2, "does not exist"),
        (["run", "game.live_game_v1", "--source", "empty"], 2, "no captures"),
        (["run", "game.live_game"], 2, "live_game_v1"),
        (["run", "schedule.nosuch"], 2, "Did you mean 'schedule.schedule'"),
        (["run", "game.live_game_v1", "--target", "nosuch:place"], 2, "nosuch"),
        (["run", "game.live_game_v1", "--target", "delta:file/below"], 1, "can't write"),
        (["run", "game.live_game_v1", "--on-error", "ignore"], 2, "quarantine"),
        (["run", "game.live_game_v1", "--config", "none.yaml"], 2, "does not exist"),
    ],
)
def test_each_wrong_call_is_one_sentence_without_java(
    tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = command(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "home" / "spark.log").exists()


def test_a_typo_in_a_mapping_names_line_and_neighbour(tmp_path: Path) -> None:
    mapping = wrong_mapping(tmp_path, "json_path: $.state", "json_pth: $.state")
    done = command(
        "run",
        "mini.game",
        "--mapping",
        str(mapping),
        "--source",
        str(SAMPLES / "live_game_747175.json.gz"),
        cwd=tmp_path,
    )
    assert done.returncode == 2
    line = mapping.read_text(encoding="utf-8").partition("json_pth")[0].count("\n") + 1
    assert f"wrong.yaml:{line}:" in done.stderr
    assert "Did you mean 'json_path'?" in done.stderr


def test_a_rule_can_not_run_java(tmp_path: Path) -> None:
    mapping = wrong_mapping(
        tmp_path, 'rule: "game_pk > 0"', "rule: \"java_method('java.lang.System', 'getenv', 'PATH') = 'x'\""
    )
    with pytest.raises(MappingError, match="java_method"):
        run(RunRequest(name="mini.game", mapping=mapping, source=str(MAPPING)))


def test_a_missing_source_is_told_before_spark_starts(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        run(mini(tmp_path / "none", tmp_path / "out"))
    with pytest.raises(UnknownNameError):
        run(RunRequest(name="nobody.has_this"))


BAD = {
    "cut.json.gz": (gzip.compress(json.dumps(Capture(2, 0).document()).encode())[:-12], "gzip is cut off"),
    "text.json": (b"hello", "not JSON"),
    "half.json": (b'{"gamePk": 3, "plays": [', "not JSON"),
    "empty.json": (b"", "empty"),
    "other.json": (b'{"endpoint": "schedule", "method": "schedule", "response": {"dates": []}}', "schedule.schedule"),
    "bare_other.json": (b'{"dates": []}', "no game_pk"),
    "error.json": (b'{"status_code": 404, "response": {"gamePk": 5, "message": "Object not found"}}', "status 404"),
    "shape.json": (b'{"gamePk": 4, "time": "20240701_000000", "plays": {"a": 1}}', "another shape"),
}


@pytest.mark.spark
@pytest.mark.parametrize("name", BAD)
def test_a_bad_capture_closes_the_gate_and_says_why(spark: SparkSession, tmp_path: Path, name: str) -> None:
    content, reason = BAD[name]
    source = tmp_path / name
    source.write_bytes(content)
    with pytest.raises(DocumentsRejectedError, match=reason) as caught:
        run(mini(source, tmp_path / "out"), spark=spark)
    assert caught.value.exit_code == 3
    assert name in str(caught.value)
    assert not (tmp_path / "out" / "mini").exists()


@pytest.mark.spark
def test_good_captures_are_published_beside_bad_ones_under_quarantine(spark: SparkSession, tmp_path: Path) -> None:
    from deltalake import DeltaTable

    source = save(tmp_path / "in", [Capture(1, 0)])
    for name, (content, _) in BAD.items():
        (source / name).write_bytes(content)
    with pytest.raises(DocumentsRejectedError):
        run(mini(source, tmp_path / "out"), spark=spark)
    report = run(mini(source, tmp_path / "out", OnError.QUARANTINE), spark=spark)
    assert (report.documents.read, report.documents.newest, report.documents.rejected) == (len(BAD) + 1, 1, len(BAD))
    assert report.tables["mini.games"].inserted == 1
    kept = DeltaTable(tmp_path / "out" / "mlbsdk" / "quarantine").to_pyarrow_table().to_pylist()
    assert {Path(row["source_row_id"]).name for row in kept} == set(BAD)
    assert all(row["reason"] for row in kept)


def write_game(folder: Path, **changes: object) -> Path:
    folder.mkdir()
    (folder / "game.json").write_text(json.dumps(Capture(1, 0).document() | changes), encoding="utf-8")
    return folder


@pytest.mark.spark
def test_rows_that_break_a_rule_close_the_gate_or_go_to_quarantine(spark: SparkSession, tmp_path: Path) -> None:
    from deltalake import DeltaTable

    plays = [
        {"event": "ok", "speed": 90},
        {"event": "fast", "speed": 190},
        {"event": "text", "speed": "quick"},
        {"event": "slow", "speed": 30},
    ]
    source = write_game(tmp_path / "in", plays=plays, state="far too long a state")
    with pytest.raises(QualityGateError, match="speed_plausible") as caught:
        run(mini(source, tmp_path / "out"), spark=spark)
    assert caught.value.exit_code == 3
    assert not (tmp_path / "out" / "mini").exists()
    report = run(mini(source, tmp_path / "out", OnError.QUARANTINE), spark=spark)
    assert {(rule.table, rule.rule, rule.severity, rule.failed) for rule in report.quality} == {
        ("mini.games", "length:state", "error", 1),
        ("mini.plays", "speed_plausible", "error", 1),
        ("mini.plays", "type:speed", "error", 1),
        ("mini.plays", "speed_usual", "warning", 1),
    }
    assert (report.tables["mini.plays"].rows, report.tables["mini.plays"].quarantined) == (2, 2)
    plays_stored = DeltaTable(tmp_path / "out" / "mini" / "plays").to_pyarrow_table().to_pylist()
    assert {row["event"]: row["lineage_metadata"]["quality_checks_failed"] for row in plays_stored} == {
        "ok": [],
        "slow": ["speed_usual"],
    }
    refused = DeltaTable(tmp_path / "out" / "mlbsdk" / "quarantine").to_pyarrow_table().to_pylist()
    assert {(row["table_name"], row["checks"]) for row in refused} == {
        ("mini.games", "length:state"),
        ("mini.plays", "speed_plausible"),
        ("mini.plays", "type:speed"),
    }
    assert (
        json.loads(next(row for row in refused if row["table_name"] == "mini.games")["row_json"])["state"]
        == "far too long a state"
    )


@pytest.mark.spark
def test_repeated_keys_in_one_document_are_shown(spark: SparkSession, tmp_path: Path) -> None:
    twins = {"ID1": {"id": 5, "name": "a"}, "ID2": {"id": 5, "name": "b"}}
    source = write_game(tmp_path / "in", players=twins)
    with pytest.raises(MlbsdkError, match=r"player_id\): \(5,\)"):
        run(mini(source, tmp_path / "out"), spark=spark)
    report = run(mini(source, tmp_path / "out", OnError.QUARANTINE), spark=spark)
    assert report.tables["mini.players"].quarantined == 2
