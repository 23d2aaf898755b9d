"""The public suite of writers, run for those of this repository."""

from mlbsdk.testing.contracts.of_writers import *  # noqa: F403

CONTRACT_NAMES = ["delta", "parquet", "avro", "postgresql"]
