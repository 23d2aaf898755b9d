"""Runs and streams on a real object store, with Spark; but Avro, tables are read back without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import mlbsdk
from mlbsdk.runtime.run import RunRequest, run
from mlbsdk.testing.contracts.batches import mini_plan
from mlbsdk.testing.contracts.of_writers import comparable
from mlbsdk.testing.mini import MAPPING, Capture, expected
from tests.conftest import SAMPLES
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


@pytest.mark.parametrize("scheme", ["delta", "parquet", "avro"])
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
