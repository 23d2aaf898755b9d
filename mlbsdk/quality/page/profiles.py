"""Profiles of stored tables, from what their Parquet files say of themselves: no row is read.

Delta tables are Parquet files too, those of the newest version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from mlbsdk.errors import ConfigurationError
from mlbsdk.mapping.plan import LINEAGE
from mlbsdk.quality.examples import shortened_value
from mlbsdk.writers.lakehouse import HOUSEKEEPING

#: Files of a table that are looked at; of more the first.
MOST_FILES = 500
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


def stored_profiles(housekeeping: str, tables: Iterable[str]) -> list[TableProfile]:
    """Return the profiles of a lakehouse target's tables; those that are not there or are no Parquet have none."""
    root = Path(housekeeping).parent
    if root.name == "" or Path(housekeeping).name != HOUSEKEEPING:
        return []
    found = []
    for name in tables:
        files = _files(root.joinpath(*name.split(".")))
        if files:
            found.append(_profile(name, str(root.joinpath(*name.split("."))), files))
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


def _files(folder: Path) -> list[str]:
    """Return the Parquet files that make up a table."""
    if (folder / "_delta_log").is_dir():
        from deltalake import DeltaTable

        uris = DeltaTable(str(folder)).file_uris()
        return sorted(unquote(urlsplit(uri).path) if uri.startswith("file:") else uri for uri in uris)
    return sorted(str(file) for file in folder.rglob("*.parquet") if not file.name.startswith(("_", ".")))


def _profile(name: str, folder: str, files: list[str]) -> TableProfile:
    import pyarrow.parquet as pq

    rows = 0
    found: dict[str, _Figures] = {}
    for file in files[:MOST_FILES]:
        metadata = pq.read_metadata(file)
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
