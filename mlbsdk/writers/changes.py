"""What incoming rows change against stored ones: the figures of a run, and whether anything has to be written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from mlbsdk.mapping.plan import CAPTURED_AT, Table
from mlbsdk.runtime.batch import Document, TableWritten

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_NUMBER = "_number"
_TIMES = {"captured_at": CAPTURED_AT, "captured_at_new": f"{CAPTURED_AT}_new"}


def rows_of(rows: pa.Table, table: Table, documents: Iterable[Document]) -> pa.Table:
    """Return the rows of some documents."""
    keys = [document.key for document in documents]
    if not keys or not rows.num_rows:
        return rows.slice(0, 0)
    schema = pa.schema([rows.schema.field(name) for name in table.document_key])
    columns = [pa.array([key[n] for key in keys], schema.field(n).type) for n in range(len(schema))]
    if len(columns) == 1:
        return rows.filter(pc.is_in(rows[table.document_key[0]], value_set=columns[0]))
    return rows.join(pa.Table.from_arrays(columns, schema=schema), keys=list(table.document_key), join_type="left semi")


def without_rows_of(rows: pa.Table, table: Table, documents: Iterable[Document]) -> pa.Table:
    """Return the rows of all other documents."""
    numbered = rows.append_column(_NUMBER, _positions(rows))
    theirs = rows_of(numbered, table, documents)
    return rows.filter(pc.invert(pc.is_in(numbered[_NUMBER], value_set=theirs[_NUMBER].combine_chunks())))


def match(stored: pa.Table, incoming: pa.Table, table: Table) -> pa.Table:
    """Match stored and incoming rows by primary key.

    Returns:
        One row a key that either has: ``stored`` and ``incoming`` bigint, the position of its row in each (null where
        it has none), and ``same`` bool, whether both are there and equal in every column but transform_timestamp and
        lineage_metadata; ``captured_at`` and ``captured_at_new``.
    """
    keys = list(table.primary_key)
    columns = [column for column in table.compared_columns if column not in keys]
    left = stored.select([*keys, *columns]).append_column("_stored", _positions(stored))
    right = incoming.select([*keys, *columns]).append_column("_incoming", _positions(incoming))
    joined = left.join(right, keys=keys, join_type="full outer", right_suffix="_new")
    same = pc.and_(pc.is_valid(joined["_stored"]), pc.is_valid(joined["_incoming"]))
    for column in columns:
        same = pc.and_(same, _same(joined[column], joined[f"{column}_new"]))
    names = {"stored": joined["_stored"], "incoming": joined["_incoming"], "same": same}
    times = {name: joined[column] for name, column in _TIMES.items() if column in joined.column_names}
    return pa.table(names | times)


def compare(stored: pa.Table, incoming: pa.Table, table: Table) -> TableWritten:
    """Count what replacing the ``stored`` rows by the ``incoming`` ones changes, by primary key.

    A row whose every column but transform_timestamp and lineage_metadata is equal counts as unchanged.
    """
    matched = match(stored, incoming, table)
    was, comes = pc.is_valid(matched["stored"]), pc.is_valid(matched["incoming"])
    unchanged = _count(matched["same"])
    return TableWritten(
        inserted=_count(pc.and_(pc.invert(was), comes)),
        updated=_count(pc.and_(was, comes)) - unchanged,
        unchanged=unchanged,
        deleted=_count(pc.and_(was, pc.invert(comes))),
    )


def merge(stored: pa.Table, incoming: pa.Table, table: Table) -> tuple[TableWritten, pa.Table]:
    """Merge rows by primary key; a stored row gives way to a different one of an equal or newer capture.

    Returns:
        What changes, and all rows after it.
    """
    matched = match(stored, incoming, table)
    was, comes = pc.is_valid(matched["stored"]), pc.is_valid(matched["incoming"])
    newer = pc.fill_null(pc.greater_equal(matched["captured_at_new"], matched["captured_at"]), False)
    inserted = pc.and_(pc.invert(was), comes)
    updated = pc.and_(newer, pc.and_(pc.and_(was, comes), pc.invert(matched["same"])))
    takes = pc.or_(inserted, updated)
    change = TableWritten(_count(inserted), _count(updated), _count(comes) - _count(takes))
    kept = stored.take(matched["stored"].filter(pc.and_(was, pc.invert(takes))))
    return change, pa.concat_tables([kept, incoming.take(matched["incoming"].filter(takes))])


def compare_frames(stored: DataFrame, incoming: DataFrame, table: Table) -> TableWritten:
    """Count the same on Spark, in one job."""
    from pyspark.sql import functions as F

    keys = list(table.primary_key)
    content = F.struct(*(F.col(f"`{name}`") for name in table.compared_columns))
    left = stored.select(*keys, content.alias("_stored"))
    right = incoming.select(*keys, content.alias("_incoming"))
    joined = left.join(right, keys, "full_outer")
    was, comes = F.col("_stored").isNotNull(), F.col("_incoming").isNotNull()
    same = F.col("_stored").eqNullSafe(F.col("_incoming"))
    kinds = {
        "inserted": ~was & comes,
        "updated": was & comes & ~same,
        "unchanged": was & comes & same,
        "deleted": was & ~comes,
    }
    found = joined.agg(*(F.count_if(condition).alias(name) for name, condition in kinds.items())).collect()[0]
    return TableWritten(**{name: int(found[name]) for name in kinds})


def _positions(rows: pa.Table) -> pa.Array:
    return pc.subtract(pc.cumulative_sum(pa.repeat(1, rows.num_rows)), 1)


def _same(one: pa.ChunkedArray, other: pa.ChunkedArray) -> pa.ChunkedArray:
    both_null = pc.and_(pc.is_null(one), pc.is_null(other))
    return pc.or_(both_null, pc.fill_null(pc.equal(one, other), False))


def _count(mask: pa.ChunkedArray | pa.Array) -> int:
    return int(pc.sum(mask).as_py() or 0)
