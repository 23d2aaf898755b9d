"""The tables of a target, read back by Spark: whatever its writer, where that can read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlbsdk.errors import ConfigurationError, SourceError, StoredSchemaError, did_you_mean, redact, shortened
from mlbsdk.hookspecs import SparkRequirements, TableReader
from mlbsdk.mapping.plan import Table
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.addresses import child, is_local, split_address
from mlbsdk.runtime.interpreting import FEW_STORED_BYTES, interpreting
from mlbsdk.runtime.sql import name as quoted
from mlbsdk.runtime.storage import Storages
from mlbsdk.writers.lakehouse import root_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def needs(target: str, plugins: Plugins | None = None, storages: Storages | None = None) -> Sequence[SparkRequirements]:
    """Return what reading a target's tables needs of the Spark session.

    Raises:
        UnknownNameError: no plugin has such targets.
    """
    plugins = plugins or Plugins.load()
    scheme, rest = split_address(target, "delta")
    declared = plugins.writer(scheme)
    return (declared.spark, declared.reading, *(storages or Storages(plugins)).needs(rest))


def read(
    spark: SparkSession,
    target: str,
    table: str | Table,
    plugins: Plugins | None = None,
    storages: Storages | None = None,
) -> DataFrame:
    """Return the rows of one table of a target.

    Args:
        spark: a session with what :func:`needs` gives.
        target: its address, as ``--target`` takes it.
        table: the name, ``schema.table``: all columns come as they are stored, and what Parquet and Avro tables keep in
            folders' names as text. Or the table of a plan: its columns come with its types, and one that was added to
            the mapping later is null; ``lineage_metadata`` comes as it is stored.
        plugins: the loaded plugins; by default those installed.
        storages: the storages of the run; by default with the environment's own settings.

    Raises:
        UnknownNameError: no plugin has such targets.
        ConfigurationError: the name is none of a table, or its writer can't read.
        SourceError: there is no such table.
        StoredSchemaError: the stored table lacks a column of the primary key.
    """
    name = table if isinstance(table, str) else table.name
    if name.count(".") != 1 or not all(name.split(".")) or "/" in name or "\\" in name:
        raise ConfigurationError(f"'{name}' is no name of a table", fix="Write schema.table: game.live_game_plays.")
    plugins = plugins or Plugins.load()
    storages = storages or Storages(plugins)
    with _reader(target, plugins, storages, f"reading {name}") as reader:
        storages.use_in(spark)
        frame = reader.read(spark, name)
    return frame if isinstance(table, str) else _as_planned(frame, table)


@dataclass(frozen=True)
class StoredTables:
    """The tables of one target, of which several are read."""

    address: str
    names: frozenset[str]
    plugins: Plugins
    storages: Storages

    @classmethod
    def at(cls, address: str, plugins: Plugins, storages: Storages) -> StoredTables:
        """Look what there is at an address, before Java starts.

        Raises:
            UnknownNameError: no plugin writes to such addresses.
            ConfigurationError: its writer can't read tables back.
            SourceError: there is no table.
        """
        with _reader(address, plugins, storages, "listing its tables") as reader:
            names = frozenset(reader.table_names())
        if not names:
            raise SourceError(f"there are no tables at '{redact(address)}'", fix="Run a transform into it first.")
        return cls(address, names, plugins, storages)

    @property
    def needs(self) -> Sequence[SparkRequirements]:
        """What reading them needs of the Spark session."""
        return needs(self.address, self.plugins, self.storages)

    def require(self, name: str, wanted: str) -> None:
        """Check that a table is there.

        Raises:
            SourceError: it is not; ``wanted`` says for what it is needed.
        """
        if name not in self.names:
            raise SourceError(
                f"'{redact(self.address)}' has no table '{name}', which {wanted} needs."
                f"{did_you_mean(name, self.names)}",
                fix=f"There are: {shortened(sorted(self.names), 12)}.",
            )

    @contextlib.contextmanager
    def interpreted_if_few(self, spark: SparkSession, names: Iterable[str]) -> Iterator[None]:
        """Interpret expressions inside, if these tables are small: making code for them would take longer."""
        size = self._size(names)
        with interpreting(spark, 0 if size is not None and size <= FEW_STORED_BYTES else None):
            yield

    def _size(self, names: Iterable[str]) -> int | None:
        """Return the bytes of the files of some tables, also of those that no version needs; None for a database."""
        rest = split_address(self.address, "delta")[1]
        if "://" in rest and is_local(rest):
            return None
        root = root_of(rest)
        storage = self.storages.of(root)
        folders = [child(root, *name.split(".")) for name in names if name in self.names]
        return sum(file.size for folder in folders for file in storage.files(folder))

    def frames(self, spark: SparkSession, names: Iterable[str]) -> Mapping[str, DataFrame]:
        """Return those of some tables that are there."""
        there = [name for name in names if name in self.names]
        return {name: read(spark, self.address, name, self.plugins, self.storages) for name in there}

    def dataset(self, name: str) -> tuple[str, str]:
        """Return the OpenLineage (namespace, name) of a table."""
        with _reader(self.address, self.plugins, self.storages, "naming its tables") as reader:
            address_of = getattr(reader, "address_of", None)
            return address_of(name) if address_of is not None else (redact(self.address), name)


@contextlib.contextmanager
def _reader(target: str, plugins: Plugins, storages: Storages, doing: str) -> Iterator[TableReader]:
    """Open a target's writer, if it can read, for as long as it is used."""
    scheme, rest = split_address(target, "delta")
    declared = plugins.writer(scheme)
    writer = plugins.call(declared, declared.make, rest, storages.options(rest))
    if not isinstance(writer, TableReader):
        raise ConfigurationError(
            f"tables of '{redact(target)}' can't be read back: the writer of '{scheme}' in {plugins.origin(declared)} "
            "has no table_names and read",
            fix="Name a target in Delta, Parquet, Avro or PostgreSQL.",
        )
    try:
        with plugins.running(declared, doing):
            yield writer
    finally:
        close = getattr(writer, "close", None)
        if close is not None:
            plugins.call(declared, close)


def _as_planned(frame: DataFrame, table: Table) -> DataFrame:
    """Return the columns of a table with their types, then what else is stored."""
    from pyspark.sql import functions as F

    stored = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    lacking = [name for name in table.primary_key if name not in stored]
    if lacking:
        raise StoredSchemaError(
            f"the stored table '{table.name}' has no column {' and no '.join(lacking)}; it has {_listed(stored)}",
            fix="'mlbsdk mapping diff NAME --target TARGET' shows all that differs.",
        )
    columns = []
    for column in table.columns:
        value = F.col(quoted(column.name)) if column.name in stored else F.lit(None)
        same = stored.get(column.name) == column.type.spark
        columns.append(value if same else value.cast(column.type.spark).alias(column.name))
    own = {column.name for column in table.columns}
    return frame.select(*columns, *(F.col(quoted(name)) for name in stored if name not in own))


def _listed(names: Iterable[str]) -> str:
    return shortened(sorted(names), 12)
