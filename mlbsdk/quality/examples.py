"""Rows that failed checks, a few of each check, for the report: what a person looks at first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mlbsdk.mapping.plan import CAPTURED_AT, LINEAGE, Table
from mlbsdk.quality.asked import columns_of
from mlbsdk.quality.native import unique_checks
from mlbsdk.report import EXAMPLES_OF_A_CHECK, ExampleReport

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

#: Longer values are cut to this many characters.
MOST_CHARACTERS = 80
#: Failed rows that are looked through for a few of each check.
_LOOKED_AT = 1_000


def examples_in_arrow(table: Table, rows: pa.Table, failed: Iterable[str]) -> list[ExampleReport]:
    """Return a few rows of each failed check.

    Args:
        table: the table's plan.
        rows: all its rows of a batch.
        failed: the checks that failed.
    """
    import pyarrow.compute as pc

    names = set(failed)
    marks = pc.struct_field(rows[LINEAGE], "quality_checks_failed")
    lengths = pc.fill_null(pc.list_value_length(marks), 0)
    found = [(row, row[LINEAGE]["quality_checks_failed"]) for row in _first(rows, pc.greater(lengths, 0))]
    for check, columns in unique_checks(table):
        if check in names:
            found += [(row, [check]) for row in _repeated(rows, columns)]
    return _few(table, found)


def examples_in_frame(table: Table, rows: DataFrame, limit: int) -> list[ExampleReport]:
    """Return a few rows that failed a check of their own, at most ``limit``, in one small Spark job."""
    found = rows.where(f"size({LINEAGE}.quality_checks_failed) > 0").limit(limit).collect()
    given = [row.asDict(recursive=True) for row in found]
    return _few(table, [(row, row[LINEAGE]["quality_checks_failed"]) for row in given])


def shortened_value(value: Any) -> str | None:
    """Return a value as text that is not too long; None for null."""
    if value is None:
        return None
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    # A lone surrogate, which JSON can hold, is no UTF-8.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


def _first(rows: pa.Table, mask: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rows.filter(mask).slice(0, _LOOKED_AT).to_pylist()
    return found


def _repeated(rows: pa.Table, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the rows of the first keys that stand more than once."""
    import pyarrow.compute as pc

    counts = rows.group_by(list(columns)).aggregate([([], "count_all")])
    keys = counts.filter(pc.greater(counts["count_all"], 1)).slice(0, 2).select(list(columns)).to_pylist()
    found: list[dict[str, Any]] = []
    for key in keys:
        mask = None
        for name, value in key.items():
            same = pc.is_null(rows[name]) if value is None else pc.fill_null(pc.equal(rows[name], value), False)
            mask = same if mask is None else pc.and_(mask, same)
        found += rows.filter(mask).slice(0, EXAMPLES_OF_A_CHECK).to_pylist()
    return found


def _few(table: Table, found: Iterable[tuple[Mapping[str, Any], list[str]]]) -> list[ExampleReport]:
    shown: Counter[str] = Counter()
    kept = []
    for row, checks in found:
        if any(shown[check] < EXAMPLES_OF_A_CHECK for check in checks):
            shown.update(checks)
            kept.append(_example(table, row, checks))
    return kept


def _example(table: Table, row: Mapping[str, Any], checks: list[str]) -> ExampleReport:
    columns = dict.fromkeys([*table.primary_key, *(name for check in checks for name in columns_of(check, table))])
    captured_at = row.get(CAPTURED_AT)
    return ExampleReport(
        table=table.name,
        checks=tuple(checks),
        values={name: shortened_value(row[name]) for name in columns},
        source_row_id=(row.get(LINEAGE) or {}).get("source_row_id"),
        source_captured_at=None if captured_at is None else captured_at.isoformat(),
    )
