"""What processes used: processor seconds and peak memory, from Linux's /proc; None or 0 where there is none."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LOOK_EVERY_S = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")


def peak_mb(pid: int) -> float | None:
    """Return the most memory that a process has held so far, or since :func:`forget_peak`."""
    return _status_mb(pid, "VmHWM")


def own_mb(pid: int) -> float | None:
    """Return the memory that a process holds now, without files that are mapped: the system takes these back."""
    return _status_mb(pid, "RssAnon")


def _status_mb(pid: int, field: str) -> float | None:
    try:
        found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return None
    return int(found[1]) / 1024 if found else None


def forget_peak(pid: int) -> bool:
    """Let a process's peak start again from what it holds now; return whether the system allows it."""
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def processor_s(pid: int) -> float:
    """Return the processor seconds of a process, with all its threads."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


@dataclass(frozen=True)
class Finished:
    """A program that ran to its end."""

    seconds: float
    processor: float
    """Processor seconds, of its children too, up to the last look at it."""
    python_mb: float
    java_mb: float
    """Most memory that a Python, and a Java, of it was seen to hold, without mapped files."""
    output: str


def run_program(command: list[str], timeout_s: float = 3600, environment: dict[str, str] | None = None) -> Finished:
    """Run a program as a user would, from its start to its end.

    Raises:
        RuntimeError: it failed; the message has its last line.
    """
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    )
    peaks = {"python": 0.0, "java": 0.0}
    used: dict[int, float] = {}
    ended = threading.Event()
    watching = threading.Thread(target=_watch, args=(process.pid, peaks, used, ended))
    watching.start()
    try:
        output, errors = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise RuntimeError(f"{Path(command[0]).name} took longer than {timeout_s:.0f} s") from None
    finally:
        ended.set()
        watching.join()
    seconds = time.perf_counter() - begun
    if process.returncode:
        last = (errors.strip() or output.strip() or "no output").splitlines()[-1]
        raise RuntimeError(f"{' '.join(command[:3])} ended with {process.returncode}: {last}")
    return Finished(seconds, sum(used.values()), peaks["python"], peaks["java"], output)


def run_for_json(command: list[str], timeout_s: float = 3600) -> dict[str, Any]:
    """Run a program and return the JSON object that it prints last."""
    found: dict[str, Any] = json.loads(run_program(command, timeout_s).output.strip().splitlines()[-1])
    return found


def _watch(pid: int, peaks: dict[str, float], used: dict[int, float], ended: threading.Event) -> None:
    """Note the memory and the processor seconds of a process and its children until the end.

    Not the system's own sum over children: nobody waits for Spark's Java, so that it would be missing.
    """
    while not ended.wait(_LOOK_EVERY_S):
        for one in (pid, *_descendants(pid)):
            kind = "java" if _name(one) == "java" else "python"
            peaks[kind] = max(peaks[kind], own_mb(one) or 0)
            used[one] = max(used.get(one, 0), processor_s(one))


def _descendants(pid: int) -> list[int]:
    try:
        listed = [(thread / "children").read_text() for thread in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []
    children = [int(child) for text in listed for child in text.split()]
    return [one for child in children for one in (child, *_descendants(child))]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
