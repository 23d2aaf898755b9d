"""The Parquet and Avro writer: tables are folders of files, and a batch is published by moving files.

New files are staged first. Then a publication, a small file that lists every move and every deletion of the batch, is
written in one step; from that moment the batch is decided, and whoever opens the target next finishes what a crash
interrupted. So after recovery a batch is there for all tables or for none. What plain files can't promise: a reader
that lists a folder while files are being moved may see a document's old and new rows together, or neither; Delta and
PostgreSQL don't have that gap.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbsdk.errors import ConfigurationError, StoredSchemaError, WriteError
from mlbsdk.quality.quarantine import NAME as QUARANTINE
from mlbsdk.quality.quarantine import QuarantineQuery
from mlbsdk.runtime.batch import NO_DECISIONS, Batch, Decisions, TableRows, TableWritten
from mlbsdk.runtime.threads import in_threads
from mlbsdk.writers import quarantined
from mlbsdk.writers.lakehouse import Lakehouse, Ledger, joining, storable
from mlbsdk.writers.staging import ArrowStaging, SparkStaging, Staging
from mlbsdk.writers.stored import check_file_types, stored_files

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

    from mlbsdk.mapping.differences import StoredTable
    from mlbsdk.mapping.plan import Plan, Table

DRAFT = ".draft"
_TIMESTAMPS = "spark.sql.parquet.outputTimestampType"


@dataclass
class Publication:
    """What has to happen to files so that a batch is visible. Paths are relative to the target: it may be moved."""

    moves: list[tuple[str, str]] = field(default_factory=list)
    deletions: list[str] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write it in one step, and durably: from then on the batch is decided."""
        draft = path.with_suffix(DRAFT)
        with draft.open("w", encoding="utf-8") as stream:
            json.dump({"moves": self.moves, "deletions": self.deletions}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)

    @classmethod
    def load(cls, path: Path) -> Publication:
        """Read it."""
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls([(source, target) for source, target in found["moves"]], list(found["deletions"]))

    def apply(self, root: Path) -> None:
        """Do it; what is done already is passed over.

        Raises:
            WriteError: a file that has to be moved is gone; nothing is deleted then.
        """
        for source, target in self.moves:
            staged, published = root / source, root / target
            if staged.exists():
                published.parent.mkdir(parents=True, exist_ok=True)
                staged.replace(published)
            elif not published.exists():
                raise WriteError(
                    f"the batch that was being published can't be completed: '{staged}' is gone",
                    fix="Restore it, or write to another target and run all captures again.",
                )
        for path in self.deletions:
            (root / path).unlink(missing_ok=True)


