"""The page of a mapping as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlbsdk.mapping.plan import Column, Plan, Relationship, Table
from mlbsdk.mapping.reference import facts
from mlbsdk.mapping.reference import markdown as md
from mlbsdk.mapping.reference.mermaid import er_diagram

DIAGRAM_WORDS = (
    "Each box shows a table's primary key and the columns that refer to other tables. A line leads from a table to "
    "those that refer to it, with a crow's foot where many of their rows may refer to one; where a reference follows "
    "from two others, its line is left out. Tables of other transforms are named, not drawn."
)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a page stands among; by default it stands alone.

    Links with ``{ #anchor }`` are those of mkdocs; alone, a page has the anchors that viewers make of headings.
    """

    note: str = ""
    """A comment below the heading."""
    file: str = ""
    """The mapping's file, as readers know it."""
    diagram: str = ""
    """Path of an SVG of the diagram; without it the page holds it as Mermaid text."""
    owners: Mapping[str, str] = field(default_factory=dict)
    """The transform that makes each table of other pages beside this one."""
    lineage: str = ""
    """Link to what is said of lineage_metadata; without it the page says it itself."""

    @property
    def is_alone(self) -> bool:
        """Whether no other page is near."""
        return not self.lineage


def page(plan: Plan, setting: Setting | None = None) -> str:
    """Return the page of a mapping: its tables, each with columns, references, rules and indexes, and a diagram."""
    setting = setting or Setting()
    rows = [
        [
            f"[`{table.name}`](#{_anchor(table.name, setting)})",
            ", ".join(map(md.code, table.primary_key)),
            str(facts.column_count(table)),
            md.plain(table.description),
        ]
        for table in plan.tables
    ]
    parts = [f"# {plan.name}", ""]
    parts += [setting.note, ""] if setting.note else []
    parts += [md.plain(plan.description), ""] if plan.description else []
    parts += [_document(plan, setting), "", md.table(["table", "primary key", "columns", "rows"], rows), ""]
    parts += ["## Diagram", "", *_diagram(plan, setting)]
    for table in plan.tables:
        parts += _table(table, plan, setting)
    if setting.is_alone:
        parts += lineage_section("")
    return "\n".join(parts)


def _document(plan: Plan, setting: Setting) -> str:
    time = facts.captured_at(plan)
    said = [f"Mapping: {md.code(setting.file)}"] if setting.file else []
    said += [
        f"raw table: {md.code(plan.raw_table)}",
        f"a document is identified by {', '.join(map(md.code, plan.key))}"
        if plan.key
        else "captures are no documents: each row is kept by its own key",
    ]
    if time:
        said.append(f"captured at: {md.code(time[0])} ({md.code(time[1])}, UTC), unless the raw row or envelope says")
    text = " · ".join(said)
    return text[0].upper() + text[1:]


def _diagram(plan: Plan, setting: Setting) -> list[str]:
    if setting.diagram:
        image = f"![Tables of {plan.name}, with their keys and references]({setting.diagram})"
        return [f"[{image}]({setting.diagram})", "", DIAGRAM_WORDS, ""]
    words = "Each box shows a table's primary key and the columns that refer to other tables."
    return ["```mermaid", er_diagram(plan), "```", "", words, ""]


def lineage_section(mark: str = " { #lineage_metadata }") -> list[str]:
    """Return what is said of the column that every table ends with; ``mark`` names the heading's anchor for mkdocs."""
    rows = [[md.code(name), type, _with_code(text)] for name, type, text in facts.LINEAGE_FIELDS]
    return [
        f"## `lineage_metadata`{mark}",
        "",
        "A struct:",
        "",
        md.table(["field", "type", "meaning"], rows),
        "",
    ]


def _with_code(text: str) -> str:
    return text.replace("game.live_game_v1.live_game_plays", "`game.live_game_v1.live_game_plays`")


def _anchor(table: str, setting: Setting) -> str:
    return table.replace(".", "").lower() if setting.is_alone else facts.anchor(table)


def _table(table: Table, plan: Plan, setting: Setting) -> list[str]:
    said = [f"**Primary key:** {', '.join(map(md.code, table.primary_key))}"]
    if table.partition_by:
        said.append(f"**Partitioned by:** {', '.join(map(md.code, table.partition_by))}")
    said.append(f"**Rows come from:** {md.code(facts.rows_source(table))}")
    if table.filter:
        said.append(f"**Only where:** {md.code(table.filter.text)}")
    said.append(f"**Rows that a newer capture no longer holds:** {facts.when_missing(table)}")
    columns = [_column(table, column) for column in table.columns]
    link = setting.lineage or "#lineage_metadata"
    columns.append(["`lineage_metadata`", "struct", "no", f"See [lineage_metadata]({link}).", ""])
    mark = "" if setting.is_alone else f" {{ #{facts.anchor(table)} }}"
    parts = [f"## {md.plain(table.name)}{mark}", "", md.plain(table.description), ""]
    parts += [f"- {fact}" for fact in said]
    parts += ["", md.table(["column", "type", "null", "description", "source"], columns), ""]
    if table.relationships:
        rows = [_reference(relationship, plan, setting) for relationship in table.relationships]
        parts += ["**Relationships**", "", md.table(["columns", "refer to", "kind"], rows), ""]
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


def _column(table: Table, column: Column) -> Sequence[str]:
    text = md.plain(column.description)
    if column.default is not None:
        text += f" Default: {md.code(repr(column.default)) if not column.default else md.code(column.default)}."
    if column.null_values:
        text += f" Null where the source has {', '.join(md.code(repr(value)) for value in column.null_values)}."
    source = facts.source(table, column)
    told = " ".join(filter(None, [source.words, md.code(source.code)]))
    return md.code(column.name), md.code(str(column.type)), "yes" if column.nullable else "no", text.strip(), told


def _reference(relationship: Relationship, plan: Plan, setting: Setting) -> list[str]:
    inside = {table.name for table in plan.tables}
    name = md.code(facts.referred(relationship))
    to = relationship.to_table
    if to in inside:
        target = f"[{name}](#{_anchor(to, setting)})"
    elif to in setting.owners:
        target = f"[{name}]({setting.owners[to]}.md#{facts.anchor(to)})"
    else:
        target = name
    return [", ".join(map(md.code, relationship.from_fields)), target, relationship.type.replace("_", " ")]
