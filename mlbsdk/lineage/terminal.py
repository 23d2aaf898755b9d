"""The lineage graph as a tree for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbsdk.lineage.graph import KINDS, ColumnLineage, LineageGraph, TableLineage
from mlbsdk.lineage.page import figures

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

_STYLES = {"COMPLETE": "green", "FAIL": "red", "ABORT": "red", "START": "cyan", "RUNNING": "cyan"}


def escaped(text: str) -> str:
    """Return text with control characters as Python writes them: a terminal would obey them."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def tree_of(graph: LineageGraph, table: TableLineage | None = None) -> Tree:
    """Return the tree: source, transform, tables; with a ``table`` its columns and where they come from."""
    from rich.text import Text
    from rich.tree import Tree

    source = escaped(" ".join(part for part in graph.source if part))
    tree = Tree(Text.assemble(("raw ", "dim"), source), guide_style="dim")
    head = Text(escaped(graph.transform), style="bold")
    if graph.run is not None:
        head.append(f"  {escaped(graph.run.state)}", style=_STYLES.get(graph.run.state, ""))
        head.append(f"  {escaped(graph.run.at)}  run {escaped(graph.run.run_id)}", style="dim")
        if graph.run.error:
            head.append(f"\n{escaped(graph.run.error)}", style="red")
    transform = tree.add(head)
    for one in graph.tables if table is None else (table,):
        branch = transform.add(_of_table(one))
        if table is not None:
            for column in one.columns:
                branch.add(_of_column(column))
            for rule in one.rules:
                if rule.failed:
                    branch.add(Text(escaped(f"{rule.severity} {rule.name}: {rule.failed:,} rows failed"), style="red"))
    return tree


def _of_table(table: TableLineage) -> Text:
    from rich.text import Text

    text = Text(escaped(table.name), style="bold")
    if table.state is not None:
        text.append(f"  {escaped(table.state)}", style=_STYLES.get(table.state, ""))
    text.append(f"  {len(table.columns)} columns from {escaped(table.place) or 'the document'}", style="dim")
    told = figures(table)
    if told:
        text.append(f"  {told}")
    if table.failed:
        text.append(f"  {table.failed} {'rule' if table.failed == 1 else 'rules'} failed", style="red")
    if table.dataset is not None:
        text.append(f"\n{escaped(table.dataset[0])} {escaped(table.dataset[1])}", style="dim")
    return text


def _of_column(column: ColumnLineage) -> Text:
    from rich.text import Text

    text = Text(escaped(column.name), style="bold" if column.is_key else "")
    text.append(f" {escaped(column.type)}", style="dim")
    text.append(" <- ", style="dim")
    paths = escaped(", ".join(column.paths))
    if column.kind == "expression":
        text.append(escaped(column.text) or "an expression", style="magenta")
        if paths:
            text.append(f" of {paths}")
    elif column.kind == "request":
        text.append(f"raw row: {escaped(column.text)}", style="dim")
    elif column.kind == "value":
        text.append(paths + (f" ({escaped(column.text)})" if column.text else ""))
    else:
        text.append(KINDS[column.kind] + (f" {paths}" if paths else ""), style="cyan")
    return text
