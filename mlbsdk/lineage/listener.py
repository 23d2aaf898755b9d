"""The OpenLineage listener: tells of each run's start and end."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlbsdk.errors import redact
from mlbsdk.report import RunReport
from mlbsdk.runtime.storage import LOCAL
from mlbsdk.settings import home

if TYPE_CHECKING:
    from mlbsdk.lineage.delivery import Delivery


class OpenLineageListener:
    """Sends START, COMPLETE and FAIL; RUNNING after each batch of a stream.

    Events always go to ``lineage.jsonl`` beside the target's housekeeping, in an object store to objects below
    ``lineage/``; also to the backend that
    ``OPENLINEAGE_URL``, other OPENLINEAGE variables or ``openlineage.yml`` name.
    """

    def __init__(self, options: Mapping[str, object]) -> None:
        self._delivery: Delivery | None = None

    def run_started(self, report: RunReport) -> None:
        """Send START for the run and its tables."""
        from mlbsdk.lineage.delivery import Delivery, configured_transport, is_configured, quiet_client

        quiet_client()
        transport, problem = None, None
        if is_configured(os.environ):
            try:
                transport = configured_transport()
            except Exception as wrong:  # a wrong configuration must not cost the run its lineage
                problem = redact(f"its OpenLineage configuration: {type(wrong).__name__}: {wrong}")
        self._delivery = Delivery(location_of(report), transport, problem, report.storage or LOCAL)
        self._send(report, "START")

    def phase_changed(self, report: RunReport, phase: str) -> None:
        """Nothing to tell."""

    def batch_written(self, report: RunReport, batch_id: int) -> None:
        """Send RUNNING for streams, whose end may never come."""
        if report.mode == "streaming":
            self._send(report, "RUNNING")

    def run_completed(self, report: RunReport) -> None:
        """Send COMPLETE."""
        self._send(report, "COMPLETE")
        self._note(report)

    def run_failed(self, report: RunReport, error: BaseException) -> None:
        """Send FAIL, or ABORT where a person stopped the run."""
        if self._delivery is None:
            return
        self._send(report, "ABORT" if isinstance(error, KeyboardInterrupt) else "FAIL", error)
        self._note(report)

    def _send(self, report: RunReport, state: str, error: BaseException | None = None) -> None:
        from openlineage.client.event_v2 import RunState

        from mlbsdk.lineage.delivery import namespace
        from mlbsdk.lineage.events import run_events

        if self._delivery is not None:
            self._delivery.send(run_events(report, RunState[state], namespace(), error))

    def _note(self, report: RunReport) -> None:
        delivery = self._delivery
        if delivery is not None and delivery.spooled:
            report.notes.append(
                f"the lineage backend did not take {delivery.spooled} events ({delivery.problem}); they are kept: "
                f"'mlbsdk lineage flush --location {delivery.location}' sends them"
            )


def location_of(report: RunReport) -> str:
    """Return the folder of a run's lineage."""
    return report.location if report.location is not None else str(home())
