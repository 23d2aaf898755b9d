"""The core's sources: capture files, and raw tables in Delta, Avro or Parquet."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from mlbsdk.errors import RawSchemaError, SourceError, shortened
from mlbsdk.mapping.model import Mapping as TransformMapping
from mlbsdk.runtime.addresses import dataset_of, is_local, local_path
from mlbsdk.runtime.raw import RAW_SCHEMA, RawBatch

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

WHOLE_DOCUMENTS = (".json", ".json.gz")
JSON_LINES = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
_GZIP_RATIO = 10
# Between two documents of one file; inside a JSON document a '}' is never followed by a '{' without a comma.
_BETWEEN_DOCUMENTS = r"(?<=\})\s*\n\s*(?=\{)"


class FileSource:
    """Captures in files: a file, a folder (searched to any depth) or a glob.

    ``*.json`` and ``*.json.gz`` hold one document each (several, one after another, are understood too);
    ``*.jsonl`` and ``*.ndjson``, gzipped or not, one document a line.
    """

    def __init__(self, address: str, options: Mapping[str, object]) -> None:
        self.address = address

    def read(self, spark: SparkSession, mapping: TransformMapping) -> RawBatch:
        """Return the raw rows of all files.

        Raises:
            SourceError: there is no such path, or no capture in it.
        """
        files = self.files()
        whole = [file for file in files if file.lower().endswith(WHOLE_DOCUMENTS)]
        lines = [file for file in files if file not in set(whole)]
        frames = [_whole_documents(spark, whole)] if whole else []
        frames += [_json_lines(spark, lines)] if lines else []
        return RawBatch(
            frame=reduce(lambda one, other: one.unionByName(other), frames),
            dataset=dataset_of(_fixed_part(self.address)),
            files=tuple(files),
            size=sum(_text_size(file) for file in files),
        )

    def prepare(self) -> int:
        """Check that there are captures; return the bytes of their text, roughly.

        Raises:
            SourceError: as :meth:`files`.
        """
        return sum(_text_size(file) for file in self.files())

    def files(self) -> list[str]:
        """Return the capture files, sorted.

        Raises:
            SourceError: there is no such path, or no capture in it.
        """
        if not is_local(self.address):
            raise SourceError(
                f"'{self.address}' is not on this machine", fix="Install mlbsdk-plugin-s3 to read from s3a://."
            )
        # A path that exists is never a pattern: folder names may hold [ and ].
        pattern = str(Path(self.address.removeprefix("file://").removeprefix("file:")).expanduser())
        found = [pattern] if Path(pattern).exists() else sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
        if not found:
            raise SourceError(
                f"source '{self.address}' does not exist", fix="Give a file, a folder or a glob of captures."
            )
        named = [str(Path(path).resolve()) for path in found if Path(path).is_file()]
        inside = [file for path in found if Path(path).is_dir() for file in _captures_below(Path(path))]
        files = sorted({*named, *inside})
        other = [file for file in files if not file.lower().endswith((*WHOLE_DOCUMENTS, *JSON_LINES))]
        if other:
            raise SourceError(
                f"not a capture by its name: {shortened(other)}",
                fix="Captures end in .json, .jsonl or .ndjson, with or without .gz.",
            )
        if not files:
            raise SourceError(
                f"no captures in '{self.address}'",
                fix="Captures are files that end in .json, .jsonl or .ndjson, with or without .gz.",
            )
        return files


class TableSource:
    """A raw table in Delta, Avro or Parquet.

    It needs a ``data`` column with the JSON text; ``captured_at``, ``endpoint``, ``method``, ``params``, ``url``,
    ``status_code`` and ``id`` or ``row_id`` are used where they are there.
    """

    def __init__(self, format: str, address: str, options: Mapping[str, object]) -> None:
        self.format = format
        self.address = address
        self._path = str(local_path(address)) if is_local(address) else address

    def prepare(self) -> int | None:
        """Check that the folder is there; return the bytes of text in it, roughly.

        Raises:
            SourceError: it is not.
        """
        if not is_local(self.address):
            return None
        if not Path(self._path).exists():
            raise SourceError(
                f"source '{self.format}:{self.address}' does not exist", fix="Give the folder of a raw table."
            )
        files = (file for file in Path(self._path).rglob("*") if file.is_file())
        return sum(file.stat().st_size for file in files) * _GZIP_RATIO

    def read(self, spark: SparkSession, mapping: TransformMapping) -> RawBatch:
        """Return the raw rows of the table.

        Raises:
            SourceError: there is no such table.
            RawSchemaError: it has no ``data`` column, or a column of another type.
        """
        from pyspark.errors import PySparkException

        size = self.prepare()
        try:
            table = spark.read.format(self.format).load(self._path)
        except PySparkException as problem:
            reason = str(problem).splitlines()[0]
            raise SourceError(f"'{self.address}' can't be read as {self.format}: {reason}") from problem
        return RawBatch(raw_rows(table, self.address), dataset_of(self.address), size=size)


def raw_rows(table: DataFrame, name: str) -> DataFrame:
    """Bring a raw table to the columns of :data:`~mlbsdk.runtime.raw.RAW_SCHEMA`.

    Raises:
        RawSchemaError: there is no ``data`` column, or a column can't become its type.
    """
    from pyspark.sql import functions as F

    columns = {column.lower(): column for column in table.columns}
    if "data" not in columns:
        raise RawSchemaError(
            f"'{name}' has no column 'data' with the JSON text; it has {shortened(table.columns, 12)}",
            fix="A raw table has data, captured_at, endpoint, method, params, url and status_code.",
        )
    types = {field.name.lower(): field.dataType.typeName() for field in table.schema.fields}
    wrong = (
        [f"captured_at is {types['captured_at']}"] if types.get("captured_at") in ("integer", "long", "double") else []
    )
    wrong += ["data is " + types["data"]] if types["data"] not in ("string", "binary") else []
    if wrong:
        raise RawSchemaError(f"'{name}': {' and '.join(wrong)}", fix="captured_at must be a timestamp, data JSON text.")
    identity = next((columns[key] for key in ("row_id", "id") if key in columns), None)
    found: dict[str, Column] = {
        key: F.col(f"`{columns[key]}`").cast(kind)
        for key, kind in RAW_SCHEMA.items()
        if key in columns and key != "params"
    }
    if "params" in columns:
        text = types["params"] == "string"
        found["params"] = F.col("params") if text else F.to_json(F.col("params"))
    data = F.col(f"`{columns['data']}`").cast("string")
    found["row_id"] = F.col(f"`{identity}`").cast("string") if identity else F.hex(F.xxhash64(data))
    found |= {key: F.lit(None).cast(kind) for key, kind in RAW_SCHEMA.items() if key not in found}
    found["origin"] = F.lit(None).cast("string")
    return table.select(*(found[key].alias(key) for key in RAW_SCHEMA))


def _whole_documents(spark: SparkSession, files: list[str]) -> DataFrame:
    from pyspark.sql import functions as F

    # A file that can't be read gives no row and is found missing afterwards, so that one bad file harms no other.
    read = spark.read.option("ignoreCorruptFiles", True).text(_escaped(files), wholetext=True)
    several = F.col("value").contains("}\n{") | F.col("value").contains("}\r\n{")
    texts = F.when(several, F.split(F.col("value"), _BETWEEN_DOCUMENTS)).otherwise(F.array("value"))
    exploded = read.select(F.posexplode(texts).alias("position", "data"), *_file_columns())
    return _file_rows(exploded, F.when(F.col("position") > 0, F.concat(F.lit("#"), F.col("position"))).otherwise(""))


def _json_lines(spark: SparkSession, files: list[str]) -> DataFrame:
    from pyspark.sql import functions as F

    read = spark.read.text(_escaped(files)).select(F.col("value").alias("data"), *_file_columns())
    lines = read.where(F.length(F.trim("data")) > 0)
    return _file_rows(lines, F.concat(F.lit("#"), F.lower(F.hex(F.xxhash64("data")))))


def _file_columns() -> list[Column]:
    from pyspark.sql import functions as F

    return [
        F.col("_metadata.file_path").alias("origin"),
        F.col("_metadata.file_modification_time").alias("modified_at"),
    ]


def _file_rows(frame: DataFrame, suffix: Column) -> DataFrame:
    from pyspark.sql import functions as F

    known = {"row_id": F.concat(F.col("origin"), suffix), "data": F.col("data"), "origin": F.col("origin")}
    known["modified_at"] = F.col("modified_at")
    empty = {key: F.lit(None).cast(kind) for key, kind in RAW_SCHEMA.items()}
    return frame.select(*((known.get(key, empty[key])).alias(key) for key in RAW_SCHEMA))


def _escaped(files: Iterable[str]) -> list[str]:
    """Return paths that Spark does not take for patterns."""
    special = str.maketrans({char: f"\\{char}" for char in "[]{}*?\\"})
    return [file.translate(special) for file in files]


def _captures_below(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".", "_")))
    return [str(path.resolve()) for path in found if path.name.lower().endswith((*WHOLE_DOCUMENTS, *JSON_LINES))]


def _fixed_part(address: str) -> str:
    """Return the part of an address before its first pattern: a dataset's name has no date or key in it."""
    path = Path(address.removeprefix("file://").removeprefix("file:"))
    parts = path.parts
    fixed = next((n for n, part in enumerate(parts) if any(char in part for char in "*?[")), len(parts))
    base = Path(*parts[:fixed]) if fixed else Path()
    return str(base.parent if base.is_file() else base)


def _text_size(file: str) -> int:
    return Path(file).stat().st_size * (_GZIP_RATIO if file.endswith(".gz") else 1)
