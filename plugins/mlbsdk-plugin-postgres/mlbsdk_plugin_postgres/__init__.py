"""PostgreSQL: raw tables as a source of captures, clean tables as a target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mlbsdk import CommandDecl, RawStoreDecl, SourceDecl, SparkRequirements, WriterDecl, hookimpl

if TYPE_CHECKING:
    import typer

    from mlbsdk.plugin import RawStore, Source, Writer

MLBSDK_PLUGIN_API = 1

_JDBC = SparkRequirements(packages=("org.postgresql:postgresql:42.7.14",))


@hookimpl
def mlbsdk_sources() -> Iterable[SourceDecl]:
    """Raw tables in PostgreSQL."""
    return [SourceDecl(name="postgresql", summary="A raw table in PostgreSQL.", make=_source, spark=_JDBC)]


@hookimpl
def mlbsdk_raw_stores() -> Iterable[RawStoreDecl]:
    """Raw tables in PostgreSQL."""
    return [RawStoreDecl(name="postgresql", summary="Raw tables in PostgreSQL, inserted into.", make=_raw_store)]


@hookimpl
def mlbsdk_writers() -> Iterable[WriterDecl]:
    """Tables in a PostgreSQL database."""
    return [
        WriterDecl(
            name="postgresql",
            summary="Tables schema.table of a PostgreSQL database, all of a batch in one transaction.",
            make=_writer,
            supports=frozenset({"upsert", "delete", "atomic", "stream"}),
            reading=_JDBC,
        )
    ]


@hookimpl
def mlbsdk_commands() -> Iterable[CommandDecl]:
    """``mlbsdk raw load``."""
    return [CommandDecl(name="raw", summary="Raw tables in PostgreSQL: load captures.", make=_raw_command)]


def _raw_command() -> typer.Typer:
    from mlbsdk_plugin_postgres.raw_command import app

    return app


def _source(address: str, options: Mapping[str, object]) -> Source:
    from mlbsdk_plugin_postgres.source import PostgresSource

    return PostgresSource(address, options)


def _raw_store(address: str, options: Mapping[str, object]) -> RawStore:
    from mlbsdk_plugin_postgres.raw_store import PostgresRawStore

    return PostgresRawStore(address)


def _writer(address: str, options: Mapping[str, object]) -> Writer:
    from mlbsdk_plugin_postgres.writer import PostgresWriter

    return PostgresWriter(address, options)
