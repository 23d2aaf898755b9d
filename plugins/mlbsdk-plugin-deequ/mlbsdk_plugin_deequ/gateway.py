"""The way to Deequ: PyDeequ imported as it wants, and nothing left running that keeps a process from ending."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from py4j.java_gateway import JavaPackage

from mlbsdk.plugin import EnvironmentProblem
from mlbsdk_plugin_deequ import REQUIREMENTS, refuse_other_spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_VERSION = "SPARK_VERSION"


@contextlib.contextmanager
def deequ(spark: SparkSession) -> Iterator[None]:
    """Make PyDeequ usable inside, and close Python's callback server afterwards if it was opened there.

    PyDeequ opens the server for an assertion that is a Python function. Its thread is no daemon: a process with an open
    one never ends.

    Raises:
        EnvironmentProblem: Deequ is not in the session, or has no build for its Spark.
    """
    refuse_other_spark(".".join(spark.version.split(".")[:2]))
    gateway: Any = spark.sparkContext._gateway
    jvm: Any = spark.sparkContext._jvm
    if isinstance(jvm.com.amazon.deequ.VerificationSuite, JavaPackage):
        raise EnvironmentProblem(
            "the Spark session has no Deequ",
            fix=f"Let mlbsdk make the session, or make it with spark.jars.packages={REQUIREMENTS.packages[0]} and "
            f"spark.jars.excludes={REQUIREMENTS.session['spark.jars.excludes']}.",
        )
    _import(spark.version)
    was_open = _is_open(gateway)
    try:
        yield
    finally:
        if not was_open and _is_open(gateway):
            gateway.shutdown_callback_server()
            # Spark opens one of its own (for streams) only where it sees none, open or not.
            gateway._callback_server = None


def _is_open(gateway: Any) -> bool:
    server = gateway.get_callback_server()
    return server is not None and not server.is_shutdown


def _import(spark_version: str) -> None:
    """Import PyDeequ, which reads Spark's version from the environment and nowhere else."""
    before = os.environ.get(_VERSION)
    os.environ[_VERSION] = spark_version
    try:
        import pydeequ  # noqa: F401
    finally:
        if before is None:
            del os.environ[_VERSION]
        else:
            os.environ[_VERSION] = before
