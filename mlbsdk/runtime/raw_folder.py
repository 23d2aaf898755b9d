"""Raw stores of files: a folder of envelopes, or of Avro files. Files are written whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import re
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from mlbsdk.errors import RawSchemaError, SourceError, TargetUnwritableError
from mlbsdk.hookspecs import Storage
from mlbsdk.runtime.addresses import child, local_path
from mlbsdk.runtime.raw_capture import (
    FETCHED,
    RawCapture,
    RawRequest,
    StoredCapture,
    body_of,
    file_stamp,
    head_of,
    moment_of,
)
from mlbsdk.runtime.storage import DRAFT, LOCAL, storage_in

_HEAD_BYTES = 64 * 1024
_UNSAFE = re.compile(r"[^A-Za-z0-9._=,-]+")

AVRO_SCHEMA = {
    "type": "record",
    "name": "RawRow",
    "namespace": "mlbsdk",
    "fields": [
        {"name": "row_id", "type": "string"},
        {"name": "captured_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        *({"name": name, "type": "string"} for name in ("endpoint", "method", "params", "url")),
        {"name": "status_code", "type": "int"},
        {"name": "data", "type": "string"},
        {"name": FETCHED, "type": "string"},
    ],
}
_AVRO_INDEX = "mlbsdk.captures"


class Files:
    """The files of a store, on this machine or in an object store. All access to them is here.

    Raises:
        TargetUnwritableError: from :meth:`write` and :meth:`prepare`, where the place can't be written.
        SourceError: from :meth:`read` and :meth:`names`, where a file can't be read.
        StorageError: from all, where an object store refuses.
    """

    def __init__(self, address: str, storage: Storage = LOCAL) -> None:
        self._storage = storage
        self.root = str(local_path(address)) if storage.is_local else address.rstrip("/")

    def prepare(self) -> None:
        """Make the folder, and see that it can be written."""
        probe = f".probe-{os.getpid()}{DRAFT}"
        with self._writing():
            self._storage.check(self.root)
            self._storage.write(child(self.root, probe), b"")
            self._storage.delete([child(self.root, probe)])

    def names(self, folder: str, ending: str) -> list[str]:
        """Return the files in a folder of the store, those in folders below it left out; sorted."""
        place = child(self.root, *folder.split("/")) if folder else self.root
        with self.reading(folder):
            below = [file.path.removeprefix(place).lstrip("/") for file in self._storage.files(place)]
        return [name for name in below if name.endswith(ending) and "/" not in name and not name.startswith(".")]

    def open(self, name: str) -> IO[bytes]:
        """Open a file to read its bytes."""
        return self._storage.open(child(self.root, name))

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        with self.reading(name), self.open(name) as stream:
            return stream.read()

    def write(self, name: str, data: bytes) -> None:
        """Write a file; whoever lists the folder sees all of it or nothing."""
        with self._writing():
            self._storage.write(child(self.root, name), data)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            raise TargetUnwritableError(
                f"can't write captures to '{self.root}': {problem.strerror or problem}",
                fix="Check the folder's permissions and the free space; what was stored before is there.",
            ) from problem

    @contextlib.contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Say of what file an error is."""
        try:
            yield
        except OSError as problem:
            raise SourceError(f"can't read '{child(self.root, name)}': {problem.strerror or problem}") from problem


class FolderStore:
    """A folder of envelopes: ``{endpoint}/{method}/{when}_{parameters}_{digest}.json.gz``, a capture a file.

    Order by name is order by time. The newest capture of a request is found by names alone.
    """

    batch = 1

    def __init__(self, address: str, options: Mapping[str, object]) -> None:
        self._files = Files(address, storage_in(options))
        #: By folder and then by the part of names that tells requests apart, the newest name.
        self._names: dict[str, dict[str, str]] = {}

    def prepare(self) -> None:
        """Make the folder.

        Raises:
            TargetUnwritableError: it can't be written.
        """
        self._files.prepare()

    def append(self, captures: Sequence[RawCapture]) -> None:
        """Write captures, each whole or not at all.

        Raises:
            TargetUnwritableError: one can't be written; those before it are there.
        """
        for capture in captures:
            folder, name = _folder(capture.request), _file_name(capture)
            # mtime 0: the same capture gives the same bytes.
            self._files.write(f"{folder}/{name}", gzip.compress(capture.envelope().encode(), 6, mtime=0))
            if folder in self._names:
                self._note(folder, name)

    def newest(self, requests: Collection[RawRequest]) -> Mapping[str, StoredCapture]:
        """Return what is known of the newest capture of each request, by the request's key.

        Raises:
            SourceError: a file can't be read.
        """
        found = {}
        for request in requests:
            name = self._name(request)
            stored = self._stored(name, request) if name else None
            if stored is not None:
                found[request.key] = stored
        return found

    def body(self, request: RawRequest) -> str | None:
        """Return the response of the newest capture of a request; None where there is none.

        Raises:
            SourceError: the file can't be read.
        """
        name = self._name(request)
        return body_of(_text(name, self._files.read(name))) if name else None

    def _name(self, request: RawRequest) -> str | None:
        folder = _folder(request)
        if folder not in self._names:
            self._names[folder] = {}
            for name in self._files.names(folder, ".json.gz"):
                self._note(folder, name)
        newest = self._names[folder].get(_slug(request))
        return f"{folder}/{newest}" if newest else None

    def _note(self, folder: str, name: str) -> None:
        stamp, _, rest = name.partition("_")
        slug = rest.rpartition("_")[0]
        known = self._names[folder].get(slug)
        if stamp and slug and (known is None or name > known):
            self._names[folder][slug] = name

    def _stored(self, name: str, request: RawRequest) -> StoredCapture | None:
        with self._files.reading(name), self._files.open(name) as stream:
            head = head_of(_text(name, stream, _HEAD_BYTES))
        captured_at = moment_of(head.get("captured_at")) if head else None
        known = head.get(FETCHED) if head else None
        if captured_at is None or not isinstance(known, dict) or known.get("request") != request.key:
            return None
        return StoredCapture.of(captured_at, known)


