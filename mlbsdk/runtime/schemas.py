"""Schemas at the boundaries: Avro from a mapping, and how a DataFrame differs from what is expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlbsdk.mapping.plan import LINEAGE, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType


def schema_differences(frame: DataFrame, table: Table | None, raw: Mapping[str, str] | None = None) -> list[str]:
    """Return what is missing, extra or of another type in a frame, one sentence each; empty when it fits."""
    found = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    if table is not None:
        wanted: dict[str, str | None] = {column.name: column.type.spark for column in table.columns}
        wanted[LINEAGE] = None
    else:
        wanted = dict(raw or {})
    missing = [f"column '{name}' is missing" for name in wanted if name not in found]
    extra = [f"column '{name}' is not in the mapping" for name in found if name not in wanted]
    mistyped = [
        f"column '{name}' is {found[name]}, not {kind}"
        for name, kind in wanted.items()
        if kind and found.get(name, kind) != kind
    ]
    return [*missing, *extra, *mistyped]


def spark_schema(table: Table) -> StructType:
    """Return the Spark schema of a table, ``lineage_metadata`` included; every field is nullable."""
    from pyspark.sql.types import StructField, StructType, _parse_datatype_string

    lineage = _parse_datatype_string(
        "struct<source_table:string,source_row_id:string,transform_job:string,run_id:string,transform_timestamp:timestamp,"
        "data_quality_passed:boolean,quality_checks_run:array<string>,quality_checks_failed:array<string>>"
    )
    fields = [StructField(column.name, _parse_datatype_string(column.type.spark)) for column in table.columns]
    return StructType([*fields, StructField(LINEAGE, lineage)])
