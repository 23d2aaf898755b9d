"""The public suite of sources, run for those of this repository."""

from mlbsdk.testing.contracts.of_sources import *  # noqa: F403

CONTRACT_NAMES = ["file"]
