"""The benchmark's engine without checks is the engine but for its checks and its lineage: a change of it is noticed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlbsdk.runtime.run import RunRequest, run
from mlbsdk.testing.warehouse import Warehouse
from tests.mini import MAPPING, TABLES, Capture, save

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "without_checks.py"


def ordered_rows(warehouse: Warehouse, table: str) -> list[dict[str, Any]]:
    return sorted(warehouse.rows(table), key=lambda row: json.dumps(row, default=str, sort_keys=True))


def test_the_rows_are_the_same_and_say_nothing_of_checks(spark: SparkSession, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("without_checks", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    source = str(save(tmp_path / "captures", [Capture(game=1, minute=0), Capture(game=2, minute=0)]))

    def made(name: str, *plugins: Any) -> Warehouse:
        warehouse = Warehouse(tmp_path / name)
        # Of a process that ends, so that both have queries of their own.
        request = RunRequest(
            name="mini.game", mapping=MAPPING, source=source, target=warehouse.target, ends_process=True
        )
        run(request, *plugins, spark=spark)
        return warehouse

    whole = made("whole")
    with module.without_checks() as plugins:
        bare = made("bare", plugins)
    assert not list(bare.folder.glob("_mlbsdk/lineage*"))
    checked = 0
    for table in TABLES:
        with_checks, without = ordered_rows(whole, table), ordered_rows(bare, table)
        assert with_checks
        checked += sum(len(row.pop("lineage_metadata")["quality_checks_run"]) for row in with_checks)
        assert {len(row.pop("lineage_metadata")["quality_checks_run"]) for row in without} == {0}
        assert [stripped(row) for row in without] == [stripped(row) for row in with_checks]
    assert checked


def stripped(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without what differs from run to run."""
    return {key: value for key, value in row.items() if key != "transform_timestamp"}
