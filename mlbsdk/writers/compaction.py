"""Small Parquet files of one folder joined into larger ones, row for row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from mlbsdk.hookspecs import Storage

#: Smaller files are joined.
SMALL_FILE = 32 * 1024 * 1024
#: What a joined file has at most.
_LARGEST = 128 * 1024 * 1024
#: Rows of a row group, roughly.
_ROWS_AT_ONCE = 100_000


def to_join(sizes: Mapping[str, int]) -> list[list[str]]:
    """Return which files become one each: of every folder its small ones, two or more together.

    Args:
        sizes: bytes by path.
    """
    by_folder: dict[str, list[str]] = {}
    for path, size in sorted(sizes.items()):
        if size < SMALL_FILE:
            by_folder.setdefault(path.rpartition("/")[0], []).append(path)
    return [group for paths in by_folder.values() for group in _groups(paths, sizes) if len(group) > 1]


def join(storage: Storage, files: Sequence[str], joined: str, compression: str) -> None:
    """Write the rows of some files as one file. A column that a file lacks is null."""
    system, name = storage.arrow(joined)
    found = [storage.arrow(file) for file in files]
    schema = pa.unify_schemas([pq.read_schema(path, filesystem=where) for where, path in found])
    system.create_dir(name.rpartition("/")[0], recursive=True)
    with pq.ParquetWriter(name, schema, filesystem=system, compression=compression, coerce_timestamps="us") as writer:
        waiting: list[pa.Table] = []
        for where, path in found:
            for rows in pq.ParquetFile(path, filesystem=where).iter_batches(_ROWS_AT_ONCE):
                waiting.append(_with_all(pa.Table.from_batches([rows]), schema))
                if sum(part.num_rows for part in waiting) >= _ROWS_AT_ONCE:
                    writer.write_table(pa.concat_tables(waiting))
                    waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting))


def _groups(paths: Sequence[str], sizes: Mapping[str, int]) -> Iterator[list[str]]:
    group: list[str] = []
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
