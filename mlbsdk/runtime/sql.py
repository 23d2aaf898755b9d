"""Spark SQL text: names and values quoted, and a query run over a DataFrame.

Queries are built as text, not as chains of column objects: one call to Spark a table instead of thousands, and one
analysis.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def name(text: str) -> str:
    """Return an identifier, quoted."""
    return "`" + text.replace("`", "``") + "`"


def literal(text: str) -> str:
    """Return a string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def array(items: Iterable[str]) -> str:
    """Return an array of strings, of literals already quoted."""
    listed = ", ".join(items)
    return f"array({listed})" if listed else "cast(array() AS array<string>)"


def select(columns: Iterable[str], source: str, where: str | None = None, lateral: str = "") -> str:
    """Return a SELECT; ``source`` is a table's name or a query."""
    inner = f"({source})" if source.startswith("SELECT") else source
    condition = f" WHERE {where}" if where else ""
    return f"SELECT {', '.join(columns)} FROM {inner}{lateral}{condition}"


def reach(start: str, path: tuple[str | int, ...]) -> str:
    """Return the value at a path of fields and array positions; null where any step is missing."""
    for step in path:
        start = f"get({start}, {step})" if isinstance(step, int) else f"{start}.{name(step)}"
    return start


def let(variable: str, value: str, result: str) -> str:
    """Return a result in which a value stands under a name, and is computed once."""
    # An aggregate over nothing: transform would copy the result, which may be a whole document.
    return f"aggregate(array(), {value}, ({variable}, __none) -> {variable}, {variable} -> {result})"


class Over:
    """A DataFrame under a name that queries can use."""

    def __init__(self, frame: DataFrame) -> None:
        self.frame = frame
        self.name = f"mlbsdk_{uuid.uuid4().hex}"

    def __enter__(self) -> Over:
        self.frame.createOrReplaceTempView(self.name)
        return self

    def __exit__(self, *_: object) -> None:
        self.frame.sparkSession.catalog.dropTempView(self.name)

    def run(self, query: str) -> DataFrame:
        """Return the query's DataFrame; it stays valid when the name is gone."""
        return self.frame.sparkSession.sql(query)
