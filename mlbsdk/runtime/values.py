"""Text from the document to typed values, and the checks that show what did not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbsdk.mapping.plan import Column as PlanColumn
from mlbsdk.mapping.types import ColumnType

if TYPE_CHECKING:
    from pyspark.sql import Column


def usable(text: Column, column: PlanColumn) -> Column:
    """Return the text with the column's null texts made null and its default put in."""
    from pyspark.sql import functions as F

    if column.null_values:
        text = F.when(~text.isin(*column.null_values), text)
    if column.default is not None:
        text = F.coalesce(text, F.lit(column.default))
    return text


def typed(text: Column, type: ColumnType) -> Column:
    """Return the text as a value of the type; null where it does not fit."""
    return text.cast(type.spark)


def misfit(text: Column, value: Column, type: ColumnType) -> Column | None:
    """Return whether a text that is there did not fit its type; None for types that hold any text."""
    if type.is_text:
        return None
    failed = text.isNotNull() & value.isNull()
    if type.is_integer:
        # Spark cuts '95.7' to 95; '95.0' is a whole number that passed through JavaScript.
        failed = failed | (text.cast("double") != value.cast("double"))
    return failed


def too_long(value: Column, type: ColumnType) -> Column | None:
    """Return whether a text is longer than its type; None for types without a length."""
    from pyspark.sql import functions as F

    return F.length(value) > type.length if type.length else None
