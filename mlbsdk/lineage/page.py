"""The lineage graph as one HTML page: self-contained, readable without its script, everything escaped."""

from __future__ import annotations

from typing import Any

from mlbsdk.lineage.graph import KINDS, LineageGraph, TableLineage
from mlbsdk.pages import rendered

_FIGURES = ("rows", "inserted", "updated", "unchanged", "deleted", "quarantined", "written")


def page_of(graph: LineageGraph) -> str:
    """Return the page of a graph."""
    return rendered("mlbsdk.lineage", "lineage.html", _content(graph), {"figures": figures})


def figures(table: TableLineage) -> str:
    """Return what became of a table's rows, in words: ``75 rows: 75 inserted``."""
    told = [f"{count:,} {name}" for name in _FIGURES[1:] if (count := table.figures.get(name, 0))]
    rows = table.figures.get("rows")
    if rows is None:
        return ", ".join(told)
    head = f"{rows:,} {'row' if rows == 1 else 'rows'}"
    return f"{head}: {', '.join(told)}" if told else head


def _content(graph: LineageGraph) -> dict[str, Any]:
    return {
        "graph": graph,
        "run": graph.run,
        "kinds": KINDS,
        "paths": len(graph.paths),
        "rules": sum(len(table.rules) for table in graph.tables),
        "failed": sum(table.failed for table in graph.tables),
        "data": _data(graph),
    }


def _data(graph: LineageGraph) -> dict[str, Any]:
    """Return what the script draws; paths are told once, and columns name them by number."""
    numbers = {path: number for number, path in enumerate(graph.paths)}
    return {
        "paths": list(numbers),
        "kinds": dict(KINDS),
        "tables": [
            {
                "name": table.name,
                "place": table.place,
                "rules": {
                    rule.name: {"asks": rule.asks, "severity": rule.severity, "reason": rule.reason}
                    | ({} if rule.failed is None else {"failed": rule.failed})
                    for rule in table.rules
                },
                "columns": [
                    {
                        "name": column.name,
                        "type": column.type,
                        "kind": column.kind,
                        "paths": [numbers[path] for path in column.paths],
                        "text": column.text,
                        "uses": list(column.uses),
                        "description": column.description,
                        "key": column.is_key,
                        "nullable": column.is_nullable,
                        "rules": list(column.rules),
                    }
                    for column in table.columns
                ],
            }
            for table in graph.tables
        ],
    }
