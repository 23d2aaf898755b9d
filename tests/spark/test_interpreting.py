"""When Spark interprets expressions, and that a session is given back as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlbsdk.runtime.interpreting import FEW_BYTES, interpreting

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

MODE, STAGES = "spark.sql.codegen.factoryMode", "spark.sql.codegen.wholeStage"
ONCE = "spark.sql.subexpressionElimination.enabled"


@pytest.mark.parametrize(
    ("size", "mode", "stages"),
    [
        (FEW_BYTES, "NO_CODEGEN", "false"),
        (FEW_BYTES + 1, "FALLBACK", "true"),
        (None, "FALLBACK", "true"),
    ],
)
def test_few_rows_are_interpreted(spark: SparkSession, size: int | None, mode: str, stages: str) -> None:
    with interpreting(spark, size):
        assert (spark.conf.get(MODE), spark.conf.get(STAGES), spark.conf.get(ONCE)) == (mode, stages, stages)
    assert (spark.conf.get(MODE), spark.conf.get(STAGES)) == ("FALLBACK", "true")


def test_what_a_user_set_stays(spark: SparkSession) -> None:
    spark.conf.set(MODE, "CODEGEN_ONLY")
    try:
        with interpreting(spark, 1):
            assert (spark.conf.get(MODE), spark.conf.get(STAGES)) == ("CODEGEN_ONLY", "false")
        assert (spark.conf.get(MODE), spark.conf.get(STAGES)) == ("CODEGEN_ONLY", "true")
    finally:
        spark.conf.unset(MODE)


def test_an_error_gives_the_session_back(spark: SparkSession) -> None:
    def fail() -> None:
        with interpreting(spark, 1):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (spark.conf.get(MODE), spark.conf.get(STAGES)) == ("FALLBACK", "true")
