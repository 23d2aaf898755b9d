"""What every writer keeps: the newest capture wins, nothing is doubled, nothing vanished stays, whatever the order."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file
from mlbsdk.report import RunReport
from mlbsdk.runtime.batch import Batch, Document, TableRows
from mlbsdk.runtime.run import RunRequest, run
from mlbsdk.writers.delta import DeltaWriter
from tests.mini import MAPPING, TABLES, Capture, expected, newest, ordered, save

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

#: Writer, and whether rows may leave Spark as Arrow.
WAYS = [("delta", "true"), ("delta", "false"), ("parquet", "true"), ("parquet", "false"), ("avro", "true")]
ALL = [Capture(game, minute) for game in (1, 2) for minute in range(4)]


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0]}-{'arrow' if way[1] == 'true' else 'spark'}")
def way(request: pytest.FixtureRequest, spark: SparkSession) -> Any:
    """Set one way of writing, and take it back."""
    scheme, arrow = request.param
    spark.conf.set("spark.mlbsdk.arrow", arrow)
    yield scheme
    spark.conf.unset("spark.mlbsdk.arrow")


def write(spark: SparkSession, scheme: str, target: Path, captures: Sequence[Capture]) -> RunReport:
    """Run the mini mapping over captures."""
    source = save(target.parent / f"captures-{uuid.uuid4().hex}", captures)
    request = RunRequest(name="mini.game", mapping=MAPPING, source=str(source), target=f"{scheme}:{target}")
    return run(request, spark=spark)


def stored(spark: SparkSession, scheme: str, target: Path) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of all tables."""
    return {name: rows_of(spark, scheme, target, name) for name in TABLES}


def rows_of(spark: SparkSession, scheme: str, target: Path, name: str) -> list[dict[str, Any]]:
    folder = target.joinpath(*name.split("."))
    if not any(folder.rglob("*.avro" if scheme == "avro" else "*.parquet")):
        return []
    rows = [row.asDict() for row in spark.read.format(scheme).load(str(folder)).collect()]
    for row in rows:
        row["source_captured_at"] = row["source_captured_at"].astimezone(timezone.utc)
    return ordered(rows)


def figures(report: RunReport) -> dict[str, tuple[int, int, int, int]]:
    """Return (inserted, updated, unchanged, deleted) by table."""
    return {name: (t.inserted, t.updated, t.unchanged, t.deleted) for name, t in report.tables.items()}


def test_a_series_of_captures_leaves_the_newest_and_true_figures(spark: SparkSession, way: str, tmp_path: Path) -> None:
    target = tmp_path / "out"
    first, second, none_left = Capture(1, 0), Capture(1, 1), Capture(1, 3)
    assert figures(write(spark, way, target, [first])) == {
        "mini.games": (1, 0, 0, 0),
        "mini.plays": (2, 0, 0, 0),
        "mini.players": (2, 0, 0, 0),
    }
    again = write(spark, way, target, [first])
    assert figures(again) == {"mini.games": (0, 0, 1, 0), "mini.plays": (0, 0, 2, 0), "mini.players": (0, 0, 2, 0)}
    newer = write(spark, way, target, [second])
    assert figures(newer) == {"mini.games": (0, 1, 0, 0), "mini.plays": (2, 2, 0, 0), "mini.players": (1, 1, 0, 0)}
    older = write(spark, way, target, [first])
    assert figures(older)["mini.games"] == (0, 0, 1, 0)
    assert figures(older)["mini.plays"] == (0, 0, 2, 0)
    vanished = write(spark, way, target, [none_left])
    assert figures(vanished)["mini.plays"] == (0, 0, 0, 4)
    # No row of game 1 is left in plays, and still the older capture brings none back.
    write(spark, way, target, [second])
    assert stored(spark, way, target) == {n: ordered(r) for n, r in expected([first, second, none_left]).items()}


def test_a_game_that_moves_to_another_day_leaves_its_old_partition(
    spark: SparkSession, way: str, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    captures = [Capture(1, 1), Capture(2, 1), Capture(2, 2)]
    write(spark, way, target, captures[:2])
    write(spark, way, target, captures[2:])
    assert stored(spark, way, target) == {name: ordered(rows) for name, rows in expected(captures).items()}


_ORDERS = st.permutations(ALL).flatmap(
    lambda order: st.lists(st.sampled_from(ALL), max_size=4).map(lambda repeats: [*order, *repeats])
)
_SPLITS = st.lists(st.integers(1, 4), min_size=12, max_size=12)


def batches(order: Sequence[Capture], sizes: Sequence[int]) -> list[list[Capture]]:
    """Cut a series of captures into batches."""
    cut, rest = [], list(order)
    for size in sizes:
        cut, rest = ([*cut, rest[:size]], rest[size:]) if rest else (cut, rest)
    return cut


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(order=_ORDERS, sizes=_SPLITS)
def test_any_order_and_interleaving_ends_in_the_same_tables(
    spark: SparkSession, way: str, tmp_path_factory: pytest.TempPathFactory, order: list[Capture], sizes: list[int]
) -> None:
    target = tmp_path_factory.mktemp("any") / "out"
    taken = batches(order, [size + 2 for size in sizes])
    for batch in taken:
        write(spark, way, target, batch)
    seen = [capture for batch in taken for capture in batch]
    assert stored(spark, way, target) == {name: ordered(rows) for name, rows in expected(seen).items()}


@settings(max_examples=60, deadline=None)
@given(order=_ORDERS, sizes=_SPLITS)
def test_the_arrow_commit_keeps_it_for_many_more_orders(
    tmp_path_factory: pytest.TempPathFactory, order: list[Capture], sizes: list[int]
) -> None:
    target = tmp_path_factory.mktemp("arrow")
    writer = DeltaWriter(str(target), {})
    writer.prepare()
    taken = batches(order, sizes)
    for number, captures in enumerate(taken):
        writer.write(_arrow_batch(captures, number))
    seen = [capture for batch in taken for capture in batch]
    assert _delta_rows(target) == {name: ordered(rows) for name, rows in expected(seen).items()}


def _arrow_batch(captures: Sequence[Capture], number: int) -> Batch:
    """Return a batch as the engine makes it: the newest capture of each game, rows of kept tables resolved."""
    import pyarrow as pa

    from mlbsdk.runtime.arrow import LINEAGE_TYPE, arrow_schema

    plan = compile_mapping(load_file(MAPPING))
    latest = newest(captures)
    rows = expected(captures)
    moment = datetime.now(timezone.utc)
    lineage = pa.scalar({"run_id": "r", "data_quality_passed": True}, LINEAGE_TYPE).as_py()
    tables = {}
    for table in plan.tables:
        full = [row | {"transform_timestamp": moment, "lineage_metadata": lineage} for row in rows[table.name]]
        arrow = pa.Table.from_pylist(full, schema=arrow_schema(table))
        tables[table.name] = TableRows(table, None, arrow, arrow.num_rows)  # type: ignore[arg-type]  # the frame is not used
    documents = tuple(Document((capture.game,), capture.captured_at) for capture in latest.values())
    return Batch(None, plan, f"run-{number}", number, documents, tables)  # type: ignore[arg-type]  # nor is Spark


def _delta_rows(target: Path) -> dict[str, list[dict[str, Any]]]:
    from deltalake import DeltaTable

    return {
        name: ordered(DeltaTable(target.joinpath(*name.split("."))).to_pyarrow_table().to_pylist()) for name in TABLES
    }
