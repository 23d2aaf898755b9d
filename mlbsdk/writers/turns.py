"""Turns: tables of many rows are compared and written one after another: what each holds in memory would add up."""

from __future__ import annotations

import contextlib
import threading

from mlbsdk.runtime.batch import TableRows

#: Bytes of a table's rows from which on it waits for its turn.
LARGE = 128 * 1024 * 1024


class Turns:
    """Lets the tables of one writer go side by side while they are small.

    Those that wait leave no core idle: pyarrow and delta-rs use all of them for one table.
    """

    def __init__(self) -> None:
        self._large = threading.Lock()

    def of(self, rows: TableRows) -> contextlib.AbstractContextManager[object]:
        """Return what to compare and write a table in."""
        is_large = rows.arrow is not None and rows.arrow.nbytes > LARGE
        return self._large if is_large else contextlib.nullcontext()
