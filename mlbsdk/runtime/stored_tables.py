"""The tables of a target, read back by Spark: whatever its writer, where that can read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mlbsdk.errors import ConfigurationError, StoredSchemaError, redact, shortened
from mlbsdk.hookspecs import SparkRequirements, TableReader
from mlbsdk.mapping.plan import Table
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.addresses import split_address
from mlbsdk.runtime.sql import name as quoted
from mlbsdk.runtime.storage import Storages

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def needs(
    target: str, plugins: Plugins | None = None, storages: Storages | None = None
) -> Sequence[SparkRequirements]:
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
    scheme, rest = split_address(target, "delta")
    declared = plugins.writer(scheme)
    writer = plugins.call(declared, declared.make, rest, storages.options(rest))
    storages.use_in(spark)
    if not isinstance(writer, TableReader):
        raise ConfigurationError(f"tables of '{redact(target)}' can't be read back: '{scheme}' has no reader")
    try:
        with plugins.running(declared, f"reading {name}"):
            frame = writer.read(spark, name)
    finally:
        close = getattr(writer, "close", None)
        if close is not None:
            plugins.call(declared, close)
    return frame if isinstance(table, str) else _as_planned(frame, table)


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
