"""Avro schemas: of raw rows, and of the tables that mappings make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbsdk.mapping.plan import LINEAGE, LINEAGE_FIELDS, Table

_OF_SPARK: dict[str, Any] = {
    "string": "string",
    "int": "int",
    "boolean": "boolean",
    "timestamp": {"type": "long", "logicalType": "timestamp-micros"},
    "array<string>": {"type": "array", "items": "string"},
}


def avro_schema(table: Table) -> dict[str, Any]:
    """Return the Avro record schema of a table, ``lineage_metadata`` included."""
    schema, _, name = table.name.partition(".")
    fields = [_field(column.name, column.type.avro, column.nullable, column.description) for column in table.columns]
    lineage = {"type": "record", "name": LINEAGE, "fields": _fields(LINEAGE_FIELDS, nullable=False)}
    fields.append(_field(LINEAGE, lineage, False, "Where this row came from and which checks it passed."))
    return {"type": "record", "name": name, "namespace": schema, "doc": table.description, "fields": fields}


def raw_avro_schema(columns: Mapping[str, str]) -> dict[str, Any]:
    """Return the Avro record schema of raw rows, of their columns and Spark types."""
    return {"type": "record", "name": "raw_row", "namespace": "mlbsdk", "fields": _fields(columns, nullable=True)}


def _fields(columns: Mapping[str, str], nullable: bool) -> list[dict[str, Any]]:
    return [_field(name, _OF_SPARK[kind], nullable, "") for name, kind in columns.items()]


def _field(name: str, type: Any, nullable: bool, doc: str) -> dict[str, Any]:
    field: dict[str, Any] = {"name": name, "type": ["null", type] if nullable else type}
    if nullable:
        field["default"] = None
    if doc:
        field["doc"] = doc
    return field
