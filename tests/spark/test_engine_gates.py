"""Quality engines close a run's gate by what they call an error, before anything is published; figures are kept."""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlbsdk import QualityDecl, RunRequest, hookimpl, run
from mlbsdk.errors import QualityGateError
from mlbsdk.hookspecs import CheckResult
from mlbsdk.mapping.plan import Table
from mlbsdk.plugins import Plugins
from mlbsdk.quality.metrics import MetricsHistory
from mlbsdk.report import RuleReport
from mlbsdk.runtime.spark_lines import installed_spark
from mlbsdk.runtime.transformation import OnError
from mlbsdk.testing import Warehouse
from tests.mini import MAPPING, TABLES, Capture, save

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark


class Strict:
    """Calls a number of plays an error, and any games a warning; in the older form, players too."""

    def check(self, rows: DataFrame, table: Table) -> Iterable[CheckResult | tuple[str, int]]:
        if table.name == "mini.plays":
            return [CheckResult("too_many", rows.count(), "error"), CheckResult("odd", 1), CheckResult("fine", 0)]
        return [("any", 1)]


def with_strict() -> Plugins:
    def mlbsdk_quality() -> object:
        return [QualityDecl(name="strict", summary="", make=lambda options: Strict())]

    module = types.ModuleType("acme")
    module.MLBSDK_PLUGIN_API = 1  # type: ignore[attr-defined]
    module.mlbsdk_quality = hookimpl(mlbsdk_quality)  # type: ignore[attr-defined]
    loaded = Plugins.load()
    loaded.register(module, name="acme", distribution="acme", version="1.2")
    return loaded


@pytest.fixture
def requested(tmp_path: Path) -> Callable[..., RunRequest]:
    def made(engine: str, on_error: OnError, source: Path | None = None) -> RunRequest:
        captures = source or save(tmp_path / "captures", [Capture(1, 1)])
        target = f"delta:{tmp_path / 'out'}"
        return RunRequest(
            name="mini.game", mapping=MAPPING, source=str(captures), target=target, quality=(engine,), on_error=on_error
        )

    return made


@pytest.mark.parametrize(
    ("on_error", "fix"),
    [(OnError.FAIL, "Correct the mapping or the source"), (OnError.QUARANTINE, "does not say which, so none can be")],
)
def test_an_error_of_an_engine_publishes_nothing_under_either_policy(
    spark: SparkSession, tmp_path: Path, requested: Callable[..., RunRequest], on_error: OnError, fix: str
) -> None:
    with pytest.raises(QualityGateError, match=r"mini\.plays strict:too_many \(4 rows\)") as raised:
        run(requested("strict", on_error), with_strict(), spark)
    assert raised.value.exit_code == 3
    assert fix in str(raised.value)
    assert "odd" not in str(raised.value), "a warning closes no gate"
    assert Warehouse(tmp_path / "out").tables() == []


def wrong_speed(folder: Path) -> Path:
    """A capture with four plays, one of them faster than the mapping allows."""
    folder.mkdir()
    document = Capture(1, 1).document()
    document["plays"][1]["speed"] = 150.5
    (folder / "wrong.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


@pytest.mark.skipif(installed_spark().name != "3.5", reason="Deequ has no build for Spark 4")
def test_deequ_tells_what_the_native_engine_refuses_and_judges_what_quarantine_leaves(
    spark: SparkSession, tmp_path: Path, requested: Callable[..., RunRequest]
) -> None:
    captures = wrong_speed(tmp_path / "wrong")
    with pytest.raises(QualityGateError) as raised:
        run(requested("deequ", OnError.FAIL, captures), spark=spark)
    assert "mini.plays speed_plausible (1 rows), mini.plays deequ:speed_plausible (1 rows)" in str(raised.value)
    history = MetricsHistory(str(tmp_path / "out" / "_mlbsdk"))
    assert Warehouse(tmp_path / "out").tables() == []
    assert history.of(TABLES) == [], "what was not published is no history"

    report = run(requested("deequ", OnError.QUARANTINE, captures), spark=spark)
    assert report.status == "completed"
    assert report.tables["mini.plays"].quarantined == 1
    assert report.quality == [RuleReport("mini.plays", "speed_plausible", "error", 1)]
    kept = {figure.instance: figure for figure in history.of(["mini.plays"])}
    assert {name: figure.value for name, figure in kept.items()} == {
        "": 3.0,
        "not_null:game_pk": 1.0,
        "not_null:play_index": 1.0,
        "not_null:source_captured_at": 1.0,
        "not_null:transform_timestamp": 1.0,
        "unique:primary_key": 1.0,
        "speed_plausible": 1.0,
        "speed_usual": 1.0,
    }
    assert {(figure.scope, figure.run_id, figure.engine) for figure in kept.values()} == {
        ("run", report.run_id, "deequ")
    }
