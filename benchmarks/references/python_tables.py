"""The tables of a mapping made by plain Python in one process: orjson, loops over what it gives, and pyarrow.

The same rows and types as the engine's. No quality rules, no quarantine, no lineage, and none of the columns that are
SQL expressions (:func:`left_out` names them). A value of the wrong type ends the run.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlglot
from sqlglot import exp

from mlbsdk.mapping.plan import (
    TRANSFORMED_AT,
    Column,
    FromDocument,
    FromExpression,
    FromItem,
    FromJson,
    FromRaw,
    Level,
    Plan,
    Table,
)
from mlbsdk.mapping.types import ColumnType
from mlbsdk.runtime.arrow import arrow_type
from references.plan_paths import value_name, values_at, values_of_previous

_DOCUMENTS_A_ROW_GROUP = 100
_CAPTURED_AT_PATTERNS = {"yyyyMMdd_HHmmss": "%Y%m%d_%H%M%S"}

Row = list[Any]
Steps = list[tuple[str | int | None, int, "Steps"]]
"""What to read of a value: a key or position (None for the value itself), the place in the row that takes what is found
(-1 for none), and what to read below."""


def left_out(plan: Plan) -> list[str]:
    """Return the columns that this reference does not make: those whose values are SQL expressions."""
    return [
        f"{table.name}.{column.name}" for table in plan.tables for column in table.columns if not _is_made(plan, column)
    ]


class PythonTables:
    """Makes all tables of a plan, from captures that are envelopes."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tables = [_TableOfRows(plan, table) for table in plan.tables]

    def write(self, captures: Path, target: Path) -> dict[str, int]:
        """Read every capture in a folder, write ``TABLE.parquet`` for each table, and return their rows."""
        target.mkdir(parents=True, exist_ok=True)
        now = datetime.now(timezone.utc)
        files = [pq.ParquetWriter(target / f"{one.name}.parquet", one.schema) for one in self.tables]
        rows = dict.fromkeys((one.name for one in self.tables), 0)

        def flush() -> None:
            for one, file in zip(self.tables, files, strict=True):
                rows[one.name] += len(one.rows)
                file.write_table(one.as_arrow(now))

        try:
            for number, path in enumerate(sorted(captures.glob("*.json*")), 1):
                document = orjson.loads(_content(path))["response"]
                captured_at = self._captured_at(document)
                for one in self.tables:
                    one.add(document, captured_at)
                if number % _DOCUMENTS_A_ROW_GROUP == 0:
                    flush()
            flush()
        finally:
            for file in files:
                file.close()
        return rows

    def _captured_at(self, document: Any) -> datetime | None:
        if self.plan.captured_at is None:
            return None
        origin, pattern = self.plan.captured_at
        text = _value_at(document, origin.path)
        return datetime.strptime(text, _CAPTURED_AT_PATTERNS[pattern]).replace(tzinfo=timezone.utc)


@dataclass
class _TableOfRows:
    """One table: how its rows are read of a document, and the rows so far."""

    plan: Plan
    table: Table
    rows: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = self.table.name
        self.columns = [(n, column) for n, column in enumerate(self.table.columns) if _is_made(self.plan, column)]
        self.schema = pa.schema([(column.name, arrow_type(column.type)) for _, column in self.columns])
        levels = self.table.levels
        self.width = len(self.table.columns)
        self.places = {value_name(n): n for n in range(self.width)}
        self.filter = _filter(self.table)
        filter_paths = self.table.filter.paths if self.table.filter else ()
        self.filter_paths = [(name, origin.path) for name, origin in filter_paths]
        self.steps = [self._steps(values_at(self.table, up)) for up in range(len(levels) + 1)]
        self.before = self._steps(values_of_previous(self.table))
        self.positions: list[list[tuple[int, ColumnType]]] = [[] for _ in levels]
        for number, column in self.columns:
            if isinstance(column.origin, FromItem):
                self.positions[len(levels) - 1 - column.origin.up].append((number, column.type))
        inherited = {column.name: column.origin for column in self.plan.document_columns}
        document: dict[str, FromJson] = {}
        for number, column in self.columns:
            if isinstance(column.origin, FromDocument):
                origin = inherited[column.origin.name]
                if isinstance(origin, FromJson):
                    document[value_name(number)] = origin
        self.document = self._steps(document)

    def _steps(self, values: dict[str, FromJson]) -> Steps:
        """Return the values as a tree, so that what several share of their paths is walked once."""
        steps: Steps = []
        for name, origin in values.items():
            if name not in self.places:
                continue
            here = steps
            for key in origin.path[:-1]:
                below = next((one for one in here if one[0] == key), None)
                if below is None:
                    below = (key, -1, [])
                    here.append(below)
                here = below[2]
            if origin.path:
                key = origin.path[-1]
                same = next((n for n, one in enumerate(here) if one[0] == key and one[1] == -1), None)
                if same is None:
                    here.append((key, self.places[name], []))
                else:
                    here[same] = (key, self.places[name], here[same][2])
            else:
                here.append((None, self.places[name], []))
        return steps

    def add(self, document: Any, captured_at: datetime | None) -> None:
        """Add the rows of a document."""
        row: Row = [None] * self.width
        for number, column in self.columns:
            if isinstance(column.origin, FromRaw):
                row[number] = captured_at
        _fill(row, document, self.document)
        self._open(document, row, 0, None)

    def _open(self, value: Any, row: Row, number: int, previous: Any) -> None:
        """Read what this level has, then open the next; ``previous`` is the item before."""
        levels = self.table.levels
        if number == len(levels):
            if self.filter is not None and not self.filter(
                {name: _value_at(value, path) for name, path in self.filter_paths}
            ):
                return
            if previous is not None:
                _fill(row, previous, self.before)
        _fill(row, value, self.steps[len(levels) - number])
        if number == len(levels):
            self.rows.append(row)
            return
        before = None
        for key, item in _items(value, levels[number]):
            if item is not None:
                below = row.copy()
                for place, _ in self.positions[number]:
                    below[place] = key
                self._open(item, below, number + 1, before)
            before = item

    def as_arrow(self, now: datetime) -> pa.Table:
        """Return the rows as an Arrow table, and forget them."""
        values: list[Any] = list(zip(*self.rows, strict=True)) if self.rows else [()] * self.width
        arrays = [
            pa.array([now] * len(self.rows), self.schema.field(column.name).type)
            if column.name == TRANSFORMED_AT
            else _array(values[number], column)
            for number, column in self.columns
        ]
        self.rows = []
        return pa.Table.from_arrays(arrays, schema=self.schema)


