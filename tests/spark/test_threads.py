"""Work in threads: results in order, Spark's properties in every thread, threads of threads too."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import TYPE_CHECKING

import pytest

from mlbsdk.runtime.threads import in_threads

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PROPERTY = "mlbsdk.test"


@pytest.mark.spark
def test_threads_of_threads_have_the_properties_of_the_first(spark: SparkSession) -> None:
    context = spark.sparkContext

    def properties(_: int) -> list[str | None]:
        return in_threads(lambda _: context.getLocalProperty(PROPERTY), [1, 2])

    context.setLocalProperty(PROPERTY, "asked")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Spark 4 warns where it is given no session
            assert in_threads(properties, [1, 2, 3]) == [["asked", "asked"]] * 3
    finally:
        context.setLocalProperty(PROPERTY, None)  # type: ignore[arg-type]  # as Java has it


def test_work_that_needs_no_spark_starts_none() -> None:
    program = (
        "from mlbsdk.runtime.threads import in_threads; from pyspark import SparkContext;"
        "print(in_threads(abs, [-3, 2, -1]), SparkContext._gateway)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[3, 2, 1] None\n"


def test_the_first_error_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda number: 1 // number, [1, 0])
