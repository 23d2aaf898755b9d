"""Fixtures for all tests: one Spark session a process, captures, targets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tests.object_store import Bucket, ObjectStore
    from tests.postgres import Server

REPOSITORY = Path(__file__).parent.parent
DATA = Path(__file__).parent / "data"
SAMPLES = REPOSITORY / "plugins" / "mlbsdk-plugin-game" / "mlbsdk_plugin_game" / "samples"


def pytest_report_header() -> str:
    """Say which object store the tests use."""
    from tests.object_store import description

    return description()


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[SparkSession]:
    """Return the session that all tests share, with what every writer and source of the core needs."""
    from mlbsdk.plugins import Plugins
    from mlbsdk.runtime.session import session

    plugins = Plugins.load()
    needs = [plugins.writer("delta").spark, plugins.writer("avro").spark, plugins.source("postgresql").spark]
    # Amazon's SDK is 275 MB, so only where a test that was chosen has a bucket.
    if any({"spark", "bucket"} <= set(getattr(item, "fixturenames", ())) for item in request.session.items):
        needs.append(plugins.storage("s3a").spark)
    needs.append(plugins.quality("deequ").spark)
    folder = tmp_path_factory.mktemp("spark")
    settings = {
        "spark.master": "local[2]",
        "spark.driver.memory": "2g",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.databricks.delta.snapshotPartitions": "1",
    }
    made = session(needs, settings, folder / "spark.log")
    yield made
    made.stop()


@pytest.fixture(scope="session")
def mlbsdk_spark(spark: SparkSession) -> SparkSession:
    """Return the session for the public suites: the one of all tests."""
    return spark


@pytest.fixture
def live_game() -> Path:
    """Return the real capture of game 747175 that the game plugin ships."""
    return SAMPLES / "live_game_747175.json.gz"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """Return the PostgreSQL server that all tests share."""
    from tests.postgres import running

    with running() as server:
        yield server


@pytest.fixture
def database(postgres_server: Server) -> Iterator[str]:
    """Return the address of an empty database."""
    with postgres_server.database() as address:
        yield address


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """Return the object store that all tests share."""
    from tests.object_store import running

    with running() as store:
        yield store


@pytest.fixture
def bucket(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Return an empty bucket, which this process and its children find by the standard variables."""
    from tests.object_store import Bucket

    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    return Bucket(object_store, object_store.new_bucket())
