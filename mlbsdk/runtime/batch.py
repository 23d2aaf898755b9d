"""One batch on its way to a store: documents, and the rows of every table."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from mlbsdk.mapping.plan import Plan, Table


@dataclass(frozen=True)
class Document:
    """The newest capture of one document in a batch. ``captured_at`` is UTC."""

    key: tuple[Any, ...]
    captured_at: datetime


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
