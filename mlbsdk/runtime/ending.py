"""When a stream ends: asked to stop, its condition met, or no capture for long."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Literal

from mlbsdk.runtime.until import Until

EndedBy = Literal["available", "until", "idle", "stop"]
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Ending:
    """Says whether a stream is to end after the running batch, and why.

    Args:
        stop: set by whoever wants the stream to stop.
        until: the condition to wait for, if any.
        idle_s: seconds without a capture after which the stream ends; None for never.
    """

    def __init__(self, stop: threading.Event, until: Until | None, idle_s: float | None) -> None:
        self.stop = stop
        self.until = until
        self.idle_s = idle_s
        self.has_looked = False
        self._busy = False
        self._last_capture = time.monotonic()
        self._signals = 0

    def reason(self) -> EndedBy | None:
        """Return why the stream is to end; None for going on."""
        if self.stop.is_set():
            return "stop"
        # What a stream saw before it was started again may be met, but there may be newer captures too.
        if self.until is not None and self.has_looked and self.until.is_met:
            return "until"
        # Nor is it idle while it lists a large folder for the first time.
        if self.idle_s is not None and self.has_looked and not self._busy and self.idle_for() > self.idle_s:
            return "idle"
        return None

    def idle_for(self) -> float:
        """Return the seconds since the last capture was written."""
        return time.monotonic() - self._last_capture

    def looked(self) -> None:
        """Note that the source was asked for what is new, and that is written; idle time counts from the first."""
        if not self.has_looked:
            self.has_looked = True
            self.saw_captures()

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Hold off the idle timeout while a batch is under way."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def saw_captures(self) -> None:
        """Begin to count the idle time anew."""
        self._last_capture = time.monotonic()

    # Signals

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """Have SIGINT and SIGTERM ask for the stop, and the second of them interrupt at once.

        Only a process's main thread can be told of signals; in another one this does nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        self.listen()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def listen(self) -> None:
        """Take the signals; a Spark session that is made takes SIGINT for itself, so once more after that."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                signal.signal(number, self._signalled)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        self.stop.set()
        if self._signals > 1:
            raise KeyboardInterrupt
