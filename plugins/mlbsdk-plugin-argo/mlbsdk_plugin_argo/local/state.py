"""What the local runner remembers: which steps are done, so that they are not run again.

A folder for each manifest with its parameters. ``journal.jsonl`` has a line for each beginning and each end of a step;
the last line may be cut off by a crash, and is then as if it were not there.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from mlbsdk.plugin import ConfigurationError

_SECONDS_TO_END = 30.0


@dataclass(frozen=True)
class Done:
    """How a step that is done ended well."""

    outputs: dict[str, str] = field(default_factory=dict)
    result: str | None = None


class State:
    """The memory of one workflow: of one manifest with one set of parameters.

    Args:
        folder: where the state of all workflows is kept.
        document: the manifest.
        parameters: its parameters, with all that was given.
        again: forget what was done.

    Raises:
        ConfigurationError: another process runs the same workflow.
    """

    def __init__(
        self, folder: Path, document: Mapping[str, Any], parameters: Mapping[str, str], again: bool = False
    ) -> None:
        text = json.dumps([document, dict(parameters)], sort_keys=True)
        self.folder = folder.expanduser().absolute() / hashlib.sha256(text.encode()).hexdigest()[:16]
        self.volumes = self.folder.parent / "volumes"
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # logs may hold what nobody else should read
        self._lock = self._locked()
        if again:
            self._forget()
        self._writing = threading.Lock()
        self._done: dict[str, Done] = {}
        self._begun: dict[str, float] = {}
        running: dict[str, tuple[int, str]] = {}
        for entry in self._entries():
            key = entry["node"]
            if entry["event"] == "begun":
                self._begun.setdefault(key, entry["at"])
                if entry.get("pid"):
                    running[key] = (entry["pid"], entry["process"])
            else:
                running.pop(key, None)
            if entry["event"] == "succeeded":
                self._done[key] = Done(entry["outputs"], entry["result"])
        for pid, process in running.values():
            _end_left_over(pid, process)
        self.workflow = self._workflow(document, parameters)
        self._journal: TextIO = (self.folder / "journal.jsonl").open("a", encoding="utf-8")

    def close(self) -> None:
        """Let others run the workflow."""
        self._journal.close()
        self._lock.close()

    def done(self, node: str, digest: str) -> Done | None:
        """Return how a step ended that was done with the same inputs; None where it is to be run."""
        return self._done.get(f"{node}#{digest}")

    def begun_at(self, node: str, digest: str) -> float:
        """Return when a step first began, in seconds of the epoch, and remember it where it begins now."""
        key = f"{node}#{digest}"
        if key not in self._begun:
            self._begun[key] = time.time()
            self._write({"event": "begun", "node": key, "at": self._begun[key]})
        return self._begun[key]

    def begin(self, node: str, digest: str, pid: int) -> None:
        """Remember the process of a step, to end it should this process be killed and it goes on."""
        entry = {"event": "begun", "node": f"{node}#{digest}", "at": time.time(), "pid": pid, "process": identity(pid)}
        self._write(entry)

    def end(self, node: str, digest: str, done: Done | None) -> None:
        """Remember how a step ended; None where it failed or was stopped."""
        key = f"{node}#{digest}"
        if done is None:
            self._write({"event": "ended", "node": key})
        else:
            self._done[key] = done
            self._write({"event": "succeeded", "node": key, "outputs": done.outputs, "result": done.result})

    def finish(self, status: str) -> None:
        """Remember how the whole workflow ended."""
        self.workflow["status"] = status
        self.workflow["finished_at"] = time.time()
        self._save()

    def scratch(self, node: str) -> Path:
        """Return the folder that a step has for itself."""
        return self.folder / "nodes" / slug(node)

    def log(self, node: str, attempt: int) -> Path:
        """Return the beginning of the names of a step's logs, to which ``.out`` and ``.err`` are added."""
        folder = self.folder / "logs"
        folder.mkdir(exist_ok=True)
        return folder / f"{slug(node)}.{attempt}"

    def _locked(self) -> TextIO:
        lock = (self.folder / "lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            lock.close()
            raise ConfigurationError(
                "another process runs this workflow", where=str(self.folder), fix="Wait for it, or stop it."
            ) from problem
        return lock

    def _forget(self) -> None:
        for name in ("nodes", "logs"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("journal.jsonl", "workflow.json"):
            (self.folder / name).unlink(missing_ok=True)

    def _entries(self) -> list[dict[str, Any]]:
        path = self.folder / "journal.jsonl"
        if not path.exists():
            return []
        whole = path.read_bytes()
        kept = whole[: whole.rfind(b"\n") + 1]
        if kept != whole:
            os.truncate(path, len(kept))  # a crash cut off the last line; the next one must not be joined to it
        return [json.loads(line) for line in kept.decode("utf-8").splitlines()]

    def _workflow(self, document: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
        path = self.folder / "workflow.json"
        if path.exists():
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return found
        metadata = document.get("metadata") or {}
        name = metadata.get("name") or f"{metadata.get('generateName', 'workflow-')}{self.folder.name[:5]}"
        self.workflow = {
            "version": 1,
            "uid": str(uuid.uuid4()),
            "name": name,
            "created_at": time.time(),
            "parameters": dict(parameters),
            "status": "Running",
        }
        self._save()
        return self.workflow

    def _save(self) -> None:
        path = self.folder / "workflow.json"
        new = path.with_suffix(".new")
        new.write_text(json.dumps(self.workflow), encoding="utf-8")
        new.replace(path)

    def _write(self, entry: Mapping[str, Any]) -> None:
        with self._writing:
            self._journal.write(json.dumps(entry) + "\n")
            self._journal.flush()
            os.fsync(self._journal.fileno())


def slug(node: str) -> str:
    """Return a file name for a step: readable, and no two steps have the same."""
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", node).strip("-.")[-80:]
    return f"{readable}-{hashlib.sha256(node.encode()).hexdigest()[:8]}"


def identity(pid: int) -> str:
    """Return what tells a process from a later one with the same number; empty where the system does not say."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]  # when it began, in ticks since the machine did


def _end_left_over(pid: int, process: str) -> None:
    """End a step's process that outlived the runner that began it: two would write the same."""
    if not process or identity(pid) != process:
        return
    for ending in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(pid, ending)
        except ProcessLookupError:
            return
        until = time.monotonic() + _SECONDS_TO_END
        while time.monotonic() < until:
            if identity(pid) != process:
                return
            time.sleep(0.1)
