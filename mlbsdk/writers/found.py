"""A few rows of a lakehouse table, looked up by the values of columns, without Spark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from mlbsdk.errors import ConfigurationError, did_you_mean, shortened
from mlbsdk.hookspecs import Storage, StoredFile
from mlbsdk.writers.lakehouse import Lakehouse
from mlbsdk.writers.stored import no_table

if TYPE_CHECKING:
    import pyarrow as pa

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def in_delta(house: Lakehouse, path: str, table: str, equal: Mapping[str, str], limit: int) -> list[dict[str, Any]]:
    """Return rows of a Delta table; see :meth:`mlbsdk.hookspecs.RowFinder.find_rows`."""
    if not house.is_delta(path):
        raise no_table("delta", table, path)
    dataset = house.open_delta(path).to_pyarrow_dataset()
    _check(table, equal, dataset.schema.names)
    found = dataset.head(limit, filter=_condition(equal, dataset.schema))
    return list(found.to_pylist())


def in_files(
    storage: Storage,
    files: Sequence[StoredFile],
    folder: str,
    format: str,
    table: str,
    equal: Mapping[str, str],
    limit: int,
) -> list[dict[str, Any]]:
    """Return rows of a table of Parquet or Avro files; what only folders' names say is text."""
    if not files:
        raise no_table(format, table, folder)
    found: list[dict[str, Any]] = []
    columns: set[str] = set()
    for file in files:
        partition = _partition(file.path.removeprefix(folder).strip("/"))
        if any(name in partition and partition[name] != value for name, value in equal.items()):
            columns |= set(partition)
            continue
        inside = {name: value for name, value in equal.items() if name not in partition}
        read = _parquet_rows if format == "parquet" else _avro_rows
        names, rows = read(storage, file.path, inside, limit - len(found))
        columns |= names | set(partition)
        found += [partition | row for row in rows]
        if len(found) >= limit:
            break
    if not found:
        _check(table, equal, sorted(columns))
    return found


def _check(table: str, equal: Mapping[str, str], columns: Sequence[str]) -> None:
    unknown = next((name for name in equal if name not in columns), None)
    if unknown is not None:
        raise ConfigurationError(
            f"'{table}' has no column '{unknown}'.{did_you_mean(unknown, columns)}",
            fix=f"It has {shortened(columns, 12)}.",
        )


def _condition(equal: Mapping[str, str], schema: pa.Schema) -> Any:
    import pyarrow as pa
    import pyarrow.dataset as ds

    condition = None
    for name, text in equal.items():
        kind = schema.field(name).type
        try:
            value = pa.scalar(text).cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as problem:
            raise ConfigurationError(f"'{text}' is no value of column '{name}', which is {kind}") from problem
        one = ds.field(name) == value
        condition = one if condition is None else condition & one
    return condition


def _parquet_rows(
    storage: Storage, path: str, equal: Mapping[str, str], limit: int
) -> tuple[set[str], list[dict[str, Any]]]:
    import pyarrow.dataset as ds

    system, name = storage.arrow(path)
    dataset = ds.dataset(name, filesystem=system, format="parquet")
    names = set(dataset.schema.names)
    if not set(equal) <= names:
        return names, []
    return names, list(dataset.head(limit, filter=_condition(equal, dataset.schema)).to_pylist())


def _avro_rows(
    storage: Storage, path: str, equal: Mapping[str, str], limit: int
) -> tuple[set[str], list[dict[str, Any]]]:
    import fastavro

    found: list[dict[str, Any]] = []
    with storage.open(path) as stream:
        reader = fastavro.reader(stream)
        schema: Any = reader.writer_schema
        names = {str(field["name"]) for field in schema["fields"]}
        if set(equal) <= names:
            for row in _records(reader):
                if len(found) < limit and all(is_value(row[name], text) for name, text in equal.items()):
                    found.append(row)
    return names, found


def _records(reader: Any) -> Iterator[dict[str, Any]]:
    return (row for row in reader if isinstance(row, dict))


def is_value(value: object, text: str) -> bool:
    """Whether a stored value is what a person wrote: numbers and times by what they are worth."""
    if value is None:
        return False
    if isinstance(value, bool):
        return text.lower() == str(value).lower()
    if isinstance(value, int | float | Decimal):
        try:
            return Decimal(str(value)) == Decimal(text)
        except InvalidOperation:
            return False
    if isinstance(value, datetime):
        try:
            wanted = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            return False
        return _utc(wanted) == _utc(value)
    return text == (value.isoformat() if isinstance(value, date) else str(value))


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment


def _partition(path: str) -> dict[str, str | None]:
    """Return what the folders of a file say: ``season=2024/part-0.parquet``."""
    pairs = [folder.partition("=") for folder in path.split("/")[:-1] if "=" in folder]
    return {unquote(name): None if value == _NO_VALUE else unquote(value) for name, _, value in pairs}
