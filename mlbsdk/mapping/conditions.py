"""Filters judged in plain Python, for tools that look at captures without Spark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from mlbsdk.mapping.fitting import text_of

if TYPE_CHECKING:
    from sqlglot import exp

Value = str | bool | None
Judge = Callable[[Mapping[str, Any]], Value]


class NotJudgedError(ValueError):
    """The filter uses something that only Spark can judge."""


def compile_condition(sql: str) -> Judge:
    """Return a function from the values of a filter's names to true, false or null (None), as SQL has them.

    It knows comparisons, AND, OR, NOT, IS, IN, BETWEEN and COALESCE of names and literals.

    Raises:
        NotJudgedError: the filter uses more than that.
    """
    import sqlglot

    return _compiled(sqlglot.parse_one(sql, read="spark"))


def _compiled(node: exp.Expr) -> Judge:
    from sqlglot import exp

    if isinstance(node, exp.Paren):
        return _compiled(node.this)
    if isinstance(node, exp.Column):
        name = node.name
        return lambda values: text_of(values.get(name))
    if isinstance(node, exp.Boolean):
        return lambda values: bool(node.this)
    if isinstance(node, exp.Null):
        return lambda values: None
    if isinstance(node, exp.Literal):
        return lambda values: str(node.this)
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal):
        return lambda values: f"-{node.this.this}"
    if isinstance(node, exp.Not):
        inner = _compiled(node.this)
        return lambda values: _not(inner(values))
    if isinstance(node, exp.And | exp.Or):
        return _joined(_compiled(node.left), _compiled(node.right), decisive=isinstance(node, exp.Or))
    return _compared(node)


def _compared(node: exp.Expr) -> Judge:
    from sqlglot import exp

    if isinstance(node, exp.Is):
        left, right = _compiled(node.this), _compiled(node.expression)
        return lambda values: _compare(left(values), right(values)) == 0 or left(values) is right(values) is None
    if isinstance(node, exp.In) and node.expressions:
        wanted, options = _compiled(node.this), [_compiled(option) for option in node.expressions]
        return lambda values: _any([_equal(wanted(values), option(values)) for option in options])
    if isinstance(node, exp.Between):
        it, low, high = (_compiled(part) for part in (node.this, node.args["low"], node.args["high"]))
        at_least = _ordered(it, low, lambda order: order >= 0)
        return _joined(at_least, _ordered(it, high, lambda order: order <= 0), decisive=False)
    if isinstance(node, exp.Coalesce):
        parts = [_compiled(part) for part in (node.this, *node.expressions)]
        return lambda values: next((value for part in parts if (value := part(values)) is not None), None)
    tests: dict[type[exp.Expr], Callable[[int], bool]] = {
        exp.EQ: lambda order: order == 0,
        exp.NEQ: lambda order: order != 0,
        exp.GT: lambda order: order > 0,
        exp.GTE: lambda order: order >= 0,
        exp.LT: lambda order: order < 0,
        exp.LTE: lambda order: order <= 0,
    }
    if type(node) in tests:
        return _ordered(_compiled(node.this), _compiled(node.expression), tests[type(node)])
    raise NotJudgedError(f"'{node.sql('spark')}' is judged by Spark alone")


def _ordered(left: Judge, right: Judge, test: Callable[[int], bool]) -> Judge:
    def judge(values: Mapping[str, Any]) -> Value:
        order = _compare(left(values), right(values))
        return None if order is None else test(order)

    return judge


def _joined(left: Judge, right: Judge, decisive: bool) -> Judge:
    """Return AND (``decisive`` false) or OR (true) with SQL's nulls."""

    def judge(values: Mapping[str, Any]) -> Value:
        both = [_truth(left(values)), _truth(right(values))]
        return decisive if decisive in both else None if None in both else not decisive

    return judge


def _truth(value: Value) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower())


def _not(value: Value) -> bool | None:
    truth = _truth(value)
    return None if truth is None else not truth


def _any(found: list[bool | None]) -> bool | None:
    return True if True in found else None if None in found else False


def _equal(left: Value, right: Value) -> bool | None:
    order = _compare(left, right)
    return None if order is None else order == 0


def _compare(left: Value, right: Value) -> int | None:
    """Return -1, 0 or 1, or None where either is null: as truths if one is, as numbers if both are, else as texts."""
    if left is None or right is None:
        return None
    if isinstance(left, bool) or isinstance(right, bool):
        truths = _truth(left), _truth(right)
        return None if None in truths else (truths[0] or 0) - (truths[1] or 0)
    try:
        one, other = Decimal(left), Decimal(right)
    except InvalidOperation:
        return (left > right) - (left < right)
    return (one > other) - (one < other)
