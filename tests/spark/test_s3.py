"""Runs and streams on a real object store, with Spark; but Avro, tables are read back without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

import mlbsdk
from mlbsdk.cli.main import build
from mlbsdk.runtime.run import RunRequest, run
from mlbsdk.testing.contracts.batches import mini_plan
from mlbsdk.testing.contracts.of_writers import comparable
from mlbsdk.testing.mini import MAPPING, Capture, expected
from tests.cluster import EVENT_LOG
from tests.conftest import DATA, SAMPLES
from tests.object_store import SECRET_KEY, Bucket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import SparkSession

    from mlbsdk.report import RunReport

pytestmark = [pytest.mark.spark, pytest.mark.integration]
PITCHES = 290


def check(bucket: Bucket, address: str, captures: Sequence[Capture]) -> None:
    """Check that a target holds what it must, read without Spark."""
    wanted = expected(captures)
    for table in mini_plan().tables:
        assert comparable(table, bucket.rows(address, table.name)) == comparable(table, wanted[table.name]), table.name


def put(bucket: Bucket, captures: Sequence[Capture], folder: str = "in") -> None:
    for one in captures:
        bucket.put(f"{folder}/{one.game}-{one.minute}.json", json.dumps(one.document()).encode())


def mini_run(spark: SparkSession, bucket: Bucket, target: str, **more: Any) -> RunReport:
    source = bucket.address("in")
    return run(RunRequest(name="mini.game", mapping=MAPPING, source=source, target=target, **more), spark=spark)


def test_the_real_game_goes_from_a_bucket_into_a_bucket(spark: SparkSession, bucket: Bucket) -> None:
    bucket.put("raw/747175.json.gz", (SAMPLES / "live_game_747175.json.gz").read_bytes())
    tables = ("game.live_game_metadata", "game.live_game_pitch_events")
    for scheme in ("delta", "parquet"):
        target = f"{scheme}:{bucket.address(scheme)}"
        request = RunRequest(name="game.live_game_v1", source=bucket.address("raw"), target=target, tables=tables)
        report = run(request, spark=spark)
        assert report.tables["game.live_game_pitch_events"].inserted == PITCHES
        rows = bucket.rows(target, "game.live_game_pitch_events")
        assert (len(rows), {row["game_pk"] for row in rows}) == (PITCHES, {747175})
        (kept,) = bucket.keys(f"{scheme}/_mlbsdk/runs/")
        assert json.loads(bucket.get(kept)) == report.to_json()
        events = [json.loads(line) for key in bucket.keys(f"{scheme}/_mlbsdk/lineage/") for line in lines(bucket, key)]
        assert {event["eventType"] for event in events} == {"START", "COMPLETE"}
        assert events[0]["inputs"][0]["namespace"] == f"s3://{bucket.name}"
        everything = b"".join(bucket.get(key) for key in bucket.keys(f"{scheme}/_mlbsdk/") if key.endswith(".json"))
        assert SECRET_KEY.encode() not in everything
    again = run(request, spark=spark)
    assert again.tables["game.live_game_pitch_events"].unchanged == PITCHES


def lines(bucket: Bucket, key: str) -> list[str]:
    return bucket.get(key).decode().splitlines()


@pytest.mark.parametrize(
    "scheme", ["delta", *(pytest.param(one, marks=pytest.mark.slow) for one in ("parquet", "avro"))]
)
def test_spark_itself_writes_to_a_bucket(spark: SparkSession, bucket: Bucket, scheme: str) -> None:
    """With replaced rows, and a refused one in the quarantine."""
    before = spark.conf.get("spark.mlbsdk.arrow", None)
    spark.conf.set("spark.mlbsdk.arrow", "false")
    target = f"{scheme}:{bucket.address('out put')}"
    try:
        put(bucket, [Capture(1, 1), Capture(2, 0)])
        mini_run(spark, bucket, target)
        put(bucket, [Capture(2, 2)])
        bucket.put("in/broken.json", b"{")
        report = mini_run(spark, bucket, target, on_error=mlbsdk.OnError.QUARANTINE)
    finally:
        spark.conf.unset("spark.mlbsdk.arrow") if before is None else spark.conf.set("spark.mlbsdk.arrow", before)
    assert report.documents.rejected == 1
    check(bucket, target, [Capture(1, 1), Capture(2, 0), Capture(2, 2)])
    assert [row["table_name"] for row in bucket.rows(target, "mlbsdk.quarantine")] == ["mini.game"]
    left = [key for key in bucket.keys("out put/_mlbsdk/") if "/staging/" in key or "/publications/" in key]
    assert left == []


@pytest.mark.parametrize("format", ["delta", "parquet"])
def test_raw_tables_in_a_bucket_are_read(spark: SparkSession, bucket: Bucket, format: str) -> None:
    from mlbsdk.plugins import Plugins
    from mlbsdk.runtime.storage import Storages

    captures, raw = [Capture(1, 1), Capture(2, 0)], bucket.address("raw")
    storages = Storages(Plugins.load())
    storages.of(raw)
    storages.use_in(spark)
    texts = [(json.dumps(one.document()), str(n)) for n, one in enumerate(captures)]
    spark.createDataFrame(texts, "data string, id string").coalesce(1).write.format(format).save(raw)
    target = f"delta:{bucket.address('out')}"
    run(RunRequest(name="mini.game", mapping=MAPPING, source=f"{format}:{raw}", target=target), spark=spark)
    check(bucket, target, captures)


def test_a_stream_and_its_checkpoint_are_in_a_bucket(spark: SparkSession, bucket: Bucket) -> None:
    target, checkpoint = f"delta:{bucket.address('out')}", bucket.address("checkpoint")
    wanted: dict[str, Any] = {
        "name": "mini.game",
        "mapping": MAPPING,
        "source": bucket.address("in"),
        "target": target,
        "checkpoint": checkpoint,
        "trigger": "available-now",
    }
    put(bucket, [Capture(1, 1)])
    for more, documents in ([], 1), ([Capture(1, 2), Capture(2, 0)], 2), ([], 0):
        put(bucket, more)
        report = mlbsdk.stream(mlbsdk.StreamRequest(**wanted), spark=spark)
        assert report.documents.read == documents
        assert report.notes == []
    check(bucket, target, [Capture(1, 1), Capture(1, 2), Capture(2, 0)])
    assert {"checkpoint/mlbsdk.json", "checkpoint/commits/1", "checkpoint/offsets/1"} <= set(bucket.keys("checkpoint/"))
    assert "checkpoint/mlbsdk.lock" not in bucket.keys("checkpoint/")
    with pytest.raises(mlbsdk.MlbsdkError, match="is of the target"):
        mlbsdk.stream(mlbsdk.StreamRequest(**wanted | {"target": f"delta:{bucket.address('other')}"}), spark=spark)


@pytest.mark.parametrize("scheme", ["delta", pytest.param("parquet", marks=pytest.mark.slow)])
def test_quality_is_checked_shown_and_mended_in_a_bucket(
    spark: SparkSession, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """A row is refused and replayed, tables are checked and profiled, and the page of the run tells of it."""
    monkeypatch.chdir(tmp_path)
    put(bucket, [Capture(1, 1)])
    strict, target = tmp_path / "strict.yaml", f"{scheme}:{bucket.address('out')}"
    text = MAPPING.read_text(encoding="utf-8")
    speeds = [row["speed"] for row in bucket_plays(Capture(1, 1)) if row["speed"] is not None]
    limit = sorted(speeds)[-1]
    strict.write_text(text.replace("BETWEEN 0 AND 120", f"BETWEEN 0 AND {limit - 1}"), encoding="utf-8")
    request = RunRequest(
        name="mini.game",
        mapping=strict,
        source=bucket.address("in"),
        target=target,
        on_error=mlbsdk.OnError.QUARANTINE,
    )
    refused = run(request, spark=spark).tables["mini.plays"].quarantined
    assert refused == speeds.count(limit)

    checked = told("check", "mini.plays", "--mapping", str(MAPPING), "--target", target, "--json")
    assert json.loads(checked)["tables"][0]["passed"]
    assert json.loads(told("profile", "mini.plays", "--target", target, "--json"))["rows"] == len(speeds) - refused
    assert "compliance" in told("history", "mini.plays", "--target", target)
    told("report", "--location", target, "--out", "page.html")
    page = Path("page.html").read_text(encoding="utf-8")
    assert f"{refused} open" in page
    assert "speed" in page

    done = json.loads(told("replay", "--target", target, "--mapping", str(MAPPING), "--json"))
    assert done["transforms"][0]["outcomes"]["published"] == refused
    assert len(bucket.rows(target, "mini.plays")) == len(speeds)
    assert json.loads(told("replay", "--target", target, "--json"))["transforms"] == []


def bucket_plays(capture: Capture) -> list[dict[str, Any]]:
    return [dict(row) for row in expected([capture])["mini.plays"]]


def told(*arguments: str) -> str:
    """Return what ``mlbsdk quality`` prints."""
    done = CliRunner().invoke(build(), ["quality", *arguments])
    assert done.exit_code == 0, f"{done.output} {done.exception}"
    assert SECRET_KEY not in done.output
    return done.stdout


@pytest.mark.slow
def test_an_export_leaves_a_secret_nowhere(bucket: Bucket, tmp_path: Path) -> None:
    """Not in what it prints, Spark's event log, the log file, or any object; in a process of its own."""
    storage = {"backend": "s3", "bucket": bucket.name, "endpoint": bucket.store.endpoint}
    config = {"version": "1.0", "storage": storage, "layers": {"raw": {}, "normalized": {}}}
    (tmp_path / "exports.yaml").write_text(json.dumps(config | {"transforms": ["person.person"]}))
    (tmp_path / "events").mkdir()
    settings = {"spark.master": "local[2]", "spark.mlbsdk.arrow": "false"}
    settings |= EVENT_LOG | {"spark.eventLog.dir": f"file:{tmp_path / 'events'}"}
    # All that Spark can tell is in the log too.
    (tmp_path / "mlbsdk.yaml").write_text(json.dumps({"spark": settings, "log_file": str(tmp_path / "spark.log")}))
    source = DATA / "captures" / "endpoints"
    command = [str(Path(sys.executable).with_name("mlbsdk")), "--debug", "export", "--config", "exports.yaml"]
    environment = {name: value for name, value in os.environ.items() if name != "AWS_ENDPOINT_URL_S3"}
    done = subprocess.run(
        [*command, "--source", str(source / "**" / "person_person*")],
        cwd=tmp_path,
        env=environment | {"MLBSDK_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert SECRET_KEY not in done.stdout + done.stderr
    assert list((tmp_path / "events").iterdir())
    files = [file for file in tmp_path.rglob("*") if file.is_file() and file.suffix != ".jar"]
    assert [str(file) for file in files if SECRET_KEY.encode() in file.read_bytes()] == []
    objects = bucket.keys()
    assert [key for key in objects if SECRET_KEY.encode() in bucket.get(key)] == []
    assert bucket.keys("normalized/person/person/")


def test_spark_shows_no_secret(spark: SparkSession, bucket: Bucket) -> None:
    """Not in what its environment page shows, and not in the command line of Java."""
    put(bucket, [Capture(1, 1)])
    mini_run(spark, bucket, f"parquet:{bucket.address('out')}")
    assert spark.conf.get(f"fs.s3a.bucket.{bucket.name}.secret.key") == SECRET_KEY
    assert SECRET_KEY not in str(spark.sparkContext.getConf().getAll())
    shown = spark.sql("SET").collect()
    assert SECRET_KEY not in str(shown)
    gateway = spark.sparkContext._gateway
    command = Path(f"/proc/{gateway.proc.pid}/cmdline")  # type: ignore[union-attr]
    if command.exists():
        assert SECRET_KEY.encode() not in command.read_bytes()
