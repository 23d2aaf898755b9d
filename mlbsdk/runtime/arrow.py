"""Rows that leave Spark as Arrow, where Spark runs on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pyarrow as pa

from mlbsdk.mapping.plan import LINEAGE, LINEAGE_FIELDS, Table
from mlbsdk.mapping.types import ColumnType

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_TYPES = {
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp_ntz": pa.timestamp("us"),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
LINEAGE_TYPE = pa.struct(
    [
        pa.field(name, pa.list_(pa.string()) if kind == "array<string>" else _TYPES[kind])
        for name, kind in LINEAGE_FIELDS.items()
    ]
)


def arrow_type(type: ColumnType) -> pa.DataType:
    """Return the Arrow type of a mapping type."""
    if type.name == "NUMERIC":
        return pa.decimal128(type.precision or 38, type.scale or 0)
    return _TYPES[type.spark]


def arrow_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema of a table, ``lineage_metadata`` last. Every field is nullable."""
    fields = [pa.field(column.name, arrow_type(column.type)) for column in table.columns]
    return pa.schema([*fields, pa.field(LINEAGE, LINEAGE_TYPE)])


def to_arrow(frame: DataFrame) -> pa.Table:
    """Run a DataFrame and return its rows as one Arrow table: one Spark job."""
    public: Callable[[], pa.Table] | None = getattr(frame, "toArrow", None)
    if public is not None:
        return public()
    # Spark 3.5 has this without its later public name.
    batches = frame._collect_as_arrow()
    return pa.Table.from_batches(batches) if batches else _no_rows(frame)


def _no_rows(frame: DataFrame) -> pa.Table:
    from pyspark.sql.pandas.types import to_arrow_schema

    return to_arrow_schema(frame.schema).empty_table()


def table_rows(frame: DataFrame, table: Table) -> pa.Table:
    """Return a table's rows as Arrow with the table's exact schema."""
    return as_stored(to_arrow(frame), arrow_schema(table))


def as_stored(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows as Spark gives them with a table's exact schema."""
    if not rows.num_rows:
        return schema.empty_table()
    rows = rows.cast(schema)
    lineage = rows[LINEAGE].combine_chunks()
    fields = [_with_offsets(lineage.field(number)) for number in range(LINEAGE_TYPE.num_fields)]
    whole = pa.StructArray.from_arrays(fields, fields=list(LINEAGE_TYPE))
    return rows.set_column(rows.num_columns - 1, schema.field(LINEAGE), whole)


def _with_offsets(values: pa.Array) -> pa.Array:
    """Give lists that are all empty their offsets: Java's Arrow leaves them out, and delta-rs fails on that."""
    if not pa.types.is_list(values.type) or len(values.flatten()):
        return values
    offsets = pa.array([0] * (len(values) + 1), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array([], pa.string()), type=values.type)
