"""Batches as the engine makes them, from rows that are here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file
from mlbsdk.mapping.plan import LINEAGE, Plan, Table
from mlbsdk.runtime.batch import Batch, Document, TableRows
from mlbsdk.testing.mini import MAPPING, Capture, expected, newest

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_LINEAGE = {"run_id": "a run", "data_quality_passed": True, "quality_checks_run": ["a check"]}


@lru_cache
def mini_plan(*, kept: bool = False) -> Plan:
    """Return the plan of the small mapping; ``kept``: every table with ``on_missing: keep``."""
    plan = compile_mapping(load_file(MAPPING))
    tables = tuple(replace(table, on_missing="keep") if kept else table for table in plan.tables)
    return replace(plan, tables=tables)


def full_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with the columns that tell of a run."""
    now = datetime.now(timezone.utc)
    return [{**row, "transform_timestamp": now, LINEAGE: _LINEAGE} for row in rows]


def frame_of(spark: SparkSession, table: Table, rows: Sequence[Mapping[str, Any]]) -> DataFrame:
    """Return rows as a DataFrame with the table's schema.

    They go to Spark as JSON text: createDataFrame would start a Python process for each of them.
    """
    from pyspark.sql import functions as F
    from pyspark.sql.types import ArrayType

    from mlbsdk.runtime.schemas import spark_schema

    text = json.dumps(list(rows), default=_as_json)
    parsed = F.from_json(F.lit(text), ArrayType(spark_schema(table)), {"timestampFormat": _TIMESTAMP})
    return spark.range(0, 1, 1, 1).select(F.inline(parsed))


_TIMESTAMP = "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"


def _as_json(value: Any) -> str:
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else str(value)


def table_rows(spark: SparkSession, table: Table, rows: Iterable[Mapping[str, Any]], *, arrow: bool) -> TableRows:
    """Return rows of a table for a batch; with ``arrow`` also in memory, as small batches have them."""
    import pyarrow as pa

    from mlbsdk.runtime.arrow import arrow_schema

    full = full_rows(rows)
    held = pa.Table.from_pylist(full, schema=arrow_schema(table)) if arrow else None
    return TableRows(table, frame_of(spark, table, full), held, len(full))


def batch_of(spark: SparkSession, plan: Plan, captures: Sequence[Capture], number: int, *, arrow: bool) -> Batch:
    """Return the batch that a run makes of captures of the small mapping."""
    kept = all(table.on_missing == "keep" for table in plan.tables)
    rows = expected(captures, kept=kept)
    tables = {table.name: table_rows(spark, table, rows[table.name], arrow=arrow) for table in plan.tables}
    documents = tuple(Document((capture.game,), capture.captured_at) for capture in newest(captures).values())
    return Batch(spark, plan, f"run-{number}", number, documents, tables)
