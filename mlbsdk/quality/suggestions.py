"""Rules that a table's data suggests, in the mapping's own form: a person decides which of them hold for ever."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from mlbsdk.mapping.plan import SYSTEM_COLUMNS, Rule, Table
from mlbsdk.quality.profile import ColumnProfile, TableProfile

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: Values that a list of categories has at most.
MOST_CATEGORIES = 12
#: Rows that each category has, on average, so that there is reason to believe that there are no others.
_ROWS_A_CATEGORY = 10
_LONGEST_NAME = 63


@dataclass(frozen=True)
class SuggestedRule:
    """One entry of ``data_quality``."""

    name: str
    type: Literal["sql", "range", "not_null", "unique"]
    severity: Literal["error", "warning"]
    reason: str
    field: str
    min: int | float | None = None
    max: int | float | None = None
    rule: str | None = None

    def to_mapping(self) -> dict[str, Any]:
        """Return the entry as YAML data."""
        found: dict[str, Any] = {"name": self.name, "type": self.type}
        found |= {"rule": self.rule} if self.type == "sql" else {"field": self.field}
        found |= {key: value for key, value in (("min", self.min), ("max", self.max)) if value is not None}
        return found | {"severity": self.severity, "reason": self.reason}

    def as_rule(self) -> Rule:
        """Return the rule as a mapping compiles it."""
        quoted = f"`{self.field}`"
        low = [f"{quoted} >= {self.min}"] if self.min is not None else []
        high = [f"{quoted} <= {self.max}"] if self.max is not None else []
        sql = {
            "not_null": f"NOT {quoted} IS NULL",
            "range": " AND ".join(low + high),
            "sql": self.rule or "",
            "unique": "",
        }[self.type]
        kind: Literal["sql", "unique"] = "unique" if self.type == "unique" else "sql"
        return Rule(self.name, self.severity, kind, sql, (self.field,), self.reason, sql)


def suggest(rows: DataFrame, table: Table) -> list[SuggestedRule]:
    """Return rules that the native profile of a table suggests, that hold on all rows, and that the table lacks."""
    from mlbsdk.quality.profile import profile

    frame = rows.select(*(f"`{name}`" for name in open_columns(table) if name in rows.columns))
    found = profile(frame, table.name)
    return those_that_hold(rows, table, _from_profile(found, table)) if found.rows else []


def _from_profile(found: TableProfile, table: Table) -> Iterable[SuggestedRule]:
    for column in found.columns:
        if column.completeness == 1.0:
            yield not_null_rule(column, found.rows)
        # The sketch may be off by some percent: whether it is really so is looked at afterwards.
        if found.rows > 1 and column.completeness == 1.0 and column.distinct >= 0.9 * found.rows:
            yield unique_rule(column, found.rows)
        if is_category(table, column.name) and found.rows >= _ROWS_A_CATEGORY * column.distinct:
            rule = category_rule(column)
            if rule is not None:
                yield rule
        if column.mean is not None and is_measured(table, column.name):
            yield range_rule(column)


def not_null_rule(column: ColumnProfile, rows: int) -> SuggestedRule:
    """Suggest that a column always has a value."""
    reason = f"All {rows} rows have a value."
    return SuggestedRule(_named(column.name, "is_known"), "not_null", "error", reason, column.name)


def unique_rule(column: ColumnProfile, rows: int) -> SuggestedRule:
    """Suggest that a column has no value twice."""
    reason = f"No value occurs twice in {rows} rows."
    return SuggestedRule(_named(column.name, "is_unique"), "unique", "warning", reason, column.name)


def range_rule(column: ColumnProfile) -> SuggestedRule:
    """Suggest a range for a number: what was seen, and as much again on both sides; no negative where none was seen."""
    low, high = float(column.minimum), float(column.maximum)
    margin = (high - low) or max(abs(high), 1.0)
    least = low - margin if low < 0 else max(0.0, low - margin)
    bounds = [_rounded(least, math.floor), _rounded(high + margin, math.ceil)]
    reason = f"Values seen are from {_plain(column.minimum)} to {_plain(column.maximum)}; as much again is allowed."
    name = _named(column.name, "is_plausible")
    return SuggestedRule(name, "range", "warning", reason, column.name, bounds[0], bounds[1])


def category_rule(column: ColumnProfile) -> SuggestedRule | None:
    """Suggest that a text is one of those that were seen; None where its histogram does not tell them all."""
    values = [value for value, _ in column.histogram or () if value is not None]
    if not 0 < len(values) <= MOST_CATEGORIES:
        return None
    listed = ", ".join("'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'" for value in sorted(values))
    reason = "No other value was seen."
    rule = f"{column.name} IN ({listed})"
    return SuggestedRule(_named(column.name, "is_known_value"), "sql", "warning", reason, column.name, rule=rule)


def open_columns(table: Table) -> list[str]:
    """Return the columns that rules are suggested for: those that data fills."""
    return [column.name for column in table.columns if column.name not in SYSTEM_COLUMNS]


def is_category(table: Table, column: str) -> bool:
    """Whether a column may be one of a few names: a text, not JSON."""
    kind = table.column(column).type
    return kind.is_text and kind.name != "JSONB"


def is_measured(table: Table, column: str) -> bool:
    """Whether a number is a quantity: neither part of the key nor a reference, whose values have no bounds."""
    refers = {name for one in table.relationships for name in one.from_fields}
    return column not in {*table.primary_key, *table.document_key, *refers} and not column.endswith(("_id", "_pk"))


def those_that_hold(rows: DataFrame, table: Table, found: Iterable[SuggestedRule]) -> list[SuggestedRule]:
    """Return the suggestions that every row keeps, without those that the table has already; in one job.

    Sketches are approximate, so a suggestion is only made once the rows themselves agree.
    """
    from mlbsdk.quality.rows import verify

    known = {(rule.kind, rule.sql, rule.columns) for rule in table.rules}
    required = {column.name for column in table.columns if not column.nullable}
    fresh = [
        one
        for one in found
        if (one.as_rule().kind, one.as_rule().sql, one.as_rule().columns) not in known
        and not (one.type == "not_null" and one.field in required)
        and not (one.type == "unique" and table.primary_key == (one.field,))
    ]
    fresh = _distinctly_named(fresh, [rule.name for rule in table.rules])
    judged = verify(rows, replace(table, rules=tuple(one.as_rule() for one in fresh)))
    failing = {result.check for result in judged.results if result.failed}
    return [one for one in fresh if one.name not in failing]


def _distinctly_named(rules: Sequence[SuggestedRule], taken: Sequence[str]) -> list[SuggestedRule]:
    names = {name.lower() for name in taken}
    found = []
    for rule in rules:
        name, number = rule.name, 1
        while name.lower() in names:
            number += 1
            name = f"{rule.name[: _LONGEST_NAME - 3]}_{number}"
        names.add(name.lower())
        found.append(replace(rule, name=name))
    return found


def _named(column: str, what: str) -> str:
    return f"{re.sub(r'[^A-Za-z0-9_]', '_', column)[: _LONGEST_NAME - len(what) - 1]}_{what}"


def _rounded(value: float, towards: Any) -> int | float:
    """Round a bound outwards to a number that a person would write: three digits of it."""
    if value == 0:
        return 0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 2)
    found = towards(value / step) * step
    return int(found) if float(found).is_integer() else float(f"{found:.6g}")


def _plain(value: Any) -> str:
    """Return a number without zeros that say nothing."""
    return f"{Decimal(str(value)).normalize():f}"
