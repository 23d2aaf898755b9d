"""Whether two ways to make the tables give the same: their rows, and the values of the columns that both have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mlbsdk.mapping.plan import CAPTURED_AT, LINEAGE, TRANSFORMED_AT, Plan

_NOT_COMPARED = (TRANSFORMED_AT, LINEAGE)


def differences(plan: Plan, one: Path, other: Path) -> list[str]:
    """Return what differs between tables in two folders, each a file or folder of Parquet of the table's name."""
    return [found for table in plan.tables for found in _of_table(table.name, one, other)]


def _of_table(table: str, one: Path, other: Path) -> Iterator[str]:
    first, second = _read(one, table), _read(other, table)
    if first.num_rows != second.num_rows:
        yield f"{table}: {first.num_rows} rows and {second.num_rows}"
        return
    names = [name for name in first.column_names if name in second.column_names and name not in _NOT_COMPARED]
    if CAPTURED_AT not in names:
        yield f"{table}: it has no {CAPTURED_AT} in one of them"
    kept = [sorted(_rows(frame, names), key=repr) for frame in (first, second)]
    differing = {
        name: (a, b) for rows in zip(*kept, strict=True) for name, a, b in zip(names, *rows, strict=True) if a != b
    }
    for name, (a, b) in differing.items():
        yield f"{table}.{name}: {a!r} and {b!r}"


def _read(folder: Path, table: str) -> pa.Table:
    found = folder / f"{table}.parquet"
    if found.exists():
        return pq.read_table(found)
    return pq.read_table(folder.joinpath(*table.split(".")))  # as the engine's writers lay tables out


def _rows(frame: pa.Table, names: list[str]) -> list[tuple[Any, ...]]:
    columns = [[_comparable(value) for value in _plain(frame[name])] for name in names]
    return list(zip(*columns, strict=True))


def _plain(column: pa.ChunkedArray) -> list[Any]:
    """Return a column's values; moments as microseconds, whatever time zone their type names."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us")).cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values


def _comparable(value: Any) -> Any:
    """Return a date as text, as a partition's folder holds it, and JSON text as what it says, whatever its spaces."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.dumps(json.loads(value), sort_keys=True)
    return value
