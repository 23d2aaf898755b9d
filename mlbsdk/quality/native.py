"""The native quality engine: reads the verdicts that cutting left in ``lineage_metadata``, and finds repeated keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any

from mlbsdk.mapping.plan import LINEAGE, Table, longest_first

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame

UNIQUE_KEY = "unique:primary_key"
_ROWS = "*"


@dataclass(frozen=True)
class Verdict:
    """What the checks of one table found: its rows, and how many failed each check."""

    table: Table
    rows: int
    failed: Mapping[str, int] = field(default_factory=dict)

    def severity(self, check: str) -> str:
        """Return the severity of a check; what comes from types and keys is an error."""
        return next((rule.severity for rule in self.table.rules if rule.name == check), "error")

    @property
    def errors(self) -> dict[str, int]:
        """Failed checks of severity error."""
        return {check: count for check, count in self.failed.items() if self.severity(check) == "error"}


def unique_checks(table: Table) -> list[tuple[str, tuple[str, ...]]]:
    """Return (check, columns) of all that must be unique in a batch: the primary key and the rules that say so."""
    rules = [(rule.name, rule.columns) for rule in table.rules if rule.kind == "unique"]
    return [(UNIQUE_KEY, table.primary_key), *rules]


def judge_arrow(table: Table, rows: pa.Table) -> Verdict:
    """Judge rows that are in memory."""
    import pyarrow.compute as pc

    failed: dict[str, int] = {}
    if rows.num_rows:
        names = pc.list_flatten(pc.struct_field(rows[LINEAGE], "quality_checks_failed"))
        failed = {str(entry["values"]): int(entry["counts"]) for entry in pc.value_counts(names).to_pylist()}
    for check, columns in unique_checks(table):
        counts = rows.group_by(list(columns)).aggregate([([], "count_all")])
        repeated = counts.filter(pc.greater(counts["count_all"], 1))
        if repeated.num_rows:
            failed[check] = int(pc.sum(repeated["count_all"]).as_py())
    return Verdict(table, rows.num_rows, failed)


def judge_frames(frames: Mapping[str, DataFrame], tables: Iterable[Table]) -> dict[str, Verdict]:
    """Judge all tables on Spark, in one pass over each; what comes back is a row a check that failed.

    Rows are counted by primary key and failed check together, so that a table is not computed once more for its keys.
    Each table has a stage of its own: a task tells the driver all figures of its stage, and in one stage of 18 tables
    these are 50 KB a task.
    """
    from pyspark.sql import functions as F

    counts: list[DataFrame] = []
    by_name = {table.name: table for table in tables}
    for table in longest_first(by_name[name] for name in frames):
        name, frame = table.name, frames[table.name]
        (_, key), *others = unique_checks(table)
        checks = F.concat(F.array(F.lit(_ROWS)), F.col(f"{LINEAGE}.quality_checks_failed"))
        counted = frame.select(*_quoted(key), F.explode(checks).alias("__check")).groupBy(*_quoted(key), "__check")
        is_repeated = (F.col("__check") == _ROWS) & (F.col("__n") > 1)
        figures = F.array(
            F.struct(F.col("__check").alias("check"), F.col("__n").alias("n")),
            F.struct(F.lit(UNIQUE_KEY).alias("check"), F.when(is_repeated, F.col("__n")).alias("n")),
        )
        counts.append(counted.agg(F.count(F.lit(1)).alias("__n")).select(F.lit(name).alias("table"), F.inline(figures)))
        for check, columns in others:
            repeated = frame.groupBy(*_quoted(columns)).agg(F.count(F.lit(1)).alias("__n")).where("__n > 1")
            counts.append(repeated.select(F.lit(name).alias("table"), F.lit(check).alias("check"), F.col("__n")))
    everything = reduce(lambda one, other: one.union(other), counts).where("n IS NOT NULL")
    found = everything.groupBy("table", "check").agg(F.sum("n").alias("n")).collect()
    totals: dict[str, dict[str, int]] = {name: {} for name in frames}
    for row in found:
        totals[row["table"]][row["check"]] = int(row["n"])
    return {name: Verdict(by_name[name], counts.pop(_ROWS, 0), counts) for name, counts in totals.items()}


def _quoted(names: Iterable[str]) -> list[str]:
    return [f"`{name}`" for name in names]


def repeated_keys(table: Table, rows: pa.Table | DataFrame, limit: int = 5) -> list[tuple[Any, ...]]:
    """Return the first primary keys that stand more than once."""
    import pyarrow as pa

    keys = list(table.primary_key)
    if not isinstance(rows, pa.Table):
        found = rows.groupBy(*keys).count().where("count > 1").limit(limit).collect()
        return [tuple(row[key] for key in keys) for row in found]
    counts = rows.group_by(keys).aggregate([([], "count_all")]).to_pylist() if rows.num_rows < 1_000_000 else []
    return [tuple(row[key] for key in keys) for row in counts if row["count_all"] > 1][:limit]


def with_repeats_marked(frame: DataFrame, table: Table, checks: Iterable[str]) -> DataFrame:
    """Return the rows with failed ``unique`` checks noted in lineage_metadata, as the other checks are."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    wanted = [(check, columns) for check, columns in unique_checks(table) if check in set(checks)]
    for check, columns in wanted:
        is_error = Verdict(table, 0).severity(check) == "error"
        repeats: Column = F.count(F.lit(1)).over(Window.partitionBy(*columns)) > 1
        lineage = F.col(LINEAGE)
        marked = lineage.withField("quality_checks_failed", F.array_append(f"{LINEAGE}.quality_checks_failed", check))
        marked = marked.withField("data_quality_passed", F.lit(False)) if is_error else marked
        frame = frame.withColumn("_repeats", repeats).withColumn(
            LINEAGE, F.when(F.col("_repeats"), marked).otherwise(lineage)
        )
        frame = frame.drop("_repeats")
    return frame


class NativeQuality:
    """The quality engine that every run uses: rules as Spark SQL, judged in the transform's own pass."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self.options = options

    def check(self, rows: DataFrame, table: Table) -> Iterable[tuple[str, int]]:
        """Return (check, failed rows) for rows that a transform made."""
        return tuple(judge_frames({table.name: rows}, [table])[table.name].failed.items())
