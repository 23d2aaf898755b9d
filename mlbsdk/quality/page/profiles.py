"""Profiles of stored tables, from what their Parquet files say of themselves: no row is read.

Delta tables are Parquet files too, those of the newest version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from mlbsdk.errors import ConfigurationError
from mlbsdk.hookspecs import Storage
from mlbsdk.mapping.plan import LINEAGE
from mlbsdk.quality.examples import shortened_value
from mlbsdk.runtime.addresses import child
from mlbsdk.runtime.storage import LOCAL, path_of_uri
from mlbsdk.writers.lakehouse import HOUSEKEEPING, Lakehouse

#: Files of a table that are looked at; of more the first.
MOST_FILES = 500
#: Files that are looked at together, where each is requests to an object store.
_REQUESTS_AT_ONCE = 16
#: Most frequent values that are shown, of a profile that has them.
_VALUES = 5
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class ColumnProfile:
    """What is known of a column's values."""

    name: str
    type: str = ""
    present: int | None = None
    """Rows with a value; None where the files do not say."""
    rows: int = 0
    least: str | None = None
    greatest: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)
    """Other figures, such as the mean, of a profile that was given."""

    @property
    def completeness(self) -> float | None:
        """The share of rows with a value, from 0 to 1."""
        return None if self.present is None or not self.rows else self.present / self.rows


@dataclass(frozen=True)
class TableProfile:
    """The columns of a table, as it is stored now."""

    table: str
    rows: int
    columns: tuple[ColumnProfile, ...]
    files_left_out: int = 0


def stored_profiles(housekeeping: str, tables: Iterable[str], storage: Storage = LOCAL) -> list[TableProfile]:
    """Return the profiles of a lakehouse target's tables; those that are not there or are no Parquet have none."""
    root, _, name = housekeeping.rstrip("/").rpartition("/")
    if not root or name != HOUSEKEEPING:
        return []
    house = Lakehouse(root, storage)
    found = []
    for table in tables:
        files = _files(house, table)
        if files:
            found.append(_profile(table, house.path(table), files, storage))
    return found


class _GivenValue(BaseModel):
    value: str | None
    rows: int


