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


@dataclass(frozen=True)
class TableRows:
    """The rows of one table.

    ``frame`` has the table's columns and ``lineage_metadata``. ``arrow`` holds the same rows where the batch is small
    and Spark runs on this machine; None otherwise. Primary keys are unique.
    """

    table: Table
    frame: DataFrame
    arrow: pa.Table | None
    count: int


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

    @property
    def is_change(self) -> bool:
        """Whether anything in the store differs after it."""
        return bool(self.inserted or self.updated or self.deleted)

    def plus_unchanged(self, rows: int) -> TableWritten:
        """Return the counts with more unchanged rows."""
        return replace(self, unchanged=self.unchanged + rows)
