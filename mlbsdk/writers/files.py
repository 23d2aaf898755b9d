"""The Parquet and Avro writer: tables are folders of files, and a batch is published by moving files.

New files are staged first. Then a publication, a small file that lists every move and every deletion of the batch, is
written in one step; from that moment the batch is decided, and whoever opens the target next finishes what a crash
interrupted. So after recovery a batch is there for all tables or for none. What plain files can't promise: a reader
that lists a folder while files are being moved may see a document's old and new rows together, or neither; Delta and
PostgreSQL don't have that gap.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mlbsdk.errors import ConfigurationError, WriteError
from mlbsdk.mapping.plan import CAPTURED_AT, LINEAGE, Table
from mlbsdk.runtime.batch import Batch, Document, TableRows, TableWritten
from mlbsdk.runtime.transformation import in_threads
from mlbsdk.writers.changes import compare_frames
from mlbsdk.writers.lakehouse import Decisions, Lakehouse, Ledger, documents_predicate

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_FILE = "_file"


@dataclass
class Publication:
    """What has to happen to files so that a batch is visible. Paths are absolute."""

    moves: list[tuple[str, str]] = field(default_factory=list)
    deletions: list[str] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write it in one step."""
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps({"moves": self.moves, "deletions": self.deletions}), encoding="utf-8")
        draft.replace(path)

    @classmethod
    def load(cls, path: Path) -> Publication:
        """Read it."""
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls([(source, target) for source, target in found["moves"]], list(found["deletions"]))

    def apply(self) -> None:
        """Do it; what is done already is passed over."""
        for source, target in self.moves:
            if Path(source).exists():
                Path(target).parent.mkdir(parents=True, exist_ok=True)
                Path(source).replace(target)
        for path in self.deletions:
            Path(path).unlink(missing_ok=True)


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
        """
        self.house.check_writable()
        with self.house.locked():
            self._recover()

    def address_of(self, table: str) -> tuple[str, str]:
        """Return the table's OpenLineage dataset (namespace, name)."""
        return self.house.dataset(table)

    def write(self, batch: Batch) -> Mapping[str, TableWritten]:
        """Stage all tables, then publish them together.

        Raises:
            WriteError: a table could not be staged; nothing is published then.
        """
        with self.house.locked():
            self._recover()
            ledger = Ledger(self.house, batch.plan)
            decisions = ledger.decide(batch.documents)
            staging = self._staging / f"{batch.run_id}-{batch.batch_id}-{uuid.uuid4().hex[:8]}"
            tables = list(batch.tables.values())
            publication = Publication()
            written = in_threads(
                lambda rows: self._stage_table(rows, decisions, batch.spark, staging, publication), tables
            )
            ledger.record((*decisions.new, *decisions.replacing), batch.run_id)
            if publication.moves or publication.deletions:
                publication.save(self._publications / f"{staging.name}.json")
            self._recover()
        return {rows.table.name: change for rows, change in zip(tables, written, strict=True)}

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
            Publication.load(path).apply()
            path.unlink()
        shutil.rmtree(self._staging, ignore_errors=True)

    def _stage_table(
        self, rows: TableRows, decisions: Decisions, spark: SparkSession, staging: Path, publication: Publication
    ) -> TableWritten:
        table = rows.table
        try:
            stored = self._stored_files(table)
            if table.on_missing == "keep":
                plan = self._merged(rows, stored, spark)
            else:
                plan = self._replaced(rows, stored, decisions, spark)
            if plan.rows is not None:
                self._stage(plan.rows, rows if plan.rows is rows.frame else None, table, staging, publication)
        except WriteError:
            raise
        except (
            Exception
        ) as problem:  # whatever Spark or the file system raises, the user needs to know which table it was
            reason = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
            raise WriteError(
                f"table '{table.name}' could not be staged: {reason}", fix="Nothing was published; run again."
            ) from problem
        publication.deletions += plan.superseded
        return plan.change

    # What to write

    def _replaced(self, rows: TableRows, stored: list[str], decisions: Decisions, spark: SparkSession) -> _TablePlan:
        table = rows.table
        current = (*decisions.new, *decisions.replacing)
        frame, stale = rows.frame, 0
        if decisions.stale:
            frame = rows.frame.where(documents_predicate(table, current, "`")) if current else rows.frame.where("false")
            stale = rows.frame.where(documents_predicate(table, decisions.stale, "`")).count()
        if not current:
            return _TablePlan(TableWritten(unchanged=stale), None)
        holding = self._files_of(stored, table, decisions.replacing, spark) if decisions.replacing and stored else []
        if not holding:
            return _TablePlan(
                TableWritten(inserted=rows.count - stale, unchanged=stale), frame if rows.count - stale else None
            )
        before = self._read(holding, table, spark)
        theirs = documents_predicate(table, current, "`")
        change = compare_frames(before.where(theirs), frame, table)
        change = TableWritten(change.inserted, change.updated, change.unchanged + stale, change.deleted)
        if not (change.inserted or change.updated or change.deleted):
            return _TablePlan(change, None)
        return _TablePlan(change, before.where(f"NOT ({theirs})").unionByName(frame), holding)

    def _merged(self, rows: TableRows, stored: list[str], spark: SparkSession) -> _TablePlan:
        from pyspark.sql import functions as F

        table = rows.table
        if not stored or not rows.count:
            return _TablePlan(TableWritten(inserted=rows.count), rows.frame if rows.count else None)
        keys = list(table.primary_key)
        located = self._read(stored, table, spark, located=True)
        touched = located.join(rows.frame.select(*keys), keys, "left_semi").select(_FILE).distinct().collect()
        holding = sorted({_local(row[0]) for row in touched})
        if not holding:
            return _TablePlan(TableWritten(inserted=rows.count), rows.frame)
        before = self._read(holding, table, spark)
        old, new = (F.struct(*(F.col(f"{alias}.`{name}`") for name in _all_columns(table))) for alias in ("o", "n"))
        content_differs = ~F.struct(*(F.col(f"o.`{name}`") for name in table.compared_columns)).eqNullSafe(
            F.struct(*(F.col(f"n.`{name}`") for name in table.compared_columns))
        )
        was, comes = F.col(f"o.`{keys[0]}`").isNotNull(), F.col(f"n.`{keys[0]}`").isNotNull()
        newer = F.col(f"n.{CAPTURED_AT}") >= F.col(f"o.{CAPTURED_AT}")
        condition = [F.col(f"o.`{key}`") == F.col(f"n.`{key}`") for key in keys]
        joined = before.alias("o").join(rows.frame.alias("n"), condition, "full_outer")
        takes = comes & (~was | (newer & content_differs))
        figures = joined.agg(
            F.count_if(takes & ~was).alias("inserted"),
            F.count_if(takes & was).alias("updated"),
            F.count_if(comes & ~takes).alias("unchanged"),
        ).collect()[0]
        change = TableWritten(int(figures["inserted"]), int(figures["updated"]), int(figures["unchanged"]))
        if not (change.inserted or change.updated):
            return _TablePlan(change, None)
        merged = joined.select(F.when(takes, new).otherwise(old).alias("row")).select("row.*")
        return _TablePlan(change, merged, holding)

    # Files

    def _folder(self, table: Table) -> Path:
        return Path(self.house.path(table.name))

    def _stored_files(self, table: Table) -> list[str]:
        found = self._folder(table).rglob(f"*.{self.format}")
        return sorted(str(path) for path in found if not path.name.startswith(("_", ".")))

    def _read(self, files: list[str], table: Table, spark: SparkSession, located: bool = False) -> DataFrame:
        """Return the rows of some files; ``located`` adds the file of each."""
        from pyspark.sql import functions as F

        from mlbsdk.runtime.schemas import spark_schema

        reader = spark.read.format(self.format).schema(spark_schema(table)).option("basePath", str(self._folder(table)))
        frame = reader.load(files)
        file = [F.col("_metadata.file_path").alias(_FILE)] if located else []
        return frame.select(*(F.col(f"`{name}`") for name in _all_columns(table)), *file)

    def _files_of(
        self, files: list[str], table: Table, documents: tuple[Document, ...], spark: SparkSession
    ) -> list[str]:
        """Return the files that hold rows of some documents."""
        rows = self._read(files, table, spark, located=True).where(documents_predicate(table, documents, "`"))
        return sorted({_local(row[0]) for row in rows.select(_FILE).distinct().collect()})

    def _stage(
        self, frame: DataFrame, rows: TableRows | None, table: Table, staging: Path, publication: Publication
    ) -> None:
        folder = staging / table.name
        if (
            self.format == "parquet"
            and rows is not None
            and rows.arrow is not None
            and rows.arrow.num_rows == rows.count
        ):
            _write_arrow(rows, folder)
        else:
            writer = frame.write.format(self.format).option("compression", "snappy")
            writer.partitionBy(*table.partition_by).save(str(folder))
        for path in sorted(folder.rglob(f"*.{self.format}")):
            final = self._folder(table) / path.relative_to(folder)
            publication.moves.append((str(path), str(final)))


@dataclass
class _TablePlan:
    change: TableWritten
    rows: DataFrame | None
    superseded: list[str] = field(default_factory=list)


def _all_columns(table: Table) -> list[str]:
    return [*(column.name for column in table.columns), LINEAGE]


def _write_arrow(rows: TableRows, folder: Path) -> None:
    """Write Arrow rows as Parquet files, in the layout that Spark uses."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    assert rows.arrow is not None
    partition = pa.schema([rows.arrow.schema.field(name) for name in rows.table.partition_by])
    options = ds.ParquetFileFormat().make_write_options(compression="snappy", coerce_timestamps="us")
    ds.write_dataset(
        rows.arrow,
        folder,
        format="parquet",
        partitioning=ds.partitioning(partition, flavor="hive") if rows.table.partition_by else None,
        basename_template=f"part-{uuid.uuid4().hex}-{{i}}.parquet",
        file_options=options,
        max_partitions=100_000,
    )


def _local(uri: str) -> str:
    return unquote(urlsplit(uri).path)
