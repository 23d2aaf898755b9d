"""A lock in an object store: an object that only one process can make, and that it has to renew.

Amazon's S3 and MinIO make an object only where there is none (If-None-Match), and replace one only where it is still
the one that was seen (If-Match). The holder renews the object every few seconds; one that was not renewed for the time
of a lease is free. Ages are told by the store's own clock.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mlbsdk.plugin import StorageError, WriteError
from mlbsdk_plugin_s3.connection import Connection

#: After so many seconds without renewal a lock is free.
LEASE_S = 30.0
RENEWAL_S = 8.0
_POLL_S = 0.5
#: A store tells times in whole seconds: a lock may be this much younger than it looks.
_ROUNDED_S = 1.0
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
_GONE = ("NoSuchKey", "404", "NotFound")


@contextlib.contextmanager
def held(connection: Connection, key: str, *, wait: bool) -> Iterator[Callable[[], None]]:
    """Hold the lock of a key; gives a function that raises WriteError where it was lost.

    Raises:
        BlockingIOError: another holds it and ``wait`` is false. To tell a holder that lives from one that was killed
            takes until its next renewal, or the end of its lease.
        StorageError: the store can't be asked, or makes objects whatever the condition.
    """
    lease = _Lease(connection, key)
    lease.take(wait)
    ended = threading.Event()
    renewing = threading.Thread(target=lease.renew_until, args=(ended,), name="mlbsdk-lease", daemon=True)
    renewing.start()
    try:
        yield lease.check
    finally:
        ended.set()
        renewing.join()
        lease.release()


@dataclass(frozen=True)
class _Seen:
    """A lock as it is in the store."""

    etag: str
    token: str
    owner: str
    age_s: float


class _Lease:
    def __init__(self, connection: Connection, key: str) -> None:
        self.connection = connection
        self.place = {"Bucket": connection.bucket, "Key": key}
        self.key = key
        self._etag = ""
        self._until = 0.0
        self._lost = False

    def take(self, wait: bool) -> None:
        """Take the lock, when it is free."""
        first: _Seen | None = None
        while not self._put(IfNoneMatch="*"):
            seen = self._seen()
            if seen is None:
                continue
            if seen.age_s > LEASE_S + _ROUNDED_S and self._put(IfMatch=seen.etag):
                break
            first = first or seen
            if not wait and seen.etag != first.etag:
                raise BlockingIOError(seen.owner)
            time.sleep(_POLL_S)
        if self._put(IfNoneMatch="*"):
            raise StorageError(
                f"the store of the bucket '{self.connection.bucket}' can't keep two writers apart: "
                "it makes an object also where there is one",
                fix="Use a store that knows If-None-Match: Amazon's S3, or a MinIO of 2024 or later.",
            )

    def renew_until(self, ended: threading.Event) -> None:
        """Renew it again and again; a request that fails is tried again at the next turn."""
        while not ended.wait(RENEWAL_S) and not self._lost:
            try:
                self._lost = not self._put(IfMatch=self._etag)
            except (StorageError, BotoCoreError):
                continue

    def check(self) -> None:
        """Check that it is still held.

        Raises:
            WriteError: it is not.
        """
        if self._lost or time.monotonic() > self._until:
            raise WriteError(
                f"the lock 's3a://{self.connection.bucket}/{self.key}' was lost: this process slept, or had no "
                "connection, for too long, and another may write there now",
                fix="Nothing was published; run it again.",
            )

    def release(self) -> None:
        """Let go of it; one that may be another's already is left alone."""
        if self._lost or time.monotonic() > self._until - LEASE_S / 4:
            return
        with contextlib.suppress(StorageError), self.connection.failures("DeleteObject"):
            self.connection.client.delete_object(**self.place)

    def _put(self, **condition: str) -> bool:
        """Write the lock if the condition holds, and return whether it is ours then."""
        token, begun = uuid.uuid4().hex, time.monotonic()
        owner = f"process {os.getpid()} on {socket.gethostname()}"
        body = json.dumps({"owner": owner, "token": token}).encode()
        with self.connection.failures("PutObject"):
            try:
                answer = self.connection.client.put_object(Body=body, **self.place, **condition)
            except ClientError as problem:
                if _code(problem) not in (*_TAKEN, *_GONE):
                    raise
                # A request that was sent again finds what it wrote at first.
                seen = self._seen()
                if seen is None or seen.token != token:
                    return False
                self._etag = seen.etag
            else:
                self._etag = str(answer["ETag"])
        self._until = begun + LEASE_S
        return True

    def _seen(self) -> _Seen | None:
        """Return the lock as it is; None where there is none."""
        with self.connection.failures("GetObject"):
            try:
                answer: Any = self.connection.client.get_object(**self.place)
                found = json.loads(answer["Body"].read())
            except ClientError as problem:
                if _code(problem) in _GONE:
                    return None
                raise
            except ValueError:
                found = {}
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        age = (now - answer["LastModified"]).total_seconds()
        return _Seen(str(answer["ETag"]), str(found.get("token", "")), str(found.get("owner", "another process")), age)


def _code(problem: ClientError) -> str:
    return str(problem.response.get("Error", {}).get("Code", ""))
