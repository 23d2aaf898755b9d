"""Rows in the order of their partitions: the same rows, each partition in one piece, its rows in their order."""

from __future__ import annotations

import itertools
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbsdk.writers import partitions
from mlbsdk.writers.partitions import by_partition

SCHEMA = pa.schema(
    [("day", pa.int64()), ("team", pa.string()), ("number", pa.int64()), ("marks", pa.list_(pa.string()))]
)
KEYS = st.tuples(st.sampled_from([1, 2, None]), st.sampled_from(["a", "b", None]))


def rows_in(batches: list[list[tuple[int | None, str | None]]]) -> pa.Table:
    numbers = itertools.count()
    made = []
    for keys in batches:
        given = [
            {"day": day, "team": team, "number": next(numbers), "marks": [str(day)] * (day or 0)} for day, team in keys
        ]
        made.append(pa.RecordBatch.from_pylist(given, SCHEMA))
    return pa.Table.from_batches(made, SCHEMA)


def partition_of(row: dict[str, Any]) -> tuple[Any, Any]:
    return row["day"], row["team"]


@settings(deadline=None)  # the first call waits for pyarrow
@given(st.lists(st.lists(KEYS, max_size=6), max_size=5))
def test_each_partition_comes_in_one_piece_with_its_rows_in_their_order(
    batches: list[list[tuple[int | None, str | None]]],
) -> None:
    rows = rows_in(batches)
    found = by_partition(rows, ["day", "team"]).read_all().to_pylist()
    assert sorted(found, key=lambda row: row["number"]) == rows.to_pylist()
    if len(rows.to_batches()) > 1:
        met = [key for key, _ in itertools.groupby(found, partition_of)]
        assert len(met) == len(set(met))
    for key in {partition_of(row) for row in found}:
        numbers = [row["number"] for row in found if partition_of(row) == key]
        assert numbers == sorted(numbers)


def test_a_partition_is_one_batch_up_to_some_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_in([[(1, "a"), (2, "b")], [(2, "b"), (1, "a")], [(1, "a")]])
    assert [one.num_rows for one in by_partition(rows, ["day", "team"])] == [3, 2]
    monkeypatch.setattr(partitions, "_PIECE", 2)
    assert [one.num_rows for one in by_partition(rows, ["day", "team"])] == [2, 1, 2]


def test_rows_of_one_batch_or_without_partitions_are_given_as_they_are() -> None:
    one = rows_in([[(1, "a"), (2, "b"), (1, "a")]])
    assert by_partition(one, ["day"]).read_all().equals(one)
    two = rows_in([[(1, "a")], [(2, "b"), (1, "a")]])
    assert by_partition(two, []).read_all().equals(two)
    assert by_partition(SCHEMA.empty_table(), ["day"]).read_all().num_rows == 0
