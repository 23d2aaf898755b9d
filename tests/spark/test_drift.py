"""What a run does about paths that captures have newly, or no longer have."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable

import mlbsdk
from mlbsdk.errors import DriftError
from mlbsdk.mapping.load import load_file
from mlbsdk.plugin import BaseTransformation
from mlbsdk.report import DriftReport
from mlbsdk.runtime import drift
from mlbsdk.runtime.sources import FileSource
from mlbsdk.runtime.transformation import TransformMode
from tests.mini import MAPPING, Capture

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark


def mapping(folder: Path, policies: str) -> Path:
    file = folder / "mini.yaml"
    file.write_text(MAPPING.read_text(encoding="utf-8") + f"drift: {policies}\n", encoding="utf-8")
    return file


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    """Return bare and enveloped captures in files whose names need escaping: new paths, and no speed of any play."""
    folder = tmp_path / "my captures %20#1"
    folder.mkdir()
    for minute in range(3):
        document: dict[str, Any] = Capture(1, minute).document()
        for play in document["plays"]:
            del play["speed"]
        document["fresh"] = [{"a": 1}, {"a": 2}]
        if minute == 0:
            document["old"] = True
        found = {"endpoint": "mini", "method": "game", "response": document} if minute == 1 else document
        (folder / f"1-{minute}.json").write_text(json.dumps(found), encoding="utf-8")
    return folder


def run(spark: SparkSession, file: Path, captures: Path, target: Path) -> mlbsdk.RunReport:
    request = mlbsdk.RunRequest(name="mini.game", mapping=file, source=str(captures), target=f"delta:{target}")
    return mlbsdk.run(request, spark=spark)


def test_new_and_vanished_paths_of_the_newest_captures_are_reported(
    spark: SparkSession, captures: Path, tmp_path: Path
) -> None:
    file = mapping(tmp_path, "{new_paths: report, vanished_paths: report, sample: 2}")
    report = run(spark, file, captures, tmp_path / "out")
    plays = sum(len(Capture(1, minute).plays) for minute in (1, 2))
    fresh = DriftReport("new_path", "$.fresh[*].a", None, 4, 2, "report")
    vanished = DriftReport("vanished_path", "$.plays[*].speed", "mini.plays.speed", plays, 2, "report")
    # $.old is in the oldest capture only, and two are looked at.
    assert report.drift == [fresh, vanished]
    assert report.status == "completed"
    assert report.to_json()["drift"][0]["path"] == "$.fresh[*].a"


def test_fail_publishes_nothing(spark: SparkSession, captures: Path, tmp_path: Path) -> None:
    file = mapping(tmp_path, "{new_paths: fail, vanished_paths: report}")
    with pytest.raises(
        DriftError, match=r"2 new paths: \$\.fresh\[\*\]\.a, \$\.old\..* Nothing was published"
    ) as caught:
        run(spark, file, captures, tmp_path / "out")
    assert caught.value.exit_code == 3
    assert not (tmp_path / "out" / "mini").exists()
    (saved,) = (tmp_path / "out" / "_mlbsdk" / "runs").glob("*.json")
    assert [one["kind"] for one in json.loads(saved.read_text())["drift"]] == ["new_path", "new_path", "vanished_path"]


def test_no_capture_is_looked_at_by_default(
    spark: SparkSession, captures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> list[str]:
        raise AssertionError("captures were read once more")

    monkeypatch.setattr(drift, "texts", never)
    steps = BaseTransformation(spark, load_file(MAPPING), source=FileSource(str(captures), {}))
    steps.transform(steps.read_source())
    assert steps.report.drift == []
    steps.release()


def test_a_stream_is_asked_for_new_paths_alone(spark: SparkSession, captures: Path, tmp_path: Path) -> None:
    loaded = load_file(mapping(tmp_path, "{new_paths: report, vanished_paths: fail}"))
    steps = BaseTransformation(spark, loaded, TransformMode.STREAMING, source=FileSource(str(captures), {}))
    steps.transform(steps.read_source())
    assert [(one.kind, one.path, one.count) for one in steps.report.drift] == [
        ("new_path", "$.fresh[*].a", 6),
        ("new_path", "$.old", 1),
    ]
    steps.release()


# What is rescued


def rescued(target: Path) -> list[Any]:
    rows = DeltaTable(str(target / "mini" / "games")).to_pyarrow_table().to_pylist()
    return [json.loads(row["_rescued"]) if row["_rescued"] else None for row in rows]


@pytest.mark.parametrize("ignore", [False, True])
def test_what_no_field_maps_is_kept_with_its_place(
    spark: SparkSession, captures: Path, tmp_path: Path, ignore: bool
) -> None:
    file = mapping(tmp_path, "{rescued: true}")
    if ignore:
        text = file.read_text(encoding="utf-8")
        file.write_text(f"{text}coverage: {{ignore: [{{path: '$.fresh[*].a', reason: known}}]}}\n", encoding="utf-8")
    run(spark, file, captures, tmp_path / "out")
    assert rescued(tmp_path / "out") == [None if ignore else {"$.fresh[0].a": 1, "$.fresh[1].a": 2}]


def test_a_stream_keeps_it_too(spark: SparkSession, captures: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    request = mlbsdk.StreamRequest(
        name="mini.game",
        mapping=mapping(tmp_path, "{rescued: true}"),
        source=str(captures),
        target=f"delta:{tmp_path / 'out'}",
        trigger="1s",
        idle_timeout="1s",
    )
    mlbsdk.stream(request, spark=spark, stop=stop)
    assert rescued(tmp_path / "out") == [{"$.fresh[0].a": 1, "$.fresh[1].a": 2}]


def test_without_it_no_python_runs_and_no_column_is_made(spark: SparkSession, captures: Path, tmp_path: Path) -> None:
    run(spark, mapping(tmp_path, "{}"), captures, tmp_path / "out")
    assert "_rescued" not in DeltaTable(str(tmp_path / "out" / "mini" / "games")).to_pyarrow_table().column_names
