"""Raw MLB StatsAPI captures to clean, typed, related tables.

The names here are what a plugin module declares with; :mod:`mlbsdk.plugin` holds what its objects build on.
Importing this package imports no Spark and sets no logging.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    __version__: str

__all__ = [
    "CommandDecl",
    "ListenerDecl",
    "MlbsdkError",
    "QualityDecl",
    "SourceDecl",
    "SparkRequirements",
    "TransformDecl",
    "WriterDecl",
    "__version__",
    "hookimpl",
]


def __getattr__(name: str) -> str:
    if name == "__version__":  # reading the distribution's metadata takes longer than all the imports above
        from importlib.metadata import version

        return version("mlbsdk")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
