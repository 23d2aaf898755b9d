"""How a workflow goes on, for a person: a line for each step that ends, and on a terminal one for those that run."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_SHOWN = 3


class Progress:
    """Shows steps on standard error; nothing where ``quiet``."""

    def __init__(self, quiet: bool = False) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)
        self._quiet = quiet
        self._running: dict[str, float] = {}
        self._ended = 0
        self._lock = threading.Lock()
        self._status = None if quiet or not sys.stderr.isatty() else self._console.status("")

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the line of running steps while in the context."""
        if self._status is None:
            yield
            return
        from rich.text import Text

        done = threading.Event()

        def keep_time() -> None:
            while not done.wait(0.5):
                assert self._status is not None
                self._status.update(Text(self._now()))

        with self._status:
            thread = threading.Thread(target=keep_time, daemon=True)
            thread.start()
            try:
                yield
            finally:
                done.set()
                thread.join()

    def begun(self, node: str) -> None:
        """A step begins."""
        with self._lock:
            self._running[node] = time.monotonic()

    def ended(self, node: str, how: str) -> None:
        """A step ended, was skipped or is known to be done."""
        with self._lock:
            begun = self._running.pop(node, None)
            self._ended += 1
        took = f" {time.monotonic() - begun:7.1f} s" if begun is not None else " " * 10
        self._say(f"{how:12}{took}  {node}")

    def note(self, text: str) -> None:
        """Something worth saying happened."""
        self._say(text)

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._console.print(text)

    def _now(self) -> str:
        with self._lock:
            running = [f"{node} {time.monotonic() - begun:.0f} s" for node, begun in self._running.items()]
            ended = self._ended
        more = f" and {len(running) - _SHOWN} more" if len(running) > _SHOWN else ""
        return f"{ended} steps done; running: {', '.join(running[:_SHOWN]) or 'none'}{more}"
