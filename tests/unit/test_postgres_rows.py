"""Arrow rows as the CSV that COPY reads: a real server reads every value back as it was."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mlbsdk_plugin_postgres.connection import Database
from mlbsdk_plugin_postgres.rows import columns_with_nul, csv_of, with_lineage_text
from mlbsdk_plugin_postgres.staging import copy

from mlbsdk.mapping.types import NAMES, ColumnType
from mlbsdk.runtime.arrow import LINEAGE_TYPE, arrow_type

EPOCH = datetime(1970, 1, 1)
#: Days and microseconds from year 1 to 32767, which Arrow and PostgreSQL both write.
DAYS = (-719162, 11248737)
MICROSECONDS = (DAYS[0] * 86_400_000_000, (DAYS[1] + 1) * 86_400_000_000 - 1)

# Text


def csv(values: Sequence[Any], kind: pa.DataType) -> list[str]:
    """Return the CSV of one column, a text for each row."""
    table = pa.table({"v": pa.array(values, kind), "end": pa.array([0] * len(values))})
    return b"".join(csv_of(table)).decode().removesuffix(',"0"\n').split(',"0"\n')


@pytest.mark.parametrize(
    ("kind", "values", "texts"),
    [
        ("TEXT", [None, "", " ", '"', "a,b", "NULL"], ["", '""', '" "', '""""', '"a,b"', '"NULL"']),
        ("TEXT", ["\\N", "\\.", "\\", "'"], ['"\\N"', '"\\."', '"\\"', '"\'"']),
        ("TEXT", ["a\nb", "a\r\nb", "\t", "é大", "🥎"], ['"a\nb"', '"a\r\nb"', '"\t"', '"é大"', '"🥎"']),
        ("JSONB", ['{"a": "b"}', None], ['"{""a"": ""b""}"', ""]),
        ("SMALLINT", [-(2**15), None, 2**15 - 1], ['"-32768"', "", '"32767"']),
        ("BIGINT", [-(2**63), 2**63 - 1], ['"-9223372036854775808"', '"9223372036854775807"']),
        ("DOUBLE", [float("nan"), float("inf"), -float("inf")], ['"nan"', '"inf"', '"-inf"']),
        ("DOUBLE", [5e-324, -0.0, None], ['"5e-324"', '"-0"', ""]),
        ("BOOLEAN", [True, False, None], ['"true"', '"false"', ""]),
        ("NUMERIC(5,2)", [Decimal("-0.01"), Decimal("999.90"), None], ['"-0.01"', '"999.90"', ""]),
        ("DATE", [-719162, -25568, 2932897, None], ['"0001-01-01"', '"1899-12-31"', '"10000-01-01"', ""]),
        ("TIMESTAMP", [datetime(1899, 12, 31, 23, 59, 59, 999999)], ['"1899-12-31 23:59:59.999999"']),
        ("TIMESTAMPTZ", [datetime(2024, 7, 1, tzinfo=timezone.utc), None], ['"2024-07-01 00:00:00.000000Z"', ""]),
    ],
)  # fmt: skip
def test_every_value_is_quoted_and_null_is_nothing(kind: str, values: list[Any], texts: list[str]) -> None:
    if kind == "DATE":
        values = [None if day is None else pa.scalar(day, pa.int32()).cast(pa.date32()) for day in values]
    assert csv(values, arrow_type(ColumnType.parse(kind))) == texts


def test_many_rows_come_in_pieces_and_no_rows_in_none() -> None:
    rows = pa.table({"a": range(45_000)})
    pieces = [bytes(piece) for piece in csv_of(rows)]
    assert [piece.count(b"\n") for piece in pieces] == [20_000, 20_000, 5_000]
    assert b"".join(pieces) == b"".join(b'"%d"\n' % number for number in range(45_000))
    assert b"".join(csv_of(rows.slice(0, 0))) == b""


def test_columns_with_nul_are_found() -> None:
    rows = pa.table(
        {"a": ["x", None], "b": ["x\0", "y"], "c": [1, 2], "d": [None, "\0"], "e": pa.array([None, None], pa.string())}
    )
    assert columns_with_nul(rows) == ["b", "d"]


# A real COPY

