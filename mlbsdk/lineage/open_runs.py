"""Runs that are going on, each with a small file beside the journal, so that the next one can close those that crashed.

A file says which process on which machine a run is of. It goes when the run ends; one whose process is gone is of a
run that was killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from mlbsdk.hookspecs import Storage, StoredFile
from mlbsdk.lineage.context import JobRun
from mlbsdk.lineage.journal import events_newest_first
from mlbsdk.runtime.addresses import child
from mlbsdk.runtime.storage import read_text

_FOLDER = "lineage-open"
#: Whether a process of another machine still runs can't be asked: a run that gave no sign for so long is over.
_LONG = timedelta(hours=24)
_ENDS = ("COMPLETE", "FAIL", "ABORT")


@dataclass(frozen=True)
class Process:
    """A process, told from all others of all machines and times."""

    host: str
    boot: str
    """Of the machine's start; empty where it can't be told."""
    pid: int
    begun: str
    """When it began, in ticks since the machine's start; empty where it can't be told."""

    @classmethod
    def this(cls) -> Process:
        """Return the process that asks."""
        return cls(platform.node(), _boot(), os.getpid(), _begun(os.getpid()))

    def is_gone(self, seen_at: datetime) -> bool:
        """Whether it has ended, as far as can be told here; ``seen_at`` is when it last gave a sign."""
        here = Process.this()
        if self.host != here.host:
            return datetime.now(timezone.utc) - seen_at > _LONG
        if self.boot != here.boot:
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:  # it is another user's
            return False
        return _begun(self.pid) != self.begun


def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def _begun(pid: int) -> str:
    with contextlib.suppress(OSError, IndexError):
        # The name in parentheses may hold anything, so count from behind it.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    return ""


class OpenRun:
    """The file of one run that is going on.

    Args:
        location: the folder of the journal.
        storage: what keeps it.
        jobs: the runs that the run's events are of.
    """

    def __init__(self, location: str, storage: Storage, run_id: str, jobs: Sequence[JobRun]) -> None:
        self.storage = storage
        self.path = child(location, _FOLDER, f"{run_id}.json")
        self._jobs = [[job.run_id, job.namespace, job.job] for job in jobs]

    def begin(self) -> None:
        """Say that the run goes on; its START may not be with the backends yet."""
        self._write(is_told=False)

    def told(self) -> None:
        """Say that the run goes on, and that backends or their spools have its START; again as a sign of life."""
        self._write(is_told=True)

    def end(self) -> None:
        """Say that the run has ended."""
        self.storage.delete([self.path])

    def _write(self, is_told: bool) -> None:
        data = {"process": asdict(Process.this()), "told": is_told, "jobs": self._jobs}
        self.storage.write(self.path, json.dumps(data).encode())


@dataclass(frozen=True)
class CrashedRun:
    """A run whose process is gone."""

    path: str
    """Its file."""
    jobs: tuple[JobRun, ...]
    is_told: bool
    """Whether backends have its START."""

    def last_words(self, storage: Storage, location: str) -> tuple[list[str], list[str]]:
        """Return what the journal has of it: the START of its jobs, and its end where it came so far; as text."""
        wanted = {job.run_id for job in self.jobs}
        starts: dict[str, str] = {}
        ends: dict[str, str] = {}
        for line, event in events_newest_first(storage, location):
            run = event["run"]["runId"]
            if run in wanted:
                kept = starts if event["eventType"] == "START" else ends
                if event["eventType"] in ("START", *_ENDS):
                    kept.setdefault(run, line)
            if len(starts) == len(wanted):
                break
        in_order = [starts[job.run_id] for job in self.jobs if job.run_id in starts]
        return in_order, list(reversed(ends.values()))


@contextlib.contextmanager
def crashed_runs(location: str, storage: Storage) -> Iterator[list[CrashedRun]]:
    """Give the runs that are gone, alone among those who look for them; their files go afterwards."""
    folder = child(location, _FOLDER)
    if not _gone(storage, folder):
        yield []
        return
    try:
        with storage.locked(f"{folder}.lock", wait=False):
            found = _gone(storage, folder)
            yield found
            storage.delete([one.path for one in found])
    except BlockingIOError:  # another run closes them
        yield []


def _gone(storage: Storage, folder: str) -> list[CrashedRun]:
    found = []
    for file in storage.files(folder):
        data = _read(storage, file)
        if data is not None and Process(**data["process"]).is_gone(file.modified_at):
            jobs = tuple(JobRun(namespace, job, run_id) for run_id, namespace, job in data["jobs"])
            found.append(CrashedRun(file.path, jobs, bool(data["told"])))
    return found


def _read(storage: Storage, file: StoredFile) -> dict[str, Any] | None:
    """Return the content of a file; None for one that is gone meanwhile, or no such file."""
    if not file.path.endswith(".json"):
        return None
    try:
        data = json.loads(read_text(storage, file.path))
        Process(**data["process"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return dict(data) if {"jobs", "told"} <= set(data) else None
