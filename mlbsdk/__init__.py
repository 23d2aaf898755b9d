"""Raw MLB StatsAPI captures to clean, typed, related tables.

To run a transform from Python::

    import mlbsdk

    report = mlbsdk.run(mlbsdk.RunRequest(name="game.live_game_v1", source="captures/", target="delta:warehouse"))
    report.tables["game.live_game_plays"].inserted

:func:`stream` follows a source in the same way, with a :class:`StreamRequest`. :func:`export` keeps captures and tables
in layers, and :func:`retention` removes what is older than they keep. :func:`quality_report` makes the page of a run,
and :func:`replay` tries refused rows again, with a :class:`ReplayRequest`. :func:`lineage_page` and
:func:`lineage_graph` show what comes from where, and :func:`row_lineage` where one row came from.

The other names are what a plugin module declares with; :mod:`mlbsdk.plugin` holds what its objects build on.
Importing this package imports no Spark and sets no logging; :func:`run` and what belongs to it load when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlbsdk.errors import MlbsdkError
from mlbsdk.hookspecs import (
    CommandDecl,
    DerivedDecl,
    ListenerDecl,
    QualityDecl,
    RawStoreDecl,
    ReporterDecl,
    SourceDecl,
    SparkRequirements,
    StorageDecl,
    TransformDecl,
    WriterDecl,
    hookimpl,
)

if TYPE_CHECKING:
    from mlbsdk.layers.export import ExportRequest, export
    from mlbsdk.layers.report import ExportReport
    from mlbsdk.layers.retention import RetentionReport, retention
    from mlbsdk.lineage.graph import LineageGraph
    from mlbsdk.lineage.look import lineage_graph, lineage_page
    from mlbsdk.lineage.row import KeysFound, RowLineage, row_lineage
    from mlbsdk.quality.page.html import quality_report
    from mlbsdk.report import RunReport
    from mlbsdk.runtime.derived import DerivedReport
    from mlbsdk.runtime.derived import build as build_derived
    from mlbsdk.runtime.replay import ReplayReport, ReplayRequest, replay
    from mlbsdk.runtime.run import RunRequest, run
    from mlbsdk.runtime.several import RunsReport, run_several
    from mlbsdk.runtime.stream import StreamRequest, stream
    from mlbsdk.runtime.transformation import OnError

    __version__: str

__all__ = [
    "CommandDecl",
    "DerivedDecl",
    "DerivedReport",
    "ExportReport",
    "ExportRequest",
    "KeysFound",
    "LineageGraph",
    "ListenerDecl",
    "MlbsdkError",
    "OnError",
    "QualityDecl",
    "RawStoreDecl",
    "ReplayReport",
    "ReplayRequest",
    "ReporterDecl",
    "RetentionReport",
    "RowLineage",
    "RunReport",
    "RunRequest",
    "RunsReport",
    "SourceDecl",
    "SparkRequirements",
    "StorageDecl",
    "StreamRequest",
    "TransformDecl",
    "WriterDecl",
    "__version__",
    "build_derived",
    "export",
    "hookimpl",
    "lineage_graph",
    "lineage_page",
    "quality_report",
    "replay",
    "retention",
    "row_lineage",
    "run",
    "run_several",
    "stream",
]

#: public name -> module
_LAZY = {
    "ExportReport": "mlbsdk.layers.report",
    "ExportRequest": "mlbsdk.layers.export",
    "RetentionReport": "mlbsdk.layers.retention",
    "export": "mlbsdk.layers.export",
    "KeysFound": "mlbsdk.lineage.row",
    "LineageGraph": "mlbsdk.lineage.graph",
    "RowLineage": "mlbsdk.lineage.row",
    "lineage_graph": "mlbsdk.lineage.look",
    "lineage_page": "mlbsdk.lineage.look",
    "row_lineage": "mlbsdk.lineage.row",
    "retention": "mlbsdk.layers.retention",
    "DerivedReport": "mlbsdk.runtime.derived",
    "OnError": "mlbsdk.runtime.transformation",
    "ReplayReport": "mlbsdk.runtime.replay",
    "ReplayRequest": "mlbsdk.runtime.replay",
    "RunReport": "mlbsdk.report",
    "RunRequest": "mlbsdk.runtime.run",
    "RunsReport": "mlbsdk.runtime.several",
    "quality_report": "mlbsdk.quality.page.html",
    "replay": "mlbsdk.runtime.replay",
    "run_several": "mlbsdk.runtime.several",
    "StreamRequest": "mlbsdk.runtime.stream",
    "run": "mlbsdk.runtime.run",
    "stream": "mlbsdk.runtime.stream",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":  # reading the distribution's metadata takes longer than all the imports above
        from importlib.metadata import version

        return version("mlbsdk")
    if name == "build_derived":
        return import_module("mlbsdk.runtime.derived").build
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
