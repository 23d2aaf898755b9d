"""What ``mapping coverage`` says fits is what a run's casts say fits: the two are written apart and must agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlbsdk.mapping.fitting import fits
from mlbsdk.mapping.types import ColumnType
from mlbsdk.runtime.sql import Over
from mlbsdk.runtime.values import misfit, typed

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

TEXTS = [
    *(
        "",
        " ",
        "x",
        "-",
        "0",
        "1",
        "-1",
        "+1",
        " 7 ",
        "007",
        "95",
        "95.0",
        "95.",
        "95.7",
        ".5",
        "-.5",
        "1e3",
        "1E-2",
        "1,000",
    ),
    *("32767", "32768", "-32768", "-32769", "2147483647", "2147483648", "-2147483648", "-2147483649"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "123456789012345678901234567890"),
    *("99.9", "99.94", "99.95", "99.96", "-99.95", "0.05", "0.049", "999.9", "1000", "12345.6"),
    *(
        "NaN",
        "nan",
        "Infinity",
        "-inf",
        "true",
        "True",
        "TRUE",
        "t",
        "y",
        "yes",
        "no",
        "n",
        "f",
        "false",
        "2",
        "on",
        "null",
    ),
    *("2024-07-12", "2024-7-2", "2024-07", "2024", "2024-02-29", "2023-02-29", "2024-13-01", "2024-07-32", "20240712"),
    *("2024-07-12T20:40:00Z", "2024-07-12 20:40:00", "2024-07-12T20:40:00.123Z", "2024-07-12T20:40Z", "2024-07-12T"),
    *(
        "2024-07-12 20:40",
        "2024-07-12T20",
        "2024-07-12 20:4:5",
        "2024-07-12T20:40:00.",
        " 2024-07-12",
        "2024-07-12 ",
        "32767-01-01",
    ),
    *(
        "0000-01-01",
        "0001-01-01",
        "9999-12-31",
        "2024-07-12T24:00:00Z",
        "2024-07-12T20:40:00+0200",
        "2024-07-12T20:40:00 +02:00",
    ),
    *("2024-07-12T25:00:00Z", "2024-07-12T20:60:00Z", "2024-07-12T20:40:00+02:00", "2024-07-12T20:40:00 UTC", "20:40"),
    *(
        "2024-07-12 nonsense",
        "2024-07-12T20:40:00.123456789Z",
        "12/07/2024",
        "July 12",
        "abcde",
        "abcdef",
        "héllo",
        "{}",
    ),
]
TYPES = [
    *("SMALLINT", "INT", "BIGINT", "REAL", "DOUBLE", "NUMERIC(3,1)", "NUMERIC(10,0)", "VARCHAR(5)", "CHAR(5)", "TEXT"),
    *("JSONB", "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMPTZ"),
]


def test_coverage_and_a_run_agree_on_what_fits(spark: SparkSession) -> None:
    types = [ColumnType.parse(text) for text in TYPES]
    judged = []
    for number, type in enumerate(types):
        asked = misfit("text", typed("text", type), type)
        wrong = f"length(text) > {type.length}" if type.length else asked
        judged.append(f"NOT ({wrong}) AS fits_{number}")
    with Over(spark.createDataFrame([(text,) for text in TEXTS], "text string")) as over:
        rows = over.run(f"SELECT text, {', '.join(judged)} FROM {over.name}").collect()
    differing = [
        f"{type} {row['text']!r}: a run says {row[f'fits_{number}']}"
        for row in rows
        for number, type in enumerate(types)
        if bool(row[f"fits_{number}"]) != fits(row["text"], type)
    ]
    assert differing == []
