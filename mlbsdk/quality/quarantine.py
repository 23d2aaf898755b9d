"""The quarantine table: rows and captures that were refused, why, and what they held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from mlbsdk.mapping.plan import CAPTURED_AT, LINEAGE, Column, FromRaw, Table
from mlbsdk.mapping.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from mlbsdk.runtime.cut import RunStamp

NAME = "mlbsdk.quarantine"
_COLUMNS = {
    "quarantine_id": ("TEXT", "SHA-256 of table, checks, row and raw row id: the same refusal again is the same row."),
    "table_name": ("TEXT", "The table that the row was for; the raw table for a whole capture."),
    "transform": ("TEXT", "The transform."),
    "run_id": ("TEXT", "The run that refused it."),
    "checks": ("TEXT", "The checks that failed, separated by commas."),
    "reason": ("TEXT", "The reasons that the mapping gives for them."),
    "row_json": ("TEXT", "The row as JSON; null for a capture that could not be read."),
    "source_row_id": ("TEXT", "The raw row."),
    CAPTURED_AT: ("TIMESTAMPTZ", "When the source was captured (UTC)."),
    "transform_timestamp": ("TIMESTAMPTZ", "When it was refused (UTC)."),
    "source": ("TEXT", "The address that the run read, without passwords."),
    "resolution": ("TEXT", "How a replay settled it: published, superseded, gone or refused_anew; null while open."),
    "resolved_at": ("TIMESTAMPTZ", "When it was settled (UTC)."),
    "resolved_by_run": ("TEXT", "The run that settled it."),
}
#: Columns that tell of a run: they do not make two rows differ.
_STAMPS = ("run_id", "transform_timestamp", "source", "resolved_at", "resolved_by_run")


#: The names of its columns, without lineage_metadata.
COLUMNS = tuple(_COLUMNS)


@dataclass(frozen=True, kw_only=True)
class QuarantineQuery:
    """Which entries of the quarantine table are wanted: all that have these values, the newest first."""

    transform: str | None = None
    table: str | None = None
    run_id: str | None = None
    is_open: bool = False
    """Only entries that nothing has settled."""
    limit: int | None = None

    @property
    def equal(self) -> dict[str, str]:
        """The values that columns must have."""
        asked = {"transform": self.transform, "table_name": self.table, "run_id": self.run_id}
        return {name: value for name, value in asked.items() if value is not None}


def quarantine_rows(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return entries as Arrow, with every column but lineage_metadata; what a row lacks is null."""
    import pyarrow as pa

    from mlbsdk.runtime.arrow import arrow_schema

    schema = arrow_schema(quarantine_table())
    schema = pa.schema([schema.field(name) for name in COLUMNS])
    return pa.Table.from_pylist([{name: row.get(name) for name in COLUMNS} for row in rows], schema=schema)


def quarantine_table() -> Table:
    """Return the quarantine table's plan: written as any other table, by key, rows kept."""
    columns = tuple(
        Column(
            name,
            ColumnType.parse(kind),
            nullable=name != "quarantine_id",
            origin=FromRaw("row_id"),
            source_path="",
            description=text,
            is_stamp=name in _STAMPS,
        )
        for name, (kind, text) in _COLUMNS.items()
    )
    return Table(
        name=NAME,
        description="Rows and captures that were refused by quality checks.",
        levels=(),
        columns=columns,
        primary_key=("quarantine_id",),
        partition_by=(),
        document_key=("quarantine_id",),
        on_missing="keep",
        filter=None,
        rules=(),
        relationships=(),
        indexes=(),
    )


def refused_rows(frames: Mapping[str, DataFrame], tables: Mapping[str, Table], stamp: RunStamp) -> DataFrame | None:
    """Return the rows that failed a check of severity error, as rows of the quarantine table."""
    found = [
        _refused(frame.where(f"NOT {LINEAGE}.data_quality_passed"), tables[name], stamp)
        for name, frame in frames.items()
    ]
    return reduce(lambda one, other: one.unionByName(other), found) if found else None


def refused_captures(spark: SparkSession, rejected: Iterable[tuple[str, str]], stamp: RunStamp) -> DataFrame:
    """Return captures that are no document of the mapping, as (raw row, reason), as rows of the quarantine table."""
    from pyspark.sql import functions as F

    bad = spark.createDataFrame(list(rejected), "row_id string, problem string")
    bad = bad.withColumn("captured_at", F.lit(None).cast("timestamp"))
    return _rows(
        bad,
        stamp,
        stamp.raw_table,
        F.lit("document"),
        F.col("problem"),
        F.lit(None).cast("string"),
        "row_id",
        "captured_at",
    )


def _refused(frame: DataFrame, table: Table, stamp: RunStamp) -> DataFrame:
    from pyspark.sql import functions as F

    reasons = {rule.name: rule.reason or rule.text for rule in table.rules}
    pairs = [item for name, reason in reasons.items() for item in (F.lit(name), F.lit(reason))]
    known = F.create_map(*pairs) if pairs else F.create_map().cast("map<string,string>")
    failed = F.col(f"{LINEAGE}.quality_checks_failed")
    reason = F.array_join(F.transform(failed, lambda check: F.coalesce(known[check], check)), "; ")
    values = F.struct(*(F.col(f"`{column.name}`") for column in table.columns if column.name != "transform_timestamp"))
    row = F.to_json(values, {"ignoreNullFields": "false"})
    return _rows(
        frame, stamp, table.name, F.array_join(failed, ","), reason, row, f"{LINEAGE}.source_row_id", CAPTURED_AT
    )


def _rows(
    frame: DataFrame,
    stamp: RunStamp,
    table: str,
    checks: object,
    reason: object,
    row: object,
    row_id: str,
    captured_at: str,
) -> DataFrame:
    from pyspark.sql import functions as F

    named = frame.select(
        F.lit(table).alias("table_name"),
        F.lit(stamp.transform).alias("transform"),
        F.lit(stamp.run_id).alias("run_id"),
        checks.alias("checks"),  # type: ignore[attr-defined]
        reason.alias("reason"),  # type: ignore[attr-defined]
        row.alias("row_json"),  # type: ignore[attr-defined]
        F.col(row_id).alias("source_row_id"),
        F.col(captured_at).alias(CAPTURED_AT),
        F.lit(stamp.transformed_at).cast("timestamp").alias("transform_timestamp"),
        F.lit(stamp.source).alias("source"),
        F.lit(None).cast("string").alias("resolution"),
        F.lit(None).cast("timestamp").alias("resolved_at"),
        F.lit(None).cast("string").alias("resolved_by_run"),
    )
    identity = F.sha2(F.to_json(F.struct("table_name", "transform", "checks", "row_json", "source_row_id")), 256)
    lineage = F.struct(
        F.lit(stamp.raw_table).alias("source_table"),
        F.col("source_row_id"),
        F.lit(f"{stamp.transform}.quarantine").alias("transform_job"),
        F.col("run_id"),
        F.col("transform_timestamp"),
        F.lit(False).alias("data_quality_passed"),
        F.array().cast("array<string>").alias("quality_checks_run"),
        F.split("checks", ",").alias("quality_checks_failed"),
    )
    # Two refused rows that are equal in everything are one refusal.
    return named.select(identity.alias("quarantine_id"), *_COLUMNS_AFTER_ID, lineage.alias(LINEAGE)).dropDuplicates(
        ["quarantine_id"]
    )


_COLUMNS_AFTER_ID = [name for name in _COLUMNS if name != "quarantine_id"]
