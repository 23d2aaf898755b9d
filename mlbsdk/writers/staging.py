"""What a batch changes in a table of plain files: which files it supersedes, and the rows that take their place.

Rows that are already here as Arrow are compared and written by pyarrow; other batches, and Avro, by Spark.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from mlbsdk.hookspecs import Storage
from mlbsdk.mapping.plan import CAPTURED_AT, LINEAGE, Table
from mlbsdk.runtime.addresses import escaped
from mlbsdk.runtime.arrow import arrow_schema
from mlbsdk.runtime.batch import Decisions, Document, TableWritten
from mlbsdk.runtime.storage import path_of_uri
from mlbsdk.writers.changes import (
    columns_to_compare,
    compare,
    compare_frames,
    document_keys,
    in_groups,
    merge,
    rows_of,
    without_rows_of,
)
from mlbsdk.writers.lakehouse import documents_predicate
from mlbsdk.writers.partitions import by_partition
from mlbsdk.writers.stored import column_names

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructField

Rows = TypeVar("Rows")
_FILE = "_file"
#: What Spark escapes in a partition folder's name.
_SPELLING = {code: f"%{code:02X}" for code in (*range(1, 0x20), *map(ord, "\"#%'*/:=?\\{[]^"), 0x7F)}


@dataclass
class Staged(Generic[Rows]):
    """What a batch changes in one table. ``rows`` None: nothing is written."""

    change: TableWritten
    rows: Rows | None = None
    superseded: list[str] = field(default_factory=list)


class Staging(ABC, Generic[Rows]):
    """Finds and writes what a batch makes of one table's files."""

    table: Table

    def stage(self, stored: Sequence[str], decisions: Decisions, folder: str) -> tuple[TableWritten, list[str]]:
        """Write below a folder what takes the place of stored files; return what changes and the files that go."""
        keeps = self.table.on_missing == "keep"
        staged = self.merged(stored) if keeps else self.replaced(stored, decisions)
        if staged.rows is not None:
            self.save(staged.rows, folder)
        return staged.change, staged.superseded

    @abstractmethod
    def replaced(self, stored: Sequence[str], decisions: Decisions) -> Staged[Rows]:
        """Replace the rows of the batch's documents that are not stale."""

    @abstractmethod
    def merged(self, stored: Sequence[str]) -> Staged[Rows]:
        """Merge the rows by primary key; a stored row gives way to one of an equal or newer capture."""

    @abstractmethod
    def save(self, rows: Rows, folder: str) -> None:
        """Write rows below a folder."""


