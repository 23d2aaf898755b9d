"""The Parquet and Avro writer: tables are folders of files, and a batch is published by moving files.

New files are staged first. Then a publication, a small file that lists every move and every deletion of the batch, is
written in one step; from that moment the batch is decided, and whoever opens the target next finishes what a crash
interrupted. So after recovery a batch is there for all tables or for none. In an object store a move is a copy
and then a deletion: done again, it ends the same. What plain files can't promise: a reader that lists a folder while
files are being moved may see a document's old and new rows together, or neither; Delta and PostgreSQL don't have that
gap.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbsdk.errors import StoredSchemaError, WriteError
from mlbsdk.hookspecs import Storage, StoredFile
from mlbsdk.quality.quarantine import NAME as QUARANTINE
from mlbsdk.quality.quarantine import QuarantineQuery
from mlbsdk.runtime.addresses import child
from mlbsdk.runtime.batch import NO_DECISIONS, Batch, Decisions, TableRows, TableWritten
from mlbsdk.runtime.spark_conf import setting
from mlbsdk.runtime.storage import read_text
from mlbsdk.runtime.threads import for_each_table
from mlbsdk.writers import found, quarantined
from mlbsdk.writers.lakehouse import Lakehouse, Ledger, joining, storable
from mlbsdk.writers.staging import ArrowStaging, SparkStaging, Staging, as_spark_spells
from mlbsdk.writers.stored import check_file_types, read_stored, stored_files
from mlbsdk.writers.turns import Turns

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from mlbsdk.mapping.differences import StoredTable
    from mlbsdk.mapping.plan import Plan, Table

_REQUESTS_AT_ONCE = 16
_TIMESTAMPS = "spark.sql.parquet.outputTimestampType"


@dataclass
class Publication:
    """What has to happen to files so that a batch is visible. Paths are relative to the target: it may be moved."""

    moves: list[tuple[str, str]] = field(default_factory=list)
    deletions: list[str] = field(default_factory=list)

    def save(self, storage: Storage, path: str) -> None:
        """Write it in one step, and durably: from then on the batch is decided."""
        storage.write(path, json.dumps({"moves": self.moves, "deletions": self.deletions}).encode())

    @classmethod
    def load(cls, storage: Storage, path: str) -> Publication:
        """Read it."""
        found = json.loads(read_text(storage, path))
        return cls([(source, target) for source, target in found["moves"]], list(found["deletions"]))

    def apply(self, storage: Storage, root: str) -> None:
        """Do it; what is done already is passed over.

        Raises:
            WriteError: a file that has to be moved is gone; nothing is deleted then.
        """
        moves = [(child(root, source), child(root, target)) for source, target in self.moves]
        if storage.is_local:
            for move in moves:
                _move(storage, *move)
        else:  # each is two requests, and waits for them
            with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
                list(pool.map(lambda move: _move(storage, *move), moves))
        storage.delete([child(root, path) for path in self.deletions])


def _move(storage: Storage, staged: str, published: str) -> None:
    try:
        storage.move(staged, published)
    except FileNotFoundError:
        if not storage.exists(published):
            raise WriteError(
                f"the batch that was being published can't be completed: '{staged}' is gone",
                fix="Restore it, or write to another target and run all captures again.",
            ) from None


class FileWriter:
    """Writes each table to a folder of Parquet or Avro files, ``TARGET/{schema}/{table}``, in the mapping's partitions.

    Rows of a document are replaced file by file: the files that hold any of them are written again without them. The
    option ``compression`` is the format's codec, snappy by default.
    """

    def __init__(self, format: str, address: str, options: Mapping[str, object]) -> None:
        self.format = format
        self.compression = str(options.get("compression", "snappy"))
        self.house = Lakehouse.of(address, options)
        self._turns = Turns()

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
        files = self._stored(table.name)
        return stored_files(self.house.storage, files, self.house.path(table.name), self.format, table)

    def read(self, spark: SparkSession, table: str) -> DataFrame:
        """Return the rows of a table as they are stored; what only folders' names say is text.

        Raises:
            SourceError: there is no such table.
        """
        return read_stored(spark, self.format, self.house.path(table), table)

    def table_names(self) -> tuple[str, ...]:
        """Return the names of the tables that are stored."""
        return self.house.table_names(self.format)

    def find_rows(self, table: str, equal: Mapping[str, str], limit: int) -> list[dict[str, Any]]:
        """Return the first rows of a table whose columns have these values."""
        files, folder = self._stored(table), self.house.path(table)
        return found.in_files(self.house.storage, files, folder, self.format, table, equal, limit)

    def quarantined(self, query: QuarantineQuery) -> pa.Table:
        """Return what the quarantine table holds of a query."""
        return quarantined.in_files(self.house.storage, self._stored(QUARANTINE), self.format, query)

    def newest_captures(self, plan: Plan) -> Mapping[tuple[str, str], datetime]:
        """Return the newest captured_at that the target has seen, by (ledger name, document name)."""
        return Ledger(self.house, plan).newest()

    def write(self, batch: Batch) -> Mapping[str, TableWritten]:
        """Stage all tables, then publish them together.

        Raises:
            WriteError: a table could not be staged; nothing is published then.
        """
        tables = {rows.table.name: storable(rows) for rows in batch.tables.values()}
        with self.house.locked() as still_held:
            self._recover()
            ledger = Ledger(self.house, batch.plan)
            ledger.check(lambda table: bool(self._stored(table)))
            decisions = ledger.decide(batch.documents)
            name = f"{batch.run_id}-{batch.batch_id}-{uuid.uuid4().hex[:8]}"
            staging = child(self._staging, name)
            publication = Publication()
            with standard_timestamps(batch.spark):
                written = for_each_table(
                    lambda table: self._stage_table(
                        tables[table.name], decisions.get(table.name, NO_DECISIONS), batch.spark, staging, publication
                    ),
                    [rows.table for rows in tables.values()],
                )
            still_held()
            ledger.record(batch.documents, batch.run_id)
            if publication.moves or publication.deletions:
                publication.save(self.house.storage, child(self._publications, f"{name}.json"))
            self._recover()
        return written

    def compact(self, tables: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Join the small Parquet files of tables, partition by partition; rows stay as they are.

        It is published as a batch is: a crash leaves the old files or the new ones.

        Args:
            tables: their names.

        Returns:
            By name, for each table that had any to join: its files before and after.
        """
        from mlbsdk.writers.compaction import join, to_join

        found = {}
        storage = self.house.storage
        with self.house.locked() as still_held:
            self._recover()
            name = f"compaction-{uuid.uuid4().hex[:8]}"
            publication = Publication()
            for table in tables:
                files = self._stored(table)
                groups = to_join({file.path: file.size for file in files})
                for group in groups:
                    folder = group[0].rpartition("/")[0]
                    joined = child(self._staging, name, f"part-{uuid.uuid4().hex}-0.parquet")
                    join(storage, group, joined, self.compression)
                    target = child(folder, joined.rpartition("/")[2])
                    publication.moves.append((self._relative(joined), self._relative(target)))
                    publication.deletions += [self._relative(file) for file in group]
                if groups:
                    found[table] = (len(files), len(files) - sum(len(group) - 1 for group in groups))
            if publication.moves:
                still_held()
                publication.save(storage, child(self._publications, f"{name}.json"))
            self._recover()
        return found

    def _stored(self, table: str) -> list[StoredFile]:
        """Return the files of a table, sorted."""
        found = self.house.storage.files(self.house.path(table))
        return [file for file in found if is_data(file.path, self.format)]

    @property
    def _staging(self) -> str:
        return child(self.house.housekeeping, "staging")

    @property
    def _publications(self) -> str:
        return child(self.house.housekeeping, "publications")

    def _recover(self) -> None:
        """Finish decided publications and drop what was staged for undecided ones."""
        storage = self.house.storage
        found = [file.path for file in storage.files(self._publications)]
        for path in found:
            if path.endswith(".json"):
                Publication.load(storage, path).apply(storage, self.house.root)
            storage.delete([path])
        storage.delete_folder(self._staging)

    def _stage_table(
        self, rows: TableRows, decisions: Decisions, spark: SparkSession, staging: str, publication: Publication
    ) -> TableWritten:
        rows = joining(rows, decisions) if rows.joins else rows
        table = rows.table
        folder, staged = self.house.path(table.name), child(staging, table.name)
        try:
            with self._turns.of(rows):
                change, superseded = self._stage(rows, folder, staged, decisions, spark)
        except StoredSchemaError:
            raise
        except Exception as problem:  # whatever Spark or the file system raises, the user needs to know the table
            reason = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
            raise WriteError(
                f"table '{table.name}' could not be staged: {reason}", fix="Nothing was published; run again."
            ) from problem
        files = [file for file in self.house.storage.files(staged) if is_data(file.path, self.format)]
        for file in files:
            name = as_spark_spells(file.path.removeprefix(f"{staged}/"))
            publication.moves.append((self._relative(file.path), self._relative(child(folder, name))))
        publication.deletions += [self._relative(path) for path in superseded]
        return replace(change, files=len(files), size=sum(file.size for file in files))

    def _relative(self, path: str) -> str:
        return path.removeprefix(f"{self.house.root}/")

    def _stage(
        self, rows: TableRows, folder: str, staged: str, decisions: Decisions, spark: SparkSession
    ) -> tuple[TableWritten, list[str]]:
        """Write what a table's files become; return what changes and the files that go."""
        storage = self.house.storage
        staging: Staging[Any]
        if self.format == "parquet" and rows.arrow is not None:
            staging = ArrowStaging(rows.arrow, rows.table, folder, storage, self.compression)
        else:
            staging = SparkStaging(
                rows.frame, rows.count, rows.table, folder, storage, self.format, spark, self.compression
            )
        stored = self._stored(rows.table.name)
        check_file_types(storage, stored, self.format, rows.table, folder)
        return staging.stage([file.path for file in stored], decisions, staged)


def is_data(path: str, format: str) -> bool:
    """Whether a file is one of a table's own: Spark and Arrow pass over names that begin with these."""
    name = path.rpartition("/")[2]
    return name.endswith(f".{format}") and not name.startswith(("_", "."))


@contextlib.contextmanager
def standard_timestamps(spark: SparkSession | None) -> Iterator[None]:
    """Have Spark write Parquet timestamps as the standard says, as Arrow does: its default INT96 has no time zone."""
    with contextlib.nullcontext() if spark is None else setting(spark, _TIMESTAMPS, "TIMESTAMP_MICROS"):
        yield
