"""Some tables of a mapping: the plan of a run that only writes these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from mlbsdk.errors import ConfigurationError, did_you_mean
from mlbsdk.mapping.plan import Plan, Table
from mlbsdk.mapping.tree import DocumentTree
from mlbsdk.mapping.yaml_file import Place


def chosen(plan: Plan, names: Iterable[str]) -> Plan:
    """Return the plan of some tables, which reads only what these need of a document.

    The tables of the mapping that they refer to come with them, so that references stay whole.

    Args:
        plan: of the whole mapping.
        names: of tables, with or without their schema; none takes all.

    Raises:
        ConfigurationError: the mapping has no such table.
    """
    by_name = {table.name: table for table in plan.tables}
    wanted = _with_parents({_table_name(name, by_name, plan.name) for name in names}, by_name)
    if not wanted or len(wanted) == len(by_name):
        return plan
    tables = tuple(table for table in plan.tables if table.name in wanted)
    document = DocumentTree(_no_place, _impossible).of(tables, plan.document_columns, plan.captured_at)
    return replace(plan, tables=tables, document=document, is_part=True)


def _table_name(name: str, tables: Mapping[str, Table], transform: str) -> str:
    found = [full for full in tables if name in (full, full.partition(".")[2])]
    if len(found) != 1:
        short = {full.partition(".")[2] for full in tables}
        if found:
            what = f"is in several schemas: {', '.join(found)}."
        else:
            what = f"is no table of {transform}.{did_you_mean(name, {*tables, *short})}"
        raise ConfigurationError(
            f"--tables: '{name}' {what}",
            fix=f"'mlbsdk mapping show {transform}' lists them.",
        )
    return found[0]


def _with_parents(names: set[str], tables: Mapping[str, Table]) -> set[str]:
    found: set[str] = set()
    ahead = sorted(names)
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += [one.to_table for one in tables[name].relationships if one.to_table in tables]
    return found


def _no_place(table: str, column: str | None) -> Place:
    return ()


def _impossible(place: Place, subject: str, message: str) -> None:
    raise AssertionError(f"{subject}: {message}, though the whole mapping compiles")
