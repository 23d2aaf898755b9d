"""The types that values have in JSON, seen in a few captures, so that large batches read numbers as numbers.

As text every value can be parsed, whatever a capture has. But Spark writes a number out to make text of it, and reads
the text again for the column. So leaves that hold the same kind of value in all captures of a sample are parsed as
that; where another capture differs, the batch is parsed again as text.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlbsdk.mapping.plan import Column, FromJson, Level, Node, Plan, Table
from mlbsdk.runtime.captures import response_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: How many captures are looked at.
_SAMPLED = 3
_TEXT = "string"


def _whole(bits: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and -(1 << (bits - 1)) <= value < 1 << (bits - 1)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


#: Spark type -> whether its JSON reader gives a JSON value the same as a cast of the value's text does.
_READ_ALIKE: dict[str, Callable[[Any], bool]] = {
    "smallint": _whole(16),
    "int": _whole(32),
    "bigint": _whole(64),
    "double": _is_number,
    "decimal": _is_number,
    "boolean": lambda value: type(value) is bool,
}


def sampled(raw: DataFrame) -> list[str]:
    """Return the JSON text of the first captures of raw rows: one job of Spark's."""
    return [row["data"] for row in raw.select("data").limit(_SAMPLED).collect()]


def with_json_types(plan: Plan, captures: Iterable[str | None]) -> Plan:
    """Return the plan with each leaf that the captures give reason to parsed as the type that its columns have.

    Args:
        plan: the compiled mapping, whose leaves are text.
        captures: JSON text, bare or in an envelope; one that Python can't parse is passed over.
    """
    document = copy.deepcopy(plan.document)
    leaves = _Leaves(plan, document)
    for text in captures:
        try:
            leaves.look(document, response_of(json.loads(text or "null")))
        except (ValueError, RecursionError):
            continue
    leaves.decide()
    return replace(plan, document=document, tables=tuple(_with_types(table, document) for table in plan.tables))


class _Leaves:
    """The leaves that all columns which read them want as one type, and whether values seen there have it."""

    def __init__(self, plan: Plan, document: Node) -> None:
        self._nodes: dict[int, Node] = {}
        self._wanted: dict[int, str] = {}
        self._fits: dict[int, bool] = {}
        for table in plan.tables:
            for column in table.columns:
                if isinstance(column.origin, FromJson):
                    self._want(_node(document, table.levels, column.origin), _wanted(column))
            for _, origin in table.filter.paths if table.filter else ():
                self._want(_node(document, table.levels, origin), _TEXT)
        for column in plan.document_columns:
            if isinstance(column.origin, FromJson):
                self._want(_node(document, (), column.origin), _TEXT)
        if plan.captured_at is not None:
            self._want(_node(document, (), plan.captured_at[0]), _TEXT)

    def _want(self, node: Node, kind: str) -> None:
        self._nodes[id(node)] = node
        same = node.kind == "leaf" and self._wanted.get(id(node), kind) == kind
        self._wanted[id(node)] = kind if same else _TEXT

    def look(self, node: Node, value: Any) -> None:
        """Note the values that a capture has at each leaf."""
        if node.kind == "leaf":
            read_alike = _reads_alike(self._wanted.get(id(node), _TEXT))
            if value is not None and read_alike is not None:
                self._fits[id(node)] = self._fits.get(id(node), True) and read_alike(value)
        elif node.kind == "array" and isinstance(value, list) and node.item is not None:
            for item in value:
                self.look(node.item, item)
        elif isinstance(value, dict) and node.kind == "map" and node.item is not None:
            for item in value.values():
                self.look(node.item, item)
        elif isinstance(value, dict):
            for field in node.fields.keys() & value.keys():
                self.look(node.fields[field], value[field])

    def decide(self) -> None:
        """Have the leaves parsed as what was seen there."""
        for number, fits in self._fits.items():
            if fits:
                self._nodes[number].type = self._wanted[number]


def _reads_alike(spark_type: str) -> Callable[[Any], bool] | None:
    return _READ_ALIKE.get(spark_type.partition("(")[0])


def _wanted(column: Column) -> str:
    """Return the type that a column would have its value parsed as; text where it looks at the text."""
    looks = column.null_values or column.default is not None or _reads_alike(column.type.spark) is None
    return _TEXT if looks else column.type.spark


def _with_types(table: Table, document: Node) -> Table:
    """Return a table whose columns know which values come typed."""

    def known(column: Column) -> Column:
        origin = column.origin
        if not isinstance(origin, FromJson) or _node(document, table.levels, origin).type == _TEXT:
            return column
        return replace(column, origin=replace(origin, is_typed=True))

    return replace(table, columns=tuple(map(known, table.columns)))


def _node(document: Node, levels: tuple[Level, ...], origin: FromJson) -> Node:
    """Return the place that a value of a table with these levels comes from."""
    node = document
    for level in levels[: len(levels) - origin.up]:
        node = _walk(node, level.path)
        node = node.fields[level.branches[0]] if level.kind == "branches" else _inside(node)
    return _walk(node, origin.path)


def _walk(node: Node, path: tuple[str | int, ...]) -> Node:
    for step in path:
        node = _inside(node) if isinstance(step, int) else node.fields[step]
    return node


def _inside(node: Node) -> Node:
    assert node.item is not None
    return node.item
