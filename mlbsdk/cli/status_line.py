"""One line on the terminal that says what is done at the moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.status import Status


class StatusLine:
    """A line on standard error that changes and is taken away; where ``is_shown`` is not, nothing is shown.

    Args:
        is_shown: whether a person looks on: standard error is a terminal.
    """

    def __init__(self, is_shown: bool) -> None:
        self.is_shown = is_shown
        self._status: Status | None = None

    def show(self, text: str) -> None:
        """Show a text in the place of the last one."""
        if not self.is_shown:
            return
        from rich.console import Console
        from rich.markup import escape

        if self._status is None:
            self._status = Console(stderr=True).status("")
            self._status.start()
        self._status.update(escape(text))

    def stop(self) -> None:
        """Take the line away."""
        if self._status is not None:
            self._status.stop()
            self._status = None
