"""What the public suites are told about the stores and sources of this repository."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from mlbsdk.hookspecs import WriterDecl
from tests import atlas

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tests.postgres import Server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the suite of writers for one by default: test_writers.py asks all of them more, in every way."""
    for item in items:
        if item.path.name == "test_suite_of_writers.py" and not item.name.endswith(_BY_DEFAULT):
            item.add_marker(pytest.mark.slow)
        if item.path.name == "test_suite_of_writers_s3.py" and not item.name.startswith(_IN_A_BUCKET):
            item.add_marker(pytest.mark.slow)


#: What differs most between a disk and a bucket; tests/integration/test_s3.py and tests/spark/test_s3.py ask the rest.
_IN_A_BUCKET = (
    "test_rows_that_the_newest_capture_lacks_are_deleted_and_stay_so[arrow-",
    "test_values_come_back_as_they_were[arrow-",
    "test_a_target_that_can_not_be_written",
)
_BY_DEFAULT = ("[arrow-parquet]", "[parquet]", "test_values_come_back_as_they_were[spark-avro]")


@pytest.fixture
def contract_target(contract_writer: WriterDecl, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Return a folder, or for PostgreSQL a database of the test's own."""
    if contract_writer.name != "postgresql":
        return f"{contract_writer.name}:{tmp_path / 'target'}"
    server: Server = request.getfixturevalue("postgres_server")
    return server.database_of(tmp_path)


@pytest.fixture
def contract_bad_target(contract_writer: WriterDecl, tmp_path: Path) -> str:
    """Return a place below a file, or for PostgreSQL a port where nobody listens."""
    (tmp_path / "a-file").touch()
    if contract_writer.name == "postgresql":
        return "postgresql://127.0.0.1:1/none?connect_timeout=2"
    return f"{contract_writer.name}:{tmp_path / 'a-file' / 'target'}"


@pytest.fixture
def contract_rows(mlbsdk_spark: SparkSession) -> Callable[[str, str], Sequence[dict[str, Any]]]:
    """Return how the rows of a table are read back."""

    def read(address: str, table: str) -> list[dict[str, Any]]:
        scheme, _, path = address.partition(":")
        if scheme == "postgresql":
            return _postgres_rows(address, table)
        folder = Path(path).joinpath(*table.split("."))
        ending = "avro" if scheme == "avro" else "parquet"
        if not any(folder.rglob(f"*.{ending}")):
            return []
        return [row.asDict(True) for row in mlbsdk_spark.read.format(scheme).load(str(folder)).collect()]

    return read


def _postgres_rows(address: str, table: str) -> list[dict[str, Any]]:
    with psycopg.connect(address, row_factory=dict_row) as connection:
        there = connection.execute("SELECT to_regclass(%s) AS found", (table,)).fetchone()
        if not there or there["found"] is None:
            return []
        return connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(*table.split(".")))).fetchall()


@pytest.fixture
def contract_source(tmp_path: Path) -> Callable[[Sequence[Any]], str]:
    """Return how captures become files."""

    def fill(documents: Sequence[Any]) -> str:
        for number, document in enumerate(documents):
            (tmp_path / f"{number}.json").write_text(json.dumps(document), encoding="utf-8")
        return f"file:{tmp_path}"

    return fill


@pytest.fixture
def contract_reporter_backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have an Atlas server running; whatever it was sent has to be what Atlas takes."""
    with atlas.running() as server:
        monkeypatch.setenv("ATLAS_ENDPOINT", server.address)
        monkeypatch.setenv("ATLAS_USER", server.user)
        monkeypatch.setenv("ATLAS_PASSWORD", server.password)
        yield
        assert server.wrong == []
        assert server.of_type("mlbsdk_process")


@pytest.fixture
def contract_reporter_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name a port where nobody listens."""
    monkeypatch.setenv("ATLAS_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("ATLAS_TOKEN", "hush-contract")


@pytest.fixture
def contract_reporter_secrets() -> Sequence[str]:
    """Return what is secret about both."""
    return ("hush-contract", "hush-atlas")
