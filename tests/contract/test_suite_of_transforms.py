"""The public suite of transforms, run for those of this repository."""

from mlbsdk.testing.contracts.of_transforms import *  # noqa: F403

CONTRACT_NAMES = ["game.linescore"]
