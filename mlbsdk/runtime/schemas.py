"""Schemas at the boundaries: a DataFrame against the Avro schema of raw rows or of a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlbsdk.mapping.plan import LINEAGE, LINEAGE_FIELDS, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import DataType, StructType

_AVRO = {
    "tinyint": "int",
    "smallint": "int",
    "int": "int",
    "bigint": "long",
    "float": "float",
    "double": "double",
    "string": "string",
    "boolean": "boolean",
    "binary": "bytes",
    "date": "date",
    "timestamp": "timestamp-micros",
    "timestamp_ntz": "local-timestamp-micros",
}


def schema_differences(frame: DataFrame, schema: dict[str, Any]) -> list[str]:
    """Return what is missing, extra or mistyped in a frame against an Avro record schema, a sentence each.

    Types are compared as Avro has them, so a smallint fits an Avro int. Whether values are null is a check of each row.
    """
    found = {field.name: _of_spark(field.dataType) for field in frame.schema.fields}
    wanted = {field["name"]: _of_avro(field["type"]) for field in schema["fields"]}
    missing = [f"column '{name}' is missing" for name in wanted if name not in found]
    extra = [f"column '{name}' is not in the schema" for name in found if name not in wanted]
    mistyped = [
        f"column '{name}' is {found[name]}, not {kind}"
        for name, kind in wanted.items()
        if name in found and found[name] != kind
    ]
    return [*missing, *extra, *mistyped]


def _of_spark(kind: DataType) -> str:
    """Return the Avro type of a Spark type, as text."""
    from pyspark.sql.types import ArrayType, DecimalType, StructType

    if isinstance(kind, DecimalType):
        return f"decimal({kind.precision},{kind.scale})"
    if isinstance(kind, ArrayType):
        return f"array<{_of_spark(kind.elementType)}>"
    if isinstance(kind, StructType):
        return _record((field.name, _of_spark(field.dataType)) for field in kind.fields)
    return _AVRO.get(kind.simpleString(), kind.simpleString())


def _of_avro(kind: Any) -> str:
    """Return an Avro type, without its null branch, as text."""
    if isinstance(kind, list):
        (kind,) = (branch for branch in kind if branch != "null")
    if isinstance(kind, str):
        return kind
    if kind.get("logicalType") == "decimal":
        return f"decimal({kind['precision']},{kind['scale']})"
    if kind["type"] == "array":
        return f"array<{_of_avro(kind['items'])}>"
    if kind["type"] == "record":
        return _record((field["name"], _of_avro(field["type"])) for field in kind["fields"])
    return str(kind["logicalType"])


def _record(fields: Iterable[tuple[str, str]]) -> str:
    return f"record<{', '.join(f'{name}: {kind}' for name, kind in fields)}>"


def spark_schema(table: Table) -> StructType:
    """Return the Spark schema of a table, ``lineage_metadata`` included; every field is nullable."""
    from pyspark.sql.types import StructField, StructType, _parse_datatype_string

    lineage = ", ".join(f"{name}: {kind}" for name, kind in LINEAGE_FIELDS.items())
    fields = [StructField(column.name, _parse_datatype_string(column.type.spark)) for column in table.columns]
    return StructType([*fields, StructField(LINEAGE, _parse_datatype_string(f"struct<{lineage}>"))])
