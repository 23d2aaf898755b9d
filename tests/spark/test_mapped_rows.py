"""Rows of a large batch in a file that is mapped into memory: the same rows in the same order, and nothing left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlbsdk.errors import EnvironmentProblem
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file
from mlbsdk.mapping.plan import Table
from mlbsdk.runtime import mapped_rows as module
from mlbsdk.runtime.arrow import arrow_schema, table_rows
from mlbsdk.runtime.mapped_rows import mapped_rows
from mlbsdk.runtime.schemas import spark_schema
from mlbsdk.runtime.transformation import ARROW, ARROW_BATCH_BYTES, MOST_RESULTS, SMALL_BATCH_BYTES, may_leave_spark
from tests.mini import MAPPING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark


@pytest.fixture
def table() -> Table:
    return compile_mapping(load_file(MAPPING)).table("mini.games")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that Spark's rows are put into."""
    monkeypatch.setenv("SPARK_LOCAL_DIRS", f"{tmp_path / 'local'},{tmp_path / 'other'}")
    return tmp_path / "local"


def games(spark: SparkSession, table: Table, state: str = "concat('minute ', id)") -> DataFrame:
    """Return rows in seven partitions, of which the first ends last."""
    wait = "if(id = 0, 0 * length(reflect('java.lang.Thread', 'sleep', 300L)), 0)"
    values = {"game_pk": f"id + {wait}", "state": state}
    columns = [
        f"cast({values.get(field.name, 'null')} AS {field.dataType.simpleString()}) AS {field.name}"
        for field in spark_schema(table).fields
    ]
    return spark.range(0, 700, 1, 7).selectExpr(*columns)


def test_rows_are_those_that_memory_would_hold_in_their_order(spark: SparkSession, table: Table, folder: Path) -> None:
    rows = mapped_rows(games(spark, table), table)
    assert rows["game_pk"].to_pylist() == list(range(700))
    assert rows.equals(table_rows(games(spark, table), table))
    assert rows.schema.equals(arrow_schema(table))
    assert list(folder.iterdir()) == []  # the file has no name any more


def test_no_rows(spark: SparkSession, table: Table, folder: Path) -> None:
    rows = mapped_rows(games(spark, table).where("game_pk < 0"), table)
    assert rows.num_rows == 0
    assert rows.schema.equals(arrow_schema(table))


def test_an_error_of_spark_is_raised_and_leaves_no_file(spark: SparkSession, table: Table, folder: Path) -> None:
    frame = games(spark, table, "if(id = 650, raise_error('no such state'), 'x')")
    with pytest.raises(Exception, match="no such state"):
        mapped_rows(frame, table)
    assert list(folder.iterdir()) == []
    assert mapped_rows(games(spark, table), table).num_rows == 700  # Spark works on


def test_a_folder_that_holds_nothing_is_named(
    spark: SparkSession, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path / "file"))
    with pytest.raises(EnvironmentProblem, match=r"rows of 'mini\.games' can't be kept in .*file"):
        mapped_rows(games(spark, table), table)


def test_a_full_disk_is_told_and_ends_sparks_job(spark: SparkSession, table: Table) -> None:
    """``/dev/full`` takes nothing."""
    spilled = module._spilled
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_spilled", lambda frame, path, schema: spilled(frame, Path("/dev/full"), schema))
        with pytest.raises(EnvironmentProblem, match="No space left on device"):
            mapped_rows(games(spark, table), table)
    assert mapped_rows(games(spark, table), table).num_rows == 700


def test_a_lost_connection_is_not_the_folders(
    spark: SparkSession, table: Table, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(frame: DataFrame, path: Path, schema: object) -> list[int]:
        raise ConnectionResetError("Connection reset by peer")

    monkeypatch.setattr(module, "_spilled", lost)
    with pytest.raises(ConnectionResetError):
        mapped_rows(games(spark, table), table)
    assert list(folder.iterdir()) == []


def test_rows_of_a_large_batch_leave_only_a_session_that_takes_them() -> None:
    ours = {ARROW: "true", MOST_RESULTS: "0"}
    theirs = ours | {MOST_RESULTS: "1g"}
    assert may_leave_spark(ARROW_BATCH_BYTES, ours)
    assert not may_leave_spark(ARROW_BATCH_BYTES + 1, ours)
    assert not may_leave_spark(None, ours)
    assert may_leave_spark(SMALL_BATCH_BYTES, theirs)
    assert not may_leave_spark(SMALL_BATCH_BYTES + 1, theirs)
    assert not may_leave_spark(1, ours | {ARROW: "false"})
