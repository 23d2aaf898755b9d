"""What becomes of refused rows once their captures were read again: plain data, decided without Spark."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any
from urllib.parse import unquote, urlsplit

from mlbsdk.mapping.plan import CAPTURED_AT, Plan, Table
from mlbsdk.runtime.batch import Document, decisions_by_table


class Outcome(str, Enum):
    """What a replay found of one entry of the quarantine table."""

    PUBLISHED = "published"
    """It passes now, and went through the ordinary upsert."""
    SUPERSEDED = "superseded"
    """A newer capture of its document, or of its key, has taken its place."""
    GONE = "gone"
    """The mapping makes no such row of the capture any more."""
    REFUSED_ANEW = "refused_anew"
    """Refused again, for other reasons or with other values: a new entry stands for it."""
    STILL_REFUSED = "still_refused"
    """Refused again as it was: the entry stays."""
    NOT_REPLAYED = "not_replayed"
    """It could not be tried; the entry stays."""

    @property
    def settles(self) -> bool:
        """Whether the entry is settled by it."""
        return self not in (Outcome.STILL_REFUSED, Outcome.NOT_REPLAYED)


@dataclass(frozen=True)
class Entry:
    """One open entry of the quarantine table."""

    id: str
    table: str
    transform: str
    run_id: str
    checks: tuple[str, ...]
    row_json: str | None
    """The row; None for a whole capture."""
    row_id: str
    captured_at: datetime | None
    source: str | None
    stored: Mapping[str, Any] = field(repr=False, compare=False)
    """All its columns, to be written back."""

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Entry:
        """Take a row of the quarantine table."""
        return cls(
            id=stored["quarantine_id"],
            table=stored["table_name"] or "",
            transform=stored["transform"] or "",
            run_id=stored["run_id"] or "",
            checks=tuple((stored["checks"] or "").split(",")),
            row_json=stored["row_json"],
            row_id=stored["source_row_id"] or "",
            captured_at=stored[CAPTURED_AT],
            source=stored["source"],
            stored=stored,
        )

    @property
    def is_capture(self) -> bool:
        """Whether it is a whole capture that could not be used."""
        return self.row_json is None

    @property
    def values(self) -> dict[str, Any]:
        """The row's values as JSON has them; empty for a capture. Numbers with a point are decimals."""
        if self.row_json is None:
            return {}
        try:
            found = json.loads(self.row_json, parse_float=Decimal)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Settled:
    """What became of an entry, and why where it needs a reason."""

    entry: Entry
    outcome: Outcome
    why: str = ""


@dataclass(frozen=True)
class Taken:
    """A capture that was read again and is a document."""

    row_id: str
    document: Document
    is_newest: bool
    """Whether no newer capture of its document was read with it."""


Key = tuple[Any, ...]


@dataclass(frozen=True)
class Recut:
    """What the current mapping made of captures that were read again."""

    plan: Plan
    taken: Sequence[Taken]
    rejected: frozenset[str]
    """Names of captures that are no documents, still."""
    passed: Mapping[str, Mapping[Key, datetime | None]]
    """By table, the capture time of each row that passed, by its primary key."""
    refused: Sequence[Entry]
    """Rows that were refused, as entries."""
    seen: Mapping[tuple[str, str], datetime]
    """The newest capture that the store has of each document, by (ledger name, document name)."""

    def settle(self, entries: Iterable[Entry]) -> list[Settled]:
        """Say what became of entries whose captures were looked for."""
        judge = _Judge(self)
        return [judge.settled(entry) for entry in entries]


NOT_FOUND = "its capture is no longer in the source"


