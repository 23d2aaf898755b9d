"""Captures read in plain Python, for tools that look at a few of them without Spark."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlbsdk.errors import SourceError
from mlbsdk.runtime.sources import JSON_LINES, FileSource


def documents(address: str) -> Iterator[tuple[str, Any]]:
    """Give (file, response) of every capture of a file, folder or glob; envelopes are opened.

    Decimal numbers come as their text, so that nothing of them is lost.

    Raises:
        SourceError: there are no captures, or one of them can't be read.
    """
    for file in FileSource(address, {}).files():
        try:
            data = Path(file).read_bytes()
            text = (gzip.decompress(data) if file.lower().endswith(".gz") else data).decode("utf-8-sig")
            parts = text.splitlines() if file.lower().endswith(JSON_LINES) else [text]
            for part in filter(str.strip, parts):
                yield file, _response(json.loads(part, parse_float=str))
        except (OSError, EOFError, zlib.error, ValueError) as problem:
            raise SourceError(f"'{file}' can't be read as a capture: {problem}") from problem


def _response(found: Any) -> Any:
    is_envelope = isinstance(found, dict) and isinstance(found.get("response"), dict)
    return found["response"] if is_envelope else found