class AvroStore:
    """A folder of Avro files, a batch of captures a file; a source ``avro:`` reads it.

    What is known of the captures of a file stands in its header, so that none is read to find the newest.
    """

    batch = 50

    def __init__(self, address: str, options: Mapping[str, object]) -> None:
        self._files = Files(address, storage_in(options))
        self._index: dict[str, tuple[StoredCapture, str, int]] | None = None

    def prepare(self) -> None:
        """Make the folder.

        Raises:
            TargetUnwritableError: it can't be written.
        """
        self._files.prepare()

    def append(self, captures: Sequence[RawCapture]) -> None:
        """Write captures as one file, whole or not at all.

        Raises:
            TargetUnwritableError: it can't be written.
        """
        from fastavro import parse_schema, writer

        if not captures:
            return
        index = json.dumps([{**one.fetched, "captured_at": one.captured_at.isoformat()} for one in captures])
        buffer = io.BytesIO()
        rows = [raw_row(capture) for capture in captures]
        writer(buffer, parse_schema(AVRO_SCHEMA), rows, codec="deflate", metadata={_AVRO_INDEX: index})
        content = buffer.getvalue()
        last = max(capture.captured_at for capture in captures)
        name = f"{file_stamp(last)}_{_digest(*(row['row_id'] for row in rows))}.avro"
        known = self._known()
        self._files.write(name, content)
        for position, capture in enumerate(captures):
            _keep(known, capture.request.key, capture.stored, name, position)

    def newest(self, requests: Collection[RawRequest]) -> Mapping[str, StoredCapture]:
        """Return what is known of the newest capture of each request; raises as :meth:`FolderStore.newest`."""
        known = self._known()
        return {request.key: known[request.key][0] for request in requests if request.key in known}

    def body(self, request: RawRequest) -> str | None:
        """Return the response of the newest capture of a request; raises as :meth:`FolderStore.body`."""
        from fastavro import reader

        if request.key not in self._known():
            return None
        _, name, position = self._known()[request.key]
        with self._files.open(name) as stream:
            rows: Iterator[Any] = iter(reader(stream))
            return next(str(row["data"]) for number, row in enumerate(rows) if number == position)

    def _known(self) -> dict[str, tuple[StoredCapture, str, int]]:
        if self._index is None:
            self._index = {}
            for name in self._files.names("", ".avro"):
                for position, entry in enumerate(self._header(name)):
                    captured_at = moment_of(entry.get("captured_at"))
                    stored = StoredCapture.of(captured_at, entry) if captured_at else None
                    if stored is not None:
                        _keep(self._index, str(entry.get("request")), stored, name, position)
        return self._index

    def _header(self, name: str) -> list[dict[str, Any]]:
        from fastavro import reader

        try:
            with self._files.open(name) as stream:
                text = reader(stream).metadata.get(_AVRO_INDEX)
            return list(json.loads(text)) if text else []
        except (OSError, ValueError, EOFError, IndexError) as problem:
            raise RawSchemaError(
                f"'{name}' in '{self._files.root}' can't be read as Avro: {problem}",
                fix="Move the file away; what others hold is not touched.",
            ) from problem


def raw_row(capture: RawCapture) -> dict[str, Any]:
    """Return a capture as the row of a raw table."""
    return {
        "row_id": _digest(capture.request.key, file_stamp(capture.captured_at), capture.digest),
        "captured_at": capture.captured_at,
        "endpoint": capture.request.endpoint,
        "method": capture.request.method,
        "params": capture.request.params,
        "url": capture.url,
        "status_code": capture.status_code,
        "data": capture.body,
        FETCHED: json.dumps(capture.fetched),
    }


def _keep(
    index: dict[str, tuple[StoredCapture, str, int]], key: str, stored: StoredCapture, name: str, position: int
) -> None:
    if key not in index or stored.captured_at >= index[key][0].captured_at:
        index[key] = (stored, name, position)


def _folder(request: RawRequest) -> str:
    return f"{_safe(request.endpoint)}/{_safe(request.method)}"


def _file_name(capture: RawCapture) -> str:
    content = _digest(capture.request.key, capture.body)
    return f"{file_stamp(capture.captured_at)}_{_slug(capture.request)}_{content[:8]}.json.gz"


def _slug(request: RawRequest) -> str:
    """Return the part of a file's name that tells requests apart: parameters for people, and a digest of all."""
    shown = ",".join(f"{name}={value}" for name, value in json.loads(request.params).items())
    return f"{_safe(shown)[:80]}-{_digest(request.key)[:8]}".lstrip("-")


def _safe(text: str) -> str:
    return _UNSAFE.sub("-", text).lstrip(".")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def _text(name: str, source: Any, size: int = -1) -> str:
    try:
        with gzip.open(io.BytesIO(source) if isinstance(source, bytes) else source) as stream:
            return stream.read(size).decode("utf-8", errors="ignore" if size >= 0 else "strict")
    except (OSError, EOFError, zlib.error, ValueError) as problem:
        raise SourceError(f"'{Path(name).name}' can't be read as a capture: {problem}") from problem