class ArrowStaging(Staging[pa.Table]):
    """Compares and writes Arrow rows as Parquet files, in the layout that Spark uses."""

    def __init__(
        self, rows: pa.Table, table: Table, folder: str, storage: Storage, compression: str = "snappy"
    ) -> None:
        self.storage = storage
        self.compression = compression
        self.rows = rows
        self.table = table
        self.folder = folder

    def replaced(self, stored: Sequence[str], decisions: Decisions) -> Staged[pa.Table]:
        """Replace the rows of the batch's documents that are not stale."""
        current = (*decisions.new, *decisions.replacing)
        incoming = rows_of(self.rows, self.table, current) if decisions.stale else self.rows
        change = TableWritten(unchanged=self.rows.num_rows - incoming.num_rows)
        if not decisions.replacing:
            inserted = incoming.num_rows
            return Staged(replace(change, inserted=inserted), incoming if inserted else None)
        replacing = set(decisions.replacing)
        holding: set[str] = set()
        for group, theirs in in_groups(current, incoming, self.table):
            files = self._files_of(stored, [document for document in group if document in replacing])
            change = change.plus(compare(self._to_compare(files, group), theirs, self.table))
            holding.update(files)
        if not change.is_change:
            return Staged(change)
        keys = document_keys(self.table, current, self.rows.schema)
        whole = holding.difference(self._files_with(sorted(holding), keys, are=False))
        others = self._read(sorted(holding), lambda rows: without_rows_of(rows, self.table, current), whole)
        rows = pa.concat_tables([others, incoming], promote_options="default")
        return Staged(change, rows, sorted(holding))

    def merged(self, stored: Sequence[str]) -> Staged[pa.Table]:
        """Merge the rows by primary key."""
        holding = self._files_with(stored, self.rows.select(list(self.table.primary_key)))
        before = self._read(holding)
        change, rows = merge(before, self.rows, self.table)
        return Staged(change, rows, holding) if change.is_change else Staged(change)

    def save(self, rows: pa.Table, folder: str) -> None:
        """Write rows below a folder."""
        partition = pa.schema([rows.schema.field(name) for name in self.table.partition_by])
        system, name = self.storage.arrow(folder)
        ds.write_dataset(
            by_partition(rows, self.table.partition_by),
            name,
            filesystem=system,
            create_dir=self.storage.is_local,  # an object store has no folders
            format="parquet",
            partitioning=ds.partitioning(partition, flavor="hive") if self.table.partition_by else None,
            basename_template=f"part-{uuid.uuid4().hex}-{{i}}.parquet",
            file_options=ds.ParquetFileFormat().make_write_options(
                compression=self.compression, coerce_timestamps="us"
            ),
            max_partitions=100_000,
        )

    def _files_of(self, files: Sequence[str], documents: Iterable[Document]) -> list[str]:
        """Return the files that hold rows of some documents."""
        keys = document_keys(self.table, documents, self.rows.schema)
        return self._files_with(files, keys)

    def _files_with(self, files: Sequence[str], keys: pa.Table, are: bool = True) -> list[str]:
        """Return the files that hold rows with one of the given values of the key's columns, or with others."""
        if not files or not keys.num_rows:
            return []
        names = keys.column_names
        dataset = self._dataset(files)
        is_wanted = _first_is_in(keys)
        if len(names) == 1:
            found = dataset.to_table(columns=[*names, "__filename"], filter=is_wanted if are else ~is_wanted)
        else:
            schema = pa.schema([*(keys.schema.field(name) for name in names), ("__filename", pa.string())])
            located = dataset.to_table(columns=schema.names, filter=is_wanted if are else None).cast(schema)
            found = located.join(keys, keys=names, join_type="left semi" if are else "left anti")
        return sorted(self.storage.address_of(name) for name in pc.unique(found["__filename"]).to_pylist())

    def _to_compare(self, files: Sequence[str], documents: Sequence[Document]) -> pa.Table:
        """Return what comparing needs of the rows of some documents; a column that a file lacks is null."""
        schema = arrow_schema(self.table)
        columns = columns_to_compare(self.table)
        if not files:
            return schema.empty_table().select(columns)
        keys = document_keys(self.table, documents, schema)
        rows = self._dataset(files, schema).to_table(columns=columns, filter=_first_is_in(keys))
        return rows if len(keys.column_names) == 1 else rows_of(rows, self.table, documents)

    def _read(
        self,
        files: Iterable[str],
        chosen: Callable[[pa.Table], pa.Table] = lambda rows: rows,
        without: Container[str] = (),
    ) -> pa.Table:
        """Return the rows of some files with the mapping's columns; a column that a file lacks is null.

        Columns that the mapping no longer has come last, so that rows written again keep them.

        Args:
            files: the files.
            chosen: takes what is wanted from the rows of one file.
            without: those of them of which only the columns are wanted.
        """
        schema = arrow_schema(self.table)
        read = []
        for file in files:
            dataset = self._dataset([file])
            found = dataset.schema.empty_table() if file in without else dataset.to_table()
            for name in schema.names:
                if name not in found.column_names:
                    found = found.append_column(name, pa.nulls(found.num_rows, schema.field(name).type))
            dropped = [name for name in found.column_names if name not in schema.names]
            ours = found.select(schema.names).cast(schema)
            for name in dropped:
                ours = ours.append_column(found.schema.field(name), found[name])
            read.append(chosen(ours))
        return pa.concat_tables(read, promote_options="default") if read else chosen(schema.empty_table())

    def _dataset(self, files: Sequence[str], schema: pa.Schema | None = None) -> ds.Dataset:
        """Return files as a dataset of this schema, by default that of the first one."""
        ours = arrow_schema(self.table)
        partition = pa.schema([ours.field(name) for name in self.table.partition_by])
        partitioning = ds.partitioning(partition, flavor="hive") if self.table.partition_by else None
        system, folder = self.storage.arrow(self.folder)
        names = [self.storage.arrow(file)[1] for file in files]
        return ds.dataset(
            names, schema, "parquet", filesystem=system, partitioning=partitioning, partition_base_dir=folder
        )


