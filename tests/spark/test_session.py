"""A session that mlbsdk made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.mark.parametrize("format", ["parquet", "delta"])
def test_spark_writes_no_checksum_files(spark: SparkSession, tmp_path: Path, format: str) -> None:
    spark.range(3).write.format(format).save(str(tmp_path / "numbers"))
    # Of data, that is: Delta writes its few log files in a way of its own.
    names = [file.name for file in (tmp_path / "numbers").iterdir()]
    assert any(name.endswith(".parquet") for name in names)
    assert not [name for name in names if name.endswith(".crc")]
    assert spark.read.format(format).load(str(tmp_path / "numbers")).count() == 3
