"""Filters judged without Spark: comparisons with SQL's three truths, and a refusal of what only Spark can judge."""

from __future__ import annotations

from typing import Any

import pytest

from mlbsdk.mapping.conditions import NotJudgedError, compile_condition


@pytest.mark.parametrize(
    ("sql", "value", "expected"),
    [
        ("x = true", True, True),
        ("x = true", False, False),
        ("x = true", None, None),
        ("x == true", "TRUE", True),
        ("x IS NULL", None, True),
        ("x IS NULL", 0, False),
        ("x IS NOT NULL", None, False),
        ("x IS NOT NULL", {"a": 1}, True),
        ("x IS NULL OR x = false", None, True),
        ("x IS NULL OR x = false", True, False),
        ("NOT x = 1", None, None),
        ("x = 1 AND x IS NULL", None, None),
        ("x = 1 AND false", None, False),
        ("x = 1 OR true", None, True),
        ("x = 95", 95.0, True),
        ("x = 95", "95.0", True),
        ("x <> 'R'", "S", True),
        ("x != 'R'", "R", False),
        ("x > 9", "10", True),
        ("x <= -1", -1, True),
        ("x < 'b'", "a", True),
        ("x >= 'b'", "a", False),
        ("x IN ('R', 'S')", "S", True),
        ("x IN ('R', 'S')", "T", False),
        ("x IN ('R', NULL)", "T", None),
        ("x IN (1, 2)", None, None),
        ("x BETWEEN 1 AND 9", 9, True),
        ("x BETWEEN 1 AND 9", 10, False),
        ("coalesce(x, 'none') = 'none'", None, True),
        ("(x = 1)", 1, True),
    ],
)
def test_a_condition_has_sql_truths(sql: str, value: Any, expected: bool | None) -> None:
    assert compile_condition(sql)({"x": value}) is expected


def test_a_name_without_value_is_null() -> None:
    assert compile_condition("x IS NULL")({}) is True


@pytest.mark.parametrize("sql", ["length(x) > 3", "x + 1 = 2", "x LIKE 'a%'", "CASE WHEN x THEN true END"])
def test_what_only_spark_can_judge_is_refused(sql: str) -> None:
    with pytest.raises(NotJudgedError, match="Spark alone"):
        compile_condition(sql)({"x": "abcd"})
