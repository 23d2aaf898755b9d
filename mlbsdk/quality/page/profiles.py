"""Profiles of stored tables, from what their Parquet files say of themselves: no row is read.

Delta tables are Parquet files too, those of the newest version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mlbsdk.errors import ConfigurationError
from mlbsdk.mapping.plan import LINEAGE
from mlbsdk.quality.examples import shortened_value
from mlbsdk.writers.lakehouse import HOUSEKEEPING

#: Files of a table that are looked at; of more the first.
MOST_FILES = 500
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


def given_profiles(found: Any) -> list[TableProfile]:
    """Return profiles that were made elsewhere, such as by ``mlbsdk quality profile --json``.

    ``{"tables": {"game.live_game_plays": {"rows": 75, "columns": {"event": {"completeness": 1.0, "mean": null}}}}}``,
    where tables and columns may be lists of objects with a ``name`` too; figures that a person reads stay as they are.

    Raises:
        ConfigurationError: it is no such object.
    """
    try:
        return [_given(name, one) for name, one in _named(found["tables"], "table")]
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise ConfigurationError(
            f"this is no profile of tables: {type(problem).__name__}: {problem}",
            fix="It is an object with 'tables': 'mlbsdk quality profile --json' prints one.",
        ) from problem


def _named(given: Any, key: str) -> list[tuple[str, Any]]:
    if isinstance(given, Mapping):
        return [(str(name), one) for name, one in given.items()]
    return [(str(one.get("name") or one[key]), one) for one in given]


def _given(name: str, table: Any) -> TableProfile:
    rows = int(table.get("rows") or 0)
    columns = []
    for column, one in _named(table["columns"], "column"):
        share = one.get("completeness")
        known = {"name", "column", "type", "completeness", "min", "max", "minimum", "maximum"}
        more = {
            key: str(shortened_value(_rounded(value))) for key, value in one.items() if _is_figure(key, value, known)
        }
        columns.append(
            ColumnProfile(
                column,
                str(one.get("type") or ""),
                None if share is None else round(float(share) * (rows or 1_000_000)),
                rows or 1_000_000,
                shortened_value(one.get("min", one.get("minimum"))),
                shortened_value(one.get("max", one.get("maximum"))),
                more,
            )
        )
    return TableProfile(name, rows, tuple(columns))


def _is_figure(key: str, value: Any, known: set[str]) -> bool:
    return key not in known and isinstance(value, int | float | str) and not isinstance(value, bool)


def _rounded(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


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
