"""Captures of one game that arrive while a stream runs."""

from __future__ import annotations

import threading
from pathlib import Path

from generate import Games

from mlbsdk.report import RunReport

_MINUTES_BETWEEN = 30


class Following:
    """Hands a stream the next capture when the last one is visible, and notes the seconds that each took.

    Args:
        seed: of the captures.
        folder: where the stream looks.
        count: how many captures there are.
        stop: set when the last is visible.
    """

    def __init__(self, seed: int, folder: Path, count: int, stop: threading.Event) -> None:
        self.games = Games(seed)
        self.folder = folder
        self.count = count
        self.stop = stop
        self.seconds: list[float] = []

    def capture_arrives(self) -> None:
        """Move the same game into the folder, captured another half hour later."""
        number = len(self.seconds)
        made = self.games.write(self.folder / ".new", 1, _MINUTES_BETWEEN * (number + 1), False)
        made[0].rename(self.folder / f"{number}.json")

    def phase_changed(self, report: RunReport, phase: str) -> None: ...

    def run_started(self, report: RunReport) -> None: ...

    def run_completed(self, report: RunReport) -> None: ...

    def run_failed(self, report: RunReport, error: BaseException) -> None: ...

    def batch_written(self, report: RunReport, batch_id: int) -> None:
        """Note the seconds, and let the next capture arrive."""
        if report.stream is not None and report.stream.last is not None:
            self.seconds.append(report.stream.last.seconds)
        if len(self.seconds) == self.count:
            self.stop.set()
        else:
            self.capture_arrives()
