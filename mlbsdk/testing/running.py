"""Runs without data: what a listener is told, in the order of a real run, without Spark."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

from mlbsdk.hookspecs import RunListener
from mlbsdk.report import RuleReport, RunReport, TableReport

#: The phases of a run, in order.
PHASES = ("start", "read", "write")


def new_report(target: str, run_id: str = "0195f3c4-0000-7000-8000-000000000001") -> RunReport:
    """Return the report of a run of the small mapping that begins now; nothing is read or written for it."""
    from mlbsdk.mapping.compile import compile_mapping
    from mlbsdk.mapping.load import load_file
    from mlbsdk.testing.mini import MAPPING

    plan = compile_mapping(load_file(MAPPING))
    report = RunReport(run_id, plan.name, "captures", target, datetime.now(timezone.utc), plan=plan)
    report.source_dataset = ("file", "/captures")
    report.datasets = {table.name: ("file", f"/warehouse/{table.name}") for table in plan.tables}
    return report


def run_listeners(
    listeners: Iterable[RunListener], folder: Path, error: BaseException | None = None, batches: int = 1
) -> RunReport:
    """Tell listeners of a run, as the engine does, and return its report.

    Args:
        listeners: who is told.
        folder: an empty folder, where the report is saved as a run saves it.
        error: how the run fails while writing; None: it completes.
        batches: how many batches are written before it ends.

    What a listener raises is a note of the report, as in a run.
    """
    from mlbsdk.runtime.watchers import Watchers

    report = new_report(f"parquet:{folder}")
    report.location = str(folder / "_mlbsdk")
    watchers = Watchers(tuple(listeners), report)
    try:
        with watchers.told():
            with watchers.phase("start"):
                pass
            with watchers.phase("read"):
                watchers.tell("run_started")
                report.documents.read += batches
            with watchers.phase("write"):
                for batch in range(batches):
                    _write(report)
                    watchers.batch_written(batch)
                if error is not None:
                    raise error
    except BaseException as problem:
        if problem is not error:
            raise
    return report


def _write(report: RunReport) -> None:
    for name in report.datasets:
        entry = report.tables.setdefault(name, TableReport())
        entry.rows += 2
        entry.inserted += 1
        entry.unchanged += 1
    report.documents.newest += 1
    report.quality = [RuleReport("mini.plays", "speed_usual", "warning", 1)]
