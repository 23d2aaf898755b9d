"""S3 and what speaks its protocol, such as MinIO, for mlbsdk: everything at ``s3a://bucket/path``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlbsdk.plugin import SparkRequirements, Storage, StorageDecl, hookimpl, installed_spark

MLBSDK_PLUGIN_API = 1

# Of the Hadoop that Spark ships; it brings Amazon's SDK: 275 MB with Spark 3.5, 642 MB with 4.1.
_SPARK = SparkRequirements(packages=(f"org.apache.hadoop:hadoop-aws:{installed_spark().hadoop}",))


@hookimpl
def mlbsdk_storages() -> Iterable[StorageDecl]:
    """Buckets of S3 or MinIO."""
    return [StorageDecl(name="s3a", summary="Buckets of S3 or MinIO.", make=_storage, spark=_SPARK)]


def _storage(path: str, settings: Mapping[str, object]) -> Storage:
    from mlbsdk_plugin_s3.connection import Connection
    from mlbsdk_plugin_s3.settings import S3Settings
    from mlbsdk_plugin_s3.storage import S3Storage

    return S3Storage(Connection(path, S3Settings.of(settings)))
