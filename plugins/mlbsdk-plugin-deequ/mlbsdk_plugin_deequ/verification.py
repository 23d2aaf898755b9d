"""The checks of a table as checks of Deequ.

No assertion is a Python function, so no callback server is needed. Where Deequ reads nulls otherwise than SQL and the
mapping do, what it is given is made to say the same: a predicate that is null passes (Deequ would fail it), and a null
key is a value like any other (Deequ would leave a row of nulls out).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlbsdk.plugin import Check, CheckResult, PluginFailedError, Table, Verification, table_checks
from mlbsdk_plugin_deequ.gateway import deequ

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_LEVELS = {"error": "Error", "warning": "Warning"}


def verify(rows: DataFrame, table: Table) -> Verification:
    """Judge the rows of a table by every check of it that finished rows can be judged by.

    Raises:
        EnvironmentProblem: Deequ is not in the session.
        PluginFailedError: Deequ could not compute a metric.
    """
    checks = table_checks(table)
    frame = _judged_columns(rows, checks).persist()
    try:
        with deequ(rows.sparkSession):
            metrics = _metrics(rows.sparkSession, frame, table.name, checks)
    finally:
        frame.unpersist()
    count = int(metrics["Size", "*"])
    results = [
        CheckResult(check.name, _failed(metrics, number, check, count) if count else 0, check.severity)
        for number, check in enumerate(checks)
    ]
    return Verification(count, tuple(results))


def _judged_columns(rows: DataFrame, checks: tuple[Check, ...]) -> DataFrame:
    """Return the columns that the checks look at, and a text for each set of columns that is unique together."""
    from pyspark.sql import functions as F

    names = list(dict.fromkeys(column for check in checks for column in check.columns))
    keys = [
        F.to_json(F.array(*(F.col(f"`{name}`").cast("string") for name in check.columns))).alias(_key(number))
        for number, check in enumerate(checks)
        if check.kind == "unique"
    ]
    return rows.select(*(f"`{name}`" for name in names), *keys)


def _key(number: int) -> str:
    return f"__unique_{number}"


def _metrics(
    spark: SparkSession, frame: DataFrame, name: str, checks: tuple[Check, ...]
) -> dict[tuple[str, str], float]:
    """Run all checks; return Deequ's metrics by (name, instance)."""
    from pydeequ.analyzers import Size
    from pydeequ.checks import Check as DeequCheck
    from pydeequ.checks import CheckLevel
    from pydeequ.verification import VerificationResult, VerificationSuite

    run = VerificationSuite(spark).onData(frame)
    size: Any = Size()
    size._set_jvm(spark._jvm)
    run._VerificationRunBuilder.addRequiredAnalyzer(size._analyzer_jvm)
    for severity, level in _LEVELS.items():
        group = DeequCheck(spark, CheckLevel[level], f"{name}: {severity}")
        for number, check in enumerate(checks):
            if check.severity == severity:
                group = _added(group, number, check)
        run.addCheck(group)
    found = VerificationResult.successMetricsAsJson(spark, run.run())
    return {(metric["name"], metric["instance"]): metric["value"] for metric in found}


def _added(group: Any, number: int, check: Check) -> Any:
    if check.kind == "unique":
        return group.isUnique(_key(number))
    if check.kind == "not_null":
        return group.isComplete(check.columns[0])
    return group.satisfies(f"coalesce(({check.sql}), true)", check.name)


def _failed(metrics: dict[tuple[str, str], float], number: int, check: Check, count: int) -> int:
    """Return how many rows failed a check: Deequ tells the part of them that passed."""
    metric = {
        "unique": ("Uniqueness", _key(number)),
        "not_null": ("Completeness", check.columns[0] if check.columns else ""),
        "predicate": ("Compliance", check.name),
    }[check.kind]
    if metric not in metrics:
        raise PluginFailedError(f"Deequ could not compute {metric[0]} for the check '{check.name}'")
    passed = metrics[metric]
    return 0 if passed == 1.0 else max(1, round(count * (1 - passed)))
