"""What every quality engine keeps: it judges any table, counts what is there, and says the same when asked again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from mlbsdk.hookspecs import CheckResult, QualityEngine, Verifier
from mlbsdk.mapping.plan import Table
from mlbsdk.plugins import Plugins
from mlbsdk.testing.contracts.batches import frame_of, full_rows, mini_plan
from mlbsdk.testing.contracts.odd_values import ODD_ROWS, ODD_TABLE
from mlbsdk.testing.mini import Capture, expected

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@pytest.fixture
def engine(contract_quality_name: str) -> QualityEngine:
    """Return the engine under test, made without options."""
    plugins = Plugins.load()
    declared = plugins.quality(contract_quality_name)
    return plugins.call(declared, declared.make, {})


def _tables(spark: SparkSession, *, empty: bool = False) -> Iterator[tuple[Table, DataFrame, int]]:
    """Give tables of every shape with their rows and how many these are."""
    captures = [Capture(game, minute) for game in (1, 2) for minute in (0, 1)]
    rows = expected(captures)
    found = [(table, rows[table.name]) for table in mini_plan().tables] + [(ODD_TABLE, ODD_ROWS)]
    for table, given in found:
        given = [] if empty else given
        yield table, frame_of(spark, table, full_rows(given)), len(given)


def test_it_judges_every_table_with_true_counts(engine: QualityEngine, mlbsdk_spark: SparkSession) -> None:
    for table, frame, count in _tables(mlbsdk_spark):
        found = list(engine.check(frame, table))
        wrong = [entry for entry in found if not _is_finding(entry)]
        assert wrong == [], "give CheckResult(check, failed rows, severity) or (check, failed rows)"
        failures = [_pair(entry) for entry in found]
        names = [check for check, _ in failures]
        assert len(set(names)) == len(names), f"{table.name}: a check is named twice"
        assert [(check, failed) for check, failed in failures if not 0 < failed <= count] == [], (
            f"{table.name}: only checks that failed are given, each with a number of rows from 1 to {count}"
        )


def _pair(entry: CheckResult | tuple[str, int]) -> tuple[str, int]:
    return (entry.check, entry.failed) if isinstance(entry, CheckResult) else entry


def _is_finding(entry: object) -> bool:
    if isinstance(entry, CheckResult):
        return bool(entry.check.strip()) and type(entry.failed) is int and entry.severity in ("error", "warning")
    if not isinstance(entry, tuple) or len(entry) != 2:
        return False
    check, failed = entry
    return isinstance(check, str) and bool(check.strip()) and type(failed) is int


def test_nothing_fails_in_a_table_without_rows(engine: QualityEngine, mlbsdk_spark: SparkSession) -> None:
    found = {table.name: list(engine.check(frame, table)) for table, frame, _ in _tables(mlbsdk_spark, empty=True)}
    assert found == {name: [] for name in found}


def test_it_says_the_same_when_asked_again(engine: QualityEngine, mlbsdk_spark: SparkSession) -> None:
    for table, frame, _ in _tables(mlbsdk_spark):
        once, again = (sorted(map(_pair, engine.check(frame, table))) for _ in range(2))
        assert once == again


def test_what_it_verifies_is_what_it_checks(engine: QualityEngine, mlbsdk_spark: SparkSession) -> None:
    if not isinstance(engine, Verifier):
        pytest.skip("the engine tells failed checks only")
    for table, frame, count in _tables(mlbsdk_spark):
        verified = engine.verify(frame, table)
        assert verified.rows == count
        failed = sorted((result.check, result.failed) for result in verified.results if result.failed)
        assert failed == sorted(map(_pair, engine.check(frame, table)))