_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
_ODD = st.sampled_from(
    ["", "\\N", "\\.", '"', '""', "'", "\n", "\r", "\r\n", "\\", "NULL", ",", " ", "\t", "\x7f\x01", "\ufeff"]
)


def _json(depth: int = 3) -> st.SearchStrategy[Any]:
    plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS
    return st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(_TEXTS, inner), max_leaves=depth)


def _whole(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _decimal(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    most = 10**precision - 1
    return st.integers(-most, most).map(lambda number: Decimal((number < 0, tuple(map(int, str(abs(number)))), -scale)))


#: Type -> its values, as Arrow takes them; dates and times by their number, since Python's end at year 9999.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "SMALLINT": _whole(16),
    "INT": _whole(32),
    "BIGINT": _whole(64),
    "REAL": st.floats(width=32),
    "DOUBLE": st.floats(),
    "VARCHAR(40)": _ODD | _TEXTS.map(lambda text: text[:40]),
    "CHAR(40)": _ODD | _TEXTS.map(lambda text: text[:40]),
    "TEXT": _ODD | _TEXTS,
    "JSONB": _json().map(json.dumps),
    "BOOLEAN": st.booleans(),
    "DATE": st.integers(*DAYS),
    "TIMESTAMP": st.integers(*MICROSECONDS),
    "TIMESTAMPTZ": st.integers(*MICROSECONDS),
    "NUMERIC(5,2)": _decimal(5, 2),
    "NUMERIC(38,38)": _decimal(38, 38),
    "NUMERIC(38,0)": _decimal(38, 0),
}
#: How a value is asked for where psycopg's own would lose something.
_ASKED = {
    "DATE": "{} - date '1970-01-01'",
    "TIMESTAMP": "(extract(epoch FROM {}) * 1000000)::bigint",
    "TIMESTAMPTZ": "(extract(epoch FROM {}) * 1000000)::bigint",
    "JSONB": "{}::text",
}
_NUMBERS = {"DATE": pa.int32(), "TIMESTAMP": pa.int64(), "TIMESTAMPTZ": pa.int64()}
#: What both sides are compared by.
_COMPARED: dict[str, Callable[[Any], Any]] = {
    "REAL": lambda value: repr(value) if value != value else struct.pack("f", value),
    "DOUBLE": lambda value: repr(value) if value != value else struct.pack("d", value),
    "JSONB": lambda value: json.loads(value, parse_int=Decimal, parse_float=Decimal),  # it keeps every digit
    "CHAR(40)": lambda value: value.rstrip(" "),  # it pads
}


@pytest.fixture(scope="module")
def connection(request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    """Return a connection as the writer has one, with a table of one column a type."""
    server = request.getfixturevalue("postgres_server")
    with server.database() as address, Database.parse(address).connect(autocommit=True) as made:
        columns = ", ".join(f'"{kind}" {ColumnType.parse(kind).postgresql}' for kind in VALUES)
        made.execute(f"CREATE TEMPORARY TABLE t (row_number int, {columns})")
        yield made


def test_there_are_values_of_every_type() -> None:
    assert {ColumnType.parse(kind).name for kind in VALUES} == set(NAMES)


_ROWS = st.lists(st.fixed_dictionaries({kind: st.none() | values for kind, values in VALUES.items()}), max_size=6)


@pytest.mark.integration
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=_ROWS)
@example(rows=[dict.fromkeys(VALUES)])
def test_what_is_copied_is_read_back(connection: psycopg.Connection, rows: list[dict[str, Any]]) -> None:
    columns = {"row_number": pa.array(range(len(rows)), pa.int32())}
    for kind in VALUES:
        values = [row[kind] for row in rows]
        type = arrow_type(ColumnType.parse(kind))
        columns[kind] = pa.array(values, _NUMBERS[kind]).cast(type) if kind in _NUMBERS else pa.array(values, type)
    connection.execute("TRUNCATE t")
    copy(connection, "t", pa.table(columns))
    asked = ", ".join(_ASKED.get(kind, "{}").format(f'"{kind}"') for kind in VALUES)
    with connection.cursor(binary=True) as cursor:
        found = cursor.execute(f"SELECT {asked} FROM t ORDER BY row_number").fetchall()
    wanted = [tuple(_compared(kind, row[kind]) for kind in VALUES) for row in rows]
    assert [tuple(map(_compared, VALUES, row)) for row in found] == wanted


def _compared(kind: str, value: Any) -> Any:
    return None if value is None else _COMPARED.get(kind, lambda same: same)(value)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("kind", "days"),
    [
        *((kind, days) for kind in ("DATE", "TIMESTAMP", "TIMESTAMPTZ") for days in (DAYS[0] - 1, -1_000_000)),
        *((kind, days) for kind in ("DATE", "TIMESTAMP") for days in (DAYS[1] + 1, 2**31 - 1)),
        # Arrow writes times with a zone after 32767 as others. No text of a mapping is one: years have 4 digits.
    ],
)
def test_moments_before_year_1_and_after_32767_are_refused(
    connection: psycopg.Connection, kind: str, days: int
) -> None:
    number = days if kind == "DATE" else min(days * 86_400_000_000, 2**63 - 1)
    rows = pa.table({kind: pa.array([number], _NUMBERS[kind]).cast(arrow_type(ColumnType.parse(kind)))})
    with pytest.raises(psycopg.DataError, match=f"column {kind}: "):
        copy(connection, "t", rows)


