"""The core's sources: capture files, and raw tables in Delta, Avro or Parquet."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mlbsdk.errors import ConfigurationError, RawSchemaError, SourceError, shortened
from mlbsdk.hookspecs import Storage, StoredFile
from mlbsdk.mapping.model import Mapping as TransformMapping
from mlbsdk.runtime.addresses import dataset_of, escaped, is_local, local_path
from mlbsdk.runtime.raw import RAW_SCHEMA, RawBatch
from mlbsdk.runtime.selection import selected
from mlbsdk.runtime.storage import storage_of

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

WHOLE_DOCUMENTS = (".json", ".json.gz")
JSON_LINES = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
_GZIP_RATIO = 10
# Between two documents of one file; inside a JSON document a '}' is never followed by a '{' without a comma.
BETWEEN_DOCUMENTS = r"(?<=\})\s*\n\s*(?=\{)"
#: Most files of a batch of a stream: a batch of whole games then has some 200 MB of text.
_FILES_A_BATCH = 200
#: Most bytes of a batch of a stream from a Delta table; it is compressed about as much as gzip does.
_BYTES_A_BATCH = "50m"
_ANY_NAME = ("", "*")
_BRACES_ESCAPED = str.maketrans({char: f"\\{char}" for char in "{}\\"})


class FileSource:
    """Captures in files: a file, a folder (searched to any depth) or a glob.

    ``*.json`` and ``*.json.gz`` hold one document each (several, one after another, are understood too);
    ``*.jsonl`` and ``*.ndjson``, gzipped or not, one document a line.
    """

    def __init__(self, address: str, options: Mapping[str, object]) -> None:
        self.address = address
        self.options = options
        self.storage = cast("Storage | None", options.get("storage")) or storage_of(address)

    def read(self, spark: SparkSession, mapping: TransformMapping) -> RawBatch:
        """Return the raw rows of all files.

        Raises:
            SourceError: there is no such path, or no capture in it.
        """
        found = self.found()
        files = [file.path for file in found]
        whole = [file for file in files if file.lower().endswith(WHOLE_DOCUMENTS)]
        lines = [file for file in files if file not in set(whole)]
        # A file that can't be read gives no row and is found missing afterwards, so that one bad file harms no other.
        reader = spark.read.option("ignoreCorruptFiles", True)
        frames = [_whole_documents(reader.text([escaped(file) for file in whole], wholetext=True))] if whole else []
        frames += [_json_lines(spark.read.text([escaped(file) for file in lines]))] if lines else []
        return RawBatch(
            frame=selected(reduce(lambda one, other: one.unionByName(other), frames), mapping, self.options),
            dataset=dataset_of(_fixed_part(self.address)),
            # A file may hold nothing that was asked for.
            files=() if self.options.get("where") else tuple(files),
            size=text_size(found),
        )

    def stream(self, spark: SparkSession, mapping: TransformMapping) -> RawBatch:
        """Return the raw rows of all files, and of those that will be moved into the folder or match the glob.

        Files of a batch are the oldest, by their modification time. A file is read once, by its name: what changes in
        it later is not seen.

        Raises:
            SourceError: there is no such path.
            ConfigurationError: it is a glob that Spark can't follow.
        """
        path, names = self._followed()
        frames = []
        if names in _ANY_NAME or names.lower().endswith(WHOLE_DOCUMENTS):
            frames.append(_whole_documents(_followed_files(spark, path, names, WHOLE_DOCUMENTS, wholetext=True)))
        if names in _ANY_NAME or names.lower().endswith(JSON_LINES):
            frames.append(_json_lines(_followed_files(spark, path, names, JSON_LINES, wholetext=False)))
        if not frames:
            raise self._unfollowable()
        frame = selected(reduce(lambda one, other: one.unionByName(other), frames), mapping, self.options)
        return RawBatch(frame, dataset_of(_fixed_part(self.address)))

    def _followed(self) -> tuple[str, str]:
        """Return what Spark lists again and again: a path or pattern, and for ``**`` a pattern of names at any depth.

        A folder may be empty still, and a glob match nothing, as long as there is the folder to look into.
        """
        if not self.storage.is_local:
            return self._followed_in_store()
        path = self._path()
        if path.exists():
            return escaped(str(path.resolve())), ""
        base = Path(_fixed_part(self.address))
        if base == path or not base.is_dir():
            raise SourceError(
                f"source '{self.address}' does not exist",
                fix="Give the folder that captures are moved into; it may be empty.",
            )
        pattern = str(base.resolve() / path.relative_to(base))
        return self._split_pattern(pattern)

    def _followed_in_store(self) -> tuple[str, str]:
        """Return the same for an object store: it has no empty folders, so one that holds nothing yet is none."""
        self.storage.check(self.address)
        base = _fixed_part(self.address)
        if base == self.address.rstrip("/"):
            if not self.storage.exists(base):
                raise SourceError(
                    f"source '{self.address}' does not exist", fix="Put the first capture there, or give a glob."
                )
            return escaped(base), ""
        return self._split_pattern(self.address)

    def _split_pattern(self, pattern: str) -> tuple[str, str]:
        # Only in Spark's patterns braces are special.
        folder, _, names = pattern.translate(_BRACES_ESCAPED).partition("/**")
        names = names.strip("/")
        if "/" in names or "**" in names:
            raise self._unfollowable()
        return folder, names

    def _unfollowable(self) -> ConfigurationError:
        return ConfigurationError(
            f"a stream can't follow '{self.address}'",
            fix=f"Give the folder, '{_fixed_part(self.address)}': captures are found at any depth. "
            "After '**' only a name that says what it holds may follow, such as *.json.gz.",
        )

    def _path(self) -> Path:
        return Path(self.address.removeprefix("file://").removeprefix("file:")).expanduser()

    def prepare(self) -> int:
        """Check that there are captures; return the bytes of their text, roughly.

        Raises:
            SourceError: as :meth:`files`.
        """
        return text_size(self.found())

    def files(self) -> list[str]:
        """Return the capture files, sorted.

        Raises:
            SourceError: there is no such path, or no capture in it.
        """
        return [file.path for file in self.found()]

    def found(self) -> list[StoredFile]:
        """Return the capture files, sorted.

        Raises:
            SourceError: there is no such path, or no capture in it.
        """
        files = self._local_files() if self.storage.is_local else self._stored_files()
        other = [file.path for file in files if not file.path.lower().endswith((*WHOLE_DOCUMENTS, *JSON_LINES))]
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

    def _local_files(self) -> list[StoredFile]:
        # A path that exists is never a pattern: folder names may hold [ and ].
        pattern = str(self._path())
        found = [pattern] if Path(pattern).exists() else sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
        if not found:
            raise self._missing()
        named = [str(Path(path).resolve()) for path in found if Path(path).is_file()]
        inside = [file for path in found if Path(path).is_dir() for file in _captures_below(Path(path))]
        return [file for path in sorted({*named, *inside}) for file in self.storage.files(path)]

    def _stored_files(self) -> list[StoredFile]:
        """Return the same of an object store, from one listing."""
        self.storage.check(self.address)
        address = self.address.rstrip("/")
        base = _fixed_part(self.address)
        there = self.storage.files(address if base == address else base)
        if base == address:
            named = [file for file in there if file.path == address]
            found = named or [file for file in there if _is_capture(file.path.removeprefix(address))]
        else:
            pattern = _glob(address)
            found = []
            for file in there:
                match = pattern.match(file.path)
                if match and (not match["below"] or _is_capture(match["below"])):
                    found.append(file)
        if not there or (base != address and not found):
            raise self._missing()
        return found

    def _missing(self) -> SourceError:
        return SourceError(
            f"source '{self.address}' does not exist", fix="Give a file, a folder or a glob of captures."
        )


class TableSource:
    """A raw table in Delta, Avro or Parquet.

    It needs a ``data`` column with the JSON text; ``captured_at``, ``endpoint``, ``method``, ``params``, ``url``,
    ``status_code`` and ``id`` or ``row_id`` are used where they are there. Only a Delta table can be followed, so only
    its object has ``stream``, as :class:`~mlbsdk.hookspecs.StreamSource` asks for.
    """

    stream: Callable[[SparkSession, TransformMapping], RawBatch]

    def __init__(self, format: str, address: str, options: Mapping[str, object]) -> None:
        self.format = format
        self.address = address
        self.options = options
        self._path = str(local_path(address)) if is_local(address) else address
        self.storage = cast("Storage | None", options.get("storage")) or storage_of(self._path)
        if format == "delta":
            self.stream = self._stream

    def prepare(self) -> int | None:
        """Check that the folder is there; return the bytes of text in it, roughly.

        Raises:
            SourceError: it is not.
        """
        self.storage.check(self._path)
        if not self.storage.exists(self._path):
            raise SourceError(
                f"source '{self.format}:{self.address}' does not exist", fix="Give the folder of a raw table."
            )
        return sum(file.size for file in self.storage.files(self._path)) * _GZIP_RATIO

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
        rows = selected(raw_rows(table, self.address), mapping, self.options)
        return RawBatch(rows, dataset_of(self.address), size=size)

    def _stream(self, spark: SparkSession, mapping: TransformMapping) -> RawBatch:
        """Return the raw rows of the table, and those that will be appended to it.

        Raises:
            SourceError: there is no such table.
            RawSchemaError: it has no ``data`` column, or a column of another type.
        """
        from pyspark.errors import PySparkException

        self.prepare()
        limits = {"maxFilesPerTrigger": str(_FILES_A_BATCH), "maxBytesPerTrigger": _BYTES_A_BATCH}
        try:
            table = spark.readStream.format(self.format).options(**limits).load(self._path)
        except PySparkException as problem:
            reason = str(problem).splitlines()[0]
            raise SourceError(f"'{self.address}' can't be followed as {self.format}: {reason}") from problem
        return RawBatch(selected(raw_rows(table, self.address), mapping, self.options), dataset_of(self.address))


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


def _whole_documents(read: DataFrame) -> DataFrame:
    """Return the raw rows of files read whole: ``value`` is a file's text."""
    from pyspark.sql import functions as F

    several = F.col("value").contains("}\n{") | F.col("value").contains("}\r\n{")
    texts = F.when(several, F.split(F.col("value"), BETWEEN_DOCUMENTS)).otherwise(F.array("value"))
    exploded = read.select(F.posexplode(texts).alias("position", "data"), *_file_columns())
    return _file_rows(exploded, F.when(F.col("position") > 0, F.concat(F.lit("#"), F.col("position"))).otherwise(""))


