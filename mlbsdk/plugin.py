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
    FetchError,
    LineageError,
    MappingError,
    MlbsdkError,
    PluginError,
    PluginFailedError,
    QualityGateError,
    RawSchemaError,
    SourceError,
    StorageError,
    StoredSchemaError,
    TargetSchemaError,
    TargetUnwritableError,
    WriteError,
    did_you_mean,
    shortened,
)
from mlbsdk.hookspecs import (
    HOOKSPEC_VERSION,
    CheckResult,
    CommandDecl,
    DerivedDecl,
    DerivedTable,
    LineageColumn,
    LineageReporter,
    LineageTable,
    ListenerDecl,
    Profiler,
    QualityDecl,
    QualityEngine,
    QuarantineStore,
    RangeSource,
    RawStore,
    RawStoreDecl,
    ReporterDecl,
    RowFinder,
    RunListener,
    Source,
    SourceDecl,
    SparkRequirements,
    Storage,
    StorageDecl,
    StoredFile,
    StreamSource,
    Suggester,
    TableInspector,
    TableReader,
    TransformDecl,
    Verification,
    Verifier,
    Writer,
    WriterDecl,
    hookimpl,
)

if TYPE_CHECKING:
    from mlbsdk.cli.columns import aligned
    from mlbsdk.lineage.workflow_events import tell_of_workflow
    from mlbsdk.mapping.compile import compile_mapping
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
    from mlbsdk.quality.checks import Check, table_checks
    from mlbsdk.quality.profile import ColumnProfile, TableProfile, profiled_columns, value_counts
    from mlbsdk.quality.quarantine import COLUMNS as QUARANTINE_COLUMNS
    from mlbsdk.quality.quarantine import QuarantineQuery, quarantine_rows
    from mlbsdk.quality.suggestions import (
        SuggestedRule,
        category_rule,
        is_category,
        is_measured,
        not_null_rule,
        open_columns,
        range_rule,
        those_that_hold,
        unique_rule,
    )
    from mlbsdk.report import RunReport
    from mlbsdk.runtime.batch import Batch, Decisions, Document, TableRows, TableWritten, decisions_by_table, names_seen
    from mlbsdk.runtime.captures import capture_files, envelope_of, is_envelope, response_of, texts
    from mlbsdk.runtime.durations import seconds_of
    from mlbsdk.runtime.method_names import comparable
    from mlbsdk.runtime.raw import RAW_SCHEMA, RawBatch
    from mlbsdk.runtime.raw_capture import RawCapture, RawRequest, StoredCapture
    from mlbsdk.runtime.raw_stores import open_raw_store
    from mlbsdk.runtime.run import load_mapping
    from mlbsdk.runtime.selection import Condition, Place, conditions, document_key, document_tree, matching, row_places
    from mlbsdk.runtime.spark_lines import SparkLine, installed_spark
    from mlbsdk.runtime.transformation import BaseTransformation

__all__ = [
    "CAPTURED_AT",
    "CREATE_POSTGRES_LEDGER",
    "HOOKSPEC_VERSION",
    "LINEAGE",
    "QUARANTINE_COLUMNS",
    "RAW_SCHEMA",
    "AmbiguousKeyError",
    "BaseTransformation",
    "Batch",
    "Check",
    "CheckResult",
    "ColumnProfile",
    "CommandDecl",
    "Condition",
    "ConfigurationError",
    "Decisions",
    "DerivedDecl",
    "DerivedTable",
    "Document",
    "DocumentsRejectedError",
    "EnvironmentProblem",
    "FetchError",
    "JsonNode",
    "LineageColumn",
    "LineageError",
    "LineageReporter",
    "LineageTable",
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
    "Profiler",
    "QualityDecl",
    "QualityEngine",
    "QualityGateError",
    "QuarantineQuery",
    "QuarantineStore",
    "RangeSource",
    "RawBatch",
    "RawCapture",
    "RawRequest",
    "RawSchemaError",
    "RawStore",
    "RawStoreDecl",
    "ReporterDecl",
    "RowFinder",
    "RunListener",
    "RunReport",
    "Source",
    "SourceDecl",
    "SourceError",
    "SparkLine",
    "SparkRequirements",
    "Storage",
    "StorageDecl",
    "StorageError",
    "StoredCapture",
    "StoredFile",
    "StoredSchemaError",
    "StoredTable",
    "StreamSource",
    "SuggestedRule",
    "Suggester",
    "Table",
    "TableInspector",
    "TableProfile",
    "TableReader",
    "TableRows",
    "TableWritten",
    "TargetSchemaError",
    "TargetUnwritableError",
    "TransformDecl",
    "TransformMapping",
    "Verification",
    "Verifier",
    "WriteError",
    "Writer",
    "WriterDecl",
    "aligned",
    "capture_files",
    "category_rule",
    "comparable",
    "compile_mapping",
    "conditions",
    "decisions_by_table",
    "did_you_mean",
    "document_key",
    "document_tree",
    "envelope_of",
    "hookimpl",
    "installed_spark",
    "is_category",
    "is_envelope",
    "is_measured",
    "load_file",
    "load_mapping",
    "matching",
    "names_seen",
    "not_null_rule",
    "open_columns",
    "open_raw_store",
    "parse_path",
    "postgres_names",
    "postgres_quoted",
    "postgres_schemas",
    "profiled_columns",
    "quarantine_rows",
    "range_rule",
    "response_of",
    "row_places",
    "seconds_of",
    "shortened",
    "table_checks",
    "tell_of_workflow",
    "texts",
    "those_that_hold",
    "unique_rule",
    "value_counts",
]

