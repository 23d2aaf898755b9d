"""The public suite of quality, run for those of this repository."""

from mlbsdk.testing.contracts.of_quality import *  # noqa: F403

CONTRACT_NAMES = ["native", "deequ"]