def _json_lines(read: DataFrame) -> DataFrame:
    """Return the raw rows of files read by lines: ``value`` is a line."""
    from pyspark.sql import functions as F

    lines = read.select(F.col("value").alias("data"), *_file_columns()).where(F.length(F.trim("data")) > 0)
    return _file_rows(lines, F.concat(F.lit("#"), F.lower(F.hex(F.xxhash64("data")))))


def _followed_files(
    spark: SparkSession, path: str, names: str, endings: Iterable[str], *, wholetext: bool
) -> DataFrame:
    """Return the text of files below a path, and of those to come: of these names, or of any that ends so."""
    any_case = ["".join(f"[{char}{char.upper()}]" if char.isalpha() else char for char in end) for end in endings]
    of_kind = "{" + ",".join(f"*{ending}" for ending in any_case) + "}"
    options = {
        "recursiveFileLookup": "true",
        "pathGlobFilter": of_kind if names in _ANY_NAME else names,
        "maxFilesPerTrigger": str(_FILES_A_BATCH),
        # By itself Spark passes over files a week older than the newest it has seen: late ones would be lost.
        "maxFileAge": "36500d",
        # A file that can't be read, or is gone, gives no row and is found missing afterwards: one bad file would
        # otherwise keep the stream from ever going on.
        "ignoreCorruptFiles": "true",
        "ignoreMissingFiles": "true",
    }
    return spark.readStream.options(**options).text(path, wholetext=wholetext)


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


