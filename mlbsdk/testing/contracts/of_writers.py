"""What every writer keeps: the newest capture wins, nothing is doubled, and its figures are true, whatever the order.

Each test runs in both ways that a batch comes: with its rows in memory as Arrow, and on Spark alone.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlbsdk.errors import MlbsdkError
from mlbsdk.hookspecs import WriterDecl
from mlbsdk.mapping.plan import LINEAGE, Plan, Table
from mlbsdk.mapping.types import ColumnType
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.addresses import split_address
from mlbsdk.runtime.batch import Batch, Document, TableWritten
from mlbsdk.runtime.run import RunRequest, run
from mlbsdk.testing.contracts.batches import batch_of, mini_plan, table_rows
from mlbsdk.testing.contracts.odd_values import ODD_ROWS, ODD_TABLE
from mlbsdk.testing.mini import MAPPING, PRIMARY_KEYS, TABLES, Capture, expected, save

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Rows = Callable[[str, str], Sequence[Mapping[str, Any]]]
ALL = [Capture(game, minute) for game in (1, 2) for minute in range(4)]
_RUN_COLUMNS = {"transform_timestamp", LINEAGE}


@dataclass(frozen=True)
class Store:
    """One writer on one empty store."""

    spark: SparkSession
    declared: WriterDecl
    address: str
    read: Rows
    arrow: bool

    @property
    def plan(self) -> Plan:
        """The small mapping, as far as the writer supports it."""
        return mini_plan(kept=not self.deletes)

    @property
    def deletes(self) -> bool:
        """Whether the writer supports ``on_missing: delete``."""
        return "delete" in self.declared.supports

    def write_batch(self, batch: Batch) -> Mapping[str, TableWritten]:
        """Write a batch with a writer of its own, as each run does."""
        writer = Plugins.load().call(self.declared, self.declared.make, split_address(self.address, "delta")[1], {})
        writer.prepare()
        return writer.write(batch)

    def write(self, captures: Sequence[Capture], number: int = 0) -> Mapping[str, TableWritten]:
        """Write the batch of some captures."""
        return self.write_batch(batch_of(self.spark, self.plan, captures, number, arrow=self.arrow))

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """Return all rows of a table in a fixed order and as the mapping's types say."""
        return comparable(table, self.read(self.address, table.name))

    def check(self, captures: Iterable[Capture]) -> None:
        """Check that the store holds what it must after these captures."""
        wanted = expected(captures, kept=not self.deletes)
        for table in self.plan.tables:
            assert self.rows(table) == comparable(table, wanted[table.name]), table.name


