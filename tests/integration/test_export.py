"""Captures go through the layers of a configuration: again and again, in small steps, and killed on the way."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.dataset as ds
import pytest
import yaml

import mlbsdk
from mlbsdk.errors import ConfigurationError, DocumentsRejectedError
from mlbsdk.layers.report import ExportReport
from mlbsdk.runtime.transformation import OnError
from tests.conftest import DATA, REPOSITORY
from tests.openlineage_schemas import events_below, parents_by_job

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.integration]

CAPTURES = DATA / "captures" / "endpoints"
TRANSFORMS = ["person.person", "schedule.schedule"]


def configured(folder: Path, transforms: list[str] = TRANSFORMS, **more: Any) -> Path:
    """Write a configuration whose raw and normalized layers are below a folder."""
    layers = {"raw": {}, "normalized": {"partition_by": ["schedule_date"]}} | more
    storage = {"backend": "local", "path": str(folder / "lake")}
    found = {"version": "1.0", "storage": storage, "layers": layers, "transforms": transforms}
    file = folder / "exports.yaml"
    file.write_text(yaml.safe_dump(found), encoding="utf-8")
    return file


def copied(folder: Path, *names: str) -> Path:
    """Copy captures, with times that copies keep: those of files are all that some have."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        for file in sorted(CAPTURES.rglob(name)):
            shutil.copy(file, folder)
            os.utime(folder / file.name, (1_730_000_000, 1_730_000_000))
    return folder


def export(spark: SparkSession, config: Path, source: Path | None, **more: Any) -> ExportReport:
    return mlbsdk.export(
        mlbsdk.ExportRequest(config=config, source=None if source is None else str(source), **more), spark=spark
    )


def objects(lake: Path) -> dict[str, bytes]:
    """Return every file of the layers but those of mlbsdk itself."""
    files = [path for path in lake.rglob("*") if path.is_file() and "_mlbsdk" not in path.parts]
    return {str(path.relative_to(lake)): path.read_bytes() for path in files}


def raw_rows(spark: SparkSession, lake: Path, transform: str) -> list[Any]:
    path = lake.joinpath("raw", *transform.split("."))
    return sorted(spark.read.format("avro").load(str(path)).collect(), key=lambda row: row["row_id"])


def rows_of(lake: Path, table: str) -> list[dict[str, Any]]:
    folder = lake.joinpath("normalized", *table.split("."))
    found = ds.dataset(folder, format="parquet", partitioning="hive").to_table().to_pylist()
    own = ("lineage_metadata", "transform_timestamp")
    return sorted(({name: row[name] for name in row if name not in own} for row in found), key=repr)