class FileWriter:
    """Writes each table to a folder of Parquet or Avro files, ``TARGET/{schema}/{table}``, in the mapping's partitions.

    Rows of a document are replaced file by file: the files that hold any of them are written again without them.
    """

    def __init__(self, format: str, address: str, options: Mapping[str, object]) -> None:
        self.format = format
        self.house = Lakehouse(address)
        if not self.house.is_local:
            raise ConfigurationError(
                f"{format} tables at '{address}' need an object store",
                fix="Install mlbsdk-plugin-s3, or use a local path.",
            )

    def prepare(self) -> None:
        """Check that the target can be written, and finish what a crashed run left.

        Raises:
            TargetUnwritableError: it can't.
            ConfigurationError: it holds tables of another format.
        """
        self.house.check_writable()
        self.house.claim(self.format)
        with self.house.locked():
            self._recover()

    def address_of(self, table: str) -> tuple[str, str]:
        """Return the table's OpenLineage dataset (namespace, name)."""
        return self.house.dataset(table)

    def stored(self, table: Table) -> StoredTable | None:
        """Return a table as it is stored; None where it is not."""
        return stored_files(self._stored(table.name), self.house.path(table.name), self.format, table)

    def quarantined(self, query: QuarantineQuery) -> pa.Table:
        """Return what the quarantine table holds of a query."""
        return quarantined.in_files(self._stored(QUARANTINE), self.format, query)

    def newest_captures(self, plan: Plan) -> Mapping[tuple[str, str], datetime]:
        """Return the newest captured_at that the target has seen, by (ledger name, document name)."""
        return Ledger(self.house, plan).newest()

    def write(self, batch: Batch) -> Mapping[str, TableWritten]:
        """Stage all tables, then publish them together.

        Raises:
            WriteError: a table could not be staged; nothing is published then.
        """
        tables = [storable(rows) for rows in batch.tables.values()]
        with self.house.locked():
            self._recover()
            ledger = Ledger(self.house, batch.plan)
            ledger.check(lambda table: bool(self._stored(table)))
            decisions = ledger.decide(batch.documents)
            staging = self._staging / f"{batch.run_id}-{batch.batch_id}-{uuid.uuid4().hex[:8]}"
            publication = Publication()
            with _standard_timestamps(batch.spark):
                written = in_threads(
                    lambda rows: self._stage_table(
                        rows, decisions.get(rows.table.name, NO_DECISIONS), batch.spark, staging, publication
                    ),
                    tables,
                )
            ledger.record(batch.documents, batch.run_id)
            if publication.moves or publication.deletions:
                publication.save(self._publications / f"{staging.name}.json")
            self._recover()
        return {rows.table.name: change for rows, change in zip(tables, written, strict=True)}

    @property
    def _root(self) -> Path:
        return Path(self.house.root)

    def _stored(self, table: str) -> list[str]:
        """Return the files of a table, sorted."""
        found = Path(self.house.path(table)).rglob(f"*.{self.format}")
        return sorted(str(path) for path in found if not path.name.startswith(("_", ".")))

    @property
    def _staging(self) -> Path:
        return Path(self.house.housekeeping) / "staging"

    @property
    def _publications(self) -> Path:
        folder = Path(self.house.housekeeping) / "publications"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _recover(self) -> None:
        """Finish decided publications and drop what was staged for undecided ones."""
        for path in sorted(self._publications.glob("*.json")):
            Publication.load(path).apply(self._root)
            path.unlink()
        for draft in self._publications.glob(f"*{DRAFT}"):
            draft.unlink()
        shutil.rmtree(self._staging, ignore_errors=True)

    def _stage_table(
        self, rows: TableRows, decisions: Decisions, spark: SparkSession, staging: Path, publication: Publication
    ) -> TableWritten:
        rows = joining(rows, decisions) if rows.joins else rows
        table = rows.table
        folder = Path(self.house.path(table.name))
        try:
            change, superseded = self._stage(rows, folder, staging / table.name, decisions, spark)
        except StoredSchemaError:
            raise
        except Exception as problem:  # whatever Spark or the file system raises, the user needs to know the table
            reason = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
            raise WriteError(
                f"table '{table.name}' could not be staged: {reason}", fix="Nothing was published; run again."
            ) from problem
        staged = sorted((staging / table.name).rglob(f"*.{self.format}"))
        publication.moves += [
            (self._relative(path), self._relative(folder / path.relative_to(staging / table.name))) for path in staged
        ]
        publication.deletions += [self._relative(Path(path)) for path in superseded]
        return change

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self._root))

    def _stage(
        self, rows: TableRows, folder: Path, staged: Path, decisions: Decisions, spark: SparkSession
    ) -> tuple[TableWritten, list[str]]:
        """Write what a table's files become; return what changes and the files that go."""
        staging: Staging[Any]
        if self.format == "parquet" and rows.arrow is not None:
            staging = ArrowStaging(rows.arrow, rows.table, folder)
        else:
            staging = SparkStaging(rows.frame, rows.count, rows.table, folder, self.format, spark)
        stored = self._stored(rows.table.name)
        check_file_types(stored, self.format, rows.table, str(folder))
        return staging.stage(stored, decisions, staged)


@contextlib.contextmanager
def _standard_timestamps(spark: SparkSession | None) -> Iterator[None]:
    """Have Spark write Parquet timestamps as the standard says, as Arrow does: its default INT96 has no time zone."""
    if spark is None:
        yield
        return
    before = spark.conf.get(_TIMESTAMPS) or "INT96"
    spark.conf.set(_TIMESTAMPS, "TIMESTAMP_MICROS")
    try:
        yield
    finally:
        spark.conf.set(_TIMESTAMPS, before)
