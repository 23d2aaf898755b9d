"""What every writer keeps: the newest capture wins, nothing is doubled, nothing vanished stays, whatever the order."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlbsdk_plugin_postgres.writer import PostgresWriter
from psycopg import sql
from psycopg.rows import dict_row

from mlbsdk.errors import ConfigurationError, StoredSchemaError, TargetUnwritableError, WriteError
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file
from mlbsdk.mapping.plan import Column, FromRaw, Table
from mlbsdk.mapping.types import ColumnType
from mlbsdk.report import RunReport
from mlbsdk.runtime.arrow import LINEAGE_TYPE, arrow_schema
from mlbsdk.runtime.batch import Batch, Document, TableRows, TableWritten
from mlbsdk.runtime.run import RunRequest, run
from mlbsdk.runtime.schemas import spark_schema
from mlbsdk.runtime.transformation import OnError
from mlbsdk.writers.delta import DeltaWriter
from mlbsdk.writers.files import FileWriter
from tests.mini import MAPPING, TABLES, Capture, expected, newest, ordered, save

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mlbsdk.hookspecs import Writer
    from tests.postgres import Server

pytestmark = pytest.mark.spark

#: Writer, and whether rows may leave Spark as Arrow.
WAYS = [
    ("delta", "true"),
    ("delta", "false"),
    ("parquet", "true"),
    ("parquet", "false"),
    ("avro", "true"),
    ("postgresql", "true"),
    ("postgresql", "false"),
]
#: The ways of :data:`WAYS` that tests of many runs go whenever tests run; the others are slow.
OFTEN = [("delta", "false"), ("parquet", "true"), ("postgresql", "false")]
MANY_RUNS = [one if one in OFTEN else pytest.param(one, marks=pytest.mark.slow) for one in WAYS]
#: All ways; those whose code the others run too are slow.
SELDOM = [("parquet", "false"), ("postgresql", "true")]
MOST = [pytest.param(one, marks=pytest.mark.slow) if one in SELDOM else one for one in WAYS]
ALL = [Capture(game, minute) for game in (1, 2) for minute in range(4)]


@dataclass(frozen=True)
class Way:
    """A writer by its scheme. Each target folder of a test stands for a database of its own in PostgreSQL."""

    scheme: str
    server: Server

    def address(self, target: Path) -> str:
        """Return the address of a target as ``--target`` takes it."""
        return self.server.database_of(target) if self.scheme == "postgresql" else f"{self.scheme}:{target}"

    def rows(self, spark: SparkSession, target: Path, name: str) -> list[dict[str, Any]]:
        """Return all rows of a table, times in UTC; none where there is no table."""
        if self.scheme == "postgresql":
            return postgres_rows(self.address(target), name)
        folder = target.joinpath(*name.split("."))
        if not any(folder.rglob("*.avro" if self.scheme == "avro" else "*.parquet")):
            return []
        rows = [row.asDict() for row in spark.read.format(self.scheme).load(str(folder)).collect()]
        for row in rows:
            row["source_captured_at"] = row["source_captured_at"] and row["source_captured_at"].astimezone(timezone.utc)
        return rows


def postgres_rows(address: str, name: str) -> list[dict[str, Any]]:
    """Return all rows of a table; none where there is no table."""
    with psycopg.connect(address, row_factory=dict_row) as connection:
        there = connection.execute("SELECT to_regclass(%s) AS found", (name,)).fetchone()
        if not there or there["found"] is None:
            return []
        return connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(*name.split(".")))).fetchall()


def way_name(way: tuple[str, str]) -> str:
    """Return what a way is called in the names of tests."""
    return f"{way[0]}-{'arrow' if way[1] == 'true' else 'spark'}"


@pytest.fixture(params=MOST, ids=way_name)
def way(request: pytest.FixtureRequest, spark: SparkSession, postgres_server: Server) -> Iterator[Way]:
    """Set one way of writing, and take it back."""
    scheme, arrow = request.param
    spark.conf.set("spark.mlbsdk.arrow", arrow)
    yield Way(scheme, postgres_server)
    spark.conf.unset("spark.mlbsdk.arrow")


def write(
    spark: SparkSession, way: Way, target: Path, captures: Sequence[Capture], tables: tuple[str, ...] = ()
) -> RunReport:
    """Run the mini mapping over captures."""
    source = save(target.parent / f"captures-{uuid.uuid4().hex}", captures)
    request = RunRequest(
        name="mini.game", mapping=MAPPING, source=str(source), target=way.address(target), tables=tables
    )
    return run(request, spark=spark)


def stored(spark: SparkSession, way: Way, target: Path) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of all tables."""
    return {name: ordered(way.rows(spark, target, name)) for name in TABLES}


