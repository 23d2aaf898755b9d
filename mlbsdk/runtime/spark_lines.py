"""The lines of Spark that mlbsdk runs on, and what goes with each: one table of jars, Java and folders.

Nothing here imports pyspark: plugins ask when they declare what they need.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import metadata

from mlbsdk.errors import EnvironmentProblem


@dataclass(frozen=True, kw_only=True)
class SparkLine:
    """One line of Spark, such as 3.5, with the builds that go with all its versions."""

    name: str
    """Its version without the last part, such as ``3.5``."""
    scala: str
    """Scala's binary version, which ends the names of jars, such as ``2.12``."""
    hadoop: str
    """The Hadoop that pyspark of this line ships."""
    java: tuple[str, ...]
    """Major versions of Java that run both Spark and its connectors, oldest first."""
    wants_vectors: bool
    """Whether it starts Java with the module ``jdk.incubator.vector``."""
    delta: str
    """Maven coordinates of Delta Lake."""
    avro: str
    """Maven coordinates of Spark's reader and writer of Avro."""
    jar_folder: str
    """The folder in the user's home that jars are fetched into."""


SPARK_LINES = (
    SparkLine(
        name="3.5",
        scala="2.12",
        hadoop="3.3.4",
        java=("11", "17"),
        wants_vectors=False,
        delta="io.delta:delta-spark_2.12:3.3.2",
        avro="org.apache.spark:spark-avro_2.12:3.5.7",
        jar_folder=".ivy2",
    ),
    SparkLine(
        name="4.1",
        scala="2.13",
        hadoop="3.4.2",
        java=("17",),
        wants_vectors=True,
        # From 4.1 on Delta has a build for each line of Spark; the one without a line in its name is for another.
        delta="io.delta:delta-spark_4.1_2.13:4.4.0",
        avro="org.apache.spark:spark-avro_2.13:4.1.1",
        jar_folder=".ivy2.5.2",
    ),
)


def installed_spark() -> SparkLine:
    """Return the line of the pyspark that is installed, without importing it.

    Where it is none of ours, or missing, the first is returned, so that plugins can be listed; a session then refuses.
    """
    return line_of(_installed_version()) or SPARK_LINES[0]


@cache
def _installed_version() -> str:
    try:
        return metadata.version("pyspark")
    except metadata.PackageNotFoundError:
        return ""


def line_of(version: str) -> SparkLine | None:
    """Return the line that a version of Spark is of; None where mlbsdk does not run on it."""
    return next((line for line in SPARK_LINES if version.startswith(f"{line.name}.")), None)


def refuse_other_spark(version: str) -> None:
    """Refuse a Spark that mlbsdk does not run on.

    Raises:
        EnvironmentProblem: it is of another line.
    """
    if line_of(version) is None:
        known = " or ".join(line.name for line in SPARK_LINES)
        raise EnvironmentProblem(f"mlbsdk runs on Spark {known}, and this is {version}", fix=f"{INSTALL}.")


INSTALL = "pip install 'pyspark>=3.5.3,<3.6' 'delta-spark<4', or 'pyspark>=4.1,<4.2' 'delta-spark>=4.4,<4.5'"
"""What installs one of them."""
