"""When Spark does without adaptive execution, and that a session is given back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from mlbsdk.runtime.planning import FEW_BYTES, planned_once
from mlbsdk.runtime.spark_conf import setting

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

ADAPTIVE, PARTITIONS = "spark.sql.adaptive.enabled", "spark.sql.shuffle.partitions"


@pytest.fixture
def as_on_a_cluster(spark: SparkSession) -> Iterator[SparkSession]:
    with setting(spark, ADAPTIVE, "true"), setting(spark, PARTITIONS, "200"):
        yield spark


def found(spark: SparkSession) -> tuple[str | None, str | None]:
    return spark.conf.get(ADAPTIVE), spark.conf.get(PARTITIONS)


def test_few_rows_are_planned_once_for_a_task_a_core(as_on_a_cluster: SparkSession) -> None:
    cores = as_on_a_cluster.sparkContext.defaultParallelism
    with planned_once(as_on_a_cluster, 1):
        assert found(as_on_a_cluster) == ("false", str(cores))
    assert found(as_on_a_cluster) == ("true", "200")


def test_more_rows_have_more_tasks(as_on_a_cluster: SparkSession) -> None:
    with planned_once(as_on_a_cluster, FEW_BYTES):
        assert found(as_on_a_cluster) == ("false", "17")


@pytest.mark.parametrize("size", [FEW_BYTES + 1, None])
def test_many_rows_are_left_to_spark(size: int | None, as_on_a_cluster: SparkSession) -> None:
    with planned_once(as_on_a_cluster, size):
        assert found(as_on_a_cluster) == ("true", "200")


def test_what_a_user_or_one_machine_has_set_stays(spark: SparkSession) -> None:
    for adaptive, partitions in [("false", "2"), ("true", "7")]:
        with setting(spark, ADAPTIVE, adaptive), setting(spark, PARTITIONS, partitions), planned_once(spark, 1):
            assert found(spark) == (adaptive, partitions)
