"""Failures of Spark as sentences."""

from __future__ import annotations

import pytest
from pyspark.errors import PySparkException

from mlbsdk.errors import SourceError, SparkJobError
from mlbsdk.runtime.failures import cause_in, told_in_a_sentence

STACK = """An error occurred while calling o1.collect.
: org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 1.0 failed 1 times: (TID 1):
org.postgresql.util.PSQLException: An I/O error occurred while sending to the backend.
\tat org.postgresql.core.v3.QueryExecutorImpl.execute(QueryExecutorImpl.java:398)
Driver stacktrace:
\tat org.apache.spark.scheduler.DAGScheduler.failJobAndIndependentStages(DAGScheduler.scala:2856)
Caused by: java.net.SocketException: Connection reset
\tat java.base/sun.nio.ch.NioSocketImpl.implRead(NioSocketImpl.java:328)
\t... 1 more
"""


def test_the_last_cause_is_told() -> None:
    assert cause_in(STACK) == "SocketException: Connection reset"
    assert cause_in("[CODE] a thing\nand more") == "[CODE] a thing"
    assert cause_in("") == "it does not say why"


def test_spark_failures_become_errors_of_ours_and_others_pass() -> None:
    with (
        pytest.raises(SparkJobError, match="Spark failed: it broke at") as caught,
        told_in_a_sentence(),
    ):
        raise PySparkException("it broke at postgresql://me:secret@db")
    assert "secret" not in str(caught.value)
    with (
        pytest.raises(SparkJobError, match="Nothing was changed; the log has the rest"),
        told_in_a_sentence("Nothing was changed"),
    ):
        raise PySparkException("it broke")
    with pytest.raises(SourceError, match="gone"), told_in_a_sentence():
        raise SourceError("gone")
