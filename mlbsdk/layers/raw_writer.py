"""Captures kept as they came: added once each, a few files a partition, published as tables of files are."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlbsdk.errors import ConfigurationError
from mlbsdk.layers.stored import DataFile, stored_files
from mlbsdk.runtime.addresses import child, escaped
from mlbsdk.runtime.raw import RAW_SCHEMA
from mlbsdk.writers.files import FileWriter, Publication, is_data, standard_timestamps

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from mlbsdk.layers.model import RawLayer
    from mlbsdk.layers.places import LayerPlace
    from mlbsdk.runtime.storage import Storages

#: Smaller files of a partition are written again together with what is added to it.
SMALL_FILE = 32 * 1024 * 1024
#: JSON text of one file: packed it is some 60 MB.
_TEXT_A_FILE = 256 * 1024 * 1024
_CODECS = {"avro": {"zstd": "zstandard", "none": "uncompressed"}, "parquet": {"none": "uncompressed"}}


@dataclass(frozen=True)
class Capture:
    """One capture on its way into the layer."""

    digest: str
    """SHA-256 of what it is: endpoint, method, parameters, time and text. The raw row's id."""
    partition: tuple[str, ...]
    """Its values of the partition columns."""
    size: int
    """Bytes of its text."""


class RawWriter(FileWriter):
    """Adds captures to ``LAYER/{endpoint}/{method}``."""

    def __init__(self, place: LayerPlace, layer: RawLayer, storages: Storages) -> None:
        super().__init__(layer.format, place.target, storages.options(place.target))
        self.own = place.own
        self.compression = _CODECS[layer.format].get(layer.compression, layer.compression)

    def captures_of(self, transform: str) -> list[DataFile]:
        """Return the files that hold a transform's captures."""
        return [
            file for file in stored_files(self.house.storage, self.own, self.format).files if file.table == transform
        ]

    def path_of(self, file: DataFile) -> str:
        """Return where a file is."""
        return child(self.own, file.path)

    def check_partitions(self, transform: str, partition_by: Sequence[str]) -> None:
        """Check that captures are stored in the partitions that are wanted.

        Raises:
            ConfigurationError: they are stored in others, which would mix.
        """
        for file in self.captures_of(transform):
            if list(file.partition) != list(partition_by):
                stored = ", ".join(file.partition) or "nothing"
                raise ConfigurationError(
                    f"captures of {transform} are stored by {stored} at '{child(self.own, *transform.split('.'))}', "
                    f"not by {', '.join(partition_by) or 'nothing'}",
                    fix="Take the stored partitions in layers.raw.overrides, or move the folder away and export again.",
                )

    def add(
        self,
        transform: str,
        partition_by: Sequence[str],
        captures: Sequence[Capture],
        rows: DataFrame,
        run_id: str,
    ) -> int:
        """Add the captures that are not there yet.

        Args:
            transform: whose they are, ``endpoint.method``.
            partition_by: the partition columns.
            captures: the captures; the same one may be there twice.
            rows: raw rows with their digest as ``row_id``; others may be among them.
            run_id: of the export.

        Returns:
            How many were new.
        """
        spark = rows.sparkSession
        with self.house.locked() as still_held, standard_timestamps(spark):
            self._recover()
            touched = {capture.partition for capture in captures}
            stored = [file for file in self.captures_of(transform) if tuple(file.partition.values()) in touched]
            known = self._known(spark, stored, partition_by)
            new = {one.digest: one for one in captures if one.digest not in known}
            if new:
                written = {capture.partition for capture in new.values()}
                superseded = [
                    file for file in stored if file.size < SMALL_FILE and tuple(file.partition.values()) in written
                ]
                again = [one for one in known.values() if one.is_small and one.capture.partition in written]
                name = f"{run_id}-raw-{uuid.uuid4().hex[:8]}"
                staged = child(self._staging, name)
                frame = self._together(rows, [*new.values()], superseded, [one.capture for one in again], partition_by)
                if len(new) < sum(one.digest in new for one in captures):
                    frame = frame.dropDuplicates(["__file", "row_id"])
                writer = frame.drop("__file", "__stored").write.format(self.format)
                writer.option("compression", self.compression).partitionBy(*partition_by).save(staged)
                publication = Publication()
                folder = child(self.own, *transform.split("."))
                for file in self.house.storage.files(staged):
                    if is_data(file.path, self.format):
                        target = child(folder, file.path.removeprefix(f"{staged}/"))
                        publication.moves.append((self._relative(file.path), self._relative(target)))
                publication.deletions = [self._relative(self.path_of(file)) for file in superseded]
                still_held()
                publication.save(self.house.storage, child(self._publications, f"{name}.json"))
                self._recover()
        return len(new)

    def _known(self, spark: SparkSession, files: Sequence[DataFile], partition_by: Sequence[str]) -> dict[str, _Known]:
        """Return the captures that files hold, by digest."""
        found: dict[str, _Known] = {}
        for is_small in (True, False):
            some = [file for file in files if (file.size < SMALL_FILE) is is_small]
            if some:
                frame = self._read(spark, some, partition_by)
                rows = frame.selectExpr("row_id", "octet_length(data) AS size", *partition_by).collect()
                for row in rows:
                    partition = tuple(str(row[column]) for column in partition_by)
                    found[row["row_id"]] = _Known(Capture(row["row_id"], partition, row["size"]), is_small)
        return found

    def _read(self, spark: SparkSession, files: Sequence[DataFile], partition_by: Sequence[str]) -> DataFrame:
        columns = RAW_SCHEMA | dict.fromkeys(partition_by, "string")
        base = self.path_of(files[0]).removesuffix("/".join(files[0].path.split("/")[2:]))
        reader = spark.read.format(self.format).schema(", ".join(f"`{name}` {kind}" for name, kind in columns.items()))
        return reader.option("basePath", base).load([escaped(self.path_of(file)) for file in files])

    def _together(
        self,
        rows: DataFrame,
        new: Sequence[Capture],
        files: Sequence[DataFile],
        stored: Sequence[Capture],
        partition_by: Sequence[str],
    ) -> DataFrame:
        """Return new rows and those of files that they supersede, those of one file to be in one task."""
        spark = rows.sparkSession
        columns = [f"`{name}`" for name in RAW_SCHEMA]
        together = rows.selectExpr(*columns, "false AS __stored")
        if files:
            old = self._read(spark, files, partition_by).selectExpr(*columns, "true AS __stored")
            together = together.unionByName(old)
        placed = list(_in_files([(one, False) for one in new] + [(one, True) for one in stored]))
        chosen = [(capture.digest, is_stored, file, *capture.partition) for file, capture, is_stored in placed]
        schema = ["row_id string", "__stored boolean", "__file int", *(f"`{name}` string" for name in partition_by)]
        wanted = spark.createDataFrame(chosen, ", ".join(schema))
        joined = together.join(wanted.hint("broadcast"), ["row_id", "__stored"])
        return joined.repartition(1 + max(file for file, _, _ in placed), "__file")


@dataclass(frozen=True)
class _Known:
    capture: Capture
    is_small: bool
    """Whether it is in a small file."""


def _in_files(captures: Sequence[tuple[Capture, bool]]) -> Iterator[tuple[int, Capture, bool]]:
    """Give (number of its file, capture, flag): files hold captures of one partition, up to a size."""
    filled: dict[tuple[str, ...], tuple[int, int]] = {}
    count = 0
    for capture, flag in captures:
        number, size = filled.get(capture.partition, (-1, 0))
        if number < 0 or size + capture.size > _TEXT_A_FILE:
            number, size, count = count, 0, count + 1
        filled[capture.partition] = (number, size + capture.size)
        yield number, capture, flag
