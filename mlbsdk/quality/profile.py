"""What the columns of a table hold, and the native profile: plain Spark aggregations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

#: Columns of at most so many different values get a histogram.
MOST_VALUES = 25


@dataclass(frozen=True)
class ColumnProfile:
    """What one column holds. Figures that its type has not, or that no value gives, are None."""

    name: str
    type: str
    """Spark's."""
    completeness: float
    """The part of the rows that has a value; 1.0 in a table without rows."""
    distinct: int
    """Different values, approximately (by a HyperLogLog sketch)."""
    minimum: Any = None
    """Of numbers and moments."""
    maximum: Any = None
    mean: float | None = None
    """Of numbers."""
    standard_deviation: float | None = None
    """Of numbers: of the population."""
    histogram: tuple[tuple[str | None, int], ...] | None = None
    """(value as text, rows), the most frequent first; only of columns with few different values."""


@dataclass(frozen=True)
class TableProfile:
    """What a table holds."""

    table: str
    rows: int
    columns: tuple[ColumnProfile, ...]

    def column(self, name: str) -> ColumnProfile:
        """Return the profile of the column of that name."""
        return next(column for column in self.columns if column.name == name)


def profiled_columns(rows: DataFrame) -> list[str]:
    """Return the columns that have a profile: all but those of nested and binary types."""
    nested = ("struct", "array", "map", "binary")
    return [field.name for field in rows.schema.fields if field.dataType.typeName() not in nested]


def profile(rows: DataFrame, table: str) -> TableProfile:
    """Describe each column: one job for all figures, and one for the histograms of columns with few values."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import NumericType

    names = profiled_columns(rows)
    kinds = {field.name: field.dataType for field in rows.schema.fields}
    figures: list[Column] = [F.count(F.lit(1)).alias("rows")]
    for number, name in enumerate(names):
        value = F.col(f"`{name}`")
        figures += [F.count(value).alias(f"n{number}"), F.approx_count_distinct(value).alias(f"d{number}")]
        if _has_order(kinds[name].typeName()) or isinstance(kinds[name], NumericType):
            figures += [F.min(value).alias(f"low{number}"), F.max(value).alias(f"high{number}")]
        if isinstance(kinds[name], NumericType):
            double = value.cast("double")
            figures += [F.avg(double).alias(f"m{number}"), F.stddev_pop(double).alias(f"s{number}")]
    found = rows.agg(*figures).collect()[0].asDict()
    few = [name for number, name in enumerate(names) if 0 < found[f"d{number}"] <= MOST_VALUES]
    histograms = value_counts(rows, few)
    columns = tuple(
        ColumnProfile(
            name=name,
            type=kinds[name].simpleString(),
            completeness=found[f"n{number}"] / found["rows"] if found["rows"] else 1.0,
            distinct=found[f"d{number}"],
            minimum=found.get(f"low{number}"),
            maximum=found.get(f"high{number}"),
            mean=found.get(f"m{number}"),
            standard_deviation=found.get(f"s{number}"),
            histogram=histograms.get(name),
        )
        for number, name in enumerate(names)
    )
    return TableProfile(table, found["rows"], columns)


def value_counts(rows: DataFrame, columns: list[str]) -> dict[str, tuple[tuple[str | None, int], ...]]:
    """Return how often each value occurs in columns that have few, the most frequent first; in one job."""
    from pyspark.sql import functions as F

    if not columns:
        return {}
    pairs = [F.struct(F.lit(name).alias("name"), F.col(f"`{name}`").cast("string").alias("value")) for name in columns]
    counted = rows.select(F.inline(F.array(*pairs))).groupBy("name", "value").count()
    found: dict[str, list[tuple[str | None, int]]] = {name: [] for name in columns}
    for row in counted.collect():
        found[row["name"]].append((row["value"], row["count"]))
    return {name: tuple(sorted(some, key=lambda one: (-one[1], one[0] or ""))) for name, some in found.items()}


def _has_order(kind: str) -> bool:
    """Whether the least and greatest value of a type tell something: of moments."""
    return kind in ("date", "timestamp", "timestamp_ntz")
