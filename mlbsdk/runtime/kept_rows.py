"""Refused rows whose captures are gone: the rows themselves, as the quarantine table keeps them, judged again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mlbsdk.mapping.plan import CAPTURED_AT, LINEAGE, TRANSFORMED_AT, Plan, Table
from mlbsdk.quality.outcomes import Entry, Outcome, Settled
from mlbsdk.runtime.batch import Document, TableRows, decisions_by_table, key_value
from mlbsdk.runtime.cut import RunStamp, judged_again
from mlbsdk.runtime.sql import literal, name
from mlbsdk.runtime.standing import micros

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

_STAMPS = (TRANSFORMED_AT, CAPTURED_AT)
#: Text in which Spark writes a row as JSON, and the type of the other columns.
_ENTRIES = "__entry bigint, __json string, __row_id string, __captured_at timestamp"


@dataclass(frozen=True)
class KeptRows:
    """What can be written of one table, and what became of all its entries."""

    rows: TableRows | None
    documents: tuple[Document, ...]
    settled: tuple[Settled, ...]


def why_not(entry: Entry, plan: Plan) -> str:
    """Return why a row can't be tried again from what is kept of it; nothing where it can."""
    table = next((table for table in plan.tables if table.name == entry.table), None)
    if entry.is_capture:
        return "nothing is kept of it"
    if table is None:
        return "the mapping has no such table"
    values = entry.values
    lost = [check.partition(":")[2] for check in entry.checks if check.startswith("type:")]
    if lost:
        return f"what did not fit its type is not kept ({', '.join(lost)})"
    unique = {"unique:primary_key", *(rule.name for rule in table.rules if rule.kind == "unique")}
    if unique & set(entry.checks):
        return "only their captures tell rows of one key apart"
    lacking = [column.name for column in table.columns if column.name not in (*_STAMPS, *values)]
    if lacking:
        return f"it was cut before the mapping had {', '.join(lacking)}"
    if any(values.get(key) is None for key in table.primary_key):
        return "a part of its primary key is missing"
    return ""


def kept_rows(
    spark: SparkSession,
    table: Table,
    entries: Sequence[Entry],
    plan: Plan,
    seen: Mapping[tuple[str, str], datetime],
    stamp: RunStamp,
    is_arrow: bool,
) -> KeptRows:
    """Judge rows of one table again, each of which :func:`why_not` has nothing against.

    Args:
        spark: the session.
        table: the table's plan.
        entries: its entries, at most as many as the driver may hold.
        plan: of the mapping.
        seen: the newest capture that the store has of each document.
        stamp: the run.
        is_arrow: whether rows may be committed as Arrow.

    Returns:
        Rows that pass now: those of a table with ``on_missing: delete`` join what is stored of the same capture.
    """
    from mlbsdk.runtime.arrow import table_rows

    frame = judged_again(_typed(spark, table, entries, stamp), table, stamp)
    rows = table_rows(frame, table)
    # Rows come as they were given: a projection of local rows changes no order.
    passed = [one["data_quality_passed"] for one in rows[LINEAGE].to_pylist()]
    documents = _documents(table, rows)
    decided = decisions_by_table(plan, documents, seen)[table.name]
    stale, new = set(decided.stale), set(decided.new)
    follows = table.on_missing == "delete"
    settled, taken = [], []
    for number, entry in enumerate(entries):
        if follows and documents[number] in stale:
            settled.append(Settled(entry, Outcome.SUPERSEDED, "a newer capture of its document is stored"))
        elif follows and documents[number] in new:
            settled.append(Settled(entry, Outcome.NOT_REPLAYED, "nothing of its document is stored"))
        elif not passed[number]:
            settled.append(Settled(entry, Outcome.STILL_REFUSED))
        else:
            settled.append(Settled(entry, Outcome.PUBLISHED, "from the row that was kept"))
            taken.append(number)
    if not taken:
        return KeptRows(None, (), tuple(settled))
    good = _newest_of_each_key(table, rows, taken)
    made = table_of(spark, table, good, is_arrow, joins=follows)
    written = tuple(dict.fromkeys(documents[number] for number in taken)) if follows else ()
    return KeptRows(made, written, tuple(settled))


def table_of(spark: SparkSession, table: Table, rows: pa.Table, is_arrow: bool, *, joins: bool = False) -> TableRows:
    """Return rows that are here as a writer takes them."""
    from mlbsdk.runtime.schemas import spark_schema

    names = [column.name for column in table.columns]
    values = [tuple(row[name] for name in (*names, LINEAGE)) for row in rows.to_pylist()]
    frame = spark.createDataFrame(values, spark_schema(table))
    return TableRows(table, frame, rows if is_arrow else None, rows.num_rows, joins)


def _typed(spark: SparkSession, table: Table, entries: Iterable[Entry], stamp: RunStamp) -> DataFrame:
    """Return the rows that entries keep, with the table's types."""
    kept = [(number, one.row_json, one.row_id, one.captured_at) for number, one in enumerate(entries)]
    frame = spark.createDataFrame(kept, _ENTRIES).coalesce(1)
    columns = [column for column in table.columns if column.name not in _STAMPS]
    schema = ", ".join(f"{name(column.name)} {column.type.spark}" for column in columns)
    parsed = frame.selectExpr("*", f"from_json(__json, {literal(schema)}) AS __row")
    values = [f"__row.{name(column.name)} AS {name(column.name)}" for column in columns]
    # JSON has a capture's time in milliseconds; the entry's own is exact.
    values.append(f"__captured_at AS {CAPTURED_AT}")
    values.append(f"timestamp_micros({micros(stamp.transformed_at)}) AS {TRANSFORMED_AT}")
    return parsed.selectExpr(*values, "__row_id")


def _documents(table: Table, rows: pa.Table) -> list[Document]:
    kinds = {key: table.column(key).type.name for key in table.document_key}
    found = rows.select([*table.document_key, CAPTURED_AT]).to_pylist()
    return [
        Document(tuple(key_value(row[key], kind) for key, kind in kinds.items()), row[CAPTURED_AT]) for row in found
    ]


def _newest_of_each_key(table: Table, rows: pa.Table, taken: Sequence[int]) -> pa.Table:
    """Return the rows of these numbers, one of each primary key: the newest."""
    keys = rows.select([*table.primary_key, CAPTURED_AT]).to_pylist()
    newest: dict[tuple[object, ...], int] = {}
    for number in sorted(taken, key=lambda number: keys[number][CAPTURED_AT]):
        newest[tuple(keys[number][key] for key in table.primary_key)] = number
    return rows.take(sorted(newest.values()))