def _captures_below(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if _is_capture(path.relative_to(folder).as_posix()) and path.is_file())
    return [str(path.resolve()) for path in found]


def _is_capture(path: str) -> bool:
    """Whether a path below a folder that was named is a capture's: in nothing hidden, and with such an ending.

    A target may lie in the folder, and keeps JSON of its own below ``_mlbsdk``.
    """
    hidden = any(part.startswith((".", "_")) for part in path.strip("/").split("/"))
    return not hidden and path.lower().endswith((*WHOLE_DOCUMENTS, *JSON_LINES))


def _glob(pattern: str) -> re.Pattern[str]:
    """Return an expression that matches what Python's glob does, and names what is ``below`` a folder that matches."""
    parts = [_glob_part(part) for part in (f"{pattern}/*" if pattern.endswith("/**") else pattern).split("/")]
    return re.compile("/".join(parts).replace("**/", "(?:[^/.][^/]*/)*") + r"(?:/(?P<below>.+))?$", re.DOTALL)


def _glob_part(part: str) -> str:
    """Return an expression for one name of a path; a name that begins with a dot matches no ``*``."""
    if part == "**":
        return part
    signs = [_glob_sign(sign) for sign in _GLOB_SIGNS.findall(part)]
    return ("(?!\\.)" if part[:1] in "*?[" else "") + "".join(signs)


def _glob_sign(sign: str) -> str:
    if sign[0] == "[" and len(sign) > 1:
        return "[" + ("^" if sign[1] == "!" else "") + re.sub(r"([\\^\[])", r"\\\1", sign[1:-1].lstrip("!")) + "]"
    return {"*": "[^/]*", "?": "[^/]"}.get(sign) or re.escape(sign)


_GLOB_SIGNS = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)


def _fixed_part(address: str) -> str:
    """Return the part of an address before its first pattern: a dataset's name has no date or key in it."""
    if not is_local(address):
        scheme, _, rest = address.rstrip("/").partition("://")
        names = rest.split("/")
        fixed = next((n for n, name in enumerate(names) if any(char in name for char in "*?[")), len(names))
        return f"{scheme}://{'/'.join(names[:fixed])}"
    path = Path(address.removeprefix("file://").removeprefix("file:"))
    parts = path.parts
    fixed = next((n for n, part in enumerate(parts) if any(char in part for char in "*?[")), len(parts))
    base = Path(*parts[:fixed]) if fixed else Path()
    return str(base.parent if base.is_file() else base)


def text_size(files: Sequence[StoredFile]) -> int:
    """Return the bytes of JSON text in capture files, roughly."""
    return sum(file.size * (_GZIP_RATIO if file.path.endswith(".gz") else 1) for file in files)
