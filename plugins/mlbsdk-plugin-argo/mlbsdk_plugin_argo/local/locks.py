"""Mutexes and semaphores of a workflow that runs on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mlbsdk_plugin_argo.local.process import Interrupted

_POLL_SECONDS = 0.1


class Locks:
    """Mutexes by name, semaphores by ``CONFIGMAP/KEY`` with how many may hold each; one where nothing is said."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = limits
        self._locks: dict[str, threading.Semaphore] = {}
        self._making = threading.Lock()

    @contextmanager
    def held(self, synchronization: Mapping[str, Any] | None, stop: threading.Event) -> Iterator[None]:
        """Hold what a step's ``synchronization`` names while in the context.

        Raises:
            Interrupted: the workflow was stopped before all were free.
        """
        part = synchronization or {}
        names = {f"mutex {one['name']}": 1 for one in part.get("mutexes") or []}
        for one in part.get("semaphores") or []:
            name = f"{one['configMapKeyRef']['name']}/{one['configMapKeyRef']['key']}"
            names[f"semaphore {name}"] = self._limits.get(name, 1)
        taken: list[threading.Semaphore] = []
        try:
            # In one order for all, so that two steps never wait for each other.
            for name in sorted(names):
                lock = self._lock(name, names[name])
                acquire(lock, stop)
                taken.append(lock)
            yield
        finally:
            for lock in reversed(taken):
                lock.release()

    def _lock(self, name: str, limit: int) -> threading.Semaphore:
        with self._making:
            return self._locks.setdefault(name, threading.Semaphore(limit))


def acquire(lock: threading.Semaphore, stop: threading.Event) -> None:
    """Take a lock when it is free.

    Raises:
        Interrupted: the workflow was stopped before.
    """
    while not lock.acquire(timeout=_POLL_SECONDS):
        if stop.is_set():
            raise Interrupted
    if stop.is_set():
        lock.release()
        raise Interrupted
