"""Reports of runs as they were saved, this one and those before it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from mlbsdk.errors import ConfigurationError
from mlbsdk.hookspecs import Storage
from mlbsdk.quality.quarantine import NAME as QUARANTINE
from mlbsdk.report import BatchFigures, DocumentsReport, DriftReport, RuleReport, RunReport, TableReport
from mlbsdk.runtime.addresses import child
from mlbsdk.runtime.storage import LOCAL, read_text

#: Reports that are looked through for earlier runs of one transform.
_LOOKED_AT = 400


class _Part(BaseModel):
    """Part of a report; what a later version adds is passed over, and what an earlier one lacks is empty."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class AskedRule(_Part):
    """A rule of a mapping."""

    rule: str
    severity: str = "error"
    asks: str = ""
    reason: str = ""


class Asked(_Part):
    """What the rows of a table are asked: columns by built-in check, and rules."""

    type: tuple[str, ...] = ()
    length: tuple[str, ...] = ()
    not_null: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()
    rules: tuple[AskedRule, ...] = ()


class Example(_Part):
    """A row that failed checks."""

    table: str
    checks: tuple[str, ...] = ()
    values: dict[str, str | None] = {}
    source_row_id: str | None = None
    source_captured_at: str | None = None


class SavedStream(_Part):
    """What a stream's report says beyond that of a run."""

    checkpoint: str = ""
    batches: int = 0
    ended_by: str = ""
    history: tuple[BatchFigures, ...] = ()


class SavedRun(_Part):
    """The report of one run or stream, as ``_mlbsdk/runs`` holds it."""

    run_id: str
    transform: str
    started_at: datetime
    mode: str = "batch"
    status: str = "completed"
    duration_s: float = 0.0
    phases: dict[str, float] = {}
    source: str = ""
    target: str = ""
    documents: DocumentsReport = DocumentsReport()
    tables: dict[str, TableReport] = {}
    quality: tuple[RuleReport, ...] = ()
    checks: dict[str, Asked] = {}
    examples: tuple[Example, ...] = ()
    drift: tuple[DriftReport, ...] = ()
    notes: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    stream: SavedStream | None = None

    @field_validator("tables")
    @classmethod
    def _own(cls, tables: dict[str, TableReport]) -> dict[str, TableReport]:
        # What the quarantine table got is told already: by the tables that its rows were for.
        return {name: table for name, table in tables.items() if name != QUARANTINE}

    @classmethod
    def of(cls, report: RunReport) -> SavedRun:
        """Return a report that is still in memory as it would be saved."""
        return cls.model_validate(report.to_json())

    @classmethod
    def from_json(cls, text: str, where: str) -> SavedRun:
        """Read a report.

        Raises:
            ConfigurationError: it is none.
        """
        try:
            return cls.model_validate(json.loads(text))
        except (ValidationError, ValueError, RecursionError) as problem:
            reason = str(problem).splitlines()[0]
            raise ConfigurationError(f"'{where}' is no report of a run: {reason}") from problem

    def total(self, figure: str) -> int:
        """Return a figure of the tables, added up."""
        return sum(getattr(table, figure) for table in self.tables.values())

    @property
    def failed(self) -> int:
        """Failures: rows by check that failed, of both severities."""
        return sum(rule.failed for rule in self.quality)


class SavedRuns:
    """The reports that a target holds, in its ``_mlbsdk/runs``.

    Args:
        housekeeping: the target's ``_mlbsdk`` folder.
        storage: what keeps it.
    """

    def __init__(self, housekeeping: str, storage: Storage = LOCAL) -> None:
        self.storage = storage
        self.folder = child(housekeeping, "runs")

    def find(self, run_id: str | None) -> SavedRun:
        """Return the run of an id, or of its first letters; None is the last run.

        Raises:
            ConfigurationError: there is none, or there are several.
        """
        files = self._files()
        if not files:
            raise ConfigurationError(
                f"no reports of runs in '{self.folder}'",
                fix="Run a transform first, or name its target with --location.",
            )
        if run_id is None:
            return self._read(files[-1])
        found = [file for file in files if _run_id(file).startswith(run_id)]
        if len(found) == 1:
            return self._read(found[0])
        if found:
            raise ConfigurationError(
                f"{len(found)} runs start with '{run_id}'", fix="Give more of the id: 'mlbsdk run --json' shows it."
            )
        raise ConfigurationError(f"no run '{run_id}' in '{self.folder}'", fix=f"The last run is {_run_id(files[-1])}.")

    def until(self, run: SavedRun, limit: int) -> list[SavedRun]:
        """Return the runs of a run's transform up to it, at most ``limit``, the oldest first."""
        found: list[SavedRun] = []
        for other in self._newest_first(run):
            if other.run_id != run.run_id and other.transform == run.transform and other.mode == run.mode:
                found.append(other)
            if len(found) == limit - 1:
                break
        return [*reversed(found), run]

    def _newest_first(self, run: SavedRun) -> Iterator[SavedRun]:
        before = f"{run.started_at:%Y%m%dT%H%M%SZ}-{run.run_id}.json"
        files = [file for file in self._files() if _name(file) <= before]
        for file in files[: -_LOOKED_AT - 1 : -1]:
            try:
                yield self._read(file)
            except ConfigurationError:
                continue  # a file that is no report takes nothing away from those that are

    def _files(self) -> list[str]:
        found = (file.path for file in self.storage.files(self.folder))
        return sorted(file for file in found if file.endswith(".json") and not _name(file).startswith("."))

    def _read(self, file: str) -> SavedRun:
        try:
            return SavedRun.from_json(read_text(self.storage, file), file)
        except (OSError, UnicodeDecodeError) as problem:
            raise ConfigurationError(f"'{file}' can't be read: {problem}") from problem


def _name(file: str) -> str:
    return file.rpartition("/")[2]


def _run_id(file: str) -> str:
    return _name(file).removesuffix(".json").partition("-")[2]


def housekeeping_of(location: str) -> str:
    """Return the ``_mlbsdk`` folder that a target, or that folder's own path, means."""
    from mlbsdk.runtime.preparation import location_of
    from mlbsdk.writers.lakehouse import HOUSEKEEPING

    plain = location.rstrip("/")
    if plain.rpartition("/")[2] == HOUSEKEEPING and ":" not in plain.partition("/")[0]:
        return plain
    found = location_of(location)
    if found is None:
        raise ConfigurationError(
            f"'{location}' has no folder, so it keeps no reports of runs",
            fix="Write the page when it runs, with 'mlbsdk run --report FILE', or name a file with a run's --json.",
        )
    return found


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        ConfigurationError: it is not there, or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as problem:
        raise ConfigurationError(f"'{path}' can't be read as JSON: {problem}") from problem
