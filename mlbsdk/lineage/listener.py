"""The OpenLineage listener: tells of each run's start and end."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlbsdk.report import RunReport
from mlbsdk.runtime.storage import LOCAL
from mlbsdk.settings import home

if TYPE_CHECKING:
    from mlbsdk.lineage.events import RunEvents, State
    from mlbsdk.lineage.telling import Telling


class OpenLineageListener:
    """Sends START, COMPLETE, FAIL and ABORT; RUNNING after each batch of a stream.

    Events always go to ``lineage.jsonl`` beside the target's housekeeping, in an object store to objects below
    ``lineage/``; also to the backends that
    ``OPENLINEAGE_URL``, other OPENLINEAGE variables or ``openlineage.yml`` name.
    """

    def __init__(self, options: Mapping[str, object]) -> None:
        self._telling: Telling | None = None
        self._events: RunEvents | None = None

    def run_started(self, report: RunReport) -> None:
        """Close runs of this target that crashed, then send START for the run and its tables."""
        from mlbsdk.lineage.backends import namespace
        from mlbsdk.lineage.events import RunEvents, State
        from mlbsdk.lineage.parents import parent_run
        from mlbsdk.lineage.telling import Telling

        parent, wrong = (report.context.parent, None) if report.context.parent else parent_run(os.environ)
        if wrong is not None:
            report.note(wrong)
        self._telling = Telling(location_of(report), report.storage or LOCAL, report.run_id)
        self._telling.close_crashed()
        self._events = RunEvents(report, namespace(), parent, self._telling.environment_variables)
        self._telling.start(self._events.at(State.START))

    def phase_changed(self, report: RunReport, phase: str) -> None:
        """Nothing to tell."""

    def batch_written(self, report: RunReport, batch_id: int) -> None:
        """Send RUNNING for streams, whose end may never come: of the run, and of tables that the batch has changed."""
        if report.stream is None or report.stream.last is None or self._events is None or self._telling is None:
            return
        from mlbsdk.lineage.events import State

        tables = report.stream.last.tables.items()
        changed = [name for name, table in tables if table.inserted or table.updated or table.deleted]
        self._telling.go_on(self._events.at(State.RUNNING, changed=changed))

    def run_completed(self, report: RunReport) -> None:
        """Send COMPLETE, or ABORT for a stream that was asked to stop."""
        from mlbsdk.lineage.events import State

        stopped = report.stream is not None and report.stream.ended_by == "stop"
        self._end(report, State.ABORT if stopped else State.COMPLETE)

    def run_failed(self, report: RunReport, error: BaseException) -> None:
        """Send FAIL, or ABORT where a person or the machine stopped the run."""
        from mlbsdk.lineage.events import State

        stopped = isinstance(error, KeyboardInterrupt | SystemExit)
        self._end(report, State.ABORT if stopped else State.FAIL, error)

    def _end(self, report: RunReport, state: State, error: BaseException | None = None) -> None:
        telling, self._telling = self._telling, None
        if telling is None or self._events is None:
            return
        for note in telling.end(self._events.at(state, error)):
            report.note(note)


def location_of(report: RunReport) -> str:
    """Return the folder of a run's lineage."""
    return report.location if report.location is not None else str(home())
