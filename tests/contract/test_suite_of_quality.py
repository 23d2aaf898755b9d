"""The public suite of quality, run for those of this repository."""

from mlbsdk.runtime.spark_lines import installed_spark
from mlbsdk.testing.contracts.of_quality import *  # noqa: F403

#: Deequ has no build for Spark 4.
CONTRACT_NAMES = ["native", "deequ"] if installed_spark().name == "3.5" else ["native"]