class SparkStaging(Staging["DataFrame"]):
    """Compares and writes a DataFrame as Parquet or Avro files."""

    def __init__(
        self,
        frame: DataFrame,
        count: int,
        table: Table,
        folder: str,
        storage: Storage,
        format: str,
        spark: SparkSession,
        compression: str = "snappy",
    ) -> None:
        self.storage = storage
        self.compression = compression
        self.frame = frame
        self.count = count
        self.table = table
        self.folder = folder
        self.format = format
        self.spark = spark

    def replaced(self, stored: Sequence[str], decisions: Decisions) -> Staged[DataFrame]:
        """Replace the rows of the batch's documents that are not stale."""
        current = (*decisions.new, *decisions.replacing)
        incoming, stale = self.frame, 0
        if decisions.stale:
            incoming = self._of(self.frame, current)
            stale = self.count - incoming.count()
        if not current:
            return Staged(TableWritten(unchanged=stale))
        holding = self._files_of(stored, decisions.replacing)
        if not holding:
            inserted = self.count - stale
            return Staged(TableWritten(inserted=inserted, unchanged=stale), incoming if inserted else None)
        theirs = self._of(self._read(holding), current)
        change = compare_frames(theirs, incoming, self.table).plus_unchanged(stale)
        if not change.is_change:
            return Staged(change)
        others = self._of(self._read(holding, self._dropped(holding)), current, are=False)
        return Staged(change, others.unionByName(incoming, allowMissingColumns=True), holding)

    def merged(self, stored: Sequence[str]) -> Staged[DataFrame]:
        """Merge the rows by primary key."""
        from pyspark.sql import functions as F

        everything = Staged(TableWritten(inserted=self.count), self.frame if self.count else None)
        if not stored or not self.count:
            return everything
        keys = list(self.table.primary_key)
        located = self._read(stored, located=True).join(self.frame.select(*keys), keys, "left_semi")
        holding = _files(located)
        if not holding:
            return everything
        dropped = self._dropped(holding)
        before = self._read(holding, dropped)
        incoming = self.frame.select("*", *(F.lit(None).cast(one.dataType).alias(one.name) for one in dropped))
        columns = [*self._columns, *(one.name for one in dropped)]
        old, new = (F.struct(*(F.col(f"{alias}.`{name}`") for name in columns)) for alias in ("o", "n"))
        was, comes = F.col(f"o.`{keys[0]}`").isNotNull(), F.col(f"n.`{keys[0]}`").isNotNull()
        old_content, new_content = (
            F.struct(*(F.col(f"{alias}.`{name}`") for name in self.table.compared_columns)) for alias in ("o", "n")
        )
        theirs, ours = F.col(f"o.{CAPTURED_AT}"), F.col(f"n.{CAPTURED_AT}")
        newer = F.coalesce(ours >= theirs, F.lit(False)) | theirs.isNull()
        takes = comes & (~was | (newer & ~old_content.eqNullSafe(new_content)))
        condition = [F.col(f"o.`{key}`") == F.col(f"n.`{key}`") for key in keys]
        joined = before.alias("o").join(incoming.alias("n"), condition, "full_outer")
        figures = joined.agg(
            F.count_if(takes & ~was).alias("inserted"),
            F.count_if(takes & was).alias("updated"),
            F.count_if(comes & ~takes).alias("unchanged"),
        ).collect()[0]
        change = TableWritten(int(figures["inserted"]), int(figures["updated"]), int(figures["unchanged"]))
        if not change.is_change:
            return Staged(change)
        return Staged(change, joined.select(F.when(takes, new).otherwise(old).alias("row")).select("row.*"), holding)

    def save(self, rows: DataFrame, folder: str) -> None:
        """Write rows below a folder."""
        writer = rows.write.format(self.format).option("compression", self.compression)
        writer.partitionBy(*self.table.partition_by).save(folder)

    @property
    def _columns(self) -> list[str]:
        return [*(column.name for column in self.table.columns), LINEAGE]

    def _of(self, frame: DataFrame, documents: Sequence[Document], are: bool = True) -> DataFrame:
        """Return the rows that are of some documents, or those that are not."""
        from pyspark.sql import functions as F

        names = list(self.table.document_key)
        if not documents:
            return frame.where("false" if are else "true")
        if len(names) == 1:
            predicate = documents_predicate(self.table, documents, "`")
            return frame.where(predicate if are else f"NOT ({predicate})")
        # Joined, since planning takes minutes for NOT of a thousand ORs of ANDs.
        schema = ", ".join(f"`{name}` {self.table.column(name).type.spark}" for name in names)
        wanted = self.spark.createDataFrame([document.key for document in documents], schema)
        joined = frame.join(F.broadcast(wanted), names, "left_semi" if are else "left_anti")
        return joined.select(*(F.col(f"`{name}`") for name in frame.columns))

    def _files_of(self, files: Sequence[str], documents: Sequence[Document]) -> list[str]:
        """Return the files that hold rows of some documents."""
        return _files(self._of(self._read(files, located=True), documents)) if files and documents else []

    def _dropped(self, files: Sequence[str]) -> list[StructField]:
        """Return the columns that files hold and the mapping no longer has."""
        found: dict[str, StructField] = {}
        for file in files:
            if set(column_names(self.storage, file, self.format)) - {*self._columns, *found}:
                schema = self.spark.read.format(self.format).load(escaped(file)).schema
                found |= {field.name: field for field in schema.fields if field.name not in self._columns}
        return list(found.values())

    def _read(self, files: Sequence[str], dropped: Sequence[StructField] = (), located: bool = False) -> DataFrame:
        """Return the rows of some files; ``located`` adds the file of each."""
        from pyspark.sql import functions as F
        from pyspark.sql.types import IntegerType, ShortType, StructField, StructType

        from mlbsdk.runtime.schemas import spark_schema

        fields = {field.name: field for field in (*spark_schema(self.table).fields, *dropped)}
        # Avro's smallest whole number is int, and Spark reads it as nothing smaller.
        wider = {name for name, field in fields.items() if self.format == "avro" and field.dataType == ShortType()}
        schema = StructType(
            [StructField(name, IntegerType()) if name in wider else field for name, field in fields.items()]
        )
        reader = self.spark.read.format(self.format).schema(schema)
        frame = reader.option("basePath", self.folder).load([escaped(file) for file in files])
        file = [F.col("_metadata.file_path").alias(_FILE)] if located else []
        columns = [*self._columns, *(field.name for field in dropped)]
        values = (F.col(f"`{name}`").cast("smallint") if name in wider else F.col(f"`{name}`") for name in columns)
        return frame.select(*(value.alias(name) for name, value in zip(columns, values, strict=True)), *file)


def _first_is_in(keys: pa.Table) -> ds.Expression:
    """Return whether a row has, in the first of these columns, one of the values there."""
    first = keys.column_names[0]
    return ds.field(first).isin(keys[first].combine_chunks())


def as_spark_spells(path: str) -> str:
    """Return a path below a table's folder in Spark's spelling: it can't read Arrow's, which escapes all but ASCII."""
    *folders, name = path.split("/")
    return "/".join([*map(_respelt, folders), name])


def _respelt(folder: str) -> str:
    column, equals, value = folder.partition("=")
    return f"{column}{equals}{unquote(value).translate(_SPELLING)}"


def _files(located: DataFrame) -> list[str]:
    found = located.select(_FILE).distinct().collect()
    return sorted({path_of_uri(row[0]) for row in found})