class _GivenColumn(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: str
    type: str = ""
    completeness: float | None = None
    distinct: int | None = None
    minimum: Any = None
    maximum: Any = None
    mean: float | None = None
    standard_deviation: float | None = None
    histogram: list[_GivenValue] | None = None

    def profile(self, rows: int) -> ColumnProfile:
        """Return it as the page has it."""
        figures = {"distinct": self.distinct, "mean": self.mean, "standard deviation": self.standard_deviation}
        more = {name: f"{value:,.6g}" for name, value in figures.items() if value is not None}
        frequent = [
            f"{shortened_value(one.value) or 'null'} ({one.rows:,})" for one in (self.histogram or [])[:_VALUES]
        ]
        if frequent:
            more["most frequent"] = ", ".join(frequent)
        return ColumnProfile(
            self.name,
            self.type,
            None if self.completeness is None else round(self.completeness * rows),
            rows,
            shortened_value(self.minimum),
            shortened_value(self.maximum),
            more,
        )


class _GivenTable(BaseModel):
    model_config = ConfigDict(extra="ignore")

    table: str
    rows: int
    columns: list[_GivenColumn]


def given_profile(found: Any, where: str) -> TableProfile:
    """Return the profile of a table that was made elsewhere: what ``mlbsdk quality profile TABLE --json`` prints.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        given = _GivenTable.model_validate(found)
    except ValidationError as problem:
        raise ConfigurationError(
            f"'{where}' is no profile of a table: {str(problem).splitlines()[0]}",
            fix="It is an object with 'table', 'rows' and 'columns': 'mlbsdk quality profile TABLE --json' prints one.",
        ) from problem
    return TableProfile(given.table, given.rows, tuple(column.profile(given.rows) for column in given.columns))


def _files(house: Lakehouse, table: str) -> list[str]:
    """Return the Parquet files that make up a table."""
    folder = house.path(table)
    if house.is_delta(folder):
        return _delta_files(house, folder)
    found = (file.path for file in house.storage.files(folder))
    return [file for file in found if file.endswith(".parquet") and not file.rpartition("/")[2].startswith(("_", "."))]


def _delta_files(house: Lakehouse, folder: str) -> list[str]:
    uris = house.open_delta(folder).file_uris()
    if house.is_local:
        return sorted(path_of_uri(uri) if uri.startswith("file:") else uri for uri in uris)
    # delta-rs may spell the scheme as s3.
    start = urlsplit(folder).path.lstrip("/")
    return sorted(child(folder, uri.partition(f"/{start}/")[2]) for uri in uris)


def _profile(name: str, folder: str, files: list[str], storage: Storage) -> TableProfile:
    rows = 0
    found: dict[str, _Figures] = {}
    looked_at = files[:MOST_FILES]
    for file, metadata in zip(looked_at, _metadata(looked_at, storage), strict=True):
        rows += metadata.num_rows
        for column, value in _partition(file.removeprefix(folder)):
            found.setdefault(column, _Figures("partition")).add(
                metadata.num_rows, 0 if value else metadata.num_rows, value
            )
        schema = metadata.schema
        for number in range(metadata.num_columns):
            place = schema.column(number).path
            if place.partition(".")[0] == LINEAGE:
                continue
            figures = found.setdefault(place, _Figures(_type(schema.column(number))))
            for group in range(metadata.num_row_groups):
                figures.add_group(metadata.row_group(group).num_rows, metadata.row_group(group).column(number))
    columns = tuple(
        ColumnProfile(
            column,
            one.type,
            one.present(rows),
            rows,
            shortened_value(one.least),
            shortened_value(one.greatest),
        )
        for column, one in found.items()
    )
    return TableProfile(name, rows, columns, max(0, len(files) - MOST_FILES))


def _metadata(files: list[str], storage: Storage) -> list[Any]:
    """Return what Parquet files say of themselves."""
    import pyarrow.parquet as pq

    def read(file: str) -> Any:
        system, path = storage.arrow(file)
        return pq.read_metadata(path, filesystem=system)

    with ThreadPoolExecutor(1 if storage.is_local else _REQUESTS_AT_ONCE) as pool:
        return list(pool.map(read, files))


@dataclass
class _Figures:
    type: str
    seen: int = 0
    nulls: int | None = 0
    least: Any = None
    greatest: Any = None

    def add_group(self, rows: int, chunk: Any) -> None:
        """Add what a row group says of a column."""
        statistics = chunk.statistics if chunk.is_stats_set else None
        nulls = statistics.null_count if statistics is not None and statistics.has_null_count else None
        self.add(rows, nulls)
        if statistics is not None and statistics.has_min_max:
            self._widen(statistics.min)
            self._widen(statistics.max)

    def add(self, rows: int, nulls: int | None, value: Any = None) -> None:
        """Add rows; ``nulls`` None is not known."""
        self.seen += rows
        self.nulls = None if nulls is None or self.nulls is None else self.nulls + nulls
        if value is not None:
            self._widen(value)

    def present(self, rows: int) -> int | None:
        """Return the rows with a value; a file without the column has none."""
        return None if self.nulls is None else min(self.seen, rows) - self.nulls

    def _widen(self, value: Any) -> None:
        self.least = value if self.least is None else min(self.least, value)
        self.greatest = value if self.greatest is None else max(self.greatest, value)


def _type(column: Any) -> str:
    logical = str(column.logical_type.type).lower()
    return str(column.physical_type).lower() if logical in ("none", "undefined") else logical


def _partition(file: str) -> list[tuple[str, str | None]]:
    """Return the partition values that the folders below the table's say."""
    parts = [part.partition("=") for part in Path(file).parts[:-1]]
    return [(name, None if value == _NO_VALUE else unquote(value)) for name, equals, value in parts if equals]
