"""Shows a person what is being fetched, on standard error; silent where that is no terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mlbsdk_plugin_statsapi.report import FetchReport

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID


class Progress:
    """A bar on the terminal.

    Args:
        quiet: show nothing.
    """

    def __init__(self, quiet: bool = True) -> None:
        self.report: FetchReport | None = None
        self._is_shown = not quiet and sys.stderr.isatty()
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def begin(self, report: FetchReport) -> None:
        """Take the report whose figures are shown, and which is there after an error too."""
        self.report = report

    def show(self, text: str, done: int, total: int | None) -> None:
        """Show what is being fetched, and how far that is; ``total`` None where nobody knows."""
        if not self._is_shown or self.report is None:
            return
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
            self._bar = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("", total=total)
            self._bar.start()
        assert self._task is not None
        counted = f"{text}: {self.report.stored} stored, {self.report.unchanged} unchanged"
        self._bar.update(self._task, description=counted, completed=done, total=total)

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
