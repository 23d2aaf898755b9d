"""The report of one run or stream: an object first, of which terminal text and JSON are views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from mlbsdk.lineage.context import RunContext

if TYPE_CHECKING:
    from mlbsdk.hookspecs import Storage
    from mlbsdk.mapping.plan import Plan
    from mlbsdk.runtime.batch import TableWritten

#: Messages that a stream's report keeps of a kind: the newest.
MOST_MESSAGES = 50
#: Drifted paths that a report keeps: the first.
MOST_DRIFT = 200
#: Rows that a report keeps to show what failed: the first of each table and check, and of all.
EXAMPLES_OF_A_CHECK, MOST_EXAMPLES = 5, 100
#: Batches whose figures a stream's report keeps: the newest.
MOST_BATCHES = 240


@dataclass
class TableReport:
    """What happened to one table. Counts are rows."""

    rows: int = 0
    """Rows that the batch holds for the table after the quality policy."""
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    """Rows that changed nothing: stale (an older capture) or equal to what is stored."""
    deleted: int = 0
    quarantined: int = 0


@dataclass(frozen=True)
class RuleReport:
    """One rule that failed for ``failed`` rows of a table."""

    table: str
    rule: str
    severity: str
    failed: int


@dataclass(frozen=True)
class ExampleReport:
    """A row that failed checks: where it comes from, its key, and what the checks looked at."""

    table: str
    checks: tuple[str, ...]
    values: dict[str, str | None]
    """Text by column: the primary key first, then the columns of the checks; long values are cut."""
    source_row_id: str | None
    source_captured_at: str | None
    """ISO 8601, UTC."""


@dataclass(frozen=True)
class DriftReport:
    """A path that captures have and the mapping does not know, or that a field reads and captures lack."""

    kind: Literal["new_path", "vanished_path"]
    path: str
    field: str | None
    """``schema.table.field`` of a vanished path; None for a new one."""
    count: int
    """Values at a new path; items of the table that lack a vanished one."""
    sampled: int
    """Captures that were looked at."""
    policy: Literal["report", "fail"]
    """What the mapping says to do about it."""


@dataclass
class DocumentsReport:
    """Captures: read, the newest of each document that was used, rejected ones."""

    read: int = 0
    newest: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class BatchReport:
    """One micro-batch of a stream, once it is in the store."""

    batch_id: int
    documents: DocumentsReport
    rows: int
    """Rows of all tables."""
    seconds: float
    """From the trigger until the batch was visible."""
    lag_s: float | None
    """Seconds from the newest capture's captured_at until it was visible; None where no capture could be used."""
    tables: dict[str, TableReport] = field(default_factory=dict)
    quality: tuple[RuleReport, ...] = ()
    errors: tuple[str, ...] = ()
    """The first captures that were rejected, with the reason."""

    def to_json(self) -> dict[str, Any]:
        """Return what ``mlbsdk stream --json`` prints for each batch."""
        return {
            "batch": self.batch_id,
            "documents": asdict(self.documents),
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "lag_s": None if self.lag_s is None else round(self.lag_s, 3),
            "tables": {name: asdict(table) for name, table in self.tables.items()},
            "quality": [asdict(rule) for rule in self.quality],
            "errors": list(self.errors),
        }


@dataclass(frozen=True)
class BatchFigures:
    """The figures of one micro-batch, added up over its tables: what a stream's report keeps of many."""

    batch: int
    captures: int
    rejected: int
    seconds: float
    lag_s: float | None
    rows: int
    inserted: int
    updated: int
    unchanged: int
    deleted: int
    quarantined: int
    failed: int
    """Failed checks, of both severities."""

    @classmethod
    def of(cls, batch: BatchReport) -> BatchFigures:
        """Add up a batch."""
        tables = list(batch.tables.values())
        return cls(
            batch=batch.batch_id,
            captures=batch.documents.read,
            rejected=batch.documents.rejected,
            seconds=round(batch.seconds, 3),
            lag_s=None if batch.lag_s is None else round(batch.lag_s, 3),
            rows=batch.rows,
            inserted=sum(table.inserted for table in tables),
            updated=sum(table.updated for table in tables),
            unchanged=sum(table.unchanged for table in tables),
            deleted=sum(table.deleted for table in tables),
            quarantined=sum(table.quarantined for table in tables),
            failed=sum(rule.failed for rule in batch.quality),
        )


@dataclass
class StreamReport:
    """What a stream's report says beyond that of a run."""

    checkpoint: str
    """The folder of its checkpoint."""
    batches: int = 0
    """Batches that held any capture, since this start."""
    last: BatchReport | None = None
    ended_by: str = ""
    """``available`` (all there was is read), ``until``, ``idle`` or ``stop``; empty while it runs, or failed."""
    history: list[BatchFigures] = field(default_factory=list)
    """The newest batches, the oldest of them first."""


