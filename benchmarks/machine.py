"""What the figures were taken on: cores, memory, load, versions, commit."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

_PACKAGES = ("pyspark", "deltalake", "pyarrow", "duckdb", "orjson", "mlbsdk")


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> str:
    """Return the machine's memory."""
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1024**3:.1f} GB of memory"
    except (ValueError, OSError):
        return "memory unknown"


def load() -> str:
    """Return the load averages over 1 and 5 minutes."""
    one, five, _ = os.getloadavg()
    return f"{one:.1f} {five:.1f}"


def described() -> str:
    """Return the machine in a line."""
    return f"{cores()} cores, {memory()}, {platform.system()} {platform.machine()}, load {load()}"


def versions(java: str) -> str:
    """Return the versions of what runs."""
    found = [f"{name} {_version(name)}" for name in _PACKAGES]
    return ", ".join([f"Python {platform.python_version()}", f"Java {java}", *found])


def commit() -> str:
    """Return the commit that is measured."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"
