"""The capture that a row comes from, found by its ``source_row_id`` and read without Spark."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from mlbsdk.errors import ConfigurationError, MlbsdkError, redact
from mlbsdk.hookspecs import RowFinder
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.addresses import child, split_address
from mlbsdk.runtime.captures import is_envelope, response_of
from mlbsdk.runtime.sources import BETWEEN_DOCUMENTS, JSON_LINES
from mlbsdk.runtime.storage import Storages, path_of_uri
from mlbsdk.writers import found
from mlbsdk.writers.lakehouse import Lakehouse
from mlbsdk.writers.stored import no_table

#: Bytes of a file, once it is unpacked, that are read to look into a capture.
MOST_BYTES = 256 * 1024 * 1024
_URI = re.compile(r"(file:|[a-z][a-z0-9+]*://|/)")
#: What ends the id of the second and later documents of a file.
_PART = re.compile(r"#([0-9A-Fa-f-]+)$")


@dataclass(frozen=True)
class CaptureFound:
    """What is known of a capture; None where nothing says."""

    row_id: str
    place: str
    """The file, or the raw table."""
    endpoint: str | None = None
    method: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    url: str | None = None
    status_code: int | None = None
    captured_at: str | None = None
    documents: tuple[Any, ...] = field(default=(), repr=False)
    """The responses that may be the row's: one, but of a file of JSON lines all."""
    problem: str = ""
    """Why nothing more is known."""


def capture_of(
    row_id: str, source_table: str, addresses: list[str], plugins: Plugins, storages: Storages
) -> CaptureFound:
    """Return what is known of a capture; what can't be read is told as its ``problem``.

    Args:
        row_id: ``source_row_id`` of a row.
        source_table: ``source_table`` of the row: the raw table's name in a database.
        addresses: where the raw table may be, the likeliest first: the source of the run, then the target.
        plugins: the loaded plugins.
        storages: the storages with the user's settings.
    """
    if _URI.match(row_id):
        try:
            return _of_file(row_id, storages)
        except (OSError, EOFError, ValueError, RecursionError, MlbsdkError) as problem:
            return CaptureFound(row_id, _file_of(row_id), problem=redact(str(problem)))
    problems = []
    for address in addresses:
        try:
            row = _raw_row(address, row_id, source_table, plugins, storages)
        except MlbsdkError as problem:
            problems.append(problem.message)
            continue
        if row is not None:
            return _of_row(row_id, f"{redact(address)} {source_table}", row)
        problems.append(f"'{redact(address)}' has no raw row '{row_id}'")
    told = "; ".join(problems) or "the run's report is gone, so it is not known where it read: name it with --source"
    return CaptureFound(row_id, source_table, problem=told)


def _file_of(row_id: str) -> str:
    """Return the path of the file that a raw row's id names."""
    plain = _PART.sub("", row_id)
    return path_of_uri(plain) if not plain.startswith("/") else unquote(plain)


def _of_file(row_id: str, storages: Storages) -> CaptureFound:
    path = _file_of(row_id)
    part = _PART.search(row_id)
    storage = storages.of(path)
    if not storage.exists(path):
        return CaptureFound(row_id, path, problem="the file is gone")
    with storage.open(path) as stream:
        data = _unpacked(stream, path)
    if path.lower().endswith(JSON_LINES):
        captures = [json.loads(line) for line in data.decode("utf-8-sig").split("\n") if line.strip()]
    else:
        parts = re.split(BETWEEN_DOCUMENTS, data.decode("utf-8-sig"))
        number = int(part[1]) if part and part[1].isdigit() and int(part[1]) < len(parts) else 0
        captures = [json.loads(parts[number])]
    told = _of_envelope(captures[0]) if len(captures) == 1 else {}
    return CaptureFound(row_id, path, documents=tuple(map(response_of, captures)), **told)


def _unpacked(stream: Any, path: str) -> bytes:
    import gzip

    opened = gzip.GzipFile(fileobj=stream) if path.lower().endswith(".gz") else stream
    data: bytes = opened.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"the file is larger than {MOST_BYTES // 1024 // 1024} MiB, so it was not looked into")
    return data


