"""Captures read in plain Python, for tools that handle them without Spark."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from typing import IO, Any, cast

from mlbsdk.errors import SourceError
from mlbsdk.runtime.sources import BETWEEN_DOCUMENTS, JSON_LINES, FileSource
from mlbsdk.runtime.storage import storage_of


def documents(address: str) -> Iterator[tuple[str, Any]]:
    """Give (file, response) of every capture of a file, folder or glob; envelopes are opened.

    Decimal numbers come as their text, so that nothing of them is lost.

    Raises:
        SourceError: there are no captures, or one of them can't be read.
    """
    for file in capture_files(address):
        for _, text in texts(file):
            try:
                yield file, response_of(json.loads(text, parse_float=str))
            except (ValueError, RecursionError) as problem:
                raise SourceError(f"'{file}' can't be read as a capture: {problem}") from problem


def capture_files(address: str) -> list[str]:
    """Return the capture files of a file, folder or glob, sorted.

    Raises:
        SourceError: there is no such path, or no capture in it.
    """
    return FileSource(address, {}).files()


def texts(file: str) -> Iterator[tuple[str, str]]:
    """Give (name, JSON text) of every capture in a file; a file of several numbers them: ``day.jsonl#2``.

    Of a file of JSON lines one line at a time is in memory.

    Raises:
        SourceError: the file can't be read, or holds nothing.
    """
    try:
        is_empty = True
        for name, text in _lines(file) if file.lower().endswith(JSON_LINES) else _parts(file):
            is_empty = False
            yield name, text
    except (OSError, EOFError, zlib.error, ValueError) as problem:
        raise SourceError(f"'{file}' can't be read as a capture: {problem}") from problem
    if is_empty:
        raise SourceError(f"'{file}' is empty")


def _parts(file: str) -> Iterator[tuple[str, str]]:
    """Give what stands in a file, one document after another."""
    with _opened(file) as stream:
        parts = re.split(BETWEEN_DOCUMENTS, stream.read().decode("utf-8-sig"))
    for number, part in enumerate(parts, 1):
        if part.strip():
            yield (f"{file}#{number}" if len(parts) > 1 else file), part


def _lines(file: str) -> Iterator[tuple[str, str]]:
    """Give the lines of a file that hold something."""
    with _opened(file) as stream:
        # Python ends lines of text where JSON strings may go on, lines of bytes only at a line feed.
        line, number = stream.readline(), 1
        while line:
            following = stream.readline()
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            if text.strip():
                yield (f"{file}#{number}" if number > 1 or following else file), text
            line, number = following, number + 1


def _opened(file: str) -> IO[bytes]:
    stream = storage_of(file).open(file)
    return cast("IO[bytes]", gzip.open(stream)) if file.lower().endswith(".gz") else stream


def is_envelope(capture: Any) -> bool:
    """Whether a capture is an envelope of pymlb-statsapi or mlbsdk: the response is in it."""
    return isinstance(capture, dict) and (isinstance(capture.get("response"), dict) or _is_saved(capture))


def response_of(capture: Any) -> Any:
    """Return the response of a capture, bare or in an envelope."""
    if not is_envelope(capture):
        return capture
    return capture["data"] if _is_saved(capture) else capture["response"]


def envelope_of(capture: Any) -> dict[str, Any]:
    """Return what an envelope says of its response: endpoint, method, path_params, query_params, url, ...

    What pymlb-statsapi 1.4 saves has other names; they come as those of mlbsdk. Empty for a bare response.
    """
    if not is_envelope(capture):
        return {}
    if not _is_saved(capture):
        return {key: value for key, value in capture.items() if key != "response"}
    request, response = capture["metadata"]["request"], capture["metadata"].get("response")
    found = {ours: request.get(theirs) for ours, theirs in _SAVED_REQUEST.items()}
    return found | {"status_code": response.get("status_code") if isinstance(response, dict) else None}


_SAVED_REQUEST = {
    "endpoint": "endpoint_name",
    "method": "method_name",
    "path_params": "path_params",
    "query_params": "query_params",
    "url": "url",
    "captured_at": "timestamp",
}


def _is_saved(capture: dict[str, Any]) -> bool:
    metadata = capture.get("metadata")
    return isinstance(metadata, dict) and isinstance(metadata.get("request"), dict) and "data" in capture
