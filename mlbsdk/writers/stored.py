"""What stored tables and files hold: their columns, and whether these still have the mapping's types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.types as types

from mlbsdk.errors import SourceError, StoredSchemaError
from mlbsdk.hookspecs import Storage, StoredFile
from mlbsdk.mapping.differences import StoredTable
from mlbsdk.mapping.plan import LINEAGE, Table
from mlbsdk.runtime.addresses import escaped
from mlbsdk.runtime.arrow import arrow_schema
from mlbsdk.runtime.spark_conf import setting

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: Spark guesses the types of partition folders, and "007" would come back as 7.
_GUESSING = "spark.sql.sources.partitionColumnTypeInference.enabled"


def check_types(stored: pa.Schema, table: Table, path: str) -> None:
    """Check that columns still have the types that they are stored with.

    Raises:
        StoredSchemaError: one has not; all are named.
    """
    _refuse(
        [
            f"{field.name} is {stored.field(field.name).type}, the mapping says {field.type}"
            for field in arrow_schema(table)
            if field.name in stored.names and not _alike(stored.field(field.name).type, field.type)
        ],
        table,
        path,
    )


def check_file_types(storage: Storage, files: Sequence[StoredFile], format: str, table: Table, path: str) -> None:
    """Check the same for the files of a table by the newest of them: types never mix in a folder that is checked.

    Raises:
        StoredSchemaError: a column has another type.
    """
    if not files:
        return
    newest = _newest(files)
    if format == "parquet":
        check_types(_parquet_schema(storage, newest), table, path)
        return
    found = _avro_fields(storage, newest)
    _refuse(
        [
            f"{column.name} is {_told(found[column.name])}, the mapping says {_told(column.type.avro)}"
            for column in table.columns
            if column.name in found and _kind(found[column.name]) != _kind(column.type.avro)
        ],
        table,
        path,
    )


def stored_table(stored: pa.Schema, table: Table, partition_by: Sequence[str]) -> StoredTable:
    """Return a table as its schema tells; columns that are only folders' names have the type that is wanted."""
    wanted = {field.name: field.type for field in arrow_schema(table)}
    columns = {name: str(wanted[name]) for name in partition_by if name in wanted}
    for field in stored:
        same = field.name in wanted and _alike(field.type, wanted[field.name])
        columns[field.name] = str(wanted[field.name] if same else field.type)
    return StoredTable(
        columns=columns,
        wanted={name: str(kind) for name, kind in wanted.items()},
        partition_by=tuple(partition_by),
        wanted_partition=table.partition_by,
    )


def stored_files(
    storage: Storage, files: Sequence[StoredFile], folder: str, format: str, table: Table
) -> StoredTable | None:
    """Return a table of files as the newest of them tells; None where there is no file."""
    if not files:
        return None
    newest = _newest(files)
    partition_by = [part.partition("=")[0] for part in newest.removeprefix(folder).strip("/").split("/")[:-1]]
    if format == "parquet":
        return stored_table(_parquet_schema(storage, newest), table, partition_by)
    wanted = {column.name: column.type.avro for column in table.columns}
    columns = {name: _told(wanted[name]) for name in partition_by if name in wanted}
    for name, kind in _avro_fields(storage, newest).items():
        columns[name] = _told(wanted[name] if name in wanted and _kind(wanted[name]) == _kind(kind) else kind)
    return StoredTable(
        columns=columns,
        wanted={name: _told(kind) for name, kind in wanted.items()},
        partition_by=tuple(partition_by),
        wanted_partition=table.partition_by,
    )


def read_stored(spark: SparkSession, format: str, path: str, table: str) -> DataFrame:
    """Return the rows of a table's folder, with every column that any of its files has.

    Raises:
        SourceError: there is no table in it.
    """
    from pyspark.errors import AnalysisException

    try:
        with setting(spark, _GUESSING, "false"):
            return spark.read.format(format).option("mergeSchema", "true").load(escaped(path))
    except AnalysisException as problem:
        raise no_table(format, table, path) from problem


def no_table(format: str, table: str, path: str) -> SourceError:
    """Return the error for a table that is not there."""
    return SourceError(
        f"there is no {format} table '{table}' at '{path}'", fix="Name another table, or run its transform first."
    )


def column_names(storage: Storage, file: str, format: str) -> list[str]:
    """Return the columns that a file holds; partition columns are in its folders' names."""
    return list(_parquet_schema(storage, file).names if format == "parquet" else _avro_fields(storage, file))


def _newest(files: Sequence[StoredFile]) -> str:
    return max(files, key=lambda file: file.modified_at).path


def _parquet_schema(storage: Storage, file: str) -> pa.Schema:
    import pyarrow.parquet as pq

    system, name = storage.arrow(file)
    return pq.read_schema(name, filesystem=system)


def _refuse(differing: Sequence[str], table: Table, path: str) -> None:
    if differing:
        raise StoredSchemaError(
            f"table '{table.name}' at '{path}' has other types: {'; '.join(differing)}",
            fix="Write to another target, or rewrite the stored table with the new types first.",
        )


def _alike(one: pa.DataType, other: pa.DataType) -> bool:
    if types.is_nested(one) or one.equals(other):
        return True
    if types.is_timestamp(one) and types.is_timestamp(other):
        # Spark's INT96 timestamps show as nanoseconds without a zone.
        return (one.tz is None) == (other.tz is None) or one.unit == "ns"
    return bool(types.is_string(other) and (types.is_string(one) or types.is_large_string(one)))


def _avro_fields(storage: Storage, file: str) -> Mapping[str, Any]:
    """Return the type of each column of an Avro file, without the null that each may be."""
    import fastavro

    with storage.open(file) as stream:
        schema: Any = fastavro.reader(stream).writer_schema
    return {field["name"]: _not_null(field["type"]) for field in schema["fields"] if field["name"] != LINEAGE}


def _not_null(kind: Any) -> Any:
    return next(one for one in kind if one != "null") if isinstance(kind, list) else kind


def _kind(kind: Any) -> tuple[Any, ...]:
    """Return what two Avro types must have in common. Decimals may be bytes or fixed."""
    if not isinstance(kind, dict):
        return (kind,)
    if kind.get("logicalType") == "decimal":
        return ("decimal", kind["precision"], kind.get("scale", 0))
    return (kind["type"], kind.get("logicalType"))


def _told(kind: Any) -> str:
    """Return an Avro type as a person reads it."""
    base, *more = _kind(kind)
    return f"{base}({', '.join(map(str, more))})" if base == "decimal" else str(more[0] if more and more[0] else base)
