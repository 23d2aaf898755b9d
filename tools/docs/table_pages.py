"""The table reference: a page and a diagram for each mapping, and an overview."""

from __future__ import annotations

from pathlib import Path

import diagram
import markdown as md

from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file
from mlbsdk.mapping.plan import (
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


def pages(mappings: Path) -> dict[str, str]:
    """Return every page and diagram by its file name."""
    plans = {file: compile_mapping(load_file(file)) for file in sorted(mappings.glob("*/*.yaml"))}
    owners = {table.name: plan.name for plan in plans.values() for table in plan.tables}
    found = {"index.md": _index(list(plans.values()))}
    for file, plan in plans.items():
        found[f"{plan.name}.md"] = _page(plan, owners, file.relative_to(mappings.parent).as_posix())
        found[f"{plan.name}.svg"] = diagram.svg(plan)
    return found


def _index(plans: list[Plan]) -> str:
    rows = [
        [
            f"[`{plan.name}`]({plan.name}.md)",
            plan.description,
            str(len(plan.tables)),
            str(sum(len(t.columns) + 1 for t in plan.tables)),
        ]
        for plan in plans
    ]
    return "\n".join(
        [
            md.head("Tables", "mappings/"),
            "",
            "What each transform writes, generated from its mapping. "
            "A lakehouse target holds a table in `TARGET/{schema}/{table}`.",
            "",
            md.table(["transform", "captures", "tables", "columns"], rows),
            "",
            "Positions that start at 0 end in `_index`, counters that start at 1 in `_number`. "
            "Every table ends with the same three columns: `source_captured_at`, `transform_timestamp` and "
            "`lineage_metadata`.",
            "",
            *_lineage_section(),
        ]
    )


def _lineage_section() -> list[str]:
    rows = [
        ["`source_table`", "text", "The raw table."],
        ["`source_row_id`", "text", "The raw row: the capture's file, or the row's id in a raw table."],
        ["`transform_job`", "text", "Transform and table, such as `game.live_game_v1.live_game_plays`."],
        ["`run_id`", "text", "The run that made the row; the same id stands in its report and its OpenLineage events."],
        ["`transform_timestamp`", "TIMESTAMPTZ", "When the run began."],
        ["`data_quality_passed`", "boolean", "Whether no check of severity error failed."],
        ["`quality_checks_run`", "list of text", "The mapping's row rules."],
        ["`quality_checks_failed`", "list of text", "The checks that failed; in a published row, warnings."],
    ]
    return [
        "## `lineage_metadata` { #lineage_metadata }",
        "",
        "A struct:",
        "",
        md.table(["field", "type", "meaning"], rows),
        "",
    ]


def _page(plan: Plan, owners: dict[str, str], file: str) -> str:
    rows = [
        [
            f"[`{table.name}`](#{anchor(table)})",
            ", ".join(map(md.code, table.primary_key)),
            str(len(table.columns) + 1),
            md.plain(table.description),
        ]
        for table in plan.tables
    ]
    time = (
        f"`$.{'.'.join(map(str, plan.captured_at[0].path))}` (`{plan.captured_at[1]}`, UTC)" if plan.captured_at else ""
    )
    parts = [
        md.head(f"{plan.name}", file),
        "",
        md.plain(plan.description),
        "",
        f"Mapping: `{file}` · raw table: `{plan.raw_table}` · "
        + (
            f"a document is identified by {', '.join(map(md.code, plan.key))}"
            if plan.key
            else "captures are no documents: each row is kept by its own key"
        )
        + (f" · captured at: {time}, unless the raw row or envelope says" if time else ""),
        "",
        md.table(["table", "primary key", "columns", "rows"], rows),
        "",
        "## Diagram",
        "",
        f"[![Tables of {plan.name}, with their keys and references]({plan.name}.svg)]({plan.name}.svg)",
        "",
        "Each box shows a table's primary key and the columns that refer to other tables. "
        "A line leads from a table to those that refer to it, with a crow's foot where many of their rows may refer to "
        "one; where a reference follows from two others, its line is left out. Tables of other transforms are named, "
        "not drawn.",
        "",
    ]
    for table in plan.tables:
        parts += _table(table, plan, owners)
    return "\n".join(parts)


def anchor(table: Table) -> str:
    """Return a table's anchor on its page."""
    return table.name.partition(".")[2]


def _table(table: Table, plan: Plan, owners: dict[str, str]) -> list[str]:
    facts = [f"**Primary key:** {', '.join(map(md.code, table.primary_key))}"]
    if table.partition_by:
        facts.append(f"**Partitioned by:** {', '.join(map(md.code, table.partition_by))}")
    facts.append(f"**Rows come from:** {md.code(_rows_from(table))}")
    if table.filter:
        facts.append(f"**Only where:** {md.code(table.filter.text)}")
    missing = {"delete": "they are deleted", "keep": "they are kept"}[table.on_missing]
    facts.append(f"**Rows that a newer capture no longer holds:** {missing}")
    columns = [_column(table, column) for column in table.columns]
    columns.append(["`lineage_metadata`", "struct", "no", "See [lineage_metadata](index.md#lineage_metadata).", ""])
    parts = [f"## {md.plain(table.name)} {{ #{anchor(table)} }}", "", md.plain(table.description), ""]
    parts += [f"- {fact}" for fact in facts]
    parts += ["", md.table(["column", "type", "null", "description", "source"], columns), ""]
    if table.relationships:
        parts += [
            "**Relationships**",
            "",
            md.table(["columns", "refer to", "kind"], [_reference(r, plan, owners) for r in table.relationships]),
            "",
        ]
    if table.rules:
        rows = [
            [md.code(rule.name), md.code(rule.text or rule.sql), rule.severity, md.plain(rule.reason)]
            for rule in table.rules
        ]
        parts += ["**Rules**", "", md.table(["rule", "holds when", "severity", "reason"], rows), ""]
    if table.indexes:
        listed = "; ".join(f"({', '.join(map(md.code, index.columns))}) {index.type}" for index in table.indexes)
        parts += [f"**Indexes**, in stores that have them: {listed}", ""]
    return parts


def _rows_from(table: Table) -> str:
    path = "$"
    for level in table.levels:
        path += "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in level.path)
        path += {"array": "[*]", "map": ".*", "branches": "[" + ",".join(f"'{b}'" for b in level.branches) + "]"}[
            level.kind
        ]
    return path if table.levels else "$ (the document: one row)"


def _column(table: Table, column: Column) -> list[str]:
    nullable = "yes" if column.nullable else "no"
    text = md.plain(column.description)
    if column.default is not None:
        text += f" Default: {md.code(column.default)}."
    if column.null_values:
        text += f" Null where the source has {', '.join(md.code(repr(value)) for value in column.null_values)}."
    return [md.code(column.name), md.code(str(column.type)), nullable, text.strip(), _source(table, column)]


def _source(table: Table, column: Column) -> str:
    origin = column.origin
    if column.is_stamp:
        return "the run"
    if isinstance(origin, FromExpression):
        return md.code(origin.sql.replace("`", ""))
    if isinstance(origin, FromItem):
        level = table.levels[len(table.levels) - 1 - origin.up]
        name = ".".join(str(step) for step in level.path) or "the items"
        what = "position in" if origin.what == "index" else "key in"
        return f"{what} {md.code(name)}"
    if isinstance(origin, FromRaw):
        return (
            f"request parameter {md.code(origin.parameter)}"
            if origin.parameter
            else f"raw row: {md.code(origin.column)}"
        )
    if isinstance(origin, FromDocument) and not column.source_path:
        return "the document"
    previous = "previous item: " if isinstance(origin, FromJson) and origin.previous else ""
    return previous + md.code(column.source_path or "the item itself")


def _reference(relationship: Relationship, plan: Plan, owners: dict[str, str]) -> list[str]:
    owner = owners.get(relationship.to_table)
    name = md.code(f"{relationship.to_table} ({', '.join(relationship.to_fields)})")
    page = "" if owner == plan.name else f"{owner}.md"
    target = f"[{name}]({page}#{relationship.to_table.partition('.')[2]})" if owner else name
    return [", ".join(map(md.code, relationship.from_fields)), target, relationship.type.replace("_", " ")]