def comparable(table: Table, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows without the columns of a run, values of the column's type, sorted by key."""
    columns = [column for column in table.columns if column.name not in _RUN_COLUMNS]
    found = [{column.name: as_type(column.type, row[column.name]) for column in columns} for row in rows]
    return sorted(found, key=lambda row: tuple(str(row[name]) for name in table.primary_key))


def as_type(kind: ColumnType, value: Any) -> Any:
    """Return a value that a store gave, as its own kind or as text, in the Python type that its column means."""
    if value is None:
        return None
    if kind.name == "NUMERIC":
        return Decimal(str(value))
    if kind.name in ("REAL", "DOUBLE"):
        return float(value)
    if kind.name == "BOOLEAN":
        return value in (True, 1, "true", "t", "1")
    if kind.name == "DATE":
        return value if type(value) is date else date.fromisoformat(str(value)[:10])
    if kind.name == "TIMESTAMPTZ":
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
    return value


@pytest.fixture(params=[True, False], ids=["arrow", "spark"])
def store(
    request: pytest.FixtureRequest,
    mlbsdk_spark: SparkSession,
    contract_writer: WriterDecl,
    contract_target: str,
    contract_rows: Rows,
) -> Store:
    """Return an empty store, for each way that rows come."""
    return Store(mlbsdk_spark, contract_writer, contract_target, contract_rows, request.param)


def figures(written: Mapping[str, TableWritten]) -> dict[str, tuple[int, int, int, int]]:
    """Return (inserted, updated, unchanged, deleted) by table."""
    return {name: (w.inserted, w.updated, w.unchanged, w.deleted) for name, w in written.items()}


def test_a_first_batch_is_inserted(store: Store) -> None:
    assert figures(store.write([Capture(1, 0)])) == {
        "mini.games": (1, 0, 0, 0),
        "mini.plays": (2, 0, 0, 0),
        "mini.players": (2, 0, 0, 0),
    }
    store.check([Capture(1, 0)])


def test_the_same_batch_again_changes_nothing(store: Store) -> None:
    store.write([Capture(1, 0)])
    again = store.write([Capture(1, 0)])
    assert figures(again) == {"mini.games": (0, 0, 1, 0), "mini.plays": (0, 0, 2, 0), "mini.players": (0, 0, 2, 0)}
    store.check([Capture(1, 0)])


def test_a_newer_capture_replaces_and_an_older_one_does_not(store: Store) -> None:
    store.write([Capture(1, 0)])
    newer = store.write([Capture(1, 1)], 1)
    assert figures(newer) == {"mini.games": (0, 1, 0, 0), "mini.plays": (2, 2, 0, 0), "mini.players": (1, 1, 0, 0)}
    older = store.write([Capture(1, 0)], 2)
    assert figures(older) == {"mini.games": (0, 0, 1, 0), "mini.plays": (0, 0, 2, 0), "mini.players": (0, 0, 2, 0)}
    store.check([Capture(1, 0), Capture(1, 1)])


def test_rows_that_the_newest_capture_lacks_are_deleted_and_stay_so(store: Store) -> None:
    if not store.deletes:
        pytest.skip("the writer does not support on_missing: delete, and says so")
    full, none_left = Capture(1, 1), Capture(1, 3)
    store.write([full])
    assert figures(store.write([none_left], 1))["mini.plays"] == (0, 0, 0, 4)
    # No row of the game is left in plays, and still the older capture brings none back.
    assert figures(store.write([full], 2))["mini.plays"] == (0, 0, 4, 0)
    store.check([full, none_left])


def test_a_table_may_begin_without_rows(store: Store) -> None:
    assert figures(store.write([Capture(1, 3)]))["mini.plays"] == (0, 0, 0, 0)
    store.write([Capture(2, 0)], 1)
    store.check([Capture(1, 3), Capture(2, 0)])


def test_a_document_that_moves_to_another_partition_leaves_the_old_one(store: Store) -> None:
    store.write([Capture(1, 1), Capture(2, 1)])
    store.write([Capture(2, 2)], 1)
    store.check([Capture(1, 1), Capture(2, 1), Capture(2, 2)])


@pytest.mark.parametrize("seed", [1, 2])
def test_any_order_with_repeats_ends_in_the_same_tables_with_figures_that_add_up(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    order = chance.sample(ALL, len(ALL)) + chance.choices(ALL, k=3)
    stored = dict.fromkeys(TABLES, 0)
    numbers = itertools.count()
    while order:
        size = chance.randint(2, 5)
        taken, order = order[:size], order[size:]
        for name, change in store.write(taken, next(numbers)).items():
            stored[name] += change.inserted - change.deleted
    store.check(ALL)
    assert stored == {table.name: len(store.rows(table)) for table in store.plan.tables}


def test_values_come_back_as_they_were(store: Store) -> None:
    rows = table_rows(store.spark, ODD_TABLE, ODD_ROWS, arrow=store.arrow)
    documents = tuple(Document((row["row_number"],), row["source_captured_at"]) for row in ODD_ROWS)
    plan = replace(store.plan, tables=(ODD_TABLE,))
    for number, figure in enumerate([(3, 0, 0, 0), (0, 0, 3, 0)]):
        batch = Batch(store.spark, plan, f"run-{number}", number, documents, {ODD_TABLE.name: rows})
        assert figures(store.write_batch(batch)) == {ODD_TABLE.name: figure}
    assert store.rows(ODD_TABLE) == comparable(ODD_TABLE, ODD_ROWS)


def test_every_table_has_an_address_of_its_own_without_a_password(store: Store) -> None:
    writer = Plugins.load().call(store.declared, store.declared.make, split_address(store.address, "delta")[1], {})
    found = [writer.address_of(name) for name in TABLES]
    assert len(set(found)) == len(TABLES)
    assert [each for each in found if not all(each)] == []
    assert found == [writer.address_of(name) for name in TABLES]
    assert [namespace for namespace, _ in found if "password" in namespace or "@" in namespace] == []


def test_a_target_that_can_not_be_written_is_told_before_anything_is_read(
    contract_writer: WriterDecl, contract_bad_target: str
) -> None:
    with pytest.raises(MlbsdkError) as raised:
        _prepare(contract_writer, contract_bad_target)
    assert type(raised.value).code.startswith(("MLBSDK2", "MLBSDK5")), "raise TargetUnwritableError in prepare()"


def _prepare(declared: WriterDecl, address: str) -> None:
    Plugins.load().call(declared, declared.make, split_address(address, "delta")[1], {}).prepare()


def test_runs_write_what_batches_do(store: Store, tmp_path: Path) -> None:
    if not store.deletes or not store.arrow:
        pytest.skip("the small mapping needs on_missing: delete; one run is enough")
    for number, captures in enumerate([[Capture(1, 1), Capture(2, 0)], [Capture(2, 2)]]):
        source = save(tmp_path / f"captures-{number}", captures)
        request = RunRequest(name="mini.game", mapping=MAPPING, source=str(source), target=store.address)
        report = run(request, spark=store.spark)
        assert report.status == "completed"
    store.check([Capture(1, 1), Capture(2, 0), Capture(2, 2)])
    assert set(PRIMARY_KEYS) == set(report.tables)
