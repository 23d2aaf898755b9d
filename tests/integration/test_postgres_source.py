"""Raw tables in PostgreSQL as a source of captures: loaded, read, chosen, selected, followed."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import mlbsdk
from mlbsdk.mapping.load import LoadedMapping, load_file, load_text
from mlbsdk.plugin import ConfigurationError, RawSchemaError, SourceError
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.run import load_mapping
from mlbsdk_plugin_postgres import raw_table
from mlbsdk_plugin_postgres.source import PostgresSource
from tests.mini import MAPPING, TABLES, Capture, expected, ordered, save

if TYPE_CHECKING:
    from pyspark.sql import Row, SparkSession

    from tests.postgres import Server

pytestmark = [pytest.mark.integration, pytest.mark.spark]

MLBSDK = Path(sys.executable).with_name("mlbsdk")


@pytest.fixture
def mini() -> LoadedMapping:
    return load_file(MAPPING)


@pytest.fixture
def whole() -> LoadedMapping:
    """The mini mapping without its table that keeps rows of older captures."""
    text = MAPPING.read_text(encoding="utf-8")
    return load_text(text[: text.index("  - name: mini.players")], "whole.yaml")


def load(database: str, *arguments: object, cwd: Path | None = None) -> tuple[int, dict[str, Any]]:
    """Run ``mlbsdk raw load --json``."""
    command = [str(MLBSDK), "raw", "load", *map(str, arguments), "--to", database, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=cwd)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def insert(database: str, captures: Iterable[Capture], table: str = "mini.game") -> None:
    """Put captures into a raw table, as somebody else's program would: made if it is missing."""
    with psycopg.connect(database) as connection:
        raw_table.create(connection, table)
        for capture in captures:
            connection.execute(
                f"INSERT INTO {table} (captured_at, endpoint, method, status_code, data) "
                "VALUES (%s, 'mini', 'game', 200, %s)",
                (capture.captured_at, json.dumps(capture.document())),
            )


def read(spark: SparkSession, database: str, mapping: LoadedMapping, **options: object) -> list[Row]:
    return PostgresSource(database, options).read(spark, mapping.mapping).frame.collect()


def games(rows: Iterable[Row]) -> list[tuple[int, str]]:
    """Return game and state of raw rows, in order."""
    documents = [json.loads(row["data"]) for row in rows]
    return sorted((document["gamePk"], document["state"]) for document in documents)


def stored(spark: SparkSession, folder: Path, table: str) -> list[dict[str, Any]]:
    rows = spark.read.format("delta").load(str(folder / table.replace(".", "/"))).collect()
    found = [row.asDict(recursive=True) for row in rows]
    for row in found:
        row["source_captured_at"] = row["source_captured_at"].astimezone(timezone.utc)
    return found


SOME = [Capture(game, minute) for game in (1, 2) for minute in (0, 1, 2)]


def test_what_is_loaded_and_run_is_what_a_run_over_the_files_gives(
    spark: SparkSession, database: str, tmp_path: Path
) -> None:
    captures = save(tmp_path / "captures", SOME)
    assert load(database, captures, "--mapping", MAPPING)[0] == 0
    reports = [
        mlbsdk.run(
            mlbsdk.RunRequest(name="mini.game", source=source, target=f"delta:{tmp_path / name}", mapping=MAPPING),
            spark=spark,
        )
        for name, source in (("files", str(captures)), ("database", database))
    ]
    for table in TABLES:
        assert ordered(stored(spark, tmp_path / "database", table)) == ordered(expected(SOME)[table])
        assert ordered(stored(spark, tmp_path / "files", table)) == ordered(expected(SOME)[table])
    assert reports[0].documents == reports[1].documents
    assert reports[1].source_dataset[0].startswith("postgres://127.0.0.1:")
    assert reports[1].source_dataset[1].endswith(".mini.game")


def test_the_newest_capture_is_chosen_in_the_database(
    spark: SparkSession, database: str, whole: LoadedMapping
) -> None:
    insert(database, SOME)
    assert games(read(spark, database, whole)) == [(1, "minute 2"), (2, "minute 2")]


def test_tables_that_keep_rows_get_every_capture(spark: SparkSession, database: str, mini: LoadedMapping) -> None:
    insert(database, SOME)
    assert len(read(spark, database, mini)) == len(SOME)
