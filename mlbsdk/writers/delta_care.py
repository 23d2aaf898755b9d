"""Care of the Delta tables of a target: what happened to one, fewer and larger files, and old files removed.

None of it starts Java: delta-rs does it, beside the writer's own commits.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from mlbsdk.errors import ConfigurationError, WriteError, did_you_mean
from mlbsdk.runtime.addresses import split_address
from mlbsdk.runtime.storage import storage_of
from mlbsdk.writers.lakehouse import Lakehouse

if TYPE_CHECKING:
    from deltalake import DeltaTable

#: Delta's own default, a week: what a reader may still be reading, and how far back time travel reaches.
RETENTION_HOURS = 168


@dataclass(frozen=True)
class Commit:
    """One version of a table."""

    version: int
    at: datetime
    """UTC."""
    operation: str
    figures: dict[str, Any]
    """What the operation says it did."""


@dataclass(frozen=True)
class Optimized:
    """What became of a table's files."""

    table: str
    files_before: int
    files_after: int


@dataclass(frozen=True)
class Vacuumed:
    """The files of a table that are, or would be, removed."""

    table: str
    files: tuple[str, ...]


class DeltaTarget:
    """The Delta tables below one target.

    Args:
        address: as ``--target`` takes it, ``delta:warehouse``.
        storage: the settings under ``storage:``.

    Raises:
        ConfigurationError: the address is none of Delta's, or there is nothing.
        StorageError: its object store can't be reached, or refuses.
    """

    def __init__(self, address: str, storage: Mapping[str, object] | None = None) -> None:
        scheme, path = split_address(address, "delta")
        if scheme != "delta":
            raise ConfigurationError(
                f"'{address}' holds no Delta tables", fix="Name a target such as delta:warehouse with --target."
            )
        self.house = Lakehouse(path, storage_of(path, storage))
        self.house.storage.check(self.house.root)
        if not self.house.storage.exists(self.house.root):
            raise ConfigurationError(f"there is no target at '{self.house.root}'", fix="Name one with --target.")

    def tables(self, patterns: Iterable[str] = ("*",)) -> tuple[str, ...]:
        """Return the names of tables that are like one of some patterns, such as ``game.*``, sorted.

        Raises:
            ConfigurationError: no table is like a pattern.
        """
        root = self.house.root
        known = self.house.table_names("delta")
        found: set[str] = set()
        for pattern in patterns:
            alike = fnmatch.filter(known, pattern)
            if not alike:
                raise ConfigurationError(
                    f"'{root}' has no Delta table '{pattern}'.{did_you_mean(pattern, known)}",
                    fix=f"There are: {', '.join(known)}." if known else "Run a transform first.",
                )
            found.update(alike)
        return tuple(sorted(found))

    def files_of(self, table: str) -> list[tuple[dict[str, Any], int]]:
        """Return, for each file of a table's newest version, its partition's values by column, and its bytes."""
        opened = self._open(table)
        columns = opened.metadata().partition_columns
        added = opened.get_add_actions(flatten=True)
        values = {column: added.column(f"partition.{column}").to_pylist() for column in columns}
        sizes = added.column("size_bytes").to_pylist()
        return [({column: values[column][n] for column in columns}, int(size)) for n, size in enumerate(sizes)]

    def delete(self, table: str, predicate: str) -> None:
        """Delete rows in one commit; versions before still have them, until they are vacuumed.

        Args:
            table: its name.
            predicate: SQL as DataFusion reads it.

        Raises:
            ConfigurationError: there is no such table.
            WriteError: it could not be done; the table is as it was.
        """
        with self.house.locked():
            try:
                self._open(table).delete(predicate)
            except Exception as problem:  # delta-rs raises many kinds; nothing is committed then
                raise WriteError(
                    f"rows of '{table}' could not be deleted: {problem}", fix="The table is as it was."
                ) from problem

    def history(self, table: str, limit: int | None = None) -> list[Commit]:
        """Return the versions of a table, the newest first.

        Raises:
            ConfigurationError: there is no such table.
        """
        return [
            Commit(
                int(entry["version"]),
                datetime.fromtimestamp(entry["timestamp"] / 1000, timezone.utc),
                str(entry.get("operation", "")),
                dict(entry.get("operationMetrics", {})),
            )
            for entry in self._open(table).history(limit)
        ]

    def optimize(self, tables: Sequence[str], z_order: Sequence[str] = ()) -> list[Optimized]:
        """Join the small files of tables into larger ones, and order rows so that those alike lie together.

        Rows and versions stay, and readers go on reading what they read.

        Args:
            tables: their names.
            z_order: the columns in which rows that lie together are alike; none leaves their order.

        Raises:
            ConfigurationError: there is no such table or column, or the column is one of a table's partitions; no table
                is changed then.
            WriteError: a table could not be optimized; it is as it was, and those before it are done.
        """
        with self.house.locked():
            opened = {table: self._open(table) for table in tables}
            for table, one in opened.items():
                _check_columns(table, one, z_order)
            return [self._optimized(table, one, z_order) for table, one in opened.items()]

    def _optimized(self, table: str, opened: DeltaTable, z_order: Sequence[str]) -> Optimized:
        before = len(opened.file_uris())
        try:
            if z_order:
                opened.optimize.z_order(list(z_order))
            else:
                opened.optimize.compact()
        except Exception as problem:  # delta-rs raises many kinds; nothing is committed then
            raise WriteError(f"'{table}' could not be optimized: {problem}", fix="The table is as it was.") from problem
        return Optimized(table, before, len(self._open(table).file_uris()))

    def vacuum(self, table: str, retention_hours: int = RETENTION_HOURS, *, dry_run: bool = True) -> Vacuumed:
        """Remove the files that no version of the last hours needs; versions before can't be read any more.

        Args:
            table: its name.
            retention_hours: how long what was replaced is kept.
            dry_run: only tell them.

        Raises:
            ConfigurationError: there is no such table.
            WriteError: it could not be done.
        """
        with self.house.locked():
            try:
                # Delta itself refuses less than its week; who names fewer hours knows what reads the table.
                files = self._open(table).vacuum(retention_hours, dry_run=dry_run, enforce_retention_duration=False)
            except OSError as problem:
                raise WriteError(f"'{table}' could not be vacuumed: {problem}", fix="Run it again.") from problem
        return Vacuumed(table, tuple(sorted(files)))

    def _open(self, table: str) -> DeltaTable:
        self.tables([table])
        return self.house.open_delta(self.house.path(table))


def _check_columns(table: str, opened: DeltaTable, columns: Sequence[str]) -> None:
    known = [field.name for field in opened.schema().fields]
    partitions = opened.metadata().partition_columns
    for column in columns:
        if column not in known:
            raise ConfigurationError(f"'{table}' has no column '{column}'.{did_you_mean(column, known)}")
        if column in partitions:
            raise ConfigurationError(
                f"'{table}' is partitioned by '{column}' already", fix="Order it by other columns."
            )