class _Judge:
    def __init__(self, recut: Recut) -> None:
        self.recut = recut
        self.tables = {table.name: table for table in recut.plan.tables}
        self.by_row = {one.row_id: one for one in recut.taken}
        self.by_name: dict[str, list[Taken]] = {}
        for one in recut.taken:
            self.by_name.setdefault(plain(one.row_id), []).append(one)
        self.refused_ids = {refused.id for refused in recut.refused}
        self.refused_keys: dict[str, set[Key]] = {}
        self.refused_rows = {(refused.table, refused.row_id) for refused in recut.refused}
        for refused in recut.refused:
            key = self._key(refused)
            if key is not None:
                self.refused_keys.setdefault(refused.table, set()).add(key)
        decided = decisions_by_table(recut.plan, {one.document for one in recut.taken}, recut.seen)
        self.stale = {name: set(found.stale) for name, found in decided.items()}

    def settled(self, entry: Entry) -> Settled:
        return self._capture(entry) if entry.is_capture else self._row(entry)

    def _capture(self, entry: Entry) -> Settled:
        name = plain(entry.row_id)
        if entry.id in self.refused_ids or name in self.recut.rejected:
            return Settled(entry, Outcome.STILL_REFUSED)
        found = self.by_name.get(name, [])
        if not found:
            return Settled(entry, Outcome.NOT_REPLAYED, NOT_FOUND)
        replaced = [name for name, table in self.tables.items() if table.on_missing == "delete"]
        is_old = bool(replaced) and all(
            not one.is_newest or all(one.document in self.stale[name] for name in replaced) for one in found
        )
        return Settled(entry, Outcome.SUPERSEDED if is_old else Outcome.PUBLISHED)

    def _row(self, entry: Entry) -> Settled:
        if plain(entry.row_id) in self.recut.rejected:
            return Settled(entry, Outcome.REFUSED_ANEW, "the whole capture is refused now")
        taken = self.by_row.get(entry.row_id)
        if taken is None:
            return Settled(entry, Outcome.NOT_REPLAYED, NOT_FOUND)
        captured_at = taken.document.captured_at
        if entry.captured_at is not None and captured_at != _utc(entry.captured_at):
            if captured_at > _utc(entry.captured_at):
                return Settled(entry, Outcome.SUPERSEDED, "the source has a newer capture in its place")
            return Settled(entry, Outcome.NOT_REPLAYED, "the source has an older capture in its place")
        if entry.id in self.refused_ids:
            return Settled(entry, Outcome.STILL_REFUSED)
        table = self.tables.get(entry.table)
        if table is None:
            return Settled(entry, Outcome.GONE, "the mapping has no such table any more")
        if table.on_missing == "delete" and (not taken.is_newest or taken.document in self.stale[table.name]):
            return Settled(entry, Outcome.SUPERSEDED, "a newer capture of its document is stored")
        return self._by_key(entry, table, captured_at)

    def _by_key(self, entry: Entry, table: Table, captured_at: datetime) -> Settled:
        key = self._key(entry)
        passed = self.recut.passed.get(table.name, {})
        if key is None:  # the whole capture was cut again, so what it still refuses is all that is left of it
            is_left = (entry.table, entry.row_id) in self.refused_rows
            return Settled(entry, Outcome.REFUSED_ANEW if is_left else Outcome.PUBLISHED)
        if key in passed:
            at = passed[key]
            is_newer = at is not None and _utc(at) > captured_at
            return Settled(entry, Outcome.SUPERSEDED if is_newer else Outcome.PUBLISHED)
        if key in self.refused_keys.get(table.name, set()):
            return Settled(entry, Outcome.REFUSED_ANEW)
        return Settled(entry, Outcome.GONE)

    def _key(self, entry: Entry) -> Key | None:
        table = self.tables.get(entry.table)
        return None if table is None else key_of(table, entry.values)


def key_of(table: Table, values: Mapping[str, Any]) -> Key | None:
    """Return a row's primary key in a form in which JSON's values and a store's are equal; None where a part is null.

    Args:
        table: the table.
        values: its values, from JSON or from Arrow.
    """
    found = tuple(_comparable(values.get(name), table.column(name).type.kind) for name in table.primary_key)
    return None if any(value is None for value in found) else found


def _comparable(value: Any, kind: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, datetime):
        return _utc(value)
    if isinstance(value, date):
        return value.isoformat()
    if kind == "number":
        try:
            return Decimal(str(value)).normalize()
        except InvalidOperation:
            return str(value)
    if isinstance(value, str) and "T" in value and value[:4].isdigit():
        try:
            return _utc(datetime.fromisoformat(value.replace("Z", "+00:00")))
        except ValueError:
            return value
    return str(value)


def plain(row_id: str) -> str:
    """Return the name of a raw row as the quarantine table has it for whole captures: a file's path, or the id."""
    return unquote(urlsplit(row_id).path) if row_id.startswith("file:") else row_id


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
