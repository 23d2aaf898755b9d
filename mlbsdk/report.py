"""The report of one run: an object first, of which terminal text and JSON are views."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlbsdk.mapping.plan import Plan


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


@dataclass
class DocumentsReport:
    """Captures: read, the newest of each document that was used, rejected ones."""

    read: int = 0
    newest: int = 0
    rejected: int = 0


@dataclass
class RunReport:
    """One run, from start to end."""

    run_id: str
    transform: str
    source: str
    target: str
    started_at: datetime
    mode: str = "batch"
    status: str = "running"
    """running, completed, failed."""
    duration_s: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds by phase."""
    documents: DocumentsReport = field(default_factory=DocumentsReport)
    tables: dict[str, TableReport] = field(default_factory=dict)
    quality: list[RuleReport] = field(default_factory=list)
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

    def to_json(self) -> dict[str, Any]:
        """Return the report as the ``--json`` object, format version 1."""
        return {
            "version": 1,
            "run_id": self.run_id,
            "transform": self.transform,
            "status": self.status,
            "started_at": self.started_at.isoformat().replace("+00:00", "Z"),
            "duration_s": round(self.duration_s, 3),
            "phases": {name: round(seconds, 3) for name, seconds in self.phases.items()},
            "source": self.source,
            "target": self.target,
            "documents": asdict(self.documents),
            "tables": {name: asdict(table) for name, table in self.tables.items()},
            "quality": [asdict(rule) for rule in self.quality],
            "notes": self.notes,
            "errors": self.errors,
        }