def figures(report: RunReport) -> dict[str, tuple[int, int, int, int]]:
    """Return (inserted, updated, unchanged, deleted) by table."""
    return {name: (t.inserted, t.updated, t.unchanged, t.deleted) for name, t in report.tables.items()}


@pytest.mark.slow
@pytest.mark.parametrize("way", [one for one in WAYS if one[1] == "true" and one[0] != "avro"], indirect=True)
def test_each_table_has_the_newest_of_the_captures_that_it_was_chosen_for(
    spark: SparkSession, way: Way, tmp_path: Path
) -> None:
    runs: list[tuple[tuple[str, ...], list[Capture]]] = [
        (("plays",), [Capture(1, 2), Capture(2, 0)]),
        ((), [Capture(1, 1)]),
        (("games", "mini.players"), [Capture(1, 0), Capture(2, 3)]),
        ((), [Capture(1, 0), Capture(2, 1)]),
        (("mini.plays",), [Capture(1, 2)]),
        ((), [Capture(1, 2), Capture(2, 3)]),
    ]
    target = tmp_path / "out"
    seen: dict[str, list[Capture]] = {name: [] for name in TABLES}
    for tables, captures in runs:
        report = write(spark, way, target, captures, tables)
        written = [name for name in TABLES if not tables or name in tables or name.partition(".")[2] in tables]
        assert list(report.tables) == written
        for name in written:
            seen[name] += captures
        found = stored(spark, way, target)
        for name in TABLES:
            assert found[name] == ordered(expected(seen[name])[name]), (tables, captures, name)


@pytest.mark.parametrize("way", MANY_RUNS, indirect=True, ids=way_name)
def test_a_series_of_captures_leaves_the_newest_and_true_figures(spark: SparkSession, way: Way, tmp_path: Path) -> None:
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
    spark: SparkSession, way: Way, tmp_path: Path
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


@pytest.mark.parametrize("way", MANY_RUNS, indirect=True, ids=way_name)
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(order=_ORDERS, sizes=_SPLITS)
def test_any_order_and_interleaving_ends_in_the_same_tables(
    spark: SparkSession, way: Way, tmp_path_factory: pytest.TempPathFactory, order: list[Capture], sizes: list[int]
) -> None:
    target = tmp_path_factory.mktemp("any") / "out"
    taken = batches(order, [size + 2 for size in sizes])
    for batch in taken:
        write(spark, way, target, batch)
    seen = [capture for batch in taken for capture in batch]
    assert stored(spark, way, target) == {name: ordered(rows) for name, rows in expected(seen).items()}


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["delta", "postgresql"])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(order=_ORDERS, sizes=_SPLITS)
def test_the_arrow_commit_keeps_it_for_many_more_orders(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: Server,
    scheme: str,
    order: list[Capture],
    sizes: list[int],
) -> None:
    target = tmp_path_factory.mktemp("arrow")
    writer = writer_of(scheme, Way(scheme, postgres_server).address(target))
    writer.prepare()
    taken = batches(order, sizes)
    for number, captures in enumerate(taken):
        writer.write(_arrow_batch(captures, number))
    seen = [capture for batch in taken for capture in batch]
    found = _delta_rows(target) if scheme == "delta" else _postgres_tables(postgres_server.database_of(target))
    assert found == {name: ordered(rows) for name, rows in expected(seen).items()}


def _postgres_tables(address: str) -> dict[str, list[dict[str, Any]]]:
    return {name: ordered(postgres_rows(address, name)) for name in TABLES}


def _arrow_batch(captures: Sequence[Capture], number: int) -> Batch:
    """Return a batch as the engine makes it: the newest capture of each game, rows of kept tables resolved."""
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
    return {
        name: ordered(DeltaTable(target.joinpath(*name.split("."))).to_pyarrow_table().to_pylist()) for name in TABLES
    }


# What follows drives writers directly, with tables made for one question each.

