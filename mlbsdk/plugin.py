"""The public interface for plugin authors: everything a plugin may import, apart from ``mlbsdk`` itself.

Importing this module imports no pyspark. The names that need it (:class:`BaseTransformation`, :class:`Batch`,
:class:`TableWritten`, :class:`RawBatch`) are loaded when first used, so import those inside a factory, or in the
module that holds your transformation, source or writer, and not in the module that your entry point names.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlbsdk.deprecation import MlbsdkDeprecationWarning
from mlbsdk.errors import (
    AmbiguousKeyError,
    ConfigurationError,
    DocumentsRejectedError,
    EnvironmentProblem,
    LineageError,
    MappingError,
    MlbsdkError,
    PluginError,
    PluginFailedError,
    QualityGateError,
    RawSchemaError,
    SourceError,
    StoredSchemaError,
    TargetSchemaError,
    TargetUnwritableError,
    WriteError,
    did_you_mean,
    shortened,
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
    TableInspector,
    TransformDecl,
    Writer,
    WriterDecl,
    hookimpl,
)

if TYPE_CHECKING:
    from mlbsdk.cli.columns import aligned
    from mlbsdk.lineage.workflow_events import tell_of_workflow
    from mlbsdk.mapping.ddl import CREATE_LEDGER as CREATE_POSTGRES_LEDGER
    from mlbsdk.mapping.ddl import PostgresTable
    from mlbsdk.mapping.ddl import names as postgres_names
    from mlbsdk.mapping.ddl import quoted as postgres_quoted
    from mlbsdk.mapping.ddl import schemas as postgres_schemas
    from mlbsdk.mapping.differences import StoredTable
    from mlbsdk.mapping.load import load_file
    from mlbsdk.mapping.model import Mapping as TransformMapping
    from mlbsdk.mapping.paths import parse_path
    from mlbsdk.mapping.plan import CAPTURED_AT, LINEAGE, Plan, Table
    from mlbsdk.mapping.plan import Node as JsonNode
    from mlbsdk.plugins import Plugins
    from mlbsdk.report import RunReport
    from mlbsdk.runtime.batch import Batch, Decisions, Document, TableRows, TableWritten, decisions_by_table, names_seen
    from mlbsdk.runtime.captures import capture_files, is_envelope, response_of, texts
    from mlbsdk.runtime.parse import comparable
    from mlbsdk.runtime.raw import RAW_SCHEMA, RawBatch
    from mlbsdk.runtime.run import load_mapping
    from mlbsdk.runtime.selection import Condition, Place, conditions, document_key, document_tree, matching, row_places
    from mlbsdk.runtime.transformation import BaseTransformation

__all__ = [
    "CAPTURED_AT",
    "CREATE_POSTGRES_LEDGER",
    "HOOKSPEC_VERSION",
    "LINEAGE",
    "RAW_SCHEMA",
    "AmbiguousKeyError",
    "BaseTransformation",
    "Batch",
    "CommandDecl",
    "Condition",
    "ConfigurationError",
    "Decisions",
    "Document",
    "DocumentsRejectedError",
    "EnvironmentProblem",
    "JsonNode",
    "LineageError",
    "ListenerDecl",
    "MappingError",
    "MlbsdkDeprecationWarning",
    "MlbsdkError",
    "Place",
    "Plan",
    "PluginError",
    "PluginFailedError",
    "Plugins",
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
    "StoredTable",
    "StreamSource",
    "Table",
    "TableInspector",
    "TableRows",
    "TableWritten",
    "TargetSchemaError",
    "TargetUnwritableError",
    "TransformDecl",
    "TransformMapping",
    "WriteError",
    "Writer",
    "WriterDecl",
    "aligned",
    "capture_files",
    "comparable",
    "conditions",
    "decisions_by_table",
    "did_you_mean",
    "document_key",
    "document_tree",
    "hookimpl",
    "is_envelope",
    "load_file",
    "load_mapping",
    "matching",
    "names_seen",
    "parse_path",
    "postgres_names",
    "postgres_quoted",
    "postgres_schemas",
    "response_of",
    "row_places",
    "shortened",
    "tell_of_workflow",
    "texts",
]

#: public name -> (module, name there)
_LAZY = {
    "postgres_quoted": ("mlbsdk.mapping.ddl", "quoted"),
    "postgres_names": ("mlbsdk.mapping.ddl", "names"),
    "comparable": ("mlbsdk.runtime.parse", "comparable"),
    "aligned": ("mlbsdk.cli.columns", "aligned"),
    "CREATE_POSTGRES_LEDGER": ("mlbsdk.mapping.ddl", "CREATE_LEDGER"),
    "CAPTURED_AT": ("mlbsdk.mapping.plan", "CAPTURED_AT"),
    "LINEAGE": ("mlbsdk.mapping.plan", "LINEAGE"),
    "RAW_SCHEMA": ("mlbsdk.runtime.raw", "RAW_SCHEMA"),
    "BaseTransformation": ("mlbsdk.runtime.transformation", "BaseTransformation"),
    "Batch": ("mlbsdk.runtime.batch", "Batch"),
    "Condition": ("mlbsdk.runtime.selection", "Condition"),
    "Decisions": ("mlbsdk.runtime.batch", "Decisions"),
    "Document": ("mlbsdk.runtime.batch", "Document"),
    "JsonNode": ("mlbsdk.mapping.plan", "Node"),
    "Place": ("mlbsdk.runtime.selection", "Place"),
    "Plan": ("mlbsdk.mapping.plan", "Plan"),
    "Plugins": ("mlbsdk.plugins", "Plugins"),
    "PostgresTable": ("mlbsdk.mapping.ddl", "PostgresTable"),
    "RawBatch": ("mlbsdk.runtime.raw", "RawBatch"),
    "RunReport": ("mlbsdk.report", "RunReport"),
    "StoredTable": ("mlbsdk.mapping.differences", "StoredTable"),
    "Table": ("mlbsdk.mapping.plan", "Table"),
    "TableRows": ("mlbsdk.runtime.batch", "TableRows"),
    "TableWritten": ("mlbsdk.runtime.batch", "TableWritten"),
    "TransformMapping": ("mlbsdk.mapping.model", "Mapping"),
    "capture_files": ("mlbsdk.runtime.captures", "capture_files"),
    "conditions": ("mlbsdk.runtime.selection", "conditions"),
    "decisions_by_table": ("mlbsdk.runtime.batch", "decisions_by_table"),
    "names_seen": ("mlbsdk.runtime.batch", "names_seen"),
    "document_key": ("mlbsdk.runtime.selection", "document_key"),
    "document_tree": ("mlbsdk.runtime.selection", "document_tree"),
    "is_envelope": ("mlbsdk.runtime.captures", "is_envelope"),
    "load_file": ("mlbsdk.mapping.load", "load_file"),
    "load_mapping": ("mlbsdk.runtime.run", "load_mapping"),
    "matching": ("mlbsdk.runtime.selection", "matching"),
    "parse_path": ("mlbsdk.mapping.paths", "parse_path"),
    "postgres_schemas": ("mlbsdk.mapping.ddl", "schemas"),
    "response_of": ("mlbsdk.runtime.captures", "response_of"),
    "row_places": ("mlbsdk.runtime.selection", "row_places"),
    "tell_of_workflow": ("mlbsdk.lineage.workflow_events", "tell_of_workflow"),
    "texts": ("mlbsdk.runtime.captures", "texts"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LAZY[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
