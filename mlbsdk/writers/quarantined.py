"""What a lakehouse target holds in quarantine, read without Spark."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from mlbsdk.hookspecs import Storage, StoredFile
from mlbsdk.quality.quarantine import COLUMNS, QuarantineQuery, quarantine_rows
from mlbsdk.writers.lakehouse import Lakehouse


def in_delta(house: Lakehouse, path: str, query: QuarantineQuery) -> pa.Table:
    """Return the entries of a Delta table; none where it is not."""
    if not house.is_delta(path):
        return quarantine_rows([])
    return _chosen(house.open_delta(path).to_pyarrow_dataset().to_table(), query)


def in_files(storage: Storage, files: Sequence[StoredFile], format: str, query: QuarantineQuery) -> pa.Table:
    """Return the entries of a table of Parquet or Avro files."""
    if not files:
        return quarantine_rows([])
    if format == "parquet":
        import pyarrow.parquet as pq

        parts = []
        for file in files:
            system, name = storage.arrow(file.path)
            parts.append(_with_all_columns(pq.ParquetFile(name, filesystem=system).read()))
        return _chosen(pa.concat_tables(parts), query)
    import fastavro

    rows = []
    for file in files:
        with storage.open(file.path) as stream:
            rows += [row for row in fastavro.reader(stream) if isinstance(row, dict)]
    return _chosen(quarantine_rows(rows), query)


def _chosen(rows: pa.Table, query: QuarantineQuery) -> pa.Table:
    rows = _with_all_columns(rows)
    for name, value in query.equal.items():
        rows = rows.filter(pc.equal(rows[name], value))
    if query.is_open:
        rows = rows.filter(pc.is_null(rows["resolution"]))
    rows = rows.sort_by([("transform_timestamp", "descending"), ("quarantine_id", "ascending")])
    return rows if query.limit is None else rows.slice(0, query.limit)


def _with_all_columns(rows: pa.Table) -> pa.Table:
    """Return rows with the columns of the quarantine table; those that were added since are null."""
    schema = quarantine_rows([]).schema
    columns = [
        rows[name].cast(schema.field(name).type)
        if name in rows.column_names
        else pa.nulls(rows.num_rows, schema.field(name).type)
        for name in COLUMNS
    ]
    return pa.table(columns, schema=schema)
