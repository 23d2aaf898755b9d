"""Read back what a target holds: the tables that transforms have written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlbsdk.errors import ConfigurationError, SourceError, did_you_mean, shortened
from mlbsdk.hookspecs import TableReader, WriterDecl
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.addresses import split_address
from mlbsdk.runtime.storage import Storages

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class StoredTables:
    """The tables of one target."""

    address: str
    writer_decl: WriterDecl
    reader: TableReader
    names: frozenset[str]

    @classmethod
    def at(cls, address: str, plugins: Plugins, storages: Storages | None = None) -> StoredTables:
        """Look what there is at an address, before Java starts.

        Raises:
            UnknownNameError: no plugin writes to such addresses.
            ConfigurationError: its writer can't read tables back.
            SourceError: there is no table.
        """
        scheme, rest = split_address(address, "delta")
        declared = plugins.writer(scheme)
        reader = plugins.call(declared, declared.make, rest, (storages or Storages(plugins)).options(rest))
        if not isinstance(reader, TableReader):
            raise ConfigurationError(
                f"tables of '{scheme}' can't be read back: its writer in {plugins.origin(declared)} has no read_table",
                fix="Name a target in Delta, Parquet, Avro or PostgreSQL.",
            )
        names = frozenset(plugins.call(declared, reader.table_names))
        if not names:
            raise SourceError(f"there are no tables at '{address}'", fix="Run a transform into it first.")
        return cls(address, declared, reader, names)

    def require(self, name: str, wanted: str) -> None:
        """Check that a table is there.

        Raises:
            SourceError: it is not; ``wanted`` says for what it is needed.
        """
        if name not in self.names:
            raise SourceError(
                f"'{self.address}' has no table '{name}', which {wanted} needs.{did_you_mean(name, self.names)}",
                fix=f"There are: {shortened(sorted(self.names), 12)}.",
            )

    def frames(self, spark: SparkSession, names: tuple[str, ...]) -> Mapping[str, DataFrame]:
        """Return those of some tables that are there."""
        return {name: self.reader.read_table(spark, name) for name in names if name in self.names}
