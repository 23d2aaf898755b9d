"""Rows that retention would remove are not written: otherwise export and retention would undo each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from mlbsdk.hookspecs import Writer
from mlbsdk.layers.dates import YEARS
from mlbsdk.mapping.plan import Table
from mlbsdk.runtime.batch import Batch, TableRows, TableWritten
from mlbsdk.runtime.threads import in_threads


class WithoutExpired:
    """A writer that leaves out rows of partitions that are older than the layer keeps."""

    def __init__(self, writer: Writer, oldest: date) -> None:
        self.writer = writer
        self.oldest = oldest
        self.expired: dict[str, int] = {}
        """Rows left out, by table."""

    def prepare(self) -> None:
        """Do what the writer does."""
        self.writer.prepare()

    def address_of(self, table: str) -> tuple[str, str]:
        """Return what the writer does."""
        return self.writer.address_of(table)

    def write(self, batch: Batch) -> Mapping[str, TableWritten]:
        """Write the rows that are kept. Documents that have others only still count as seen."""
        kept = in_threads(self._kept, list(batch.tables.values()))
        for before, after in zip(batch.tables.values(), kept, strict=True):
            if after.count < before.count:
                self.expired[before.table.name] = before.count - after.count
        return self.writer.write(replace(batch, tables={rows.table.name: rows for rows in kept}))

    def _kept(self, rows: TableRows) -> TableRows:
        condition = kept_condition(rows.table, self.oldest)
        if condition is None:
            return rows
        frame = rows.frame.where(condition)
        if rows.arrow is None:
            return replace(rows, frame=frame, count=frame.count())
        import pyarrow.compute as pc

        column, first = _dated(rows.table, self.oldest)
        mask = pc.fill_null(pc.greater_equal(rows.arrow[column].cast("string"), first), True)
        arrow = rows.arrow.filter(mask)
        return replace(rows, frame=frame, arrow=arrow, count=arrow.num_rows)


def kept_condition(table: Table, oldest: date) -> str | None:
    """Return Spark SQL that is true for the rows of a table that are kept; None where its partitions have no date.

    A row without a date is kept.
    """
    column, first = _dated(table, oldest)
    return f"`{column}` IS NULL OR cast(`{column}` AS string) >= '{first}'" if column else None


def _dated(table: Table, oldest: date) -> tuple[str, str]:
    """Return the partition column that tells the date, and the text of the first that is kept; else two empty texts.

    Dates as ISO text and years of four digits are in order as texts.
    """
    by_type = {name: table.column(name).type for name in table.partition_by}
    for name, type in by_type.items():
        if type.name == "DATE":
            return name, oldest.isoformat()
    return next(((name, f"{oldest.year:04}") for name in YEARS if name in by_type), ("", ""))
