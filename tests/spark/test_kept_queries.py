"""Runs one after another in a session use the same standing queries, as long as nothing about them differs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import mlbsdk
from mlbsdk.errors import DocumentsRejectedError
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file
from mlbsdk.runtime import kept_queries as module
from mlbsdk.runtime import run as run_module
from mlbsdk.runtime.kept_queries import MOST_KEPT, kept_queries
from mlbsdk.runtime.standing import StandingQueries
from mlbsdk.testing.warehouse import Warehouse
from tests.mini import MAPPING, Capture, expected, ordered, save

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    def forget() -> None:
        for queries in module._KEPT.free.values():
            queries.close()
        module._KEPT.free.clear()

    forget()
    yield
    forget()


def kept() -> list[StandingQueries]:
    return list(module._KEPT.free.values())


def plain(row: dict[str, object]) -> list[tuple[str, str]]:
    return sorted((name, str(value)) for name, value in row.items())


def request(source: Path, target: Path, **values: object) -> mlbsdk.RunRequest:
    given = {"name": "mini.game", "mapping": MAPPING, "source": str(source), "target": f"parquet:{target}"}
    return mlbsdk.RunRequest(**(given | values))  # type: ignore[arg-type]


def test_runs_one_after_another_use_the_same_queries(spark: SparkSession, tmp_path: Path) -> None:
    captures = [Capture(1, 0), Capture(1, 3), Capture(2, 1)]
    queries = []
    for number, capture in enumerate(captures):
        mlbsdk.run(request(save(tmp_path / str(number), [capture]), tmp_path / "out"), spark=spark)
        queries += kept()
        assert len(queries) == number + 1
    assert len(set(map(id, queries))) == 1
    stored = Warehouse(tmp_path / "out")
    for table, rows in expected(captures).items():
        # A date of a partition is text, as it stands in the name of a folder.
        assert [*map(plain, ordered(stored.rows(table)))] == [*map(plain, ordered(rows))]


def test_a_process_that_ends_keeps_none_and_large_batches_make_none(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save(tmp_path / "in", [Capture(1, 0)])
    mlbsdk.run(request(folder, tmp_path / "out", ends_process=True), spark=spark)
    monkeypatch.setattr(run_module, "STANDING_BYTES", 10)
    mlbsdk.run(request(folder, tmp_path / "out"), spark=spark)
    assert not kept()


def test_another_setting_of_spark_means_other_queries(spark: SparkSession, tmp_path: Path) -> None:
    folder = save(tmp_path / "in", [Capture(1, 0)])
    mlbsdk.run(request(folder, tmp_path / "out"), spark=spark)
    spark.conf.set("spark.sql.parquet.compression.codec", "gzip")
    try:
        mlbsdk.run(request(folder, tmp_path / "out"), spark=spark)
    finally:
        spark.conf.unset("spark.sql.parquet.compression.codec")
    by_default, _ = kept()
    mlbsdk.run(request(folder, tmp_path / "out"), spark=spark)
    assert kept()[-1] is by_default


def test_fewer_tables_mean_other_queries(spark: SparkSession, tmp_path: Path) -> None:
    folder = save(tmp_path / "in", [Capture(1, 0)])
    for tables in ((), ("mini.plays",), ("mini.plays",)):
        mlbsdk.run(request(folder, tmp_path / "out", tables=tables), spark=spark)
    assert len(kept()) == 2


def test_a_run_that_fails_keeps_no_queries(spark: SparkSession, tmp_path: Path) -> None:
    folder = save(tmp_path / "in", [Capture(1, 0)])
    mlbsdk.run(request(folder, tmp_path / "out"), spark=spark)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "1.json").write_text(json.dumps({"people": []}), encoding="utf-8")
    with pytest.raises(DocumentsRejectedError):
        mlbsdk.run(request(tmp_path / "bad", tmp_path / "out"), spark=spark)
    assert not kept()


def test_runs_side_by_side_have_queries_of_their_own(spark: SparkSession) -> None:
    plan = compile_mapping(load_file(MAPPING))
    with kept_queries(spark, plan) as first, kept_queries(spark, plan) as second:
        assert first is not second
    assert kept() == [first]
    assert not Path(second._folder.name).exists()


def test_few_mappings_are_kept(spark: SparkSession) -> None:
    plan = compile_mapping(load_file(MAPPING))
    made = []
    for number in range(MOST_KEPT + 2):
        with kept_queries(spark, replace(plan, fingerprint=str(number))) as queries:
            made.append(queries)
    assert kept() == made[2:]
    assert not Path(made[0]._folder.name).exists()


def test_threads_take_and_give_back(spark: SparkSession) -> None:
    plan = compile_mapping(load_file(MAPPING))
    taken: list[StandingQueries] = []
    inside = threading.Barrier(4)

    def work() -> None:
        with kept_queries(spark, plan) as queries:
            taken.append(queries)
            inside.wait(30)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, taken))) == 4
    assert len(kept()) == 1
