"""Lines of events that are kept: the journal of all runs, and the events that a backend has still to get.

On this machine's disk lines are added to a file, ``NAME.jsonl``; in an object store, where no file can grow, to objects
below ``NAME/``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mlbsdk.hookspecs import Storage
from mlbsdk.runtime.addresses import child
from mlbsdk.runtime.storage import read_text

JOURNAL = "lineage"
#: The journal is two files of at most about this size, or objects of twice that in all; the newest events are kept.
MOST_BYTES = 32 * 1024 * 1024


class Lines:
    """Lines that are added one by one to what is kept under a name."""

    def __init__(self, storage: Storage, path: str) -> None:
        self.storage = storage
        self.path = path
        self._waiting: list[str] = []

    def add(self, line: str) -> None:
        """Add a line; on this machine's disk it is there at once."""
        if not self.storage.is_local:
            self._waiting.append(line)
            return
        file = Path(f"{self.path}.jsonl")
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as out:
            out.write(line + "\n")

    def save(self) -> None:
        """Put the lines that were added since the last time into an object of their own; names sort by time."""
        if self._waiting:
            text = "".join(f"{line}\n" for line in self._waiting)
            self.storage.write(child(self.path, f"{time.time_ns()}.jsonl"), text.encode())
            self._waiting.clear()


def journal(storage: Storage, location: str) -> Lines:
    """Return the journal of a location, shortened where it has grown long."""
    path = child(location, JOURNAL)
    if storage.is_local:
        _rotate(storage, Path(f"{path}.jsonl"))
    else:
        _drop_oldest(storage, path)
    return Lines(storage, path)


def _rotate(storage: Storage, file: Path) -> None:
    """Begin a new file where this one is large; the one before the last goes."""
    if not _is_large(file):
        return
    try:
        with storage.locked(f"{file}.lock", wait=False):
            if _is_large(file):
                file.replace(file.with_name(f"{JOURNAL}-1.jsonl"))
    except BlockingIOError:  # another run does it
        return


def _is_large(file: Path) -> bool:
    return file.exists() and file.stat().st_size > MOST_BYTES


def _drop_oldest(storage: Storage, path: str) -> None:
    total = 0
    old = []
    for one in reversed(storage.files(path)):
        total += one.size
        if total > 2 * MOST_BYTES:
            old.append(one.path)
    storage.delete(old)


def journal_files(storage: Storage, location: str) -> list[str]:
    """Return the files of the journal, the oldest first."""
    if storage.is_local:
        names = (f"{JOURNAL}-1.jsonl", f"{JOURNAL}.jsonl")
        return [child(location, name) for name in names if storage.exists(child(location, name))]
    return [file.path for file in storage.files(child(location, JOURNAL))]


def events_newest_first(storage: Storage, location: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the events of the journal from the newest back, as text and as data."""
    for file in reversed(journal_files(storage, location)):
        yield from _events(reversed(read_text(storage, file).splitlines()))


def events_oldest_first(storage: Storage, location: str) -> Iterator[dict[str, Any]]:
    """Give the events of the journal in the order in which they were told."""
    for file in journal_files(storage, location):
        yield from (event for _, event in _events(read_text(storage, file).splitlines()))


def lines_of(storage: Storage, file: str) -> list[str]:
    """Return the events of a file; the last line of a killed run may be half written."""
    return [line for line, _ in _events(read_text(storage, file).splitlines())]


def _events(lines: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give lines that are whole, each parsed once and only when it is asked for."""
    for line in lines:
        if not line.endswith("}"):
            continue
        try:
            event = json.loads(line)
        except ValueError:
            continue
        yield line, event
