"""The table reference: the page and the diagram of each mapping, and an overview."""

from __future__ import annotations

from pathlib import Path

import markdown as md

from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file
from mlbsdk.mapping.plan import Plan
from mlbsdk.mapping.reference.diagram import svg
from mlbsdk.mapping.reference.pages import Setting, lineage_section, page


def pages(mappings: Path) -> dict[str, str]:
    """Return every page and diagram by its file name."""
    plans = {file: compile_mapping(load_file(file)) for file in sorted(mappings.glob("*/*.yaml"))}
    owners = {table.name: plan.name for plan in plans.values() for table in plan.tables}
    found = {"index.md": _index(list(plans.values()))}
    for path, plan in plans.items():
        file = path.relative_to(mappings.parent).as_posix()
        setting = Setting(
            note=md.note(file),
            file=file,
            diagram=f"{plan.name}.svg",
            owners=owners,
            lineage="index.md#lineage_metadata",
        )
        found[f"{plan.name}.md"] = page(plan, setting)
        found[f"{plan.name}.svg"] = svg(plan)
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
            *lineage_section(),
        ]
    )
