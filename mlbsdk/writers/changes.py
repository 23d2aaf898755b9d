"""What incoming rows change against stored ones: the figures of a run, and whether anything has to be written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from mlbsdk.mapping.plan import Table
from mlbsdk.runtime.batch import Document, TableWritten

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


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


def compare(stored: pa.Table, incoming: pa.Table, table: Table) -> TableWritten:
    """Count what replacing the ``stored`` rows by the ``incoming`` ones changes, by primary key.

    A row whose every column but transform_timestamp and lineage_metadata is equal counts as unchanged.
    """
    keys = list(table.primary_key)
    columns = [column for column in table.compared_columns if column not in keys]
    left = stored.select(keys + columns).append_column("_stored", pa.repeat(True, stored.num_rows))
    right = incoming.select(keys + columns).append_column("_incoming", pa.repeat(True, incoming.num_rows))
    joined = left.join(right, keys=keys, join_type="full outer", right_suffix="_new")
    was, comes = pc.is_valid(joined["_stored"]), pc.is_valid(joined["_incoming"])
    both = joined.filter(pc.and_(was, comes))
    equal = pa.repeat(True, both.num_rows)
    for column in columns:
        equal = pc.and_(equal, _same(both[column], both[f"{column}_new"]))
    unchanged = _count(equal)
    return TableWritten(
        inserted=_count(pc.and_(pc.invert(was), comes)),
        updated=both.num_rows - unchanged,
        unchanged=unchanged,
        deleted=_count(pc.and_(was, pc.invert(comes))),
    )


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


def _same(one: pa.ChunkedArray, other: pa.ChunkedArray) -> pa.ChunkedArray:
    both_null = pc.and_(pc.is_null(one), pc.is_null(other))
    return pc.or_(both_null, pc.fill_null(pc.equal(one, other), False))


def _count(mask: pa.ChunkedArray | pa.Array) -> int:
    return int(pc.sum(mask).as_py() or 0)
