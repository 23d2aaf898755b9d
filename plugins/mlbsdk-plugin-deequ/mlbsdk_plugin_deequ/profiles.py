"""Deequ's column profiles as those of mlbsdk."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlbsdk.plugin import ColumnProfile, TableProfile, profiled_columns
from mlbsdk_plugin_deequ.gateway import deequ

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: Columns of at most so many different values get a histogram.
MOST_VALUES = 25
#: How Deequ's histograms spell a null.
_NULL = "NullValue"
_MOMENTS = ("date", "timestamp", "timestamp_ntz")


def profile(rows: DataFrame, table: str) -> TableProfile:
    """Describe each column of a table, in Deequ's three passes over it.

    Raises:
        EnvironmentProblem: Deequ is not in the session.
    """
    names = profiled_columns(rows)
    frame = rows.select(*(f"`{name}`" for name in names)).persist()
    try:
        with deequ(rows.sparkSession):
            from pydeequ.profiles import ColumnProfilerRunner

            count, bounds = _rows_and_moments(frame)
            run = ColumnProfilerRunner(rows.sparkSession).onData(frame)
            found = run.withLowCardinalityHistogramThreshold(MOST_VALUES).run().profiles if count else {}
            columns = (replace(one, **bounds.get(one.name, {})) for one in columns_of(frame, found))
            return TableProfile(table, count, tuple(columns))
    finally:
        frame.unpersist()


def _rows_and_moments(frame: DataFrame) -> tuple[int, dict[str, dict[str, Any]]]:
    """Return the number of rows, and the first and last of each column of moments: Deequ has them for numbers only."""
    from pyspark.sql import functions as F

    moments = [field.name for field in frame.schema.fields if field.dataType.typeName() in _MOMENTS]
    bounds = [F.struct(F.min(f"`{name}`").alias("minimum"), F.max(f"`{name}`").alias("maximum")) for name in moments]
    count, *found = frame.agg(F.count(F.lit(1)), *bounds).collect()[0]
    return count, {name: one.asDict() for name, one in zip(moments, found, strict=True)}


def columns_of(rows: DataFrame, profiles: dict[str, Any]) -> tuple[ColumnProfile, ...]:
    """Return Deequ's profiles by the order of the columns, each with the type that Spark has."""
    return tuple(
        _column(field.name, field.dataType.simpleString(), profiles.get(field.name)) for field in rows.schema.fields
    )


def _column(name: str, kind: str, found: Any) -> ColumnProfile:
    if found is None:
        return ColumnProfile(name, kind, 1.0, 0)
    # Deequ takes figures of text that looks like numbers, too; "007" is no seven here.
    is_number = kind not in ("string", "boolean", *_MOMENTS)
    figures = {
        key: getattr(found, key, None) if is_number else None for key in ("minimum", "maximum", "mean", "stdDev")
    }
    return ColumnProfile(
        name=name,
        type=kind,
        completeness=found.completeness,
        distinct=int(found.approximateNumDistinctValues),
        minimum=figures["minimum"],
        maximum=figures["maximum"],
        mean=figures["mean"],
        standard_deviation=figures["stdDev"],
        histogram=_histogram(found.histogram),
    )


def _histogram(found: Any) -> tuple[tuple[str | None, int], ...] | None:
    values = [(None if one.value == _NULL else one.value, int(one.count)) for one in found or ()]
    if all(value is None for value, _ in values):
        return None
    return tuple(sorted(values, key=lambda one: (-one[1], one[0] or "")))
