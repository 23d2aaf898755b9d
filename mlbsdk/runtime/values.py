"""Text from the document to typed values, and the checks that show what did not fit: as Spark SQL."""

from __future__ import annotations

from mlbsdk.mapping.plan import Column, FromExpression, FromRaw
from mlbsdk.mapping.types import ColumnType
from mlbsdk.runtime.sql import literal, name


def usable(text: str, column: Column) -> str:
    """Return the text with the column's null texts made null and its default put in."""
    if column.null_values:
        text = f"CASE WHEN {text} NOT IN ({', '.join(map(literal, column.null_values))}) THEN {text} END"
    return text if column.default is None else f"coalesce({text}, {literal(column.default)})"


def typed(value: str, type: ColumnType) -> str:
    """Return the value with its type; null where it does not fit."""
    return value if type.spark == "string" else f"cast({value} AS {type.spark})"


def finite(value: str) -> str:
    """Return a double; null where it is infinite or no number."""
    return f"CASE WHEN abs({value}) < double('Infinity') THEN {value} END"


def misfit(text: str, value: str, type: ColumnType) -> str:
    """Return whether a text that is there did not fit its type."""
    failed = f"{text} IS NOT NULL AND {value} IS NULL"
    if type.is_integer:
        # Spark cuts '95.7' to 95; '95.0' is a whole number that passed through JavaScript.
        failed = f"({failed}) OR (contains({text}, '.') AND cast({text} AS double) <> cast({value} AS double))"
    if type.name in ("DATE", "TIMESTAMP", "TIMESTAMPTZ"):
        # Spark completes '2024' to its first day, '20:40' to a moment of today, and takes '32767' for a year.
        failed = f"({failed}) OR instr({text}, '-') <> 5 OR locate('-', {text}, 6) = 0"
    return failed


def is_raw_text(origin: FromRaw) -> bool:
    """Whether a raw column or a request parameter is text."""
    return origin.parameter is not None or origin.column not in ("captured_at", "status_code")


def raw_value(origin: FromRaw, prefix: str = "") -> str:
    """Return a column of the raw row, or one request parameter."""
    if origin.parameter is None:
        return name(prefix + origin.column)
    path = literal(f"$['{origin.parameter}']")
    return f"get_json_object({name(prefix + 'params')}, {path})"


def expression(column: Column) -> str:
    """Return a column's expression with its type and default."""
    assert isinstance(column.origin, FromExpression)
    value = f"cast(({column.origin.sql}) AS {column.type.spark})"
    return value if column.default is None else f"coalesce({value}, {typed(literal(column.default), column.type)})"


def expression_misfit(column: Column) -> str:
    """Return whether what an expression gives did not fit the column's type."""
    assert isinstance(column.origin, FromExpression)
    value = f"({column.origin.sql})"
    return misfit(value, f"cast({value} AS {column.type.spark})", column.type)


def layers(columns: list[Column]) -> list[list[Column]]:
    """Return columns that are expressions in layers: each needs only columns of layers before it."""
    found, waiting = [], list(columns)
    while waiting:
        names = {column.name for column in waiting}
        free = [c for c in waiting if isinstance(c.origin, FromExpression) and not names & set(c.origin.columns)]
        found.append(free)
        waiting = [column for column in waiting if column not in free]
    return found
