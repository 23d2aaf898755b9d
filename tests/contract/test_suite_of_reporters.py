"""The public suite of lineage reporters, run for those of this repository."""

from mlbsdk.testing.contracts.of_reporters import *  # noqa: F403

CONTRACT_NAMES = ["atlas"]
