"""Telling of one run from its start to its end: what a listener and other commands share."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from mlbsdk.errors import redact
from mlbsdk.hookspecs import Storage
from mlbsdk.lineage import facets
from mlbsdk.lineage.backends import Backend, configuration, is_configured, quiet_client
from mlbsdk.lineage.delivery import Delivery, Undelivered
from mlbsdk.lineage.events import Event, State
from mlbsdk.lineage.open_runs import CrashedRun, OpenRun, crashed_runs
from mlbsdk.runtime.storage import LOCAL


class Telling:
    """Delivers the events of a run, and keeps a file that says that it goes on.

    Args:
        location: the folder of the journal.
        storage: what keeps it.
        run_id: of the run.
    """

    def __init__(self, location: str, storage: Storage = LOCAL, run_id: str = "") -> None:
        self.location = location
        self.storage = storage
        self.run_id = run_id
        self.environment_variables: tuple[str, ...] = ()
        self._open: OpenRun | None = None
        quiet_client()
        backends: tuple[Backend, ...] = ()
        problem = None
        if is_configured(os.environ):
            try:
                found = configuration()
                backends, self.environment_variables = found.backends, found.environment_variables
            except Exception as wrong:  # a wrong configuration must not cost the run its lineage
                problem = redact(f"its OpenLineage configuration: {type(wrong).__name__}: {wrong}")
        self._delivery = Delivery(location, backends, problem, storage, run_id)

    def close_crashed(self) -> None:
        """Send FAIL for runs of this place whose process is gone."""
        with crashed_runs(self.location, self.storage) as crashed:
            for run in crashed:
                self._close(run)

    def _close(self, run: CrashedRun) -> None:
        starts, ends = run.last_words(self.storage, self.location)
        if not run.is_told:
            self._delivery.send(starts, again=True)
        if len(ends) == len(run.jobs):
            # It was killed while it told of its end.
            self._delivery.send(ends, again=True)
            return
        # Parts end before the whole.
        self._delivery.send([_failed(line) for line in (*starts[1:], *starts[:1])])

    def start(self, events: Sequence[Event]) -> None:
        """Tell that the run begins."""
        self._open = OpenRun(self.location, self.storage, self.run_id, [event.run for event in events])
        self._open.begin()
        self._delivery.send([event.line for event in events], told=self._open.told)

    def go_on(self, events: Sequence[Event]) -> None:
        """Tell how the run goes on."""
        self._delivery.send([event.line for event in events])
        if self._open is not None:
            self._open.told()

    def end(self, events: Sequence[Event]) -> list[str]:
        """Tell that the run has ended; return what a person should know of the delivery."""
        self._delivery.send([event.line for event in events])
        left = self._delivery.close()
        if self._open is not None:
            self._open.end()
        return [self._note(one) for one in left]

    def _note(self, left: Undelivered) -> str:
        who = f"the lineage backend '{left.backend}'" if left.backend else "the lineage backend"
        return (
            f"{who} did not take {left.events} events ({left.problem}); they are kept: "
            f"'mlbsdk lineage flush --location {self.location}' sends them"
        )


def _failed(start: str) -> str:
    """Return the FAIL event of a run whose START this is."""
    event: dict[str, Any] = json.loads(start)
    error = RuntimeError("the process of this run ended without telling: it was killed, or its machine stopped")
    event["run"]["facets"]["errorMessage"] = json.loads(facets.error_message(error, stack_traces=False))
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps(event | {"eventType": State.FAIL.value, "eventTime": now})
