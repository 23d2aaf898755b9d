"""What a fetch did."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass
class FetchReport:
    """Figures of one fetch. Documents are ``stored``, ``unchanged``, ``skipped``, ``missing`` or ``failed``."""

    name: str
    """What was fetched: ``day 2024-07-01``, ``game.live_game_v1``."""
    to: str
    """The raw store."""
    status: Literal["running", "completed", "failed", "stopped"] = "running"
    requests: int = 0
    """Requests sent, tries included."""
    retries: int = 0
    stored: int = 0
    """Captures that are new in the store."""
    unchanged: int = 0
    """Documents that say what the newest capture says, and were not stored again."""
    skipped: int = 0
    """Documents that were not asked for: final and stored, or not begun."""
    missing: int = 0
    """Documents that the API has not (404)."""
    failed: int = 0
    bytes: int = 0
    """Of bodies, decompressed."""
    duration_s: float = 0.0
    notes: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the report as the ``--json`` object, format version 1."""
        return {"version": 1, **asdict(self), "duration_s": round(self.duration_s, 3)}