#: Each way, by the Spark session's settings or by Arrow alone.
DIRECT = [
    "delta-arrow",
    "delta-spark",
    "parquet-arrow",
    "parquet-spark",
    "avro-spark",
    "postgresql-arrow",
    "postgresql-spark",
]
MIDNIGHT = datetime(2024, 7, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Store:
    """One writer on one target, in one way."""

    spark: SparkSession
    scheme: str
    target: Path
    arrow: bool
    server: Server

    def write(
        self, table: Table, rows: Sequence[dict[str, Any]], documents: Sequence[Document], *, joins: bool = False
    ) -> TableWritten:
        writer = writer_of(self.scheme, Way(self.scheme, self.server).address(self.target))
        writer.prepare()
        batch = batch_of(self.spark, table, rows, documents, self.arrow)
        batch.tables[table.name] = replace(batch.tables[table.name], joins=joins)
        return writer.write(batch)[table.name]

    def file_writer(self) -> FileWriter:
        return FileWriter(self.scheme, str(self.target), {})

    def rows(self, table: Table, *columns: str) -> list[tuple[Any, ...]]:
        """Return some columns of all rows, sorted, as a reader who knows the schema sees them."""
        if self.scheme == "postgresql":
            found = postgres_rows(self.server.database_of(self.target), table.name)
            return sorted((tuple(row[column] for column in columns) for row in found), key=str)
        folder = self.target.joinpath(*table.name.split("."))
        if not any(folder.rglob("*.avro" if self.scheme == "avro" else "*.parquet")):
            return []
        reader = self.spark.read.format(self.scheme)
        reader = reader if self.scheme == "delta" else reader.schema(spark_schema(table))
        return sorted((tuple(row) for row in reader.load(str(folder)).select(*columns).collect()), key=str)

    def other_way(self) -> Store:
        return replace(self, arrow=not self.arrow)


@pytest.fixture(
    params=[
        pytest.param(one, marks=pytest.mark.slow) if one in ("parquet-spark", "postgresql-arrow") else one
        for one in DIRECT
    ]
)
def store(request: pytest.FixtureRequest, spark: SparkSession, tmp_path: Path, postgres_server: Server) -> Store:
    scheme, _, how = request.param.partition("-")
    return Store(spark, scheme, tmp_path / "out", how == "arrow", postgres_server)


def writer_of(scheme: str, address: str) -> Writer:
    """Return the writer of an address."""
    if scheme == "postgresql":
        return PostgresWriter(address, {})
    path = address.removeprefix(f"{scheme}:")
    return DeltaWriter(path, {}) if scheme == "delta" else FileWriter(scheme, path, {})


def made(columns: dict[str, str], key: str, document: str, partition: str = "", missing: Any = "delete") -> Table:
    """Return a table plan; key columns are given as words."""
    system = {"source_captured_at": "TIMESTAMPTZ", "transform_timestamp": "TIMESTAMPTZ"}
    made_columns = tuple(
        Column(name, ColumnType.parse(kind), True, FromRaw("x"), "", is_stamp=name == "transform_timestamp")
        for name, kind in (columns | system).items()
    )
    return Table(
        "x.t", "", (), made_columns, tuple(key.split()), tuple(partition.split()), tuple(document.split()), missing,
        None, (), (), (),
    )  # fmt: skip


def batch_of(
    spark: SparkSession, table: Table, rows: Sequence[dict[str, Any]], documents: Sequence[Document], arrow: bool
) -> Batch:
    """Return a batch of one table, its rows as a DataFrame and, where asked, as Arrow."""
    batch = batch_of_arrow(table, rows, documents)
    names = spark_schema(table).names
    values = [tuple((row | _STAMPS).get(name) for name in names) for row in rows]
    frame = spark.createDataFrame(values, spark_schema(table))
    found = TableRows(table, frame, batch.tables[table.name].arrow if arrow else None, len(rows))
    return replace(batch, spark=spark, tables={table.name: found})


def batch_of_arrow(table: Table, rows: Sequence[dict[str, Any]], documents: Sequence[Document]) -> Batch:
    """Return a batch of one table, without Spark."""
    arrow = pa.Table.from_pylist([row | _STAMPS for row in rows], schema=arrow_schema(table))
    plan = replace(compile_mapping(load_file(MAPPING)), tables=(table,))
    found = TableRows(table, None, arrow, len(rows))  # type: ignore[arg-type]  # the frame is not used
    return Batch(None, plan, f"run-{uuid.uuid4().hex}", 0, tuple(documents), {table.name: found})  # type: ignore[arg-type]


_STAMPS = {"transform_timestamp": MIDNIGHT, "lineage_metadata": {"data_quality_passed": True}}


def at(minute: int) -> datetime:
    return MIDNIGHT + timedelta(minutes=minute)


def test_documents_with_keys_of_several_columns_and_odd_text(store: Store) -> None:
    table = made({"a": "DATE", "b": "TEXT", "i": "INT", "v": "TEXT"}, "a b i", "a b")
    day, odd = date(2024, 7, 1), 'it\'s \\n "x" %41 é'

    def batch(minute: int, first: int, second: int) -> tuple[list[dict[str, Any]], list[Document]]:
        counts = {odd: first, "z": second}
        rows = [
            {"a": day, "b": b, "i": i, "v": str(minute), "source_captured_at": at(minute)}
            for b, count in counts.items()
            for i in range(count)
        ]
        return rows, [Document((day, b), at(minute)) for b in counts]

    assert store.write(table, *batch(1, 3, 1)) == TableWritten(inserted=4)
    assert store.write(table, *batch(2, 2, 1)) == TableWritten(updated=3, deleted=1)
    assert store.write(table, *batch(1, 3, 1)) == TableWritten(unchanged=4)
    newer, older = batch(3, 1, 0), batch(0, 0, 1)
    assert store.write(
        table, [*newer[0], *older[0]], [newer[1][0], older[1][1]]
    ) == TableWritten(updated=1, unchanged=1, deleted=1)  # fmt: skip
    assert store.write(table, *batch(4, 1, 0)) == TableWritten(updated=1, deleted=1)
    assert store.rows(table, "b", "i", "v") == [(odd, 0, "4")]


@pytest.mark.parametrize("missing", ["delete", "keep"])
def test_captures_of_equal_time_the_later_batch_wins(store: Store, missing: str) -> None:
    table = made({"a": "BIGINT", "v": "TEXT"}, "a", "a", missing=missing)
    written = [
        store.write(table, [{"a": 1, "v": value, "source_captured_at": at(0)}], [Document((1,), at(0))])
        for value in ("x", "y", None, None)
    ]
    assert written == [TableWritten(1), TableWritten(0, 1), TableWritten(0, 1), TableWritten(0, 0, 1)]
    assert store.rows(table, "a", "v") == [(1, None)]


@pytest.mark.parametrize("missing", ["delete", "keep"])
def test_a_mapping_gains_a_column_and_loses_it(store: Store, missing: str) -> None:
    before = made({"a": "BIGINT", "v": "TEXT"}, "a", "a", missing=missing)
    after = made({"a": "BIGINT", "v": "TEXT", "n": "NUMERIC(5,2)"}, "a", "a", missing=missing)

    def write(table: Table, minute: int, values: dict[int, str], number: str | None = None) -> TableWritten:
        more = {"n": Decimal(number)} if number else {}
        rows = [{"a": a, "v": v, "source_captured_at": at(minute)} | more for a, v in values.items()]
        return store.write(table, rows, [Document((a,), at(minute)) for a in values])

    assert write(before, 0, {1: "0", 2: "0", 3: "0"}) == TableWritten(3)
    assert write(after, 1, {1: "1", 4: "1"}, "1.50") == TableWritten(1, 1)
    assert write(after, 1, {1: "1", 4: "1"}, "2.50") == TableWritten(0, 2)
    # Rows that are written again because their file is keep the column that the mapping no longer has.
    assert write(before, 2, {1: "2", 2: "2"}) == TableWritten(0, 2)
    two = Decimal("2.50")
    assert store.rows(after, "a", "v", "n") == [(1, "2", None), (2, "2", None), (3, "0", None), (4, "1", two)]


def test_a_column_of_another_type_is_refused(store: Store) -> None:
    row = {"a": 1, "v": 1, "d": Decimal("1.5"), "t": at(0), "source_captured_at": at(0)}
    columns = {"a": "BIGINT", "v": "INT", "d": "NUMERIC(5,2)", "t": "TIMESTAMPTZ"}
    store.write(made(columns, "a", "a"), [row], [Document((1,), at(0))])
    for changed in ({"v": "BIGINT"}, {"d": "NUMERIC(7,2)"}):
        with pytest.raises(StoredSchemaError, match=f"{next(iter(changed))} is "):
            store.write(made(columns | changed, "a", "a"), [row], [Document((1,), at(0))])
    assert store.write(made(columns, "a", "a"), [row], [Document((1,), at(0))]) == TableWritten(unchanged=1)


ODD = [
    "a/b",
    "é",
    "%41",
    "a b",
    "x=y",
    "",
    None,
    "a:b",
    "[z]",
    "日本",
    "..",
    "a\\b",
    "q?u#",
    "{c}",
    "'",
    '"',
    "*",
    "a\nb",
]


def test_odd_and_missing_partition_values(store: Store) -> None:
    table = made({"a": "BIGINT", "p": "TEXT"}, "a", "a", "p")
    for minute in (0, 1):
        rows = [{"a": a, "p": p, "source_captured_at": at(minute)} for a, p in enumerate(ODD)]
        written = store.write(table, rows, [Document((a,), at(minute)) for a in range(len(ODD))])
    assert written == TableWritten(updated=len(ODD))
    # Folders can't say an empty text; a database can.
    expected_texts = {a: p if store.scheme == "postgresql" else p or None for a, p in enumerate(ODD)}
    assert dict(store.rows(table, "a", "p")) == expected_texts
    assert store.write(table, rows, [Document((a,), at(1)) for a in range(len(ODD))]).is_change is False


def test_a_table_whose_first_batches_have_no_rows(store: Store) -> None:
    table = made({"a": "BIGINT", "p": "DATE"}, "a", "a", "p")
    document = [Document((1,), at(0))]
    row = {"a": 1, "p": None, "source_captured_at": at(0)}
    written = [store.write(table, rows, document) for rows in ([], [row], [row | {"p": date(2024, 7, 1)}], [], [row])]
    assert written == [
        TableWritten(),
        TableWritten(inserted=1),
        TableWritten(updated=1),
        TableWritten(deleted=1),
        TableWritten(inserted=1),
    ]
    assert store.rows(table, "a", "p") == [(1, None)]


def test_thousands_of_documents_in_one_batch(store: Store) -> None:
    """Where the key has several columns, as that is what engines plan and parse by recursion."""
    table = made({"a": "BIGINT", "b": "BIGINT"}, "a b", "a b")
    count = 3000
    for minute, change in enumerate([TableWritten(inserted=count), TableWritten(updated=count)]):
        rows = [{"a": n, "b": n, "source_captured_at": at(minute)} for n in range(count)]
        assert store.write(table, rows, [Document((n, n), at(minute)) for n in range(count)]) == change


def test_a_row_without_capture_time_gives_way_to_one_that_differs(store: Store) -> None:
    """As in the quarantine table: a capture that could not be read has no time, and is settled one day."""
    table = made({"a": "TEXT", "v": "TEXT"}, "a", "a", missing="keep")
    written = [store.write(table, [{"a": "1", "v": value}], []) for value in ("x", "y", "y")]
    assert written == [TableWritten(inserted=1), TableWritten(updated=1), TableWritten(unchanged=1)]
    timed = [{"a": "1", "v": "z", "source_captured_at": at(0)}]
    assert store.write(table, timed, []) == TableWritten(updated=1)
    assert store.write(table, [{"a": "1", "v": "x"}], []) == TableWritten(unchanged=1)
    assert store.rows(table, "a", "v") == [("1", "z")]


def test_rows_join_their_document_where_the_store_has_seen_this_capture_of_it(store: Store) -> None:
    table = made({"a": "INT", "b": "INT", "v": "TEXT"}, "a b", "a")
    rows = [{"a": a, "b": 0, "v": "x", "source_captured_at": at(1)} for a in (1, 2)]
    store.write(table, rows, [Document((1,), at(1)), Document((2,), at(1))])
    store.write(table, [{"a": 2, "b": 0, "v": "newer", "source_captured_at": at(2)}], [Document((2,), at(2))])
    joining = [{"a": a, "b": 1, "v": "joins", "source_captured_at": at(1)} for a in (1, 2, 3)]
    documents = [Document((a,), at(1)) for a in (1, 2, 3)]
    assert store.write(table, joining, documents, joins=True).inserted == 1
    assert store.rows(table, "a", "b", "v") == [(1, 0, "x"), (1, 1, "joins"), (2, 0, "newer")]


@pytest.mark.parametrize(
    "store", ["delta-arrow", "delta-spark", "parquet-arrow", "postgresql-arrow", "postgresql-spark"], indirect=True
)
def test_both_ways_write_one_table_in_turn(store: Store) -> None:
    columns = {"a": "BIGINT", "p": "TEXT", "d": "NUMERIC(5,2)", "t": "TIMESTAMPTZ", "n": "TIMESTAMP", "f": "DOUBLE"}
    table = made(columns, "a", "a", "p")
    row = {"p": "é/", "d": Decimal("1.25"), "t": at(5), "n": datetime(2024, 7, 1), "f": float("nan")}
    ways = [store, store.other_way(), store]
    for minute, way in enumerate(ways):
        rows = [{"a": a, "source_captured_at": at(minute)} | row for a in (1, 10 + minute)]
        documents = [Document((a,), at(minute)) for a in (1, 10 + minute)]
        assert way.write(table, rows, documents) == (TableWritten(2) if not minute else TableWritten(1, 1))
        assert way.other_way().write(table, rows, documents) == TableWritten(unchanged=2)
    found = store.rows(table, "a", "p", "d", "n")
    assert found == [(a, "é/", Decimal("1.25"), datetime(2024, 7, 1)) for a in (1, 10, 11, 12)]
    if store.scheme == "parquet":  # readers without a schema see one type for all files
        kinds = {pq.read_schema(file).field("t").type for file in store.target.rglob("t/**/*.parquet")}
        assert kinds == {pa.timestamp("us", tz="UTC")}


@pytest.mark.parametrize("store", ["delta-arrow", "parquet-arrow"], indirect=True)
def test_a_target_holds_tables_of_one_format(store: Store) -> None:
    table = made({"a": "BIGINT"}, "a", "a")
    store.write(table, [{"a": 1, "source_captured_at": at(0)}], [Document((1,), at(0))])
    other = replace(store, scheme="parquet" if store.scheme == "delta" else "delta")
    with pytest.raises(ConfigurationError, match=f"holds {store.scheme} tables"):
        other.write(table, [{"a": 1, "source_captured_at": at(0)}], [Document((1,), at(0))])


@pytest.mark.parametrize("store", ["delta-arrow", "parquet-arrow"], indirect=True)
def test_tables_without_their_ledger_are_refused_and_not_doubled(store: Store) -> None:
    table = made({"a": "BIGINT"}, "a", "a")
    row, document = [{"a": 1, "source_captured_at": at(0)}], [Document((1,), at(0))]
    store.write(table, row, document)
    shutil.rmtree(store.target / "_mlbsdk" / "documents")
    with pytest.raises(WriteError, match="no ledger"):
        store.write(table, row, document)
    assert store.rows(table, "a") == [(1,)]


@pytest.mark.parametrize("store", ["delta-arrow", "parquet-arrow", "avro-spark"], indirect=True)
def test_foreign_files_in_a_tables_folder_stay(store: Store) -> None:
    table = made({"a": "BIGINT", "p": "TEXT"}, "a", "a", "p")
    folder = store.target / "x" / "t"
    folder.mkdir(parents=True)
    foreign = [folder / name for name in ("README.md", "_notes.txt", ".hidden.parquet", "old.csv")]
    for file in foreign:
        file.write_text("mine", encoding="utf-8")
    for minute in (0, 1):
        rows = [{"a": 1, "p": "q", "source_captured_at": at(minute)}]
        store.write(table, rows, [Document((1,), at(minute))])
    assert [file.read_text(encoding="utf-8") for file in foreign] == ["mine"] * 4
    assert _seen(store, table) == [(1, "q")]


def _seen(store: Store, table: Table) -> list[tuple[Any, ...]]:
    """Return the rows as the writer's own files hold them, foreign ones left aside."""
    if store.scheme == "delta":
        return store.rows(table, "a", "p")
    files = [file.path for file in store.file_writer()._stored(table.name)]
    reader = store.spark.read.format(store.scheme).schema(spark_schema(table))
    found = reader.option("basePath", str(store.target / "x" / "t")).load(files)
    return [tuple(row) for row in found.select("a", "p").collect()]


@pytest.mark.parametrize("name", ["a b", "é 日本", "{x}", "it's", "a#b", "a+b&c", "a?b"])
def test_targets_with_odd_names(spark: SparkSession, tmp_path: Path, postgres_server: Server, name: str) -> None:
    table = made({"a": "BIGINT", "p": "TEXT"}, "a", "a", "p")
    for scheme, arrow in [("delta", True), ("parquet", True)]:
        store = Store(spark, scheme, tmp_path / f"{scheme}{arrow}" / name, arrow, postgres_server)
        for minute in (0, 1):
            rows = [{"a": 1, "p": "q", "source_captured_at": at(minute)}]
            written = store.write(table, rows, [Document((1,), at(minute))])
        assert written == TableWritten(updated=1)


@pytest.mark.parametrize("name", ["a[1]", "a%20b", "a|b", "a\\b"])
def test_targets_that_delta_rs_can_not_hold_are_refused(tmp_path: Path, name: str) -> None:
    for writer in (DeltaWriter(str(tmp_path / name), {}), FileWriter("parquet", str(tmp_path / name), {})):
        with pytest.raises(TargetUnwritableError, match="can't use a path"):
            writer.prepare()


@pytest.mark.parametrize(
    "scheme", ["delta", *(pytest.param(one, marks=pytest.mark.slow) for one in ("parquet", "postgresql"))]
)
def test_two_processes_write_one_target_at_once(scheme: str, tmp_path: Path, postgres_server: Server) -> None:
    """And a reader of Delta meanwhile sees each table as some commit left it."""
    target = tmp_path / "out"
    address = Way(scheme, postgres_server).address(target)
    captures = [Capture(game, minute) for minute in range(4) for game in range(1, 6)]
    context = multiprocessing.get_context("spawn")
    shares = [captures[n::2] for n in range(2)]
    writers = [context.Process(target=write_alone, args=(scheme, address, share)) for share in shares]
    for process in writers:
        process.start()
    while any(process.is_alive() for process in writers):
        if scheme == "delta" and DeltaTable.is_deltatable(str(target / "mini" / "games")):
            games = [row["game_pk"] for row in DeltaTable(target / "mini" / "games").to_pyarrow_table().to_pylist()]
            assert len(games) == len(set(games))
        time.sleep(0.01)
    assert [process.exitcode for process in writers] == [0, 0]
    found = _tables_of(scheme, target, address)
    assert found == {name: ordered(rows) for name, rows in expected(captures).items()}


def _tables_of(scheme: str, target: Path, address: str) -> dict[str, list[dict[str, Any]]]:
    if scheme == "postgresql":
        return _postgres_tables(address)
    return _delta_rows(target) if scheme == "delta" else _parquet_rows(target)


def write_alone(scheme: str, address: str, captures: Sequence[Capture]) -> None:
    """Write captures one by one: the body of a process."""
    writer = writer_of(scheme, address)
    writer.prepare()
    for number, capture in enumerate(captures):
        writer.write(_arrow_batch([capture], number))


def _parquet_rows(target: Path) -> dict[str, list[dict[str, Any]]]:
    hive = ds.partitioning(pa.schema([("game_date", pa.date32())]), flavor="hive")
    return {
        name: ordered(
            ds.dataset(target.joinpath(*name.split(".")), partitioning=None if name == "mini.players" else hive)
            .to_table()
            .to_pylist()
        )
        for name in TABLES
    }


def test_the_quarantine_table_keeps_each_refusal_once(spark: SparkSession, way: Way, tmp_path: Path) -> None:
    source = save(tmp_path / "in", [Capture(1, 1)])
    game = Capture(1, 1).document()
    game["plays"][0]["speed"] = 400
    (source / "1-1.json").write_text(json.dumps(game), encoding="utf-8")
    (source / "broken.json").write_text("{", encoding="utf-8")
    target = tmp_path / "out"
    request = RunRequest(
        name="mini.game", mapping=MAPPING, source=str(source), target=way.address(target), on_error=OnError.QUARANTINE
    )
    for _ in range(2):
        report = run(request, spark=spark)
        assert report.tables["mini.plays"].quarantined == 1
    kept = way.rows(spark, target, "mlbsdk.quarantine")
    assert sorted(row["table_name"] for row in kept) == ["mini.game", "mini.plays"]
    assert len(way.rows(spark, target, "mini.plays")) == len(Capture(1, 1).plays) - 1