@pytest.mark.slow
def test_the_same_captures_change_nothing_and_few_files_stay(spark: SparkSession, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    config = configured(tmp_path)
    source = copied(tmp_path / "in", "*date=2024-10-27_sportId=1_ab*", "person_personIds=545361*")
    first = export(spark, config, source)
    assert first.raw is not None
    assert {name: kind.added for name, kind in first.raw.kinds.items()} == dict.fromkeys(TRANSFORMS, 1)
    (journal,) = lake.rglob("lineage.jsonl")
    events = events_below(journal.parent)
    parents = parents_by_job(events)
    assert parents["mlbsdk.export"] is None
    for name in TRANSFORMS:
        assert (parents[name], parents[f"{name}.raw"]) == ("mlbsdk.export", "mlbsdk.export")
        kept = next(event for event in reversed(events) if event["job"]["name"] == f"{name}.raw")
        read = next(event for event in reversed(events) if event["job"]["name"] == name)
        assert [(one["namespace"], one["name"]) for one in kept["outputs"]] == [
            (one["namespace"], one["name"]) for one in read["inputs"]
        ]
    assert [(event["eventType"], event["job"]["name"]) for event in (events[0], events[-1])] == [
        ("START", "mlbsdk.export"),
        ("COMPLETE", "mlbsdk.export"),
    ]
    before = objects(lake)
    again = export(spark, config, source)
    assert objects(lake) == before
    assert again.raw is not None
    assert again.normalized is not None
    assert {name: (kind.added, kind.unchanged) for name, kind in again.raw.kinds.items()} == dict.fromkeys(
        TRANSFORMS, (0, 1)
    )
    assert again.normalized.up_to_date == TRANSFORMS

    copied(source, "*date=2024-10-27*", "*date=2024-10-25*")
    shutil.copy(sorted(source.glob("*date=2024-10-25*"))[0], source / "twice.json.gz")
    os.utime(source / "twice.json.gz", (1_730_000_000, 1_730_000_000))
    more = export(spark, config, source)
    assert more.raw is not None
    kind = more.raw.kinds["schedule.schedule"]
    assert (kind.captures, kind.added, kind.unchanged) == (5, 3, 2)
    days = lake / "raw" / "schedule" / "schedule"
    assert {path.parent.name: 1 for path in days.rglob("*.avro")} == {"date=2024-10-25": 1, "date=2024-10-27": 1}
    assert len(list(days.rglob("*.avro"))) == 2
    texts = {gzip.decompress(file.read_bytes()).decode() for file in source.glob("schedule*.json.gz")}
    assert {row["data"] for row in raw_rows(spark, lake, "schedule.schedule")} == texts
    for partition in (lake / "normalized").rglob("*.parquet"):
        assert len(list(partition.parent.glob("*.parquet"))) == 1

    at_once = configured(tmp_path / "in")
    export(spark, at_once, source)
    for table in ("schedule.schedule_games", "schedule.schedule_dates", "person.person"):
        assert rows_of(lake, table) == rows_of(tmp_path / "in" / "lake", table)
    direct = mlbsdk.run(
        mlbsdk.RunRequest(
            name="schedule.schedule", source=f"avro:{days}", target=f"parquet:{tmp_path / 'direct'}", own_only=True
        ),
        spark=spark,
    )
    assert direct.documents.rejected == 0
    assert direct.tables["schedule.schedule_games"].inserted == len(rows_of(lake, "schedule.schedule_games"))


def test_export_and_retention_agree_on_what_is_too_old(spark: SparkSession, tmp_path: Path) -> None:
    lake, on = tmp_path / "lake", date(2024, 10, 30)
    source = copied(tmp_path / "in", "*date=2024-10-27_sportId=1_ab*", "*date=2024-10-25*")
    days = {"retention_days": 4}
    config = configured(tmp_path, ["schedule.schedule"], raw={}, normalized={"partition_by": ["schedule_date"]})
    export(spark, config, source, on=on)
    config = configured(
        tmp_path, ["schedule.schedule"], raw=days, normalized={"partition_by": ["schedule_date"]} | days
    )
    removed = mlbsdk.retention(config, apply=True, on=on)
    assert {layer.layer: [table.table for table in layer.tables][:1] for layer in removed.layers} == {
        "raw": ["schedule.schedule"],
        "normalized": ["schedule.schedule_dates"],
    }
    after = objects(lake)
    assert not any("2024-10-25" in name for name in after)
    again = export(spark, config, source, on=on)
    assert objects(lake) == after
    assert again.raw is not None
    assert again.raw.kinds["schedule.schedule"].expired == 1
    export(spark, config, None, layers=("normalized",), full=True, on=on)
    assert objects(lake) == after
    forever = configured(tmp_path, ["schedule.schedule"], normalized={"partition_by": ["schedule_date"]})
    export(spark, forever, source, on=on)
    assert any("schedule_games/schedule_date=2024-10-25" in name for name in objects(lake))


def test_what_can_not_be_used_closes_the_gate_or_is_told(spark: SparkSession, tmp_path: Path) -> None:
    source = copied(tmp_path / "in", "*date=2024-10-25*", "person_personIds=545361*")
    (source / "torn.json").write_text('{"people": [', encoding="utf-8")
    config = configured(tmp_path, ["schedule.schedule"], raw={}, normalized={"partition_by": ["schedule_date"]})
    with pytest.raises(DocumentsRejectedError, match=r"torn\.json: it is not JSON, or is cut off"):
        export(spark, config, source, layers=("raw",))
    assert objects(tmp_path / "lake") == {}
    report = export(spark, config, source, layers=("raw",), on_error=OnError.QUARANTINE)
    assert report.raw is not None
    assert (report.raw.of_others, len(report.raw.rejected), list(report.raw.kinds)) == (1, 1, ["schedule.schedule"])
    other = configured(tmp_path, ["schedule.schedule"], raw={"overrides": {"schedule.schedule": {"partition_by": []}}})
    with pytest.raises(ConfigurationError, match=r"stored by date.*not by nothing"):
        export(spark, other, source, layers=("raw",), on_error=OnError.QUARANTINE)


class Crash(BaseException):
    """Stands for a kill where the process must live on: nothing may catch it."""


def test_stopped_between_decision_and_publication(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlbsdk.writers.files import Publication

    config, lake = configured(tmp_path, ["person.person"]), tmp_path / "lake"
    source = copied(tmp_path / "in", "person_personIds=545361*")
    export(spark, config, source)
    copied(source, "person_person*")

    def crash(*_: object, **__: object) -> None:
        raise Crash

    for number in range(2):  # before it is decided, then when it is
        with monkeypatch.context() as patched:
            patched.setattr(Publication, "apply" if number else "save", crash)
            with pytest.raises(Crash):
                export(spark, config, source)
    export(spark, config, source)
    check_whole(spark, lake, source)


#: What tells that an export has come so far, and by how many seconds later it is killed at most.
SIGNS = [
    ("normalized/_mlbsdk/staging/*/*", 0.5),
    ("raw/_mlbsdk/staging/*", 1.0),
    ("raw/_mlbsdk/publications/*", 0.1),
    ("raw/person/person/*/*/*/*.avro", 3.0),
    ("normalized/person/person/*.parquet", 1.0),
]


@pytest.mark.parametrize(
    "number", [pytest.param(number, marks=[] if number == 0 else [pytest.mark.slow]) for number in range(len(SIGNS))]
)
def test_killed_with_its_java_and_repeated(spark: SparkSession, tmp_path: Path, number: int) -> None:
    sign, seconds = SIGNS[number]
    config, lake = configured(tmp_path, ["person.person"]), tmp_path / "lake"
    source = copied(tmp_path / "in", "person_person*")
    (tmp_path / "mlbsdk.yaml").write_text("spark: {spark.master: 'local[2]'}\n", encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "mlbsdk.cli.main", "export", "--config", str(config), "--source", str(source)],
        cwd=tmp_path,
        env=os.environ | {"MLBSDK_HOME": str(tmp_path / "home"), "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None and not any(lake.glob(sign)):
        time.sleep(0.005)
    time.sleep(random.Random(number).uniform(0, seconds))
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() in (-signal.SIGKILL, 0)
    export(spark, config, source)
    check_whole(spark, lake, source)
    before = objects(lake)
    export(spark, config, source)
    assert objects(lake) == before


def check_whole(spark: SparkSession, lake: Path, source: Path) -> None:
    """Check that each layer holds exactly what the captures have, in as few files as they need, and nothing staged."""
    texts = sorted(gzip.decompress(file.read_bytes()).decode() for file in source.glob("*.json.gz"))
    assert sorted(row["data"] for row in raw_rows(spark, lake, "person.person")) == texts
    assert len(list(lake.glob("raw/**/*.avro"))) == 1
    assert len(list(lake.glob("normalized/**/*.parquet"))) == 1
    assert sorted(row["person_id"] for row in rows_of(lake, "person.person")) == [545361, 592450, 608070]
    assert not [*lake.glob("*/_mlbsdk/staging/**/*"), *lake.glob("*/_mlbsdk/publications/*")]
