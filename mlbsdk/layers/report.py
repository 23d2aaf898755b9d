"""The report of an export: an object first, of which terminal text and JSON are views."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from mlbsdk.errors import MlbsdkError
from mlbsdk.report import RunReport
from mlbsdk.runtime.derived import DerivedReport


@dataclass
class RawKindReport:
    """What became of the captures of one transform. Counts are captures."""

    captures: int = 0
    """Read, but for those that are expired."""
    added: int = 0
    unchanged: int = 0
    """They were there already."""
    expired: int = 0
    """Left out, since retention would remove them."""


@dataclass
class RawReport:
    """What was done to the raw layer."""

    folder: str
    oldest_kept: date | None = None
    read: int = 0
    """Captures of the source."""
    of_others: int = 0
    """Captures that say they are responses of an endpoint that the export does not have."""
    rejected: list[str] = field(default_factory=list)
    """Captures that are no document of any transform, with the reason."""
    kinds: dict[str, RawKindReport] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        oldest = None if self.oldest_kept is None else self.oldest_kept.isoformat()
        kinds = {name: asdict(kind) for name, kind in self.kinds.items()}
        return asdict(self) | {"oldest_kept": oldest, "kinds": kinds}


@dataclass
class FilesJoined:
    """Small files of one table that became fewer."""

    table: str
    files_before: int
    files_after: int


@dataclass
class TablesReport:
    """What was done to a layer of tables."""

    folder: str
    oldest_kept: date | None = None
    runs: list[RunReport] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """Why transforms failed, or were skipped."""
    problems: list[MlbsdkError] = field(default_factory=list)
    """The errors behind them; not part of the JSON."""
    up_to_date: list[str] = field(default_factory=list)
    """Transforms without a capture that their tables don't have yet."""
    expired: dict[str, int] = field(default_factory=dict)
    """Rows left out by table, since retention would remove them."""
    joined: list[FilesJoined] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        return {
            "folder": self.folder,
            "oldest_kept": None if self.oldest_kept is None else self.oldest_kept.isoformat(),
            "runs": [run.to_json() for run in self.runs],
            "failed": self.failed,
            "up_to_date": self.up_to_date,
            "expired": self.expired,
            "joined": [asdict(one) for one in self.joined],
            "notes": self.notes,
        }


@dataclass
class ExportReport:
    """What an export did, layer by layer; a layer that was not asked for is None."""

    status: str = "completed"
    """completed, or failed where a transform did."""
    duration_s: float = 0.0
    raw: RawReport | None = None
    normalized: TablesReport | None = None
    analytics: DerivedReport | None = None
    notes: list[str] = field(default_factory=list)
    """Facts about the export itself that a person should know."""

    def to_json(self) -> dict[str, Any]:
        """Return the ``--json`` object, format version 1."""
        return {
            "version": 1,
            "status": self.status,
            "duration_s": round(self.duration_s, 3),
            "notes": self.notes,
            "layers": {
                "raw": None if self.raw is None else self.raw.to_json(),
                "normalized": None if self.normalized is None else self.normalized.to_json(),
                "analytics": None if self.analytics is None else self.analytics.to_json(),
            },
        }
