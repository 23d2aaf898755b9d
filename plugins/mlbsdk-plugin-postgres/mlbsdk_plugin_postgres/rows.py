"""Arrow rows as the CSV that COPY reads: nulls are empty, every value is quoted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

from mlbsdk.plugin import LINEAGE

#: Rows that are turned into text at a time.
_CHUNK = 20_000
_OPTIONS = csv.WriteOptions(include_header=False, quoting_style="all_valid")


def csv_of(rows: pa.Table) -> Iterator[memoryview]:
    """Give rows as CSV, piece by piece. Every column must be a plain value."""
    for batch in rows.to_batches(max_chunksize=_CHUNK):
        sink = pa.BufferOutputStream()
        csv.write_csv(batch, sink, _OPTIONS)
        yield memoryview(sink.getvalue())


def columns_with_nul(rows: pa.Table) -> list[str]:
    """Return the text columns that hold a NUL character, which PostgreSQL can't store."""
    texts = [field.name for field in rows.schema if pa.types.is_string(field.type)]
    return [name for name in texts if pc.any(pc.match_substring(rows[name], "\0")).as_py()]


def with_lineage_text(rows: pa.Table) -> pa.Table:
    """Return rows with ``lineage_metadata`` as JSON text.

    Rows of one capture that failed the same checks have the same text, so it is made once for them all.
    """
    place = rows.schema.get_field_index(LINEAGE)
    if not rows.num_rows:
        return rows.set_column(place, LINEAGE, pa.array([], pa.string()))
    lineage = rows[LINEAGE].combine_chunks()
    codes = _as_text(lineage).dictionary_encode()
    first = {code: number for number, code in reversed(list(enumerate(codes.indices.to_pylist())))}
    texts = [json.dumps(lineage[first[code]].as_py(), default=_moment) for code in range(len(codes.dictionary))]
    return rows.set_column(place, LINEAGE, pa.array(texts, pa.string()).take(codes.indices))


def _as_text(lineage: pa.StructArray) -> pa.Array:
    """Return a text for each row that differs where rows differ."""
    fields = [lineage.field(number) for number in range(lineage.type.num_fields)]
    return _joined([_code(one) for one in fields], "\x1e")


def _code(values: pa.Array) -> pa.Array:
    if pa.types.is_list(values.type):  # lists of no item and of an empty one have the same text
        return _joined([pc.list_value_length(values).cast(pa.string()), pc.binary_join(values, "\x1f")], "\x1f")
    return (values.dictionary_encode().indices if pa.types.is_string(values.type) else values).cast(pa.string())


def _joined(texts: list[pa.Array], separator: str) -> pa.Array:
    return pc.binary_join_element_wise(*texts, separator, null_handling="replace", null_replacement="\x00")


def _moment(value: datetime) -> str:
    return value.isoformat()
