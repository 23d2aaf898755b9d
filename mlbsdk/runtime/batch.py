"""One batch on its way to a store: documents, and the rows of every table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from mlbsdk.mapping.plan import Plan, Table


def key_value(value: Any, kind: str) -> Any:
    """Return a document key's value of a type as keys hold it: moments in UTC.

    Spark gives them in the machine's time zone, without saying so.
    """
    return value.astimezone(timezone.utc) if kind == "TIMESTAMPTZ" and value is not None else value


@dataclass(frozen=True)
class Document:
    """The newest capture of one document in a batch. ``captured_at`` is UTC."""

    key: tuple[Any, ...]
    captured_at: datetime

    @property
    def name(self) -> str:
        """The key as JSON text, as ledgers keep it."""
        values = [value if isinstance(value, int | str | bool) or value is None else str(value) for value in self.key]
        return json.dumps(values)


@dataclass(frozen=True)
class Decisions:
    """Which documents of a batch are new to the target, which replace what is stored, and which are older than that."""

    new: tuple[Document, ...]
    replacing: tuple[Document, ...]
    stale: tuple[Document, ...]

    @classmethod
    def of(cls, documents: Iterable[Document], seen: Mapping[str, datetime]) -> Decisions:
        """Compare documents with the newest captured_at that a target has seen, by :attr:`Document.name`."""
        new: list[Document] = []
        replacing: list[Document] = []
        stale: list[Document] = []
        for document in documents:
            stored = seen.get(document.name)
            (new if stored is None else replacing if document.captured_at >= stored else stale).append(document)
        return cls(tuple(new), tuple(replacing), tuple(stale))


#: For tables that keep no documents, such as the quarantine.
NO_DECISIONS = Decisions((), (), ())


def decisions_by_table(
    plan: Plan, documents: Iterable[Document], seen: Mapping[tuple[str, str], datetime]
) -> dict[str, Decisions]:
    """Compare documents with what a target has seen of them, table by table.

    A run of chosen tables notes its captures for these tables only, so that the others still take an older one.

    Args:
        plan: of the run.
        documents: its newest captures.
        seen: the newest captured_at by (ledger name, document name), the names of :func:`names_seen`.

    Returns:
        By table name. Tables that are not the mapping's own, such as the quarantine, are not in it.
    """
    given = tuple(documents)
    by_name: dict[str, dict[str, datetime]] = {}
    for (name, document), captured_at in seen.items():
        by_name.setdefault(name, {})[document] = captured_at
    by_all = by_name.get(plan.name, {})
    shared = Decisions.of(given, by_all)
    found = {}
    for table in plan.tables:
        own = by_name.get(plan.ledger_name_of(table))
        # Most tables were never chosen alone: what all have seen is compared once.
        found[table.name] = shared if own is None else Decisions.of(given, _later(by_all, own))
    return found


def _later(one: Mapping[str, datetime], other: Mapping[str, datetime]) -> dict[str, datetime]:
    return {name: max(at for at in (one.get(name), other.get(name)) if at is not None) for name in {*one, *other}}


def names_seen(plan: Plan) -> tuple[str, ...]:
    """Return the ledger names that tell what a plan's tables have seen."""
    return (plan.name, *map(plan.ledger_name_of, plan.tables))


@dataclass(frozen=True)
class TableRows:
    """The rows of one table.

    ``frame`` has the table's columns and ``lineage_metadata``. ``arrow`` holds the same rows where Spark runs on this
    machine and they are not too many; None otherwise. Those of a large batch are in a file that is mapped into memory,
    so read them piece by piece. Primary keys are unique.
    """

    table: Table
    frame: DataFrame
    arrow: pa.Table | None
    count: int
    joins: bool = False
    """Whether the rows join those that are stored of their documents instead of replacing them: merged by key, and only
    where the store has seen this capture of the document and no newer one."""


@dataclass(frozen=True)
class Batch:
    """All tables of one batch.

    Tables with ``on_missing: delete`` hold the rows of the newest capture of each document in the batch, those with
    ``keep`` the newest row of each key. ``documents`` are these newest captures.
    """

    spark: SparkSession
    plan: Plan
    run_id: str
    batch_id: int
    documents: tuple[Document, ...]
    tables: dict[str, TableRows] = field(default_factory=dict)


@dataclass(frozen=True)
class TableWritten:
    """What a batch changed in one table of the store. Counts are rows.

    ``unchanged`` are incoming rows that changed nothing: of an older capture than the stored one, or equal to it.
    """

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    version: int | None = field(default=None, compare=False)
    """Of the table in the store after it, where the store has versions."""
    files: int | None = field(default=None, compare=False)
    """Data files that it added, where the store has files."""
    size: int | None = field(default=None, compare=False)
    """Bytes of these files."""

    @property
    def is_change(self) -> bool:
        """Whether anything in the store differs after it."""
        return bool(self.inserted or self.updated or self.deleted)

    def plus(self, other: TableWritten) -> TableWritten:
        """Return the counts with those of other rows of the same table."""
        return replace(
            self,
            inserted=self.inserted + other.inserted,
            updated=self.updated + other.updated,
            unchanged=self.unchanged + other.unchanged,
            deleted=self.deleted + other.deleted,
        )

    def plus_unchanged(self, rows: int) -> TableWritten:
        """Return the counts with more unchanged rows."""
        return self.plus(TableWritten(unchanged=rows))
