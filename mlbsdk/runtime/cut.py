"""Cut one table from parsed documents: open its levels, read its values, apply types, judge rules, add lineage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import TYPE_CHECKING

from mlbsdk.mapping.plan import (
    LINEAGE,
    TRANSFORMED_AT,
    Filter,
    FromDocument,
    FromExpression,
    FromItem,
    FromJson,
    FromRaw,
    Level,
    Table,
)
from mlbsdk.mapping.plan import Column as PlanColumn
from mlbsdk.runtime.parse import raw_value, reach
from mlbsdk.runtime.values import misfit, too_long, typed, usable

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


@dataclass(frozen=True)
class RunStamp:
    """What every row of a run carries about the run."""

    run_id: str
    transform: str
    raw_table: str
    transformed_at: datetime


def checks_of(table: Table) -> tuple[str, ...]:
    """Return the names of the checks that each row of a table passes through: what its types ask, then its rules."""
    names = [f"{kind}:{column.name}" for column in table.columns for kind in _built_in(column)]
    return (*names, *(rule.name for rule in table.rules if rule.kind == "sql"))


def severity_of(table: Table, check: str) -> str:
    """Return the severity of a check by name; those that come from types and keys are errors."""
    return next((rule.severity for rule in table.rules if rule.name == check), "error")


def _built_in(column: PlanColumn) -> Iterator[str]:
    if _has_text(column) and not column.type.is_text:
        yield "type"
    if column.type.length:
        yield "length"
    if not column.nullable:
        yield "not_null"


def cut(parsed: DataFrame, table: Table, stamp: RunStamp) -> DataFrame:
    """Return the rows of one table.

    Args:
        parsed: as :func:`mlbsdk.runtime.parse.parse` returns it, without rejected captures.
        table: the table's plan.
        stamp: the run.

    Returns:
        The table's columns in order, then ``lineage_metadata``, a struct of source_table, source_row_id, transform_job, run_id,
        transform_timestamp, data_quality_passed, quality_checks_run and quality_checks_failed.
    """
    from pyspark.sql import functions as F

    rows = _open_levels(parsed, table)
    if table.filter is not None and not table.filter.columns:
        rows = rows.where(_filter(table.filter))
    rows = rows.select(
        "row_id",
        *(F.col(name) for name in _filter_paths(table)),
        *(_text(column, n).alias(f"t_{n}") for n, column in enumerate(table.columns) if _has_text(column)),
        *(_ready(column, stamp).alias(column.name) for column in table.columns if _is_ready(column)),
    )
    rows = rows.select(
        "*", *(typed(F.col(f"t_{n}"), column.type).alias(column.name) for n, column in enumerate(table.columns) if _has_text(column))
    )
    for column in _expressions_in_order(table):
        assert isinstance(column.origin, FromExpression)
        value = _with_default(F.expr(column.origin.sql), column)
        rows = rows.withColumn(column.name, value.cast(column.type.spark))
    if table.filter is not None and table.filter.columns:
        rows = rows.where(_filter(table.filter))
    rows = rows.withColumn("failed", _failed(_conditions(table)))
    return rows.select(*(F.col(f"`{column.name}`") for column in table.columns), _lineage(table, stamp).alias(LINEAGE))


# Levels


def _open_levels(parsed: DataFrame, table: Table) -> DataFrame:
    """Explode the table's levels, reading at each level the values that its columns need from there.

    Ancestors are never carried down whole: an exploded row copies all that it carries.
    """
    from pyspark.sql import functions as F

    rows, item, depth = parsed, F.col("document"), len(table.levels)
    carried = ["row_id", "captured_at", "endpoint", "method", "params", "url", "status_code", "document_columns"]
    for number in range(depth + 1):
        here = _values_at(table, depth - number)
        values = [reach(item, origin.path).alias(name) for name, origin in here.items() if not origin.previous]
        kept = [F.col(name) for name in carried]
        if number == depth:
            return rows.select(*kept, *values)
        level = table.levels[number]
        previous = {n: o for n, o in _values_at(table, 0).items() if o.previous} if number == depth - 1 else {}
        rows = rows.select(*kept, *values, _items(item, level, previous).alias("items"))
        carried += [name for name, origin in here.items() if not origin.previous]
        position = f"at_{depth - number - 1}"
        opened = F.posexplode("items").alias(position, "entry") if level.kind == "array" else F.explode("items").alias("entry")
        rows = rows.select(*(F.col(name) for name in carried), opened)
        carried.append(position)
        extra = [F.col("entry").getField(name).alias(name) for name in previous]
        key = [] if level.kind == "array" else [F.col("entry.key").alias(position)]
        inner = F.col("entry") if level.kind == "array" and not previous else F.col("entry").getField("value")
        kept_now = [F.col(name) for name in carried if not key or name != position]
        rows = rows.select(*kept_now, *key, *extra, inner.alias("item")).where(F.col("item").isNotNull())
        carried += list(previous)
        item = F.col("item")
    raise AssertionError("unreachable")


def _items(item: Column, level: Level, previous: dict[str, FromJson]) -> Column:
    """Return the array to explode: of items, or of {key, value} or {value, values of the previous item}."""
    from pyspark.sql import functions as F

    inside = reach(item, level.path)
    if level.kind == "map":
        return F.map_entries(inside)
    if level.kind == "branches":
        return F.array(*(F.struct(F.lit(b).alias("key"), inside.getField(b).alias("value")) for b in level.branches))
    if not previous:
        return inside

    def with_previous(value: Column, position: Column) -> Column:
        before = F.get(inside, position - 1)
        return F.struct(value.alias("value"), *(reach(before, o.path).alias(n) for n, o in previous.items()))

    return F.transform(inside, with_previous)


def _values_at(table: Table, up: int) -> dict[str, FromJson]:
    """Return the values that the table reads ``up`` levels above its items, by the name they are carried under."""
    found: dict[str, FromJson] = {}
    for number, column in enumerate(table.columns):
        if isinstance(column.origin, FromJson) and column.origin.up == up:
            found[f"v_{number}"] = column.origin
    for name, origin in table.filter.paths if table.filter else ():
        if origin.up == up:
            found[name] = origin
    return found


def _filter_paths(table: Table) -> list[str]:
    return [name for name, _ in table.filter.paths] if table.filter else []


def _filter(filter: Filter) -> Column:
    from pyspark.sql import functions as F

    return F.expr(filter.sql)


# Values


def _has_text(column: PlanColumn) -> bool:
    """Whether the value comes as text whose type is applied here."""
    origin = column.origin
    return isinstance(origin, FromJson) or (isinstance(origin, FromRaw) and origin.parameter is not None)


def _is_ready(column: PlanColumn) -> bool:
    """Whether the value has its type already."""
    return not _has_text(column) and (column.name == TRANSFORMED_AT or not isinstance(column.origin, FromExpression))


def _text(column: PlanColumn, number: int) -> Column:
    from pyspark.sql import functions as F

    found = raw_value(column.origin) if isinstance(column.origin, FromRaw) else F.col(f"v_{number}")
    return usable(found, column)


def _ready(column: PlanColumn, stamp: RunStamp) -> Column:
    from pyspark.sql import functions as F

    if column.name == TRANSFORMED_AT:
        return F.lit(stamp.transformed_at).cast("timestamp")
    origin = column.origin
    if isinstance(origin, FromDocument):
        return F.col("document_columns").getField(origin.name)
    if isinstance(origin, FromItem):
        return F.col(f"at_{origin.up}").cast(column.type.spark)
    assert isinstance(origin, FromRaw)
    return _with_default(raw_value(origin), column).cast(column.type.spark)


def _with_default(value: Column, column: PlanColumn) -> Column:
    from pyspark.sql import functions as F

    return value if column.default is None else F.coalesce(value, F.lit(column.default))


def _expressions_in_order(table: Table) -> list[PlanColumn]:
    """Return the columns that are expressions, each after those it reads."""
    waiting = [c for c in table.columns if isinstance(c.origin, FromExpression) and c.name != TRANSFORMED_AT]
    ordered: list[PlanColumn] = []
    while waiting:
        names = {column.name for column in waiting}
        free = [c for c in waiting if isinstance(c.origin, FromExpression) and not names & set(c.origin.columns)]
        ordered += free
        waiting = [column for column in waiting if column not in free]
    return ordered


# Checks


def _conditions(table: Table) -> list[tuple[str, Column]]:
    """Return (check, condition under which it failed) for every check of the table."""
    from pyspark.sql import functions as F

    found: list[tuple[str, Column | None]] = []
    for number, column in enumerate(table.columns):
        value = F.col(f"`{column.name}`")
        kinds = set(_built_in(column))
        if "type" in kinds:
            found.append((f"type:{column.name}", misfit(F.col(f"t_{number}"), value, column.type)))
        if "length" in kinds:
            found.append((f"length:{column.name}", too_long(value, column.type)))
        if "not_null" in kinds:
            found.append((f"not_null:{column.name}", value.isNull()))
    found += [(rule.name, ~F.expr(rule.sql)) for rule in table.rules if rule.kind == "sql"]
    return [(name, condition) for name, condition in found if condition is not None]


def _failed(conditions: list[tuple[str, Column]]) -> Column:
    """Return the names of failed checks. The array is built only for rows that failed one."""
    from pyspark.sql import functions as F

    if not conditions:
        return F.array().cast("array<string>")
    certain = [(name, F.coalesce(condition, F.lit(False))) for name, condition in conditions]
    any_failed = reduce(lambda one, other: one | other, (condition for _, condition in certain))
    names = F.array_compact(F.array(*(F.when(condition, F.lit(name)) for name, condition in certain)))
    return F.when(any_failed, names).otherwise(F.array().cast("array<string>"))


def _lineage(table: Table, stamp: RunStamp) -> Column:
    from pyspark.sql import functions as F

    checks = checks_of(table)
    warnings = [check for check in checks if severity_of(table, check) == "warning"]
    errors = F.array_except("failed", F.array(*map(F.lit, warnings)).cast("array<string>")) if warnings else F.col("failed")
    ran = [rule.name for rule in table.rules if rule.kind == "sql"]
    return F.struct(
        F.lit(stamp.raw_table).alias("source_table"),
        F.col("row_id").alias("source_row_id"),
        F.lit(f"{stamp.transform}.{table.name.partition('.')[2]}").alias("transform_job"),
        F.lit(stamp.run_id).alias("run_id"),
        F.lit(stamp.transformed_at).cast("timestamp").alias("transform_timestamp"),
        (F.size(errors) == 0).alias("data_quality_passed"),
        F.array(*map(F.lit, ran)).cast("array<string>").alias("quality_checks_run"),
        F.col("failed").alias("quality_checks_failed"),
    )