def _of_envelope(capture: Any) -> dict[str, Any]:
    """Return what an envelope says of its request."""
    if not is_envelope(capture):
        return {}
    params = {
        name: value
        for part in ("path_params", "query_params", "params")
        if isinstance(capture.get(part), dict)
        for name, value in capture[part].items()
    }
    return {
        "endpoint": _text(capture.get("endpoint")),
        "method": _text(capture.get("method")),
        "params": params,
        "url": _text(capture.get("url")),
        "status_code": capture.get("status_code") if isinstance(capture.get("status_code"), int) else None,
        "captured_at": _text(capture.get("captured_at")),
    }


def _raw_row(
    address: str, row_id: str, source_table: str, plugins: Plugins, storages: Storages
) -> Mapping[str, Any] | None:
    """Return a raw row; None where the table has none of the id.

    Raises:
        MlbsdkError: it can't be read.
    """
    scheme, rest = split_address(address, "file")
    problem: MlbsdkError | None = None
    for identity in ("row_id", "id"):
        try:
            rows = list(_rows(scheme, rest, source_table, {identity: row_id}, plugins, storages))
        except ConfigurationError as wrong:  # no such column
            problem = wrong
            continue
        return rows[0] if rows else None
    assert problem is not None
    raise problem


def _rows(
    scheme: str, rest: str, source_table: str, equal: Mapping[str, str], plugins: Plugins, storages: Storages
) -> Iterator[Mapping[str, Any]]:
    if scheme in ("delta", "parquet", "avro"):
        house = Lakehouse.of(rest, storages.options(rest))
        for path in dict.fromkeys([house.root, child(house.root, *source_table.split("."))]):
            if scheme == "delta" and house.is_delta(path):
                yield from found.in_delta(house, path, source_table, equal, 1)
                return
            files = [file for file in house.storage.files(path) if file.path.endswith(f".{scheme}")]
            if scheme != "delta" and files:
                yield from found.in_files(house.storage, files, path, scheme, source_table, equal, 1)
                return
        raise no_table(scheme, source_table, house.root)
    declared = plugins.writer(scheme)
    finder = plugins.call(declared, declared.make, rest, storages.options(rest))
    if not isinstance(finder, RowFinder):
        raise ConfigurationError(f"raw rows of '{scheme}' can't be looked up without Spark")
    try:
        with plugins.running(declared, f"reading {source_table}"):
            yield from finder.find_rows(source_table, equal, 1)
    finally:
        close = getattr(finder, "close", None)
        if close is not None:
            plugins.call(declared, close)


def _of_row(row_id: str, place: str, row: Mapping[str, Any]) -> CaptureFound:
    known = {name.lower(): value for name, value in row.items()}
    params = known.get("params")
    if isinstance(params, str):
        params = _json(params)
    if isinstance(params, list):  # a map, as Arrow gives it
        params = dict(params)
    data = known.get("data")
    capture = _json(data if isinstance(data, str) else bytes(data).decode()) if isinstance(data, str | bytes) else data
    moment = known.get("captured_at")
    envelope = _of_envelope(capture)
    own = {
        "endpoint": _text(known.get("endpoint")),
        "method": _text(known.get("method")),
        "params": params if isinstance(params, dict) else {},
        "url": _text(known.get("url")),
        "status_code": known.get("status_code") if isinstance(known.get("status_code"), int) else None,
        "captured_at": moment.isoformat() if isinstance(moment, datetime) else _text(moment),
    }
    told: dict[str, Any] = {name: value or envelope.get(name, value) for name, value in own.items()}
    return CaptureFound(row_id, place, documents=() if capture is None else (response_of(capture),), **told)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _text(value: object) -> str | None:
    """Return text for people; a URL without a password."""
    if value is None:
        return None
    text = str(value)
    return redact(text) if urlsplit(text).scheme else text