@dataclass
class RunReport:
    """One run or one stream, from start to end. A stream's figures add up over its batches."""

    run_id: str
    transform: str
    source: str
    target: str
    started_at: datetime
    mode: str = "batch"
    """batch, streaming."""
    status: str = "running"
    """running, completed, failed."""
    duration_s: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds by phase."""
    documents: DocumentsReport = field(default_factory=DocumentsReport)
    tables: dict[str, TableReport] = field(default_factory=dict)
    quality: list[RuleReport] = field(default_factory=list)
    examples: list[ExampleReport] = field(default_factory=list)
    """Rows that failed checks, a few of each check."""
    drift: list[DriftReport] = field(default_factory=list)
    """New and vanished paths, where the mapping asks for them."""
    notes: list[str] = field(default_factory=list)
    """Facts a person should know, such as a captured_at taken from file times."""
    errors: list[str] = field(default_factory=list)
    plan: Plan | None = None
    """The compiled mapping; not part of the JSON."""
    source_dataset: tuple[str, str] = ("", "")
    """OpenLineage (namespace, name) of the raw data."""
    datasets: dict[str, tuple[str, str]] = field(default_factory=dict)
    """OpenLineage (namespace, name) by table."""
    location: str | None = None
    """Folder where this run's report and lineage are kept, if the target has one."""
    storage: Storage | None = None
    """What keeps that folder; not part of the JSON. None for this machine's disk."""
    stream: StreamReport | None = None
    """None for a run in batch mode."""
    context: RunContext = field(default_factory=RunContext)
    """What lineage tells of the run besides; not part of the JSON."""
    written: dict[str, TableWritten] = field(default_factory=dict)
    """What the store said last of each table; not part of the JSON."""

    def note(self, text: str) -> None:
        """Add a note, once; of a long stream the newest are kept."""
        _keep(self.notes, [text])

    def found_drift(self, found: Sequence[DriftReport]) -> None:
        """Add drifted paths; figures of one that is known add up, and of very many the first are kept."""
        known = {(one.kind, one.path, one.field): one for one in self.drift}
        left_out = 0
        for one in found:
            key = (one.kind, one.path, one.field)
            if key in known:
                before = known[key]
                known[key] = replace(one, count=before.count + one.count, sampled=before.sampled + one.sampled)
            elif len(known) < MOST_DRIFT:
                known[key] = one
            else:
                left_out += 1
        self.drift = list(known.values())
        if left_out:
            self.note(f"more than {MOST_DRIFT} paths have drifted: mlbsdk mapping coverage lists them all")

    def show_examples(self, found: Sequence[ExampleReport]) -> None:
        """Add rows that failed checks; of each table and check, and of all, the first are kept."""
        shown: Counter[tuple[str, str]] = Counter((one.table, check) for one in self.examples for check in one.checks)
        for one in found:
            is_rare = any(shown[one.table, check] < EXAMPLES_OF_A_CHECK for check in one.checks)
            if is_rare and len(self.examples) < MOST_EXAMPLES and one not in self.examples:
                self.examples.append(one)
                shown.update((one.table, check) for check in one.checks)

    def add(self, part: RunReport) -> None:
        """Add what one micro-batch of a stream did; memory does not grow with their number."""
        _add(self.documents, part.documents)
        for name, table in part.tables.items():
            _add(self.tables.setdefault(name, TableReport()), table)
        self.written |= part.written
        failed = {(rule.table, rule.rule, rule.severity): rule.failed for rule in self.quality}
        for rule in part.quality:
            key = (rule.table, rule.rule, rule.severity)
            failed[key] = failed.get(key, 0) + rule.failed
        self.quality = [RuleReport(*key, count) for key, count in failed.items()]
        self.show_examples(part.examples)
        self.found_drift(part.drift)
        _keep(self.notes, part.notes)
        _keep(self.errors, part.errors)

    def _checks(self) -> dict[str, Any]:
        if self.plan is None:
            return {}
        from mlbsdk.quality.asked import checks_asked

        return checks_asked(self.plan)

    def to_json(self) -> dict[str, Any]:
        """Return the report as the ``--json`` object, format version 1."""
        found = {
            "version": 1,
            "run_id": self.run_id,
            "transform": self.transform,
            "mode": self.mode,
            "status": self.status,
            "started_at": self.started_at.isoformat().replace("+00:00", "Z"),
            "duration_s": round(self.duration_s, 3),
            "phases": {name: round(seconds, 3) for name, seconds in self.phases.items()},
            "source": self.source,
            "target": self.target,
            "documents": asdict(self.documents),
            "tables": {name: asdict(table) for name, table in self.tables.items()},
            "quality": [asdict(rule) for rule in self.quality],
            "checks": self._checks(),
            "examples": [asdict(one) for one in self.examples],
            "drift": [asdict(one) for one in self.drift],
            "notes": self.notes,
            "errors": self.errors,
        }
        if self.stream is not None:
            found["stream"] = {
                "checkpoint": self.stream.checkpoint,
                "batches": self.stream.batches,
                "ended_by": self.stream.ended_by,
                "last": None if self.stream.last is None else self.stream.last.to_json(),
                "history": [asdict(one) for one in self.stream.history],
            }
        return found


def _add(total: Any, part: Any) -> None:
    """Add the counts of one report to those of another of its kind."""
    for each in fields(total):
        setattr(total, each.name, getattr(total, each.name) + getattr(part, each.name))


def _keep(messages: list[str], more: list[str]) -> None:
    """Add messages that are not there yet, and drop the oldest where they are many."""
    messages += [text for text in dict.fromkeys(more) if text not in messages]
    del messages[:-MOST_MESSAGES]
