"""Column types: how they are written, and what each is in every store."""

from __future__ import annotations

import re

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbsdk.mapping.types import NAMES, ColumnType

# (as written, its one spelling, Spark, PostgreSQL, Avro)
TYPES = [
    ("SMALLINT", "SMALLINT", "smallint", "smallint", "int"),
    ("INT", "INT", "int", "integer", "int"),
    ("BIGINT", "BIGINT", "bigint", "bigint", "long"),
    ("REAL", "REAL", "float", "real", "float"),
    ("DOUBLE", "DOUBLE", "double", "double precision", "double"),
    ("NUMERIC(5,2)", "NUMERIC(5,2)", "decimal(5,2)", "numeric(5,2)", ("bytes", "decimal")),
    ("NUMERIC(5)", "NUMERIC(5,0)", "decimal(5,0)", "numeric(5,0)", ("bytes", "decimal")),
    ("NUMERIC(38,38)", "NUMERIC(38,38)", "decimal(38,38)", "numeric(38,38)", ("bytes", "decimal")),
    ("VARCHAR(50)", "VARCHAR(50)", "string", "character varying(50)", "string"),
    ("CHAR(1)", "CHAR(1)", "string", "character(1)", "string"),
    ("TEXT", "TEXT", "string", "text", "string"),
    ("BOOLEAN", "BOOLEAN", "boolean", "boolean", "boolean"),
    ("DATE", "DATE", "date", "date", ("int", "date")),
    ("TIMESTAMP", "TIMESTAMP", "timestamp_ntz", "timestamp without time zone", ("long", "local-timestamp-micros")),
    ("TIMESTAMPTZ", "TIMESTAMPTZ", "timestamp", "timestamp with time zone", ("long", "timestamp-micros")),
    ("JSONB", "JSONB", "string", "jsonb", "string"),
]


@pytest.mark.parametrize(("text", "spelling", "spark", "postgresql", "avro"), TYPES)
def test_each_type_has_one_meaning_in_every_store(
    text: str, spelling: str, spark: str, postgresql: str, avro: str | tuple[str, str]
) -> None:
    kind = ColumnType.parse(text)
    found = kind.avro if isinstance(kind.avro, str) else (kind.avro["type"], kind.avro["logicalType"])
    assert (str(kind), kind.spark, kind.postgresql, found) == (spelling, spark, postgresql, avro)
    fastavro.parse_schema({"type": "record", "name": "r", "fields": [{"name": "f", "type": kind.avro}]})


def test_every_type_is_tested_here() -> None:
    assert {text.partition("(")[0] for text, *_ in TYPES} == set(NAMES)


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("int", "INT"),
        (" varchar ( 50 ) ", "VARCHAR(50)"),
        ("numeric( 5 , 2 )", "NUMERIC(5,2)"),
        ("INTEGER", "INT"),
        ("DECIMAL(5,2)", "NUMERIC(5,2)"),
        ("STRING", "TEXT"),
        ("FLOAT", "REAL"),
        ("BOOL", "BOOLEAN"),
    ],
)
def test_other_spellings_of_a_type(text: str, spelling: str) -> None:
    assert str(ColumnType.parse(text)) == spelling


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not a type"),
        ("VARCHR(5)", "Did you mean 'VARCHAR'?"),
        ("BLOB", "types are SMALLINT, INT"),
        ("INT; DROP TABLE x", "is not a type"),
        ("ARRAY<INT>", "is not a type"),
        ("VARCHAR(5", "is not a type"),
        ("VARCHAR(-5)", "is not a type"),
        ("VARCHAR(٣)", "is not a type"),
        ("VARCHAR(1e3)", "is not a type"),
        ("VARCHAR", "needs a length: VARCHAR(50)"),
        ("CHAR(0)", "needs a length"),
        ("VARCHAR(5,2)", "needs a length"),
        ("VARCHAR(10485761)", "for any length use TEXT"),
        ("VARCHAR(99999999999999)", "is not a type"),
        ("NUMERIC", "needs a precision of 1 to 38"),
        ("NUMERIC(0)", "needs a precision"),
        ("NUMERIC(39,2)", "needs a precision"),
        ("NUMERIC(2,3)", "a scale no larger"),
        ("INT(5)", "INT takes no length"),
        ("JSONB(5)", "JSONB takes no length"),
    ],
)
def test_no_type(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        ColumnType.parse(text)


@given(st.text(max_size=30) | st.from_regex(r" ?[a-zA-Z]{0,9}(\([0-9, ]{0,8}\))? ?", fullmatch=True))
def test_any_text_is_a_type_or_a_value_error(text: str) -> None:
    try:
        kind = ColumnType.parse(text)
    except ValueError:
        return
    assert ColumnType.parse(str(kind)) == kind


@given(st.integers(1, 38).flatmap(lambda precision: st.tuples(st.just(precision), st.integers(0, precision))))
def test_every_precision_and_scale(sizes: tuple[int, int]) -> None:
    precision, scale = sizes
    kind = ColumnType.parse(f"NUMERIC({precision},{scale})")
    assert (kind.precision, kind.scale, kind.spark) == (precision, scale, f"decimal({precision},{scale})")
