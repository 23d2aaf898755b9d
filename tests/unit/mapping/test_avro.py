"""The Avro schema of every table of every mapping, as fastavro reads it."""

from __future__ import annotations

import io
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest

from mlbsdk.mapping.avro import avro_schema
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file
from mlbsdk.mapping.plan import LINEAGE, Column, Table
from tests.conftest import DATA, REPOSITORY
from tests.unit.mapping.build import child, mapping, table

MAPPINGS = [
    *sorted((REPOSITORY / "mappings").glob("*/*.yaml")),
    DATA / "mini.yaml",
    DATA / "design_document_sample.yaml",
]
MOMENT = datetime(2024, 7, 1, 23, 5, 0, 123456, tzinfo=timezone.utc)
STAMPS = {
    "string": "é",
    "int": 7,
    "boolean": True,
}


def value(column: Column) -> Any:
    """Return a value that a column may hold."""
    kind = column.type
    if kind.name == "NUMERIC":
        return Decimal(1).scaleb(-(kind.scale or 0))
    if kind.name == "TIMESTAMP":
        return MOMENT.replace(tzinfo=None)
    if kind.spark == "string":
        return "é"
    return {"DATE": date(2024, 7, 1), "TIMESTAMPTZ": MOMENT, "BOOLEAN": True, "REAL": 0.5, "DOUBLE": 0.1}.get(
        kind.name, 7
    )


def lineage(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a lineage_metadata that fits the schema's own fields."""
    fields = next(field for field in schema["fields"] if field["name"] == LINEAGE)["type"]["fields"]
    return {field["name"]: _stamp(field["type"]) for field in fields}


def _stamp(type: Any) -> Any:
    if isinstance(type, dict):
        return ["é"] if type["type"] == "array" else MOMENT
    return STAMPS[type]


def written(schema: dict[str, Any], row: dict[str, Any]) -> Any:
    """Write a row and read it back."""
    stream = io.BytesIO()
    parsed = fastavro.parse_schema(schema)
    fastavro.schemaless_writer(stream, parsed, row, strict=True)
    stream.seek(0)
    return fastavro.schemaless_reader(stream, parsed, None)


@pytest.mark.parametrize("file", MAPPINGS, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_the_schema_of_every_table_takes_a_row(file: Path) -> None:
    tables = compile_mapping(load_file(file)).tables
    for each in tables:
        schema = avro_schema(each)
        full = {column.name: value(column) for column in each.columns} | {LINEAGE: lineage(schema)}
        assert written(schema, full) == full
        empty = full | {column.name: None for column in each.columns if column.nullable}
        assert written(schema, empty) == empty
    assert tables


def a_table() -> Table:
    return table(mapping(child("{name: speed, type: 'NUMERIC(5,2)', json_path: $.speed, description: mph}")))


def test_a_schema_has_the_tables_name_and_its_columns_in_order() -> None:
    schema = avro_schema(a_table())
    assert (schema["namespace"], schema["name"]) == ("e", "plays")
    names = [field["name"] for field in schema["fields"]]
    stamps = ["source_captured_at", "transform_timestamp", "lineage_metadata"]
    assert names == ["game_pk", "n", "speed", *stamps]
    assert schema["fields"][2]["doc"] == "mph"


def test_a_nullable_column_may_be_missing_and_another_may_not() -> None:
    schema = avro_schema(a_table())
    row = {"game_pk": 1, "n": 0, "source_captured_at": MOMENT, "transform_timestamp": MOMENT, LINEAGE: lineage(schema)}
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(schema), row)
    stream.seek(0)
    found: Any = fastavro.schemaless_reader(stream, fastavro.parse_schema(schema), None)
    assert found["speed"] is None
    with pytest.raises((TypeError, ValueError)):
        fastavro.schemaless_writer(io.BytesIO(), fastavro.parse_schema(schema), row | {"game_pk": None})
