"""Reports to lineage backends that do not speak OpenLineage: made of a run, sent beside it, kept until they are taken.

A report is written to ``lineage-reports/NAME`` before anything is sent and deleted once the backend has taken it: a
run that is killed, or ends before a slow backend has answered, loses none.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from mlbsdk.errors import MlbsdkError, redact
from mlbsdk.hookspecs import LineageColumn, LineageReporter, LineageTable, ReporterDecl, Storage
from mlbsdk.lineage.delivery import Flushed
from mlbsdk.lineage.graph import LineageGraph, TableLineage, graph_of_plan
from mlbsdk.plugins import Plugins
from mlbsdk.report import RunReport
from mlbsdk.runtime.addresses import child
from mlbsdk.runtime.storage import LOCAL, read_text
from mlbsdk.settings import home

#: Seconds that a run waits at its end for all backends together.
PATIENCE_SECONDS = 1.0
_FOLDER = "lineage-reports"
#: Seconds that one request may take: beside a run, and in a flush, that nobody's run waits for.
_TIMEOUT_SECONDS, _FLUSH_TIMEOUT_SECONDS = 10.0, 60.0


class ReportingListener:
    """Tells every configured backend of a run: at its start, after a stream's first batch, at its end."""

    def __init__(self, plugins: Plugins) -> None:
        self.plugins = plugins
        self._outboxes: list[_Outbox] = []
        self._told_of_batches = False

    def run_started(self, report: RunReport) -> None:
        """Begin to tell: what there is to know of tables and columns is known now."""
        self._outboxes = [box for declared in self.plugins.reporters() if (box := self._outbox(declared, report))]
        self._told_of_batches = False
        self._put(report, "START")

    def phase_changed(self, report: RunReport, phase: str) -> None:
        """Nothing to tell."""

    def batch_written(self, report: RunReport, batch_id: int) -> None:
        """Tell of a stream's first batch: its end may never come."""
        if report.mode == "streaming" and not self._told_of_batches:
            self._told_of_batches = True
            self._put(report, "RUNNING")

    def run_completed(self, report: RunReport) -> None:
        """Tell how it ended."""
        self._end(report, "COMPLETE")

    def run_failed(self, report: RunReport, error: BaseException) -> None:
        """Tell how it ended."""
        self._end(report, "ABORT" if isinstance(error, KeyboardInterrupt) else "FAIL", error)

    def _outbox(self, declared: ReporterDecl, report: RunReport) -> _Outbox | None:
        """Return where reports for a backend go; None where it is not configured."""
        location = report.location if report.location is not None else str(home())
        storage = report.storage or LOCAL
        try:
            reporter = self.plugins.call(declared, declared.make, {"timeout_s": _TIMEOUT_SECONDS})
        except MlbsdkError as problem:  # a wrong configuration must not cost the run its lineage
            return _Outbox(declared.name, None, location, storage, problem.message)
        return None if reporter is None else _Outbox(declared.name, reporter, location, storage)

    def _put(self, report: RunReport, state: str, error: BaseException | None = None) -> None:
        if self._outboxes and report.plan is not None:
            data = report_data(report, state, error)
            for box in self._outboxes:
                box.put(data)

    def _end(self, report: RunReport, state: str, error: BaseException | None = None) -> None:
        self._put(report, state, error)
        until = time.monotonic() + PATIENCE_SECONDS
        for box in self._outboxes:
            problem = box.close(max(0.0, until - time.monotonic()))
            if problem is not None:
                report.notes.append(
                    f"the lineage backend '{box.name}' was not told of this run ({problem}); the report is kept: "
                    f"'mlbsdk lineage flush --location {box.location}' sends it"
                )
        self._outboxes = []


