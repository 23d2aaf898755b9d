"""Raw MLB StatsAPI captures to clean, typed, related tables.

To run a transform from Python::

    import mlbsdk

    report = mlbsdk.run(mlbsdk.RunRequest(name="game.live_game_v1", source="captures/", target="delta:warehouse"))
    report.tables["game.live_game_plays"].inserted

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
    SourceDecl,
    SparkRequirements,
    TransformDecl,
    WriterDecl,
    hookimpl,
)

if TYPE_CHECKING:
    from mlbsdk.report import RunReport
    from mlbsdk.runtime.run import RunRequest, run
    from mlbsdk.runtime.transformation import OnError

    __version__: str

__all__ = [
    "CommandDecl",
    "ListenerDecl",
    "MlbsdkError",
    "OnError",
    "QualityDecl",
    "RunReport",
    "RunRequest",
    "SourceDecl",
    "SparkRequirements",
    "TransformDecl",
    "WriterDecl",
    "__version__",
    "hookimpl",
    "run",
]

#: public name -> module
_LAZY = {
    "OnError": "mlbsdk.runtime.transformation",
    "RunReport": "mlbsdk.report",
    "RunRequest": "mlbsdk.runtime.run",
    "run": "mlbsdk.runtime.run",
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
