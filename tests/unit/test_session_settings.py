"""The settings of a session: those of one machine, and those of a cluster."""

from __future__ import annotations

import os

import pytest

from mlbsdk.runtime.session import is_here, spark_settings

ONE_MACHINE = {"spark.sql.adaptive.enabled", "spark.sql.shuffle.partitions", "spark.sql.files.minPartitionNum"}


@pytest.mark.parametrize("master", ["local", "local[*]", "local[3]"])
def test_one_machine_has_a_partition_a_core(master: str) -> None:
    found = spark_settings([], {"spark.master": master})
    assert set(found) >= ONE_MACHINE
    assert found["spark.sql.shuffle.partitions"] == str(os.cpu_count())
    assert is_here(master)


@pytest.mark.parametrize("master", ["spark://host:7077", "k8s://https://host", "yarn", "local-cluster[2,1,1024]"])
def test_the_cores_of_the_driver_say_nothing_about_a_cluster(master: str) -> None:
    found = spark_settings([], {"spark.master": master})
    assert not ONE_MACHINE & set(found)
    assert not is_here(master)
    # Executors of local-cluster are on this machine, though not in this process.
    assert ("spark.driver.host" in found) == master.startswith("local")
    assert (
        spark_settings([], {"spark.master": master, "spark.sql.shuffle.partitions": "7"})[
            "spark.sql.shuffle.partitions"
        ]
        == "7"
    )


LASTING = (
    "-XX:+IgnoreUnrecognizedVMOptions -XX:+UnlockDiagnosticVMOptions -XX:GCLockerRetryAllocationCount=100 "
    "-XX:G1HeapRegionSize=8m"
)


@pytest.mark.parametrize(
    ("ends_after", "options"),
    [
        (None, LASTING),
        (0, "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"),
        (32 << 20, "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"),
        (40 << 20, "-XX:+UseParallelGC"),
        (200 << 20, LASTING),
    ],
)
def test_a_process_that_ends_gets_a_java_for_what_it_has_to_do(ends_after: int | None, options: str) -> None:
    def java_options(master: str, **settings: str) -> str:
        found = spark_settings([], {"spark.master": master} | settings, ends_after=ends_after)
        return found["spark.driver.extraJavaOptions"]

    assert java_options("local[*]") == options
    assert java_options("spark://host:7077") == ""
    own = java_options("local[*]", **{"spark.driver.extraJavaOptions": "-Xss8m"})
    assert own == f"{options} -Xss8m".strip()  # the last one counts
