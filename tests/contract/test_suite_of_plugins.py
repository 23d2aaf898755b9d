"""The public suite of plugins, run for those of this repository."""

from mlbsdk.testing.contracts.of_plugins import *  # noqa: F403

CONTRACT_NAMES = [
    "mlbsdk",
    "mlbsdk-plugin-atlas",
    "mlbsdk-plugin-deequ",
    "mlbsdk-plugin-game",
    "mlbsdk-plugin-postgres",
    "mlbsdk-plugin-s3",
]