class _Outbox:
    """The reports for one backend, sent by a thread that nobody waits for longer than they like."""

    def __init__(
        self, name: str, reporter: LineageReporter | None, location: str, storage: Storage, problem: str | None = None
    ) -> None:
        self.name = name
        self.reporter = reporter
        self.location = location
        self.storage = storage
        self.problem = problem
        self._waiting: list[tuple[str, dict[str, Any]]] = []
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def put(self, data: dict[str, Any]) -> None:
        """Keep a report, and have it sent."""
        path = child(self.location, _FOLDER, self.name, f"{time.time_ns()}-{data['metrics']['run_id']}.json")
        self.storage.write(path, json.dumps(data).encode())
        with self._changed:
            self._waiting.append((path, data))
            self._changed.notify()
        if self._thread is None and self.reporter is not None:
            self._thread = threading.Thread(target=self._send, name=f"mlbsdk-lineage-{self.name}", daemon=True)
            self._thread.start()

    def close(self, seconds: float) -> str | None:
        """Wait for what was put, at most so long; return why it was not taken, or None."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is None:
            return self.problem
        self._thread.join(seconds)
        return "it had not answered by the end" if self._thread.is_alive() else self.problem

    def _send(self) -> None:
        """Send what is put until it is closed; a report says all that an earlier one of its run does."""
        kept: list[str] = []
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting) or self._is_closed)
                if not self._waiting:
                    return
                paths, data = [path for path, _ in self._waiting], self._waiting[-1][1]
                self._waiting.clear()
            kept += paths
            assert self.reporter is not None
            self.problem = _refusal(self.reporter, data)
            if self.problem is None:
                self.storage.delete(kept)
                kept.clear()


def _refusal(reporter: LineageReporter, data: Mapping[str, Any]) -> str | None:
    """Send a report; return why it was not taken, or None."""
    source, *targets = (_table_from(one) for one in (data["source_table"], *data["target_tables"]))
    try:
        reporter.report_transform(source, targets, str(data["job_id"]), data["metrics"])
    except Exception as problem:  # a backend's client may raise anything, and none may stop a run
        return redact(str(problem).splitlines()[0] if str(problem) else type(problem).__name__)
    return None


def flush_reports(location: str, plugins: Plugins, storage: Storage = LOCAL) -> dict[str, Flushed]:
    """Send kept reports to every backend that is configured, in the order of their runs; what is not taken stays.

    Of several reports of one run the newest is sent. Killed at any moment it loses nothing; reports may come again.

    Raises:
        PluginError: a backend's configuration is wrong.
    """
    done = {}
    for declared in plugins.reporters():
        reporter = plugins.call(declared, declared.make, {"timeout_s": _FLUSH_TIMEOUT_SECONDS})
        if reporter is not None:
            done[declared.name] = _flush(child(location, _FOLDER, declared.name), reporter, storage)
    return done


def _flush(folder: str, reporter: LineageReporter, storage: Storage) -> Flushed:
    if not any(file.path.endswith(".json") for file in storage.files(folder)):
        return Flushed(0, 0)
    with storage.locked(f"{folder}.lock"):
        by_run: dict[str, list[str]] = {}
        for file in storage.files(folder):  # sorted by the time in their names
            if file.path.endswith(".json"):
                by_run.setdefault(file.path.rpartition("/")[2].partition("-")[2], []).append(file.path)
        runs = sorted(by_run.values(), key=lambda paths: paths[-1])
        for sent, paths in enumerate(runs):
            problem = _refusal(reporter, json.loads(read_text(storage, paths[-1])))
            if problem is not None:
                return Flushed(sent, len(runs) - sent, problem)
            storage.delete(paths)
    return Flushed(len(runs), 0)


def report_data(report: RunReport, state: str, error: BaseException | None = None) -> dict[str, Any]:
    """Return a report as JSON data, with what :meth:`mlbsdk.hookspecs.LineageReporter.report_transform` is told."""
    assert report.plan is not None
    graph = graph_of_plan(report.plan)
    metrics: dict[str, Any] = {
        "run_id": report.run_id,
        "state": state,
        "mode": report.mode,
        "started_at": _timestamp(report.started_at),
        "at": _timestamp(datetime.now(timezone.utc)),
        "duration_s": round(report.duration_s, 3),
        "documents": asdict(report.documents),
        "tables": {name: asdict(table) for name, table in report.tables.items()},
        "quality": [asdict(rule) for rule in report.quality],
    }
    if error is not None:
        metrics["error"] = redact(str(error)) or type(error).__name__
    return {
        "version": 1,
        "job_id": report.transform,
        "source_table": asdict(_source_of(graph, report.source_dataset)),
        "target_tables": [asdict(_target_of(one, report.datasets[one.name])) for one in graph.tables],
        "metrics": metrics,
    }


def _source_of(graph: LineageGraph, dataset: tuple[str, str]) -> LineageTable:
    columns = tuple(LineageColumn(path, "json") for path in graph.paths)
    return LineageTable(graph.source[1], *dataset, columns, f"Raw data of {graph.transform}.")


def _target_of(table: TableLineage, dataset: tuple[str, str]) -> LineageTable:
    columns = tuple(
        LineageColumn(one.name, one.type, one.description, one.paths, one.text if one.kind == "expression" else "")
        for one in table.columns
    )
    return LineageTable(table.name, *dataset, columns, table.description)


def _table_from(data: Mapping[str, Any]) -> LineageTable:
    columns = tuple(LineageColumn(**{**one, "sources": tuple(one["sources"])}) for one in data["columns"])
    return LineageTable(**{**data, "columns": columns})


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
