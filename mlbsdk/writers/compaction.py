"""Small Parquet files of one folder joined into larger ones, row for row."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

#: Smaller files are joined.
SMALL_FILE = 32 * 1024 * 1024
#: What a joined file has at most.
_LARGEST = 128 * 1024 * 1024
#: Rows of a row group, roughly.
_ROWS_AT_ONCE = 100_000


def to_join(sizes: Mapping[Path, int]) -> list[list[Path]]:
    """Return which files become one each: of every folder its small ones, two or more together.

    Args:
        sizes: bytes by file.
    """
    by_folder: dict[Path, list[Path]] = {}
    for path, size in sorted(sizes.items()):
        if size < SMALL_FILE:
            by_folder.setdefault(path.parent, []).append(path)
    return [group for paths in by_folder.values() for group in _groups(paths, sizes) if len(group) > 1]


def join(files: Sequence[Path], folder: Path, compression: str) -> Path:
    """Write the rows of some files as one file below a folder, and return it. A column that a file lacks is null."""
    schema = pa.unify_schemas([pq.read_schema(file) for file in files])
    folder.mkdir(parents=True, exist_ok=True)
    joined = folder / f"part-{uuid.uuid4().hex}-0.parquet"
    with pq.ParquetWriter(joined, schema, compression=compression, coerce_timestamps="us") as writer:
        waiting: list[pa.Table] = []
        for file in files:
            for rows in pq.ParquetFile(file).iter_batches(_ROWS_AT_ONCE):
                waiting.append(_with_all(pa.Table.from_batches([rows]), schema))
                if sum(part.num_rows for part in waiting) >= _ROWS_AT_ONCE:
                    writer.write_table(pa.concat_tables(waiting))
                    waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting))
    return joined


def _groups(paths: Sequence[Path], sizes: Mapping[Path, int]) -> Iterator[list[Path]]:
    group: list[Path] = []
    for path in paths:
        if group and sum(sizes[one] for one in group) + sizes[path] > _LARGEST:
            yield group
            group = []
        group.append(path)
    yield group


def _with_all(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    for field in schema:
        if field.name not in rows.column_names:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    return rows.select(schema.names).cast(schema)
