"""The checks of a table that can be judged on its finished rows: what its columns ask, its primary key, its rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mlbsdk.mapping.plan import Rule, Table
from mlbsdk.quality.native import UNIQUE_KEY


@dataclass(frozen=True)
class Check:
    """One check of a table, under the name that a run reports it by."""

    name: str
    severity: Literal["error", "warning"]
    kind: Literal["predicate", "not_null", "unique"]
    sql: str
    """Spark SQL that is true for a good row, and null where the row passes for lack of a value; none for ``unique``."""
    columns: tuple[str, ...]


def table_checks(table: Table) -> tuple[Check, ...]:
    """Return the checks of a table.

    Whether a value fits its type is not among them: in a finished row it either does, or is gone.
    """
    return (
        *_of_columns(table),
        Check(UNIQUE_KEY, "error", "unique", "", table.primary_key),
        *(_of_rule(rule) for rule in table.rules),
    )


def _of_columns(table: Table) -> Iterator[Check]:
    for column in table.columns:
        if column.type.length:
            fits = f"length(`{column.name}`) <= {column.type.length}"
            yield Check(f"length:{column.name}", "error", "predicate", fits, (column.name,))
        if not column.nullable:
            yield Check(f"not_null:{column.name}", "error", "not_null", f"`{column.name}` IS NOT NULL", (column.name,))


def _of_rule(rule: Rule) -> Check:
    if rule.kind == "unique":
        return Check(rule.name, rule.severity, "unique", "", rule.columns)
    asks_for_a_value = len(rule.columns) == 1 and rule.sql == f"NOT `{rule.columns[0]}` IS NULL"
    return Check(rule.name, rule.severity, "not_null" if asks_for_a_value else "predicate", rule.sql, rule.columns)
