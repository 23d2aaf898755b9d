"""Entity-relationship diagrams as Mermaid text, which many Markdown viewers draw."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlbsdk.mapping.plan import Column, Plan, Relationship, Table

#: (how many rows of the table referred to, how many of this one); parts that may be missing are open.
_ENDS = {"many_to_one": "||--o{", "one_to_one": "||--o|", "one_to_many": "}o--||", "many_to_many": "}o--o{"}


def er_diagram(plan: Plan) -> str:
    """Return the diagram of a mapping's tables: their keys, what refers to other tables, and the references."""
    return "\n".join(_lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    yield "erDiagram"
    own = {table.name for table in plan.tables}
    for table in plan.tables:
        yield f"    {_entity(table.name)} {{"
        for column in _shown(table):
            marks = ["PK"] if column.name in table.primary_key else []
            marks += ["FK"] if _refers(table, column) else []
            yield f"        {_word(str(column.type))} {column.name} {','.join(marks)}"
        yield "    }"
    for table in plan.tables:
        for relationship in table.relationships:
            if relationship.to_table in own:
                yield _reference(table, relationship)


def _shown(table: Table) -> list[Column]:
    return [column for column in table.columns if column.name in table.primary_key or _refers(table, column)]


def _refers(table: Table, column: Column) -> bool:
    return any(column.name in relationship.from_fields for relationship in table.relationships)


def _reference(table: Table, relationship: Relationship) -> str:
    label = ", ".join(relationship.from_fields)
    ends = _ENDS[relationship.type]
    return f'    {_entity(relationship.to_table)} {ends} {_entity(table.name)} : "{label}"'


def _entity(name: str) -> str:
    """Return a table's name as Mermaid reads it: letters, digits and underscores are sure."""
    return f'"{name}"'


def _word(type: str) -> str:
    """Return a type as one word: Mermaid takes no comma in it."""
    return re.sub(r"[^A-Za-z0-9()]+", "_", type)
