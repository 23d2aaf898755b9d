"""What the rows of a mapping's tables are asked: checks of types and keys, and the rules that authors wrote."""

from __future__ import annotations

from typing import Any

from mlbsdk.mapping.plan import Plan, Table
from mlbsdk.runtime.cut import checks_of


def checks_asked(plan: Plan) -> dict[str, Any]:
    """Return, by table, what its rows are asked: columns by built-in check, and the mapping's own rules."""
    found = {}
    for table in plan.tables:
        built_in: dict[str, list[str]] = {"type": [], "length": [], "not_null": []}
        for check in checks_of(table):
            kind, colon, column = check.partition(":")
            if colon and kind in built_in:
                built_in[kind].append(column)
        rules = [
            {
                "rule": rule.name,
                "severity": rule.severity,
                "asks": rule.text or rule.sql or f"unique: {', '.join(rule.columns)}",
                "reason": rule.reason,
            }
            for rule in table.rules
        ]
        found[table.name] = {**built_in, "unique": list(table.primary_key), "rules": rules}
    return found


def columns_of(check: str, table: Table) -> tuple[str, ...]:
    """Return the columns that a check of a table looks at."""
    kind, colon, column = check.partition(":")
    rule = next((rule for rule in table.rules if rule.name == check), None)
    if rule is not None:
        return rule.columns
    if colon and kind == "unique":
        return table.primary_key
    return (column,) if colon and any(column == one.name for one in table.columns) else ()
