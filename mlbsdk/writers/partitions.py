"""Rows in the order of their partitions, so that each file that is written has its rows in one piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from mlbsdk.writers.changes import positions

#: From this many rows on, rows of a partition are given as they are.
_PIECE = 100_000


def by_partition(rows: pa.Table, columns: Sequence[str]) -> pa.RecordBatchReader:
    """Give rows partition by partition; rows of one partition keep their order.

    Rows that come from several tasks of Spark hold a little of every partition in each of their batches, and each of
    these little pieces would become a row group of its own.

    Args:
        rows: any rows; they are copied a partition at a time.
        columns: the columns of the partitions.
    """
    if not columns or len(rows.to_batches()) < 2:
        return rows.to_reader()
    return pa.RecordBatchReader.from_batches(rows.schema, _pieces(rows, columns))


def _pieces(rows: pa.Table, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    batches = rows.to_batches()
    for places in _places_by_partition(batches, columns):
        taken: list[pa.RecordBatch] = []
        for number, found in places:
            taken.append(batches[number].take(found))
            if sum(one.num_rows for one in taken) >= _PIECE:
                yield from _joined(taken)
                taken = []
        if taken:
            yield from _joined(taken)


def _places_by_partition(batches: Sequence[pa.RecordBatch], columns: Sequence[str]) -> list[list[tuple[int, pa.Array]]]:
    """Return for each partition (the number of a batch, the positions of its rows there)."""
    names = [str(number) for number in range(len(columns))]  # the columns' own names may be anything
    found: dict[tuple[Any, ...], list[tuple[int, pa.Array]]] = {}
    for number, batch in enumerate(batches):
        keys = pa.Table.from_batches([batch.select(list(columns))]).rename_columns(names)
        groups = keys.append_column("at", positions(keys)).group_by(names, use_threads=False)
        for group in groups.aggregate([("at", "list")]).to_batches():
            values = zip(*(column.to_pylist() for column in group.select(names).columns), strict=True)
            for value, places in zip(values, group["at_list"], strict=True):
                found.setdefault(value, []).append((number, places.values))
    return list(found.values())


def _joined(batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield from pa.Table.from_batches(batches).combine_chunks().to_batches()
