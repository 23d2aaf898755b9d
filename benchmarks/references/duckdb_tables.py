"""The tables of a mapping made by DuckDB: the JSON read once, then one query and one Parquet file a table.

The same rows, columns, types, filters and expressions as the engine's; no quality rules, no quarantine and no lineage.
A value of the wrong type becomes null where the engine would quarantine its row.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import sqlglot

from mlbsdk.mapping.plan import (
    TRANSFORMED_AT,
    Column,
    FromDocument,
    FromExpression,
    FromItem,
    FromJson,
    FromRaw,
    Level,
    Node,
    Plan,
    Table,
)
from mlbsdk.mapping.types import ColumnType
from mlbsdk.runtime.values import layers
from references.plan_paths import types_of_leaves, value_name, values_at, values_of_previous

_TYPES = {"TEXT": "VARCHAR", "CHAR": "VARCHAR", "VARCHAR": "VARCHAR", "JSONB": "VARCHAR"}
_READ_AS_THEY_ARE = ("SMALLINT", "INT", "BIGINT", "REAL", "DOUBLE", "BOOLEAN", "NUMERIC")


class DuckdbTables:
    """Makes all tables of a plan, from captures that are envelopes, with as many threads as DuckDB is given.

    Args:
        plan: the compiled mapping.
        threads: how many threads DuckDB has; as many tables are made side by side.
    """

    def __init__(self, plan: Plan, threads: int = 2) -> None:
        self.plan = plan
        self.threads = threads
        self.read = _read_query(plan)
        self.queries = {table.name: _table_query(table) for table in plan.tables}

    def write(self, captures: Path, target: Path) -> dict[str, int]:
        """Read every capture in a folder, write ``TABLE.parquet`` for each table, and return their rows."""
        target.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(config={"threads": self.threads, "preserve_insertion_order": False}) as connection:
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            connection.execute(f"CREATE TABLE documents AS {self.read}", [str(captures / "*.json*")])
            with ThreadPoolExecutor(self.threads) as pool:
                rows = pool.map(lambda name: self._write_table(connection, name, target), self.queries)
                return dict(zip(self.queries, rows, strict=True))

    def _write_table(self, connection: duckdb.DuckDBPyConnection, table: str, target: Path) -> int:
        file = _text(str(target / f"{table}.parquet"))
        with connection.cursor() as cursor:
            cursor.execute(f"COPY ({self.queries[table]}) TO {file} (FORMAT parquet, COMPRESSION snappy)")
            found = cursor.fetchone()
        assert found is not None
        return int(found[0])


# Reading


def _read_query(plan: Plan) -> str:
    """Return the query that reads the captures: the document, the document's columns, and the capture time."""
    shape = json.dumps({"response": _shape(plan.document, types_of_leaves(plan))})
    # Not read_json: it takes 18 s of processor time for what read_text and json_transform do in 2.5 s (DuckDB 2.0.0).
    parsed = f"SELECT json_transform(content, {_text(shape)}).response AS document FROM read_text(?)"
    found = f"SELECT document, {_captured_at(plan)} AS captured_at FROM ({parsed})"
    columns = plan.document_columns
    read = [
        f"{_typed_value(_reach('document', column.origin.path), column)} AS {_name(column.name)}"
        for column in columns
        if isinstance(column.origin, FromJson)
    ]
    return _with_expressions(f"SELECT *, {', '.join(read)} FROM ({found})", columns)


def _shape(node: Node, leaves: dict[int, set[ColumnType | None]]) -> Any:
    """Return the structure of a node as json_transform is told it."""
    if node.kind == "leaf":
        return _leaf_type(leaves.get(id(node), set()))
    if node.kind == "object":
        return {name: _shape(child, leaves) for name, child in node.fields.items()}
    assert node.item is not None
    # It knows no maps but by the name of their type.
    return [_shape(node.item, leaves)] if node.kind == "array" else _type_of(node, leaves)


def _type_of(node: Node, leaves: dict[int, set[ColumnType | None]]) -> str:
    """Return the type of a node."""
    if node.kind == "leaf":
        return _leaf_type(leaves.get(id(node), set()))
    if node.kind == "object":
        fields = (f"{_name(name)} {_type_of(child, leaves)}" for name, child in node.fields.items())
        return f"STRUCT({', '.join(fields)})"
    assert node.item is not None
    item = _type_of(node.item, leaves)
    return f"{item}[]" if node.kind == "array" else f"MAP(VARCHAR, {item})"


def _leaf_type(types: set[ColumnType | None]) -> str:
    """Return the type to read a leaf with: that of its columns where they agree, else text."""
    if len(types) != 1:
        return "VARCHAR"
    (type,) = types
    return _type(type) if type is not None and type.name in _READ_AS_THEY_ARE else "VARCHAR"


def _captured_at(plan: Plan) -> str:
    if plan.captured_at is None:
        return "NULL::TIMESTAMPTZ"
    origin, pattern = plan.captured_at
    (moment,) = sqlglot.transpile(f"to_timestamp(x, '{pattern}')", read="spark", write="duckdb")
    return f"({moment.replace('x', _reach('document', origin.path), 1)})::TIMESTAMPTZ"


# One table


