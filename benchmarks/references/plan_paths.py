"""Where a table's values lie in the tree of a plan: what every reference needs to know of it."""

from __future__ import annotations

from collections.abc import Iterator

from mlbsdk.mapping.plan import Column, FromJson, Level, Node, Plan, Table
from mlbsdk.mapping.types import ColumnType


def values_at(table: Table, up: int) -> dict[str, FromJson]:
    """Return the values that a table reads ``up`` levels above its items, by a name for each."""
    return {name: origin for name, origin in _values(table).items() if origin.up == up and not origin.previous}


def values_of_previous(table: Table) -> dict[str, FromJson]:
    """Return the values that a table reads from the item before, by a name for each."""
    return {name: origin for name, origin in _values(table).items() if origin.previous}


def value_name(number: int) -> str:
    """Return the name under which a table's column of that position finds its value."""
    return f"v_{number}"


def node_at(start: Node, path: tuple[str | int, ...]) -> Node:
    """Return the node at a path."""
    node = start
    for step in path:
        found = node.item if isinstance(step, int) else node.fields[step]
        assert found is not None
        node = found
    return node


def types_of_leaves(plan: Plan) -> dict[int, set[ColumnType | None]]:
    """Return the types of the columns that read each node, by its ``id``; None stands for a use as text."""
    found: dict[int, set[ColumnType | None]] = {}
    for table in plan.tables:
        for node, type in _uses(plan, table):
            found.setdefault(id(node), set()).add(type)
    for column in plan.document_columns:
        if isinstance(column.origin, FromJson):
            found.setdefault(id(node_at(plan.document, column.origin.path)), set()).add(_natural(column))
    if plan.captured_at is not None:
        found.setdefault(id(node_at(plan.document, plan.captured_at[0].path)), set()).add(None)
    return found


def _values(table: Table) -> dict[str, FromJson]:
    found = {value_name(n): c.origin for n, c in enumerate(table.columns) if isinstance(c.origin, FromJson)}
    return found | dict(table.filter.paths if table.filter else ())


def _uses(plan: Plan, table: Table) -> Iterator[tuple[Node, ColumnType | None]]:
    """Yield every node that a table reads, with the type that it has in a column."""
    levels = [[plan.document]]
    for level in table.levels:
        levels.append([item for node in levels[-1] for item in _items(node, level)])
    for column in table.columns:
        if isinstance(column.origin, FromJson):
            for node in levels[-1 - column.origin.up]:
                yield node_at(node, column.origin.path), _natural(column)
    for _, origin in table.filter.paths if table.filter else ():
        for node in levels[-1 - origin.up]:
            yield node_at(node, origin.path), None


def _items(node: Node, level: Level) -> list[Node]:
    node = node_at(node, level.path)
    if level.kind == "branches":
        return [node.fields[branch] for branch in level.branches]
    assert node.item is not None
    return [node.item]


def _natural(column: Column) -> ColumnType | None:
    """Return the type that a value may be read with; None where its text is looked at first."""
    return None if column.null_values or column.default is not None else column.type
