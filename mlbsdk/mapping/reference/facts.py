"""What is said of a table, its columns and its references: the words that all formats share."""

from __future__ import annotations

from dataclasses import dataclass

from mlbsdk.mapping.differences import rows_from
from mlbsdk.mapping.plan import (
    LINEAGE,
    Column,
    FromDocument,
    FromExpression,
    FromItem,
    FromJson,
    FromRaw,
    Plan,
    Relationship,
    Table,
)

#: The fields of lineage_metadata: name, type, meaning.
LINEAGE_FIELDS = (
    ("source_table", "text", "The raw table."),
    ("source_row_id", "text", "The raw row: the capture's file, or the row's id in a raw table."),
    ("transform_job", "text", "Transform and table, such as game.live_game_v1.live_game_plays."),
    ("run_id", "text", "The run that made the row; the same id stands in its report and its OpenLineage events."),
    ("transform_timestamp", "TIMESTAMPTZ", "When the run began."),
    ("data_quality_passed", "boolean", "Whether no check of severity error failed."),
    ("quality_checks_run", "list of text", "The mapping's row rules."),
    ("quality_checks_failed", "list of text", "The checks that failed; in a published row, warnings."),
)


@dataclass(frozen=True)
class Source:
    """Where a column's value comes from: plain words, and code."""

    words: str
    code: str = ""


def anchor(table: Table | str) -> str:
    """Return a table's anchor on its page: its name without the schema."""
    return (table if isinstance(table, str) else table.name).partition(".")[2]


def column_count(table: Table) -> int:
    """Return how many columns a table has, ``lineage_metadata`` too."""
    return len(table.columns) + 1


def rows_source(table: Table) -> str:
    """Return the path whose items are the rows."""
    return rows_from(table) if table.levels else "$ (the document: one row)"


def captured_at(plan: Plan) -> tuple[str, str] | None:
    """Return the path of the document's own time, and its pattern."""
    return (f"$.{'.'.join(map(str, plan.captured_at[0].path))}", plan.captured_at[1]) if plan.captured_at else None


def when_missing(table: Table) -> str:
    """Return what happens to stored rows that a newer capture lacks."""
    return {"delete": "they are deleted", "keep": "they are kept"}[table.on_missing]


def source(table: Table, column: Column) -> Source:
    """Return where a column's value comes from."""
    origin = column.origin
    if column.is_stamp:
        return Source("the run")
    if isinstance(origin, FromExpression):
        return Source("", origin.sql.replace("`", ""))
    if isinstance(origin, FromItem):
        level = table.levels[len(table.levels) - 1 - origin.up]
        name = ".".join(str(step) for step in level.path) or "the items"
        return Source("position in" if origin.what == "index" else "key in", name)
    if isinstance(origin, FromRaw):
        return Source("request parameter", origin.parameter) if origin.parameter else Source("raw row:", origin.column)
    if isinstance(origin, FromDocument) and not column.source_path:
        return Source("the document")
    previous = "previous item:" if isinstance(origin, FromJson) and origin.previous else ""
    return Source(previous, column.source_path or "the item itself")


def lineage_column() -> str:
    """Return the name of the column that every table ends with."""
    return LINEAGE


def referred(relationship: Relationship) -> str:
    """Return what a reference leads to, as text."""
    return f"{relationship.to_table} ({', '.join(relationship.to_fields)})"
