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
    from mlbsdk.mapping.ddl import PostgresTable
    from mlbsdk.mapping.ddl import schemas as postgres_schemas
    from mlbsdk.mapping.model import Mapping as TransformMapping
    from mlbsdk.mapping.plan import CAPTURED_AT, LINEAGE, Table
    from mlbsdk.report import RunReport
    from mlbsdk.runtime.batch import Batch, Decisions, Document, TableRows, TableWritten
    from mlbsdk.runtime.raw import RawBatch
    from mlbsdk.runtime.transformation import BaseTransformation

__all__ = [
    "CAPTURED_AT",
    "HOOKSPEC_VERSION",
    "LINEAGE",
    "AmbiguousKeyError",
    "BaseTransformation",
    "Batch",
    "CommandDecl",
    "ConfigurationError",
    "Decisions",
    "Document",
    "DocumentsRejectedError",
    "EnvironmentProblem",
    "LineageError",
    "ListenerDecl",
    "MappingError",
    "MlbsdkError",
    "PluginError",
    "PostgresTable",
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
    "Table",
    "TableRows",
    "TableWritten",
    "TargetSchemaError",
    "TargetUnwritableError",
    "TransformDecl",
    "TransformMapping",
    "WriteError",
    "Writer",
    "WriterDecl",
    "hookimpl",
    "postgres_schemas",
]

#: public name -> (module, name there)
_LAZY = {
    "BaseTransformation": ("mlbsdk.runtime.transformation", "BaseTransformation"),
    "Batch": ("mlbsdk.runtime.batch", "Batch"),
    "CAPTURED_AT": ("mlbsdk.mapping.plan", "CAPTURED_AT"),
    "Decisions": ("mlbsdk.runtime.batch", "Decisions"),
    "Document": ("mlbsdk.runtime.batch", "Document"),
    "LINEAGE": ("mlbsdk.mapping.plan", "LINEAGE"),
    "PostgresTable": ("mlbsdk.mapping.ddl", "PostgresTable"),
    "Table": ("mlbsdk.mapping.plan", "Table"),
    "TableRows": ("mlbsdk.runtime.batch", "TableRows"),
    "postgres_schemas": ("mlbsdk.mapping.ddl", "schemas"),
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