def _table_query(table: Table) -> str:
    """Return the query that makes a table from ``documents``: levels opened, values read, filter applied."""
    found = _opened(table)
    carried = [
        f"{_value(column, number)} AS {_name(column.name)}"
        for number, column in enumerate(table.columns)
        if not isinstance(column.origin, FromExpression) or column.name == TRANSFORMED_AT
    ]
    found = _with_expressions(f"SELECT {', '.join(carried)}, {_FILTERED} FROM ({found})", table.columns)
    columns = ", ".join(_name(column.name) for column in table.columns)
    return f"SELECT {columns} FROM ({found}) WHERE {_FILTERED}"


_FILTERED = "__is_row"
_INHERITED = "d_"


def _opened(table: Table) -> str:
    """Return the query that opens a table's levels, reading at each the values that are needed from there."""
    depth = len(table.levels)
    inherited = [column.origin.name for column in table.columns if isinstance(column.origin, FromDocument)]
    columns = [f"{_name(name)} AS {_name(_INHERITED + name)}" for name in inherited]
    columns += ["captured_at", *_read_values(values_at(table, depth), "document")]
    carried = [*(_INHERITED + name for name in inherited), "captured_at", *values_at(table, depth)]
    found = "documents"
    item = "document"
    for number, level in enumerate(table.levels):
        up = depth - number - 1
        position = f"at_{up}"
        before = values_of_previous(table) if up == 0 else {}
        opening = _entries(level, item, position, list(before.values()))
        found = f"SELECT {', '.join([*columns, *opening])} FROM {found}"
        item = "entry" if level.kind == "array" else "entry.value"
        key = _name(position) if level.kind == "array" else "entry.key"
        here = values_at(table, up)
        columns = [*map(_name, carried), f"{key} AS {_name(position)}", *_read_values(here, item)]
        columns += [f"{_name(f'before_{n}')} AS {_name(name)}" for n, name in enumerate(before)]
        carried += [position, *here, *before]
        found = f"(SELECT * FROM ({found}) WHERE {item} IS NOT NULL)"
    condition = f"({_translated(table.filter.sql)})" if table.filter is not None else "true"
    return f"SELECT *, {condition} AS {_FILTERED} FROM (SELECT {', '.join(columns)} FROM {found})"


def _entries(level: Level, parent: str, position: str, before: list[FromJson]) -> list[str]:
    """Return the columns that open a level: its entries, their positions, and values of the entries before them."""
    items = _reach(parent, level.path)
    if level.kind == "map":
        return [f"unnest(map_entries({items})) AS entry"]
    if level.kind == "branches":
        branches = (f"{{'key': {_text(name)}, 'value': {_reach(items, (name,))}}}" for name in level.branches)
        return [f"unnest([{', '.join(branches)}]) AS entry"]
    # The list of values before is longer by one: the row beyond the last item has no entry, and is dropped.
    shifted = (
        f"unnest(list_prepend(NULL, list_transform({items}, lambda x: {_reach('x', origin.path)}))) AS before_{n}"
        for n, origin in enumerate(before)
    )
    return [f"unnest({items}) AS entry", f"generate_subscripts({items}, 1) - 1 AS {_name(position)}", *shifted]


def _read_values(values: dict[str, FromJson], start: str) -> list[str]:
    return [f"{_reach(start, origin.path)} AS {_name(name)}" for name, origin in values.items()]


# Values


def _value(column: Column, number: int) -> str:
    origin = column.origin
    if column.name == TRANSFORMED_AT:
        return "now()"
    if isinstance(origin, FromJson):
        return _typed_value(_name(value_name(number)), column)
    if isinstance(origin, FromItem):
        return f"CAST({_name(f'at_{origin.up}')} AS {_type(column.type)})"
    if isinstance(origin, FromDocument):
        return _name(_INHERITED + origin.name)
    if isinstance(origin, FromRaw) and origin.column == "captured_at":
        return "captured_at"
    raise NotImplementedError(f"{column.name} comes from {origin}, which the benchmark's captures do not need")


def _typed_value(value: str, column: Column) -> str:
    """Return a value with its type; DuckDB leaves out a cast to the type that was read already."""
    if column.null_values:
        listed = ", ".join(map(_text, column.null_values))
        value = f"CASE WHEN {value} NOT IN ({listed}) THEN {value} END"
    if column.default is not None:
        value = f"coalesce({value}, {_text(column.default)})"
    return f"TRY_CAST({value} AS {_type(column.type)})"


def _with_expressions(query: str, columns: tuple[Column, ...]) -> str:
    """Add the columns that are expressions, in layers: some need others."""
    computed = [c for c in columns if isinstance(c.origin, FromExpression) and c.name != TRANSFORMED_AT]
    for layer in layers(computed):
        added = (
            f"CAST(({_translated(column.origin.sql)}) AS {_type(column.type)}) AS {_name(column.name)}"
            for column in layer
            if isinstance(column.origin, FromExpression)
        )
        query = f"SELECT *, {', '.join(added)} FROM ({query})"
    return query


# SQL


def _translated(expression: str) -> str:
    """Return a Spark expression in DuckDB's words."""
    (found,) = sqlglot.transpile(expression, read="spark", write="duckdb", identify=True)
    return found


def _type(type: ColumnType) -> str:
    if type.name == "NUMERIC":
        return f"DECIMAL({type.precision}, {type.scale})"
    return _TYPES.get(type.name, type.name)


def _reach(start: str, path: tuple[str | int, ...]) -> str:
    for step in path:
        start = f"list_extract({start}, {step + 1})" if isinstance(step, int) else f"({start}).{_name(step)}"
    return start


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
