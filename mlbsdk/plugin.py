"""The public interface for plugin authors: everything a plugin may import, apart from ``mlbsdk`` itself.

Importing this module imports no pyspark. The names that need it (:class:`BaseTransformation`, :class:`Batch`,
:class:`TableWritten`, :class:`RawBatch`) are loaded when first used, so import those inside a factory, or in the
module that holds your transformation, source or writer, and not in the module that your entry point names.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlbsdk.errors import (
    AmbiguousKeyError,
    ConfigurationError,
    DocumentsRejectedError,
    EnvironmentProblem,
    LineageError,
    MappingError,
    MlbsdkError,
    PluginError,
    QualityGateError,
    RawSchemaError,
    SourceError,
    StoredSchemaError,
    TargetSchemaError,
    TargetUnwritableError,
    WriteError,
)
from mlbsdk.hookspecs import (
    HOOKSPEC_VERSION,
    CommandDecl,
    ListenerDecl,
    QualityDecl,
    QualityEngine,
    RangeSource,
    RunListener,
    Source,
    SourceDecl,
    SparkRequirements,
    StreamSource,
    TransformDecl,
    Writer,
    WriterDecl,
    hookimpl,
)

if TYPE_CHECKING:
    from mlbsdk.mapping.model import Mapping as TransformMapping
    from mlbsdk.report import RunReport
    from mlbsdk.runtime.batch import Batch, TableWritten
    from mlbsdk.runtime.raw import RawBatch
    from mlbsdk.runtime.transformation import BaseTransformation

__all__ = [
    "HOOKSPEC_VERSION",
    "AmbiguousKeyError",
    "BaseTransformation",
    "Batch",
    "CommandDecl",
    "ConfigurationError",
    "DocumentsRejectedError",
    "EnvironmentProblem",
    "LineageError",
    "ListenerDecl",
    "MappingError",
    "MlbsdkError",
    "PluginError",
    "QualityDecl",
    "QualityEngine",
    "QualityGateError",
    "RangeSource",
    "RawBatch",
    "RawSchemaError",
    "RunListener",
    "RunReport",
    "Source",
    "SourceDecl",
    "SourceError",
    "SparkRequirements",
    "StoredSchemaError",
    "StreamSource",
    "TableWritten",
    "TargetSchemaError",
    "TargetUnwritableError",
    "TransformDecl",
    "TransformMapping",
    "WriteError",
    "Writer",
    "WriterDecl",
    "hookimpl",
]

#: public name -> (module, name there)
_LAZY = {
    "BaseTransformation": ("mlbsdk.runtime.transformation", "BaseTransformation"),
    "Batch": ("mlbsdk.runtime.batch", "Batch"),
    "RawBatch": ("mlbsdk.runtime.raw", "RawBatch"),
    "RunReport": ("mlbsdk.report", "RunReport"),
    "TableWritten": ("mlbsdk.runtime.batch", "TableWritten"),
    "TransformMapping": ("mlbsdk.mapping.model", "Mapping"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LAZY[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