# Lineage


def lineage(**changes: Any) -> dict[str, Any]:
    """Return one row's lineage."""
    return {
        "source_table": "mini.game",
        "source_row_id": "a.json",
        "transform_job": "mini.game.plays",
        "run_id": "r",
        "transform_timestamp": datetime(2024, 7, 1, 12, tzinfo=timezone.utc),
        "data_quality_passed": True,
        "quality_checks_run": ["x", "y"],
        "quality_checks_failed": [],
    } | changes


_WORDS = st.none() | st.sampled_from(["", "a", "b", 'é"\\', "a\x1eb", "\x00", "0", "1"])
_NAMES = st.none() | st.lists(st.sampled_from(["", "a", "b", "a,b", '"']), max_size=3)
_MOMENTS = st.none() | st.integers(0, 3).map(lambda n: (EPOCH + timedelta(microseconds=n)).replace(tzinfo=timezone.utc))
_LINEAGE = st.fixed_dictionaries(
    {
        "source_table": _WORDS,
        "source_row_id": _WORDS,
        "transform_job": _WORDS,
        "run_id": _WORDS,
        "transform_timestamp": _MOMENTS,
        "data_quality_passed": st.none() | st.booleans(),
        "quality_checks_run": _NAMES,
        "quality_checks_failed": _NAMES,
    }
)


@settings(max_examples=300, deadline=None)
@given(rows=st.lists(_LINEAGE, max_size=12), chunks=st.integers(1, 3), skipped=st.integers(0, 2))
@example(rows=[lineage(quality_checks_failed=[]), lineage(quality_checks_failed=[""])], chunks=1, skipped=0)
@example(rows=[lineage(source_row_id=None), lineage(source_row_id="\x00")], chunks=1, skipped=0)
@example(rows=[lineage(source_table="a\x1eb", source_row_id="c"), lineage(source_table="a", source_row_id="b\x1ec")],
         chunks=1, skipped=0)  # fmt: skip
def test_lineage_is_the_json_of_each_row(rows: list[dict[str, Any]], chunks: int, skipped: int) -> None:
    """Though rows of equal lineage share one text, and rows come in chunks and slices."""
    parts = [pa.array(rows[number::chunks], LINEAGE_TYPE) for number in range(chunks)]
    table = pa.table({"a": pa.chunked_array([pa.array(range(len(part)), pa.int64()) for part in parts], pa.int64()),
                      "lineage_metadata": pa.chunked_array(parts, LINEAGE_TYPE)}).slice(skipped)  # fmt: skip
    given_rows = [row for number in range(chunks) for row in rows[number::chunks]][skipped:]
    found = with_lineage_text(table)
    assert found.schema.field("lineage_metadata").type == pa.string()
    wanted = [json.dumps({field.name: row[field.name] for field in LINEAGE_TYPE}, default=datetime.isoformat)
              for row in given_rows]  # fmt: skip
    assert found["lineage_metadata"].to_pylist() == wanted
    assert found["a"] == table["a"]
