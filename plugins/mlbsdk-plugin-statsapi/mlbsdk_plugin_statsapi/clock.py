"""Time, so that tests can have their own."""

from __future__ import annotations

import time
from datetime import datetime, timezone


class Clock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the moment, UTC."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class Pace:
    """Keeps requests apart, so that there are never more than so many a second.

    Args:
        per_second: requests a second.
        clock: where time comes from.
    """

    def __init__(self, per_second: float, clock: Clock) -> None:
        self._apart = 1 / per_second
        self._clock = clock
        self._next = float("-inf")

    def wait(self) -> None:
        """Wait until the next request may be sent."""
        now = self._clock.monotonic()
        if now < self._next:
            self._clock.sleep(self._next - now)
            now = max(self._clock.monotonic(), self._next)
        self._next = now + self._apart
