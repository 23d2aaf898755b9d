"""Queries that stand: analysed and planned once, and run again for every small batch.

For one game Spark analyses and plans a mapping's queries for longer than it computes them. So the queries read a file,
always the same, that each batch's raw rows are put into; what they parse is held until the batch is done, and then
forgotten, so that the next run of the same queries parses the next batch.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from mlbsdk.runtime.arrow import to_arrow
from mlbsdk.runtime.cut import RunStamp
from mlbsdk.runtime.held import INTAKE_COLUMNS, Held, cut_all, split
from mlbsdk.runtime.parse import parse_stamped
from mlbsdk.runtime.places import Places
from mlbsdk.runtime.raw import RAW_SCHEMA
from mlbsdk.runtime.sql import Over

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from mlbsdk.mapping.plan import Plan

#: Up to this much JSON text goes through standing queries: a day's sixteen games.
STANDING_BYTES = 14 * 1024 * 1024
#: Java's JSON reader takes texts of 20 million characters, and no longer ones.
_LONGEST = 20_000_000
_STAMP = {"run_id": "string", "transformed_at": "timestamp"}


class StandingQueries:
    """The queries of one mapping, for one batch at a time, where Spark runs on this machine.

    They are made for the first batch, so that a stream that only has large batches never makes them.

    Args:
        spark: the session that runs them, the same for all batches.
        plan: the mapping's plan.
    """

    def __init__(self, spark: SparkSession, plan: Plan) -> None:
        self.spark = spark
        self.plan = plan
        # It goes with the process too, where the queries were kept till then.
        self._folder = tempfile.TemporaryDirectory(prefix="mlbsdk-standing-")
        self._made: _Queries | None = None

    def take(self, raw: DataFrame, stamp: RunStamp) -> Held | None:
        """Put a batch's raw rows where the queries read them.

        Args:
            raw: the columns of :data:`mlbsdk.runtime.raw.RAW_SCHEMA`, at most :data:`STANDING_BYTES` of text.
            stamp: the run.

        Returns:
            The parsed documents with all tables ready, until it is released; None if a capture is too long for these
            queries, whose size was not known exactly.
        """
        folder = Path(self._folder.name)
        new, file = folder / "batch.new", folder / "batch.json"
        with new.open("w", encoding="ascii") as texts:
            for text in _texts(raw, stamp):
                if len(text) > _LONGEST:
                    return None
                texts.write(text)
        new.replace(file)
        if self._made is None:
            self._made = _Queries(self.spark, self.plan, file, stamp)
        return self._made.held()

    def close(self) -> None:
        """Let go of the queries and the file."""
        # A context that was stopped has let go of all queries itself.
        if self._made is not None and self.spark.sparkContext._jsc is not None:
            self._made.close()
        self._folder.cleanup()


class _Queries:
    """The queries over a file of raw rows."""

    def __init__(self, spark: SparkSession, plan: Plan, file: Path, stamp: RunStamp) -> None:
        self._plan = plan
        self._places = Places.of(plan.tables)
        self._parsed = split(parse_stamped(_rows(spark, file), plan), self._places).persist()
        # The view stays: dropping it would have Spark forget what is persisted before the queries are planned.
        self._view = Over(self._parsed).__enter__()
        self._ready = cut_all(self._view, plan, self._places, stamp)
        self._intake = self._parsed.select(*INTAKE_COLUMNS)
        # The blocks that Spark holds the parsed documents in. There is no public call.
        self._blocks = self._parsed._jdf.queryExecution().withCachedData().cacheBuilder().cachedColumnBuffers()
        self._level = self._blocks.getStorageLevel()
        self._blocks.unpersist(True)

    def held(self) -> Held:
        """Hold what the file has now, from the first query that reads it until it is released."""
        self._blocks.persist(self._level)
        return Held(
            self._plan, self._parsed, self._places, self._intake, lambda: self._blocks.unpersist(True), self._ready
        )

    def close(self) -> None:
        self._parsed.unpersist()
        self._view.__exit__()


def _rows(spark: SparkSession, file: Path) -> DataFrame:
    """Return the rows of a file as raw rows with their run's stamp."""
    kinds = RAW_SCHEMA | _STAMP
    schema = ", ".join(f"{name} {'bigint' if kind == 'timestamp' else kind}" for name, kind in kinds.items())
    # Read as a whole whatever its length: Spark looks up the length of a file when it plans, not when it reads.
    rows = spark.read.schema(schema).json(str(file), multiLine=True, mode="FAILFAST")
    return rows.selectExpr(*(_value(name, kind) for name, kind in kinds.items()))


def _value(name: str, kind: str) -> str:
    if name == "data":
        return "cast(unbase64(data) AS string) AS data"
    return f"timestamp_micros({name}) AS {name}" if kind == "timestamp" else name


def _plain(name: str, kind: str) -> str:
    if name == "data":
        return "cast(data AS binary) AS data"
    return f"unix_micros({name}) AS {name}" if kind == "timestamp" else name


def _texts(raw: DataFrame, stamp: RunStamp) -> Iterator[str]:
    """Return rows as one JSON array; the text of a capture in base 64, for its bytes may be no text at all."""
    columns = [_plain(name, kind) for name, kind in RAW_SCHEMA.items()]
    stamped = {"run_id": stamp.run_id, "transformed_at": micros(stamp.transformed_at)}
    before = "["
    for row in to_arrow(raw.selectExpr(*columns)).to_pylist():
        data = None if row["data"] is None else base64.b64encode(row["data"]).decode("ascii")
        yield before + json.dumps(row | {"data": data} | stamped)
        before = ",\n"
    yield "[]" if before == "[" else "]"


def micros(moment: datetime) -> int:
    """Return microseconds since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)
