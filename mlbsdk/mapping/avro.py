"""Avro schemas generated from mappings."""

from __future__ import annotations

from typing import Any

from mlbsdk.mapping.plan import LINEAGE, Table

_STRINGS = {"type": "array", "items": "string"}
_MOMENT = {"type": "long", "logicalType": "timestamp-micros"}


def avro_schema(table: Table) -> dict[str, Any]:
    """Return the Avro record schema of a table, ``lineage_metadata`` included."""
    schema, _, name = table.name.partition(".")
    fields = [_field(column.name, column.type.avro, column.nullable, column.description) for column in table.columns]
    fields.append(_field(LINEAGE, _lineage(), False, "Where this row came from and which checks it passed."))
    return {"type": "record", "name": name, "namespace": schema, "doc": table.description, "fields": fields}


def _field(name: str, type: Any, nullable: bool, doc: str) -> dict[str, Any]:
    field: dict[str, Any] = {"name": name, "type": ["null", type] if nullable else type}
    if nullable:
        field["default"] = None
    if doc:
        field["doc"] = doc
    return field


def _lineage() -> dict[str, Any]:
    fields = [
        ("source_table", "string"),
        ("source_row_id", "string"),
        ("transform_job", "string"),
        ("run_id", "string"),
    ]
    typed: list[tuple[str, Any]] = [
        *fields,
        ("transform_timestamp", _MOMENT),
        ("data_quality_passed", "boolean"),
        ("quality_checks_run", _STRINGS),
        ("quality_checks_failed", _STRINGS),
    ]
    return {"type": "record", "name": LINEAGE, "fields": [{"name": name, "type": kind} for name, kind in typed]}
