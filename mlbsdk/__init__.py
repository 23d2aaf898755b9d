"""Raw MLB StatsAPI captures to clean, typed, related tables.

To run a transform from Python::

    import mlbsdk

    report = mlbsdk.run(mlbsdk.RunRequest(name="game.live_game_v1", source="captures/", target="delta:warehouse"))
    report.tables["game.live_game_plays"].inserted

:func:`stream` follows a source in the same way, with a :class:`StreamRequest`.

The other names are what a plugin module declares with; :mod:`mlbsdk.plugin` holds what its objects build on.
Importing this package imports no Spark and sets no logging; :func:`run` and what belongs to it load when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlbsdk.errors import MlbsdkError
from mlbsdk.hookspecs import (
    CommandDecl,
    ListenerDecl,
    QualityDecl,
    RawStoreDecl,
    SourceDecl,
    SparkRequirements,
    TransformDecl,
    WriterDecl,
    hookimpl,
)

if TYPE_CHECKING:
    from mlbsdk.report import RunReport
    from mlbsdk.runtime.run import RunRequest, run
    from mlbsdk.runtime.several import RunsReport, run_several
    from mlbsdk.runtime.stream import StreamRequest, stream
    from mlbsdk.runtime.transformation import OnError

    __version__: str

__all__ = [
    "CommandDecl",
    "ListenerDecl",
    "MlbsdkError",
    "OnError",
    "QualityDecl",
    "RawStoreDecl",
    "RunReport",
    "RunRequest",
    "RunsReport",
    "SourceDecl",
    "SparkRequirements",
    "StreamRequest",
    "TransformDecl",
    "WriterDecl",
    "__version__",
    "hookimpl",
    "run",
    "run_several",
    "stream",
]

#: public name -> module
_LAZY = {
    "OnError": "mlbsdk.runtime.transformation",
    "RunReport": "mlbsdk.report",
    "RunRequest": "mlbsdk.runtime.run",
    "RunsReport": "mlbsdk.runtime.several",
    "run_several": "mlbsdk.runtime.several",
    "StreamRequest": "mlbsdk.runtime.stream",
    "run": "mlbsdk.runtime.run",
    "stream": "mlbsdk.runtime.stream",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":  # reading the distribution's metadata takes longer than all the imports above
        from importlib.metadata import version

        return version("mlbsdk")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
