"""Those who watch a run: told of every event, never able to stop it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator

from mlbsdk.hookspecs import RunListener
from mlbsdk.plugins import Plugins
from mlbsdk.report import RunReport
from mlbsdk.runtime.addresses import child
from mlbsdk.runtime.failures import told_in_a_sentence
from mlbsdk.runtime.storage import LOCAL


class Watchers:
    """Tells every listener; one that raises is noted in the report and never stops the run."""

    def __init__(self, listeners: tuple[RunListener, ...], report: RunReport) -> None:
        self.listeners = listeners
        self.report = report
        self._begun = time.monotonic()

    @classmethod
    def made(cls, given: tuple[RunListener, ...], plugins: Plugins, report: RunReport) -> Watchers:
        """Make the listeners that plugins declare, and one for lineage reporters; what can't be made is noted."""
        made = list(given)
        for declared in plugins.listeners():
            try:
                made.append(plugins.call(declared, declared.make, {}))
            except Exception as problem:  # as in tell
                report.note(f"listener '{declared.name}' could not be made: {type(problem).__name__}: {problem}")
        if plugins.reporters():
            from mlbsdk.lineage.reporting import ReportingListener

            made.append(ReportingListener(plugins))
        return cls(tuple(made), report)

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Tell how what is done inside ends, and save the report."""
        self._begun = time.monotonic()
        try:
            yield
            self.report.duration_s = time.monotonic() - self._begun
            self.report.status = "completed"
            self.tell("run_completed")
        except BaseException as problem:
            self.report.duration_s = time.monotonic() - self._begun
            self.report.status = "failed"
            self.report.errors.append(str(problem) or type(problem).__name__)
            self.tell("run_failed", problem)
            raise
        finally:
            save_report(self.report)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Tell that a phase begins, and note its seconds.

        Raises:
            SparkJobError: one of Spark's jobs failed in it.
        """
        self.tell("phase_changed", name)
        begun = time.monotonic()
        try:
            with told_in_a_sentence():
                yield
        finally:
            self.report.phases[name] = self.report.phases.get(name, 0.0) + time.monotonic() - begun

    def batch_written(self, batch_id: int) -> None:
        """Tell that a batch is in the store; the report has the seconds so far."""
        self.report.duration_s = time.monotonic() - self._begun
        self.tell("batch_written", batch_id)

    def tell(self, event: str, *details: object) -> None:
        """Call a method of every listener, with the report first."""
        for listener in self.listeners:
            act: Callable[..., None] = getattr(listener, event)
            try:
                act(self.report, *details)
            except Exception as problem:  # a watcher's own fault, whatever it is, must not harm the data
                self.report.note(f"{type(listener).__name__}.{event} failed: {type(problem).__name__}: {problem}")


def save_report(report: RunReport) -> str | None:
    """Save the report as JSON beside the target's housekeeping; return where, or None for targets without a folder."""
    if report.location is None:
        return None
    path = child(report.location, "runs", f"{report.started_at:%Y%m%dT%H%M%SZ}-{report.run_id}.json")
    text = json.dumps(report.to_json(), indent=2) + "\n"
    (report.storage or LOCAL).write(path, text.encode())
    return path
