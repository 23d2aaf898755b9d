"""The core's own sources, writers, quality engine and listener, declared through the same hooks as anybody's.

Everything heavy is imported inside the factories, so that listing plugins starts no Spark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from mlbsdk.hookspecs import (
    ListenerDecl,
    QualityDecl,
    QualityEngine,
    RawStore,
    RawStoreDecl,
    RunListener,
    Source,
    SourceDecl,
    SparkRequirements,
    Writer,
    WriterDecl,
    hookimpl,
)
from mlbsdk.runtime.spark_lines import installed_spark

MLBSDK_PLUGIN_API = 1

_DELTA = SparkRequirements(
    packages=(installed_spark().delta,),
    session={
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        # Delta's own default, 50 tasks each time a table's log is read, suits tables of another size.
        "spark.databricks.delta.snapshotPartitions": "2",
    },
)
_AVRO = SparkRequirements(packages=(installed_spark().avro,))
_SUPPORTS = frozenset({"upsert", "delete", "stream"})


@hookimpl
def mlbsdk_sources() -> Iterable[SourceDecl]:
    """Capture files, and raw tables in Delta, Avro and Parquet."""
    return [
        SourceDecl(name="file", summary="Captures in files: a file, a folder or a glob of JSON.", make=_file_source),
        SourceDecl(name="delta", summary="A raw table in Delta Lake.", make=_table_source("delta"), spark=_DELTA),
        SourceDecl(name="avro", summary="A raw table in Avro files.", make=_table_source("avro"), spark=_AVRO),
        SourceDecl(name="parquet", summary="A raw table in Parquet files.", make=_table_source("parquet")),
    ]


@hookimpl
def mlbsdk_raw_stores() -> Iterable[RawStoreDecl]:
    """A folder of captures, and raw tables in Delta and Avro."""
    return [
        RawStoreDecl(name="file", summary="A folder of captures, each a file.", make=_folder_store),
        RawStoreDecl(name="delta", summary="A raw table in Delta Lake, appended to.", make=_delta_store),
        RawStoreDecl(name="avro", summary="A raw table in Avro, a file a batch.", make=_avro_store),
    ]


@hookimpl
def mlbsdk_writers() -> Iterable[WriterDecl]:
    """Lakehouse folders in Delta, Parquet and Avro."""
    return [
        WriterDecl(
            name="delta",
            summary="Delta Lake tables at PATH/{schema}/{table}.",
            make=_delta_writer,
            spark=_DELTA,
            supports=_SUPPORTS,
        ),
        WriterDecl(
            name="parquet",
            summary="Parquet files at PATH/{schema}/{table}.",
            make=_file_writer("parquet"),
            supports=_SUPPORTS,
        ),
        WriterDecl(
            name="avro",
            summary="Avro files at PATH/{schema}/{table}.",
            make=_file_writer("avro"),
            spark=_AVRO,
            supports=_SUPPORTS,
        ),
    ]


@hookimpl
def mlbsdk_quality() -> Iterable[QualityDecl]:
    """The engine that judges each row inside the transform's own pass."""
    return [QualityDecl(name="native", summary="Row rules in the transform's own pass.", make=_native_quality)]


@hookimpl
def mlbsdk_listeners() -> Iterable[ListenerDecl]:
    """OpenLineage events of every run."""
    return [ListenerDecl(name="openlineage", summary="OpenLineage events of every run.", make=_openlineage)]


def _file_source(address: str, options: Mapping[str, object]) -> Source:
    from mlbsdk.runtime.sources import FileSource

    return FileSource(address, options)


def _table_source(format: str) -> Callable[[str, Mapping[str, object]], Source]:
    def make(address: str, options: Mapping[str, object]) -> Source:
        from mlbsdk.runtime.sources import TableSource

        return TableSource(format, address, options)

    return make


def _folder_store(address: str, options: Mapping[str, object]) -> RawStore:
    from mlbsdk.runtime.raw_folder import FolderStore

    return FolderStore(address, options)


def _delta_store(address: str, options: Mapping[str, object]) -> RawStore:
    from mlbsdk.runtime.raw_delta import DeltaStore

    return DeltaStore(address, options)


def _avro_store(address: str, options: Mapping[str, object]) -> RawStore:
    from mlbsdk.runtime.raw_folder import AvroStore

    return AvroStore(address, options)


def _delta_writer(address: str, options: Mapping[str, object]) -> Writer:
    from mlbsdk.writers.delta import DeltaWriter

    return DeltaWriter(address, options)


def _file_writer(format: str) -> Callable[[str, Mapping[str, object]], Writer]:
    def make(address: str, options: Mapping[str, object]) -> Writer:
        from mlbsdk.writers.files import FileWriter

        return FileWriter(format, address, options)

    return make


def _native_quality(options: Mapping[str, object]) -> QualityEngine:
    from mlbsdk.quality.native import NativeQuality

    return NativeQuality(options)


def _openlineage(options: Mapping[str, object]) -> RunListener:
    from mlbsdk.lineage.listener import OpenLineageListener

    return OpenLineageListener(options)
