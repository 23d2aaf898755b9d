"""The benchmark's references do the engine's work: DuckDB and plain Python give the rows that the oracle counts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.oracle import live_game

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
GAMES = 2


@pytest.fixture(scope="module")
def benchmark() -> Iterator[Any]:
    """The benchmark's modules, which find each other as a script's do."""
    pytest.importorskip("orjson", reason="python3 dev.py setup bench")
    before = set(sys.modules)
    sys.path.insert(0, str(BENCHMARKS))
    import captured_mapping
    import generate
    from references import agree, duckdb_tables, python_tables

    yield SimpleNamespace(
        Games=generate.Games,
        plan=captured_mapping.plan_of(None),
        differences=agree.differences,
        duckdb=duckdb_tables.DuckdbTables,
        python=python_tables,
    )
    sys.path.remove(str(BENCHMARKS))
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(BENCHMARKS) in str(sys.modules[name].__file__):
            del sys.modules[name]


@pytest.fixture(scope="module")
def captures(benchmark: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captures")
    benchmark.Games(seed=0).write(folder, GAMES)
    return folder


def test_both_references_give_the_oracles_rows_and_each_others_values(
    benchmark: Any, captures: Path, tmp_path: Path
) -> None:
    wanted: dict[str, int] = {}
    for file in captures.iterdir():
        for table, rows in live_game.read(json.loads(file.read_text())["response"]).items():
            wanted[table] = wanted.get(table, 0) + len(rows)
    assert sum(wanted.values()) == GAMES * 820
    assert benchmark.duckdb(benchmark.plan).write(captures, tmp_path / "duckdb") == wanted
    assert benchmark.python.PythonTables(benchmark.plan).write(captures, tmp_path / "python") == wanted
    assert benchmark.differences(benchmark.plan, tmp_path / "duckdb", tmp_path / "python") == []


def test_python_leaves_out_expressions_only(benchmark: Any) -> None:
    names = {column.rpartition(".")[2] for column in benchmark.python.left_out(benchmark.plan)}
    assert names == {"game_date", "wind_speed", "wind_direction", "height_inches", "batting_position", "half_inning"}


def test_a_difference_is_named(benchmark: Any, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = benchmark.plan.tables[0].name
    plan = SimpleNamespace(tables=(benchmark.plan.tables[0],))
    for folder, value in (("one", 1), ("other", 2)):
        (tmp_path / folder).mkdir()
        found = pa.table({"game_pk": [value], "source_captured_at": pa.array([0], pa.timestamp("us"))})
        pq.write_table(found, tmp_path / folder / f"{table}.parquet")
    assert benchmark.differences(plan, tmp_path / "one", tmp_path / "other") == [f"{table}.game_pk: 1 and 2"]
