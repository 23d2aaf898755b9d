"""What Spark notes in a checkpoint of each micro-batch: when it was triggered, and which files it reads.

``offsets/N`` holds a version, a JSON object and a line for each source; ``sources/S/K`` holds a version and a JSON
object for each file of that source's offset K, ``sources/S/K.compact`` those of all offsets up to K.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from mlbsdk.hookspecs import Storage
from mlbsdk.runtime.addresses import child
from mlbsdk.runtime.storage import path_of_uri, read_text

_VERSION = "v1"
_NONE = "-"


def triggered_at(storage: Storage, checkpoint: str, batch_id: int) -> datetime:
    """Return when Spark began to look for a batch.

    Raises:
        ValueError: Spark wrote it otherwise than is known here.
        OSError: it can't be read.
    """
    head = json.loads(_lines(storage, child(checkpoint, "offsets", str(batch_id)))[0])
    try:
        return datetime.fromtimestamp(head["batchTimestampMs"] / 1000, timezone.utc)
    except (KeyError, TypeError) as problem:
        raise ValueError(f"offsets/{batch_id} has no time") from problem


def files_of(storage: Storage, checkpoint: str, batch_id: int) -> tuple[str, ...]:
    """Return the files of a batch; none where sources are no files.

    Spark passes over those that it can't read, so this list is what tells that they were there.

    Raises:
        ValueError: Spark wrote it otherwise than is known here.
        OSError: it can't be read.
    """
    after = _offsets(storage, checkpoint, batch_id - 1) if batch_id else []
    upto = _offsets(storage, checkpoint, batch_id)
    found: dict[str, None] = {}
    for source, last in enumerate(upto):
        first = after[source] if source < len(after) else -1
        for entry in _entries(storage, child(checkpoint, "sources", str(source)), first, last):
            if first < entry["batchId"] <= last:
                found[path_of_uri(entry["path"])] = None
    return tuple(found)


def _offsets(storage: Storage, checkpoint: str, batch_id: int) -> list[int]:
    """Return the offset of each file source that a batch ends with; -1 for none."""
    offsets = [
        None if line == _NONE else json.loads(line)
        for line in _lines(storage, child(checkpoint, "offsets", str(batch_id)))[1:]
    ]
    return [offset.get("logOffset", -1) if isinstance(offset, dict) else -1 for offset in offsets]


def _entries(storage: Storage, log: str, first: int, last: int) -> Iterator[Any]:
    """Give the files of a source's offsets after ``first`` up to ``last``, and maybe others."""
    if last <= first:
        return
    for path in [file.path for file in storage.files(log)]:
        number, _, kind = path.rpartition("/")[2].partition(".")
        if number.isdigit() and kind in ("", "compact") and (first < int(number) <= last or kind == "compact"):
            yield from map(json.loads, _lines(storage, path))


def _lines(storage: Storage, path: str) -> list[str]:
    version, *lines = read_text(storage, path).splitlines()
    if version != _VERSION:
        raise ValueError(f"{path} has version '{version}'")
    return lines
