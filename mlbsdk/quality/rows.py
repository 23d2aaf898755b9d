"""The native judgement of finished rows, such as those of a stored table: all checks in one Spark job."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

from mlbsdk.hookspecs import CheckResult, Verification
from mlbsdk.mapping.plan import Table
from mlbsdk.quality.checks import Check, table_checks

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_ROWS = -1


def verify(rows: DataFrame, table: Table) -> Verification:
    """Judge rows by every check of their table. ``lineage_metadata`` is not asked: the rules may be newer than it."""
    from pyspark.sql import functions as F

    checks = table_checks(table)
    judged = [(number, check) for number, check in enumerate(checks) if check.kind != "unique"]
    figures = [F.count(F.lit(1)), *(F.count_if(F.expr(f"NOT ({check.sql})")) for _, check in judged)]
    numbers = [_ROWS, *(number for number, _ in judged)]
    pairs = F.array(
        *(F.struct(F.lit(n).alias("check"), one.alias("n")) for n, one in zip(numbers, figures, strict=True))
    )
    parts = [rows.agg(pairs.alias("pairs")).selectExpr("inline(pairs)")]
    for number, check in enumerate(checks):
        if check.kind == "unique":
            repeated = rows.groupBy(*check.columns).agg(F.count(F.lit(1)).alias("n")).where("n > 1")
            parts.append(repeated.agg(F.lit(number).alias("check"), F.coalesce(F.sum("n"), F.lit(0)).alias("n")))
    everything = reduce(lambda one, other: one.unionByName(other), parts)
    found = {int(row["check"]): int(row["n"]) for row in everything.collect()}
    results = [CheckResult(check.name, found[number], check.severity) for number, check in enumerate(checks)]
    return Verification(found[_ROWS], tuple(results))


def examples(rows: DataFrame, table: Table, checks: Sequence[str], limit: int) -> dict[str, list[dict[str, Any]]]:
    """Return a few rows that fail, by check: the primary key and the columns that the check is about."""
    known = {check.name: check for check in table_checks(table)}
    return {name: _failing(rows, table, known[name], limit) for name in checks if name in known}


def _failing(rows: DataFrame, table: Table, check: Check, limit: int) -> list[dict[str, Any]]:
    shown = list(dict.fromkeys([*table.primary_key, *check.columns]))
    if check.kind == "unique":
        from pyspark.sql import Window
        from pyspark.sql import functions as F

        alike = F.count(F.lit(1)).over(Window.partitionBy(*check.columns))
        failing = (
            rows.select(*shown, alike.alias("__alike")).where("__alike > 1").orderBy(*check.columns).select(*shown)
        )
    else:
        failing = rows.where(f"NOT ({check.sql})").select(*shown)
    return [row.asDict() for row in failing.limit(limit).collect()]
