"""The public suite of writers, run for the core's writers in a bucket; most of it only when asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from mlbsdk.hookspecs import WriterDecl
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.storage import Storages
from mlbsdk.testing.contracts.of_writers import *  # noqa: F403
from tests.object_store import Bucket

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CONTRACT_NAMES = ["delta", "parquet", "avro"]


@pytest.fixture
def contract_target(contract_writer: WriterDecl, bucket: Bucket, spark: SparkSession) -> str:
    """Return an empty folder of a bucket that Spark knows of."""
    path = bucket.address("target")
    storages = Storages(Plugins.load())
    storages.of(path)
    storages.use_in(spark)
    return f"{contract_writer.name}:{path}"


@pytest.fixture
def contract_bad_target(contract_writer: WriterDecl, bucket: Bucket) -> str:
    """Return a bucket that is not there."""
    return f"{contract_writer.name}:s3a://there-is-no-such-bucket/target"


@pytest.fixture
def contract_rows(bucket: Bucket) -> Callable[[str, str], Sequence[dict[str, Any]]]:
    """Return how rows are read back."""
    return bucket.rows
