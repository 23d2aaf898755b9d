"""The storage of ``s3a://`` paths: objects of one bucket."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from mlbsdk.plugin import ConfigurationError, StorageError, StoredFile
from mlbsdk_plugin_s3.connection import Connection, Credentials, store_failure

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

SCHEME = "s3a"
_GONE = ("NoSuchKey", "404", "NotFound")
#: Most objects that one request lists or deletes.
_MOST = 1000
_FIXED_KEYS = "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider"
_TEMPORARY_KEYS = "org.apache.hadoop.fs.s3a.TemporaryAWSCredentialsProvider"


class S3Storage:
    """Objects of one bucket as files. What goes wrong is raised as StorageError, within seconds where it is asked."""

    is_local = False

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.bucket = connection.bucket
        self._lock = threading.Lock()
        self._arrow: tuple[Credentials, FileSystem] | None = None

    def check(self, path: str) -> None:
        """List one object: that needs endpoint, credentials and bucket."""
        with self.connection.failures("ListObjectsV2"):
            self.connection.quick.list_objects_v2(Bucket=self.bucket, Prefix=self._key(path), MaxKeys=1)

    def exists(self, path: str) -> bool:
        """Return whether there is an object, or any below."""
        return self._head(path) is not None or next(self._below(path, 1), None) is not None

    def files(self, path: str) -> list[StoredFile]:
        """Return the object of this path, or all below, sorted."""
        found = [file for file in self._below(path) if not file.path.endswith("/")]
        own = None if found else self._head(path)
        return sorted(found, key=lambda file: file.path) if own is None else [own]

    def open(self, path: str) -> IO[bytes]:
        """Open an object to be read; what is read is fetched in parts."""
        system, name = self.arrow(path)
        try:
            return cast("IO[bytes]", io.BufferedReader(system.open_input_file(name), 1 << 20))
        except FileNotFoundError:
            raise
        except OSError as problem:
            raise store_failure(problem, self.bucket, "GetObject") from problem

    def write(self, path: str, data: bytes) -> None:
        """Put an object: readers see it whole, or what was there before."""
        with self.connection.failures("PutObject"):
            self.connection.client.put_object(Bucket=self.bucket, Key=self._key(path), Body=data)

    def move(self, path: str, to: str) -> None:
        """Copy an object within the store, then delete it."""
        source = {"Bucket": self.bucket, "Key": self._key(path)}
        with self.connection.failures("CopyObject"):
            try:
                self.connection.client.copy_object(CopySource=source, Bucket=self.bucket, Key=self._key(to))
            except ClientError as problem:
                if _code(problem) in _GONE:
                    raise FileNotFoundError(path) from problem
                raise
            self.connection.client.delete_object(**source)

    def delete(self, paths: Iterable[str]) -> None:
        """Delete objects, many with one request."""
        self._delete(self._key(path) for path in paths)

    def _delete(self, found: Iterable[str]) -> None:
        keys = iter(found)
        while some := list(islice(keys, _MOST)):
            wanted = {"Objects": [{"Key": key} for key in some], "Quiet": True}
            with self.connection.failures("DeleteObjects"):
                answer = self.connection.client.delete_objects(Bucket=self.bucket, Delete=wanted)
            for problem in answer.get("Errors", []):
                raise StorageError(
                    f"'{SCHEME}://{self.bucket}/{problem.get('Key')}' could not be deleted: {problem.get('Code')}",
                    fix="Give these credentials the right to delete, and run it again.",
                )

    def delete_folder(self, path: str) -> None:
        """Delete all objects below a path, and those that only stand for folders."""
        start = len(self.address_of(f"{self.bucket}/"))
        self._delete([file.path[start:] for file in self._below(path)])

    def locked(self, path: str, *, wait: bool = True) -> AbstractContextManager[Callable[[], None]]:
        """Hold a lease: see :mod:`mlbsdk_plugin_s3.lease`."""
        from mlbsdk_plugin_s3.lease import held

        return held(self.connection, self._key(path), wait=wait)

    def arrow(self, path: str) -> tuple[FileSystem, str]:
        """Return pyarrow's file system of S3; made anew when credentials are renewed."""
        from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

        connection, now = self.connection, self.connection.credentials()
        with self._lock:
            if self._arrow is None or self._arrow[0] != now:
                endpoint = urlsplit(connection.endpoint or "https://")
                made = S3FileSystem(
                    access_key=now.access_key,
                    secret_key=now.secret_key,
                    session_token=now.session_token,
                    region=connection.region,
                    endpoint_override=endpoint.netloc or None,
                    scheme=endpoint.scheme,
                    force_virtual_addressing=not connection.path_style,
                    connect_timeout=5,
                    request_timeout=60,
                    retry_strategy=AwsStandardS3RetryStrategy(max_attempts=4),
                )
                self._arrow = (now, made)
            return self._arrow[1], f"{self.bucket}/{self._key(path)}".rstrip("/")

    def address_of(self, name: str) -> str:
        """Return the path of ``bucket/key``."""
        return f"{SCHEME}://{name}"

    def delta_options(self, path: str) -> dict[str, str]:
        """Return delta-rs's options; commits are made only where there is none of that version yet."""
        connection, now = self.connection, self.connection.credentials()
        found = {
            "aws_access_key_id": now.access_key,
            "aws_secret_access_key": now.secret_key,
            "aws_region": connection.region,
            "aws_virtual_hosted_style_request": str(not connection.path_style).lower(),
            "aws_conditional_put": "etag",
            "connect_timeout": "5s",
            "timeout": "60s",
        }
        if now.session_token:
            found["aws_session_token"] = now.session_token
        if connection.endpoint:
            found |= {"aws_endpoint": connection.endpoint, "aws_allow_http": str(connection.is_http).lower()}
        return found

    def spark_settings(self, path: str) -> dict[str, str]:
        """Return Hadoop's settings of this bucket; Spark shows none whose name speaks of keys, secrets or tokens."""
        connection, now = self.connection, self.connection.credentials()
        found = {
            "endpoint.region": connection.region,
            "path.style.access": str(connection.path_style).lower(),
            "connection.ssl.enabled": str(not connection.is_http).lower(),
            # By itself Hadoop tries a request twenty times.
            "attempts.maximum": "4",
            "connection.establish.timeout": "5000",
            "connection.timeout": "60000",
        }
        if connection.endpoint:
            found["endpoint"] = connection.endpoint
        if now.java_provider:
            found["aws.credentials.provider"] = now.java_provider
        else:
            found["aws.credentials.provider"] = _TEMPORARY_KEYS if now.session_token else _FIXED_KEYS
            found |= {"access.key": now.access_key, "secret.key": now.secret_key}
            found |= {"session.token": now.session_token} if now.session_token else {}
        return {f"fs.s3a.bucket.{self.bucket}.{name}": value for name, value in found.items()}

    def _key(self, path: str) -> str:
        """Return the key of a path; it may hold any letter, also # and ?."""
        prefix = f"{SCHEME}://{self.bucket}"
        if path != prefix and not path.startswith(f"{prefix}/"):
            raise ConfigurationError(f"'{path}' is not in the bucket '{self.bucket}'")
        return path.removeprefix(prefix).strip("/")

    def _below(self, path: str, limit: int | None = None) -> Iterator[StoredFile]:
        """Give all objects below a path, also those that only stand for folders."""
        prefix = f"{self._key(path)}/".lstrip("/")
        more: dict[str, Any] = {"MaxKeys": limit or _MOST}
        with self.connection.failures("ListObjectsV2"):
            while True:
                page = self.connection.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, **more)
                for one in page.get("Contents", []):
                    address = self.address_of(f"{self.bucket}/{one['Key']}")
                    yield StoredFile(address, int(one["Size"]), one["LastModified"])
                if limit or not page.get("IsTruncated"):
                    return
                more["ContinuationToken"] = page["NextContinuationToken"]

    def _head(self, path: str) -> StoredFile | None:
        """Return the object of this path; None where there is none."""
        key = self._key(path)
        if not key:
            return None
        with self.connection.failures("HeadObject"):
            try:
                found = self.connection.client.head_object(Bucket=self.bucket, Key=key)
            except ClientError as problem:
                if _code(problem) in _GONE:
                    return None
                raise
        return StoredFile(path.rstrip("/"), int(found["ContentLength"]), found["LastModified"])


def _code(problem: ClientError) -> str:
    return str(problem.response.get("Error", {}).get("Code", ""))
