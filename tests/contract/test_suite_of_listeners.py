"""The public suite of listeners, run for those of this repository."""

from mlbsdk.testing.contracts.of_listeners import *  # noqa: F403

CONTRACT_NAMES = ["openlineage"]
