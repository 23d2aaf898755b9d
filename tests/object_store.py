"""A real object store for tests: MinIO where there is one, otherwise moto's server."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY

ACCESS_KEY, SECRET_KEY = "mlbsdk-tests", "a-secret-that-no-output-shows"
#: Of programs that could be told where MinIO is.
VARIABLE = "MLBSDK_TEST_MINIO"
_NUMBERS = itertools.count(1)


def minio() -> Path | None:
    """Return MinIO's program: the one that MLBSDK_TEST_MINIO names (``none`` for moto), of .tools/bin, or on PATH."""
    named = os.environ.get(VARIABLE)
    if named:
        return None if named == "none" else Path(named)
    own = REPOSITORY / ".tools" / "bin" / "minio"
    on_path = shutil.which("minio")
    return own if own.exists() else Path(on_path) if on_path else None


def description() -> str:
    """Return which store tests use, for pytest's header."""
    program = minio()
    if program is not None:
        return f"object store of tests: MinIO ({program})"
    return "object store of tests: moto's server (python3 dev.py minio builds MinIO)"


@dataclass(frozen=True)
class ObjectStore:
    """One store on a free port of loopback."""

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a process finds it."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> Any:
        """Return a client of the store."""
        import botocore.session

        session = botocore.session.Session()
        session.set_credentials(ACCESS_KEY, SECRET_KEY)
        return session.create_client("s3", endpoint_url=self.endpoint, region_name="us-east-1")

    def new_bucket(self) -> str:
        """Make an empty bucket and return its name."""
        name = f"test-{os.getpid()}-{next(_NUMBERS)}"
        self.client().create_bucket(Bucket=name)
        return name


@dataclass(frozen=True)
class Bucket:
    """A bucket of a store."""

    store: ObjectStore
    name: str

    def address(self, key: str) -> str:
        """Return the path of a key."""
        return f"s3a://{self.name}/{key}"

    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys of all objects, sorted; those that only stand for folders are left out."""
        pages = self.store.client().get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        found = (one["Key"] for page in pages for one in page.get("Contents", []))
        return sorted(key for key in found if not key.endswith("/"))

    def put(self, key: str, data: bytes) -> None:
        """Put an object."""
        self.store.client().put_object(Bucket=self.name, Key=key, Body=data)

    def get(self, key: str) -> bytes:
        """Return an object's content."""
        return bytes(self.store.client().get_object(Bucket=self.name, Key=key)["Body"].read())

    def rows(self, address: str, table: str) -> list[dict[str, Any]]:
        """Return the rows of a table of a target; none where there is no table. Only Avro is read by Spark."""
        import pyarrow.dataset as ds
        from deltalake import DeltaTable
        from pyarrow.fs import S3FileSystem
        from pyspark.sql import SparkSession

        scheme, _, path = address.partition(":")
        prefix = f"{path.removeprefix(f's3a://{self.name}/')}/{table.replace('.', '/')}/"
        keys = [key for key in self.keys(prefix) if key.endswith(f".{'avro' if scheme == 'avro' else 'parquet'}")]
        if not keys:
            return []
        if scheme == "delta":
            options = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "aws_region": "us-east-1"}
            options |= {"aws_endpoint": self.store.endpoint, "aws_allow_http": "true"}
            return list(
                DeltaTable(f"s3://{self.name}/{prefix}", storage_options=options).to_pyarrow_table().to_pylist()
            )
        if scheme == "avro":
            # fastavro asks for one more library to read what is compressed with snappy.
            folder = SparkSession.active().read.format("avro").load(self.address(prefix))
            return [row.asDict(True) for row in folder.collect()]
        endpoint = self.store.endpoint.removeprefix("http://")
        system = S3FileSystem(
            access_key=ACCESS_KEY, secret_key=SECRET_KEY, endpoint_override=endpoint, scheme="http", region="us-east-1"
        )
        files, base = [f"{self.name}/{key}" for key in keys], f"{self.name}/{prefix}".rstrip("/")
        partitions = ds.HivePartitioning.discover(infer_dictionary=False)
        found = ds.dataset(files, filesystem=system, partitioning=partitions, partition_base_dir=base)
        return list(found.to_table().to_pylist())


@contextmanager
def running() -> Iterator[ObjectStore]:
    """Give a store that runs, and end it."""
    program, port = minio(), _free_port()
    with tempfile.TemporaryDirectory(prefix="mlbsdk-objects-", ignore_cleanup_errors=True) as folder:
        command = (
            [str(program), "server", folder, "--address", f"127.0.0.1:{port}", "--quiet"]
            if program is not None
            else [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        )
        environment = os.environ | {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY, "HOME": folder}
        with (Path(folder).parent / f"{Path(folder).name}.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        store = ObjectStore(f"http://127.0.0.1:{port}")
        try:
            _wait_for(store, process)
            yield store
        finally:
            process.terminate()
            process.wait(30)
            with contextlib.suppress(OSError):
                Path(log.name).unlink()


def _wait_for(store: ObjectStore, process: subprocess.Popen[bytes]) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    client, deadline = store.client(), time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            client.list_buckets()
        except (BotoCoreError, ClientError):
            if process.poll() is not None:
                raise RuntimeError(f"the object store ended with {process.returncode}") from None
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the object store does not come up")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
