"""A plugin that raises in the middle of a run: the error names it, nothing is half written, nothing else breaks."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlbsdk import (
    ListenerDecl,
    QualityDecl,
    RunReport,
    RunRequest,
    SourceDecl,
    TransformDecl,
    WriterDecl,
    hookimpl,
    run,
)
from mlbsdk.errors import MlbsdkError, PluginContractError, PluginFailedError
from mlbsdk.hookspecs import RunListener
from mlbsdk.plugins import Plugins
from mlbsdk.testing import Warehouse
from tests.mini import MAPPING, TABLES, Capture, save

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark


class Broken:
    """A source, a writer and a quality engine whose own code fails when it is used."""

    def __init__(self, address: str = "", options: object = None) -> None:
        self.address = address

    def prepare(self) -> None:
        pass

    def read(self, spark: object, mapping: object) -> None:
        raise KeyError("read")

    def address_of(self, table: str) -> tuple[str, str]:
        return "broken", table

    def write(self, batch: object) -> None:
        raise KeyError("write")

    def check(self, rows: DataFrame, table: object) -> Iterable[tuple[str, int]]:
        yield "fine", 1
        raise KeyError("check")


class OddEngine:
    def check(self, rows: DataFrame, table: object) -> Iterable[Any]:
        return ["blank"]


class BrokenListener(RunListener):
    def run_started(self, report: RunReport) -> None:
        raise KeyError("started")

    def batch_written(self, report: RunReport, batch_id: int) -> None:
        raise KeyError("written")


def broken_transformation() -> Any:
    from mlbsdk.plugin import BaseTransformation

    class Mine(BaseTransformation):
        def transform(self, source: DataFrame) -> dict[str, DataFrame]:
            raise KeyError("transform")

    return Mine


def plugins(*hooks: Callable[[], object]) -> Plugins:
    """Return the core's plugins and one more, as if a distribution acme 1.2 had it."""
    module = types.ModuleType("acme")
    for hook in hooks:
        setattr(module, hook.__name__, hookimpl(hook))
    module.MLBSDK_PLUGIN_API = 1  # type: ignore[attr-defined]
    found = Plugins.load({"MLBSDK_LOAD_PLUGINS": ""})
    found.register(module, name="acme", distribution="acme", version="1.2")
    return found


def mlbsdk_sources() -> object:
    return [SourceDecl(name="broken", summary="", make=Broken)]  # type: ignore[arg-type]


def mlbsdk_writers() -> object:
    return [WriterDecl(name="broken", summary="", make=Broken)]  # type: ignore[arg-type]


def mlbsdk_quality() -> object:
    return [
        QualityDecl(name="broken", summary="", make=lambda options: Broken()),
        QualityDecl(name="odd", summary="", make=lambda options: OddEngine()),
    ]


def mlbsdk_listeners() -> object:
    return [ListenerDecl(name="broken", summary="", make=lambda options: BrokenListener())]


def mlbsdk_transforms() -> object:
    return [TransformDecl(name="mini.game", summary="", mapping=("", ""), make=broken_transformation)]


@pytest.fixture
def source(tmp_path: Path) -> str:
    return str(save(tmp_path / "captures", [Capture(1, 0)]))


@pytest.mark.parametrize(
    ("hook", "changes", "message"),
    [
        (mlbsdk_sources, {"source": "broken:x"}, "acme 1.2: 'broken' failed while reading: KeyError: 'read'"),
        (mlbsdk_writers, {"target": "broken:x"}, "acme 1.2: 'broken' failed while writing: KeyError: 'write'"),
        (mlbsdk_transforms, {}, "acme 1.2: 'mini.game' failed while transforming: KeyError: 'transform'"),
        (
            mlbsdk_quality,
            {"quality": ("broken",)},
            "acme 1.2: 'broken' failed while judging mini.games: KeyError: 'check'",
        ),
    ],
)
def test_what_raises_is_named_and_nothing_is_published(
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    hook: Callable[[], object],
    changes: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    warehouse = Warehouse(tmp_path / "out")
    given: dict[str, Any] = {"name": "mini.game", "mapping": MAPPING, "source": source, "target": warehouse.target}
    loaded = plugins(hook)
    with pytest.raises(PluginFailedError) as raised:
        run(RunRequest(**(given | changes)), loaded, spark)
    assert message in str(raised.value)
    assert raised.value.exit_code == 1
    assert isinstance(raised.value.__cause__, KeyError)
    assert warehouse.tables() == []
    # The plugin is still listed as ready: it was not its declaration that was wrong. And all else works.
    assert loaded.failures() == ()
    if hook is not mlbsdk_transforms:
        assert run(RunRequest(**given), loaded, spark).status == "completed"
        assert warehouse.tables() == sorted(TABLES)


def test_an_engine_that_gives_something_else_is_named(spark: SparkSession, tmp_path: Path, source: str) -> None:
    request = RunRequest(
        name="mini.game", mapping=MAPPING, source=source, target=f"parquet:{tmp_path / 'out'}", quality=("odd",)
    )
    with pytest.raises(PluginContractError, match=r"acme 1\.2: the quality engine 'odd' gave 'blank' for mini\.games"):
        run(request, plugins(mlbsdk_quality), spark)


def test_an_unknown_engine_is_told_before_spark_starts(tmp_path: Path) -> None:
    request = RunRequest(name="mini.game", mapping=MAPPING, source=str(tmp_path), quality=("brokn",))
    with pytest.raises(MlbsdkError, match=r"the quality engine 'brokn'\. Did you mean 'broken'\?"):
        run(request, plugins(mlbsdk_quality))


def test_a_listener_that_raises_is_a_note_and_the_data_is_there(
    spark: SparkSession, tmp_path: Path, source: str
) -> None:
    warehouse = Warehouse(tmp_path / "out")
    request = RunRequest(name="mini.game", mapping=MAPPING, source=source, target=warehouse.target)
    report = run(request, plugins(mlbsdk_listeners), spark)
    assert report.status == "completed"
    assert "BrokenListener.run_started failed: KeyError: 'started'" in report.notes
    assert "BrokenListener.batch_written failed: KeyError: 'written'" in report.notes
    assert warehouse.tables() == sorted(TABLES)