#: public name -> (module, name there)
_LAZY = {
    "SparkLine": ("mlbsdk.runtime.spark_lines", "SparkLine"),
    "installed_spark": ("mlbsdk.runtime.spark_lines", "installed_spark"),
    "compile_mapping": ("mlbsdk.mapping.compile", "compile_mapping"),
    "Check": ("mlbsdk.quality.checks", "Check"),
    "table_checks": ("mlbsdk.quality.checks", "table_checks"),
    "ColumnProfile": ("mlbsdk.quality.profile", "ColumnProfile"),
    "TableProfile": ("mlbsdk.quality.profile", "TableProfile"),
    "profiled_columns": ("mlbsdk.quality.profile", "profiled_columns"),
    "value_counts": ("mlbsdk.quality.profile", "value_counts"),
    "SuggestedRule": ("mlbsdk.quality.suggestions", "SuggestedRule"),
    "those_that_hold": ("mlbsdk.quality.suggestions", "those_that_hold"),
    "not_null_rule": ("mlbsdk.quality.suggestions", "not_null_rule"),
    "unique_rule": ("mlbsdk.quality.suggestions", "unique_rule"),
    "range_rule": ("mlbsdk.quality.suggestions", "range_rule"),
    "category_rule": ("mlbsdk.quality.suggestions", "category_rule"),
    "open_columns": ("mlbsdk.quality.suggestions", "open_columns"),
    "is_category": ("mlbsdk.quality.suggestions", "is_category"),
    "is_measured": ("mlbsdk.quality.suggestions", "is_measured"),
    "postgres_quoted": ("mlbsdk.mapping.ddl", "quoted"),
    "postgres_names": ("mlbsdk.mapping.ddl", "names"),
    "comparable": ("mlbsdk.runtime.method_names", "comparable"),
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
    "QUARANTINE_COLUMNS": ("mlbsdk.quality.quarantine", "COLUMNS"),
    "QuarantineQuery": ("mlbsdk.quality.quarantine", "QuarantineQuery"),
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
    "quarantine_rows": ("mlbsdk.quality.quarantine", "quarantine_rows"),
    "response_of": ("mlbsdk.runtime.captures", "response_of"),
    "row_places": ("mlbsdk.runtime.selection", "row_places"),
    "tell_of_workflow": ("mlbsdk.lineage.workflow_events", "tell_of_workflow"),
    "texts": ("mlbsdk.runtime.captures", "texts"),
    "RawCapture": ("mlbsdk.runtime.raw_capture", "RawCapture"),
    "RawRequest": ("mlbsdk.runtime.raw_capture", "RawRequest"),
    "StoredCapture": ("mlbsdk.runtime.raw_capture", "StoredCapture"),
    "open_raw_store": ("mlbsdk.runtime.raw_stores", "open_raw_store"),
    "envelope_of": ("mlbsdk.runtime.captures", "envelope_of"),
    "seconds_of": ("mlbsdk.runtime.durations", "seconds_of"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LAZY[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