def _is_made(plan: Plan, column: Column) -> bool:
    origin = column.origin
    if isinstance(origin, FromDocument):
        name = origin.name
        origin = next(one.origin for one in plan.document_columns if one.name == name)
    return not isinstance(origin, FromExpression) or column.name == TRANSFORMED_AT


# Reading


def _content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def _fill(row: Row, value: Any, steps: Steps) -> None:
    """Put values into a row."""
    for key, place, below in steps:
        found = value.get(key) if type(key) is str else _step(value, key)
        if found is not None:
            if place >= 0:
                row[place] = found
            if below:
                _fill(row, found, below)


def _step(value: Any, key: str | int | None) -> Any:
    if key is None:
        return value
    if isinstance(key, int):
        return value[key] if key < len(value) else None
    return value.get(key)


def _value_at(value: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        if value is None:
            return None
        value = _step(value, key)
    return value


def _items(value: Any, level: Level) -> Iterator[tuple[Any, Any]]:
    """Yield the items that a level opens, each with its position or key."""
    inside = _value_at(value, level.path)
    if inside is None:
        return
    if level.kind == "array":
        yield from enumerate(inside)
    elif level.kind == "map":
        yield from inside.items()
    else:
        yield from ((branch, inside.get(branch)) for branch in level.branches)


# Filters


def _filter(table: Table) -> Callable[[dict[str, Any]], Any] | None:
    """Return a table's filter as a function of the values at its paths, with SQL's logic of three values."""
    if table.filter is None:
        return None
    return _condition(sqlglot.parse_one(table.filter.sql, read="spark"))


def _condition(found: exp.Expr) -> Callable[[dict[str, Any]], Any]:
    if isinstance(found, exp.Paren):
        return _condition(found.this)
    if isinstance(found, exp.Column):
        name = found.name
        return lambda values: values[name]
    if isinstance(found, exp.Boolean):
        return lambda values: found.this
    if isinstance(found, exp.Not):
        inner = _condition(found.this)
        return lambda values: None if (value := inner(values)) is None else not value
    if isinstance(found, exp.Is) and isinstance(found.expression, exp.Null):
        inner = _condition(found.this)
        return lambda values: inner(values) is None
    if isinstance(found, (exp.EQ, exp.Or, exp.And)):
        one, other = _condition(found.this), _condition(found.expression)
        if isinstance(found, exp.EQ):
            return lambda values: None if (a := one(values)) is None or (b := other(values)) is None else a == b
        if isinstance(found, exp.Or):
            return lambda values: one(values) or other(values)
        return lambda values: one(values) and other(values)
    raise NotImplementedError(f"a filter with {type(found).__name__}: {found.sql()}")


# Types


def _array(values: tuple[Any, ...], column: Column) -> pa.Array:
    """Return a column's values with its type."""
    wanted = arrow_type(column.type)
    if column.null_values:
        nothing = set(column.null_values)
        values = tuple(None if isinstance(value, str) and value in nothing else value for value in values)
    if column.default is not None:
        values = tuple(column.default if value is None else value for value in values)
    if column.type.is_text:
        return pa.array([_as_text(value) for value in values], wanted)
    if column.type.is_integer:
        return pa.array([value if value is None else int(value) for value in values], wanted)
    if column.type.name in ("NUMERIC", "REAL", "DOUBLE"):
        numbers = pa.array([value if value is None else float(value) for value in values], pa.float64())
        return pc.cast(numbers, wanted, safe=False)
    if column.type.name == "BOOLEAN":
        return pa.array([value == "true" if isinstance(value, str) else value for value in values], wanted)
    found = pa.array(values, wanted if isinstance(column.origin, FromRaw) else pa.string())
    return found if isinstance(column.origin, FromRaw) else pc.cast(found, wanted)


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(orjson.dumps(value), "utf-8")
