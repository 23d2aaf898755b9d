"""S3 and what speaks its protocol, such as MinIO, for mlbsdk: everything at ``s3a://bucket/path``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlbsdk.plugin import SparkRequirements, Storage, StorageDecl, hookimpl

MLBSDK_PLUGIN_API = 1

# The line of Hadoop that Spark 3.5 is built with; it brings Amazon's SDK, 275 MB.
_SPARK = SparkRequirements(packages=("org.apache.hadoop:hadoop-aws:3.3.4",))


@hookimpl
def mlbsdk_storages() -> Iterable[StorageDecl]:
    """Buckets of S3 or MinIO."""
    return [StorageDecl(name="s3a", summary="Buckets of S3 or MinIO.", make=_storage, spark=_SPARK)]


def _storage(path: str, settings: Mapping[str, object]) -> Storage:
    from mlbsdk_plugin_s3.connection import Connection
    from mlbsdk_plugin_s3.settings import S3Settings
    from mlbsdk_plugin_s3.storage import S3Storage

    return S3Storage(Connection(path, S3Settings.of(settings)))
