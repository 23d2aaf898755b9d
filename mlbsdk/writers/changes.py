"""What incoming rows change against stored ones: the figures of a run, and whether anything has to be written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from mlbsdk.mapping.plan import CAPTURED_AT, Table
from mlbsdk.runtime.batch import Document, TableWritten

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


#: Rows that are compared at a time, about: comparing holds them several times over.
_COMPARED = 100_000


def columns_to_compare(table: Table) -> list[str]:
    """Return the columns that comparing needs: those of keys, and what rows are compared by."""
    return list(dict.fromkeys([*table.primary_key, *table.document_key, *table.compared_columns]))


def in_groups(
    documents: Sequence[Document], rows: pa.Table, table: Table
) -> Iterator[tuple[Sequence[Document], pa.Table]]:
    """Give documents in groups, each with what comparing needs of its rows, that can be compared in memory.

    Args:
        documents: all that there are rows of.
        rows: their rows.
        table: the table's plan.
    """
    needed = rows.select(columns_to_compare(table))
    size = max(1, len(documents) * _COMPARED // max(rows.num_rows, 1))
    if size >= len(documents):
        yield documents, needed
        return
    for start in range(0, len(documents), size):
        group = documents[start : start + size]
        yield group, rows_of(needed, table, group)


def rows_of(rows: pa.Table, table: Table, documents: Iterable[Document]) -> pa.Table:
    """Return the rows of some documents."""
    return rows.filter(_is_of(rows, table, documents))


def without_rows_of(rows: pa.Table, table: Table, documents: Iterable[Document]) -> pa.Table:
    """Return the rows of all other documents."""
    return rows.filter(pc.invert(_is_of(rows, table, documents)))


def document_keys(table: Table, documents: Iterable[Document], schema: pa.Schema) -> pa.Table:
    """Return the keys of documents, one column for each column of the key."""
    keys = [document.key for document in documents]
    fields = [schema.field(name) for name in table.document_key]
    columns = [pa.array([key[n] for key in keys], field.type) for n, field in enumerate(fields)]
    return pa.Table.from_arrays(columns, names=list(table.document_key))


def _is_of(rows: pa.Table, table: Table, documents: Iterable[Document]) -> pa.ChunkedArray | pa.Array:
    """Return for each row whether it is of one of the documents."""
    wanted = document_keys(table, documents, rows.schema)
    names = wanted.column_names
    if len(names) == 1:
        return pc.is_in(rows[names[0]], value_set=wanted[names[0]].combine_chunks())
    # Only the key is joined: Arrow's joins refuse structs such as lineage_metadata, even as a mere payload.
    numbers = positions(rows)
    keys = rows.select(names).append_column(_free_name(names), numbers)
    theirs = keys.join(wanted, keys=names, join_type="left semi")[_free_name(names)]
    return pc.is_in(numbers, value_set=theirs.combine_chunks())


def match(stored: pa.Table, incoming: pa.Table, table: Table) -> pa.Table:
    """Match stored and incoming rows by primary key.

    Returns:
        One row a key that either has: ``stored`` and ``incoming`` bigint, the position of its row in each (null where
        it has none), and ``same`` bool, whether both are there and equal in every column but transform_timestamp and
        lineage_metadata; ``captured_at`` and ``captured_at_new``.
    """
    columns = [column for column in table.compared_columns if column not in table.primary_key]
    # Columns are joined by number: their own names may be anything.
    keys = [f"key{n}" for n in range(len(table.primary_key))]
    old, new = ([f"{side}{n}" for n in range(len(columns))] for side in ("old", "new"))
    left = stored.select([*table.primary_key, *columns]).rename_columns([*keys, *old])
    right = incoming.select([*table.primary_key, *columns]).rename_columns([*keys, *new])
    left = left.append_column("stored", positions(stored))
    right = right.append_column("incoming", positions(incoming))
    joined = left.join(right, keys=keys, join_type="full outer")
    same = pc.and_(pc.is_valid(joined["stored"]), pc.is_valid(joined["incoming"]))
    for one, other in zip(old, new, strict=True):
        same = pc.and_(same, _same(joined[one], joined[other]))
    names = {"stored": joined["stored"], "incoming": joined["incoming"], "same": same}
    if CAPTURED_AT in columns:
        n = columns.index(CAPTURED_AT)
        names |= {"captured_at": joined[old[n]], "captured_at_new": joined[new[n]]}
    return pa.table(names)


def compare(stored: pa.Table, incoming: pa.Table, table: Table) -> TableWritten:
    """Count what replacing the ``stored`` rows by the ``incoming`` ones changes, by primary key.

    A row whose every column but transform_timestamp and lineage_metadata is equal counts as unchanged.
    """
    if not stored.num_rows or not incoming.num_rows:
        return TableWritten(inserted=incoming.num_rows, deleted=stored.num_rows)
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

    A refused capture may have no time, and gives way to any that differs.

    Returns:
        What changes, and all rows after it.
    """
    matched = match(stored, incoming, table)
    was, comes = pc.is_valid(matched["stored"]), pc.is_valid(matched["incoming"])
    is_newer = pc.fill_null(pc.greater_equal(matched["captured_at_new"], matched["captured_at"]), False)
    newer = pc.or_(is_newer, pc.is_null(matched["captured_at"]))
    inserted = pc.and_(pc.invert(was), comes)
    updated = pc.and_(newer, pc.and_(pc.and_(was, comes), pc.invert(matched["same"])))
    takes = pc.or_(inserted, updated)
    change = TableWritten(_count(inserted), _count(updated), _count(comes) - _count(takes))
    kept = stored.take(matched["stored"].filter(pc.and_(was, pc.invert(takes))))
    taken = incoming.take(matched["incoming"].filter(takes))
    # Stored rows may have columns that the mapping no longer has; incoming ones are null there.
    return change, pa.concat_tables([kept, taken], promote_options="default")


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


def _free_name(names: Iterable[str]) -> str:
    """Return a column name that is none of these."""
    return "_".join(["number", *names])


def positions(rows: pa.Table) -> pa.Array:
    """Return the position of each row, from 0."""
    return pc.subtract(pc.cumulative_sum(pa.repeat(1, rows.num_rows)), 1)


def _same(one: pa.ChunkedArray, other: pa.ChunkedArray) -> pa.ChunkedArray:
    alike = pc.and_(pc.is_null(one), pc.is_null(other))
    if pa.types.is_floating(one.type):
        alike = pc.or_(alike, pc.fill_null(pc.and_(pc.is_nan(one), pc.is_nan(other)), False))
    return pc.or_(alike, pc.fill_null(pc.equal(one, other), False))


def _count(mask: pa.ChunkedArray | pa.Array) -> int:
    return int(pc.sum(mask).as_py() or 0)
