"""The facets of OpenLineage events as JSON text, by name.

Text, because a run repeats the same schemas in some forty events: each is made once. The client's own classes say the
version of each facet; every event is checked against the specification's schemas in tests.
"""

from __future__ import annotations

import json
import os
import platform
import traceback
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from importlib import metadata
from typing import Any

from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    data_quality_assertions_dataset,
    data_quality_metrics_input_dataset,
    dataset_version_dataset,
    documentation_dataset,
    documentation_job,
    environment_variables_run,
    error_message_run,
    execution_parameters_run,
    job_type_job,
    nominal_time_run,
    output_statistics_output_dataset,
    ownership_dataset,
    ownership_job,
    parent_run,
    processing_engine_run,
    schema_dataset,
    source_code_location_job,
    tags_dataset,
    tags_job,
    tags_run,
)

from mlbsdk.errors import redact
from mlbsdk.lineage.context import CodeLocation, JobRun, RunContext
from mlbsdk.mapping.plan import CAPTURED_AT, LINEAGE, TRANSFORMED_AT, FromExpression, Table
from mlbsdk.report import RuleReport
from mlbsdk.runtime.batch import TableWritten

PRODUCER = "https://github.com/mlbsdk/mlbsdk"
#: JSON text by facet name.
Facets = dict[str, str]
_INTEGRATION = "MLBSDK"
_RAW_FIELDS = ("captured_at", "endpoint", "method", "params", "url", "status_code", "row_id")
_SECRETS = ("KEY", "TOKEN", "SECRET", "PASSW", "CREDENTIAL", "AUTH", "COOKIE", "SESSION")
_MOST_TRACE = 8000


def facet(kind: Any, **values: Any) -> str:
    """Return a facet of one of the client's classes as JSON; values that are None are left out."""
    given = {name: value for name, value in values.items() if value is not None}
    return json.dumps({"_producer": PRODUCER, "_schemaURL": kind._get_schema(), **given})


# Of runs


@cache
def engine() -> str:
    """Return what runs the job."""
    # Older DataHub servers refuse events whose engine they can't tell; "spark" is a platform they know.
    return facet(
        processing_engine_run.ProcessingEngineRunFacet,
        version=metadata.version("pyspark"),
        name="spark",
        openlineageAdapterVersion=metadata.version("openlineage-python"),
    )


def parent(run: JobRun) -> str:
    """Return the run that a run is a part of, and the root of both."""

    def named(one: JobRun) -> dict[str, Any]:
        return {"run": {"runId": one.run_id}, "job": {"namespace": one.namespace, "name": one.job}}

    return facet(parent_run.ParentRunFacet, **named(run), root=named(run.root or run))


def error_message(error: BaseException, stack_traces: bool) -> str:
    """Return the error that ended a run; its trace has places in the code only, no values."""
    trace = "".join(traceback.format_tb(error.__traceback__))[-_MOST_TRACE:] if stack_traces else ""
    return facet(
        error_message_run.ErrorMessageRunFacet,
        message=redact(str(error)) or type(error).__name__,
        programmingLanguage="Python",
        stackTrace=redact(trace) or None,
    )


def of_run(context: RunContext, environment_variables: Iterable[str] = ()) -> Facets:
    """Return what is known of a run beforehand, the same for all its jobs."""
    found = {"processing_engine": engine()}
    if context.day is not None:
        begin, end = (f"{day.isoformat()}T00:00:00Z" for day in (context.day, context.day + timedelta(days=1)))
        found["nominalTime"] = facet(nominal_time_run.NominalTimeRunFacet, nominalStartTime=begin, nominalEndTime=end)
    if context.parameters:
        parameters = [{"key": key, "value": redact(value)} for key, value in context.parameters.items()]
        found["executionParameters"] = facet(
            execution_parameters_run.ExecutionParametersRunFacet, parameters=parameters
        )
    versions = {"mlbsdk": metadata.version("mlbsdk"), "python": platform.python_version()}
    tags = _tags(context.tags) + [{"key": key, "value": text, "source": _INTEGRATION} for key, text in versions.items()]
    found["tags"] = facet(tags_run.TagsRunFacet, tags=tags)
    # Only what the client's configuration names, and nothing that sounds like a secret.
    named = [name for name in environment_variables if not any(word in name.upper() for word in _SECRETS)]
    variables = [{"name": name, "value": redact(os.environ[name])} for name in named if name in os.environ]
    if variables:
        found["environmentVariables"] = facet(
            environment_variables_run.EnvironmentVariablesRunFacet, environmentVariables=variables
        )
    return found


# Of jobs


def of_job(
    kind: str,
    description: str = "",
    *,
    streaming: bool = False,
    context: RunContext | None = None,
    tags: Mapping[str, str] | None = None,
) -> Facets:
    """Return the facets of a job of a kind, such as TRANSFORM."""
    # Marquez asks for all three of these.
    processing = "STREAMING" if streaming else "BATCH"
    found = {
        "jobType": facet(
            job_type_job.JobTypeJobFacet, processingType=processing, integration=_INTEGRATION, jobType=kind
        )
    }
    if description:
        found["documentation"] = facet(documentation_job.DocumentationJobFacet, description=description)
    context = context or RunContext()
    if context.owners:
        found["ownership"] = facet(ownership_job.OwnershipJobFacet, owners=_owners(context.owners))
    if context.tags or tags:
        found["tags"] = facet(tags_job.TagsJobFacet, tags=_tags(dict(context.tags) | dict(tags or {})))
    if context.code is not None:
        found["sourceCodeLocation"] = _code(context.code)
    return found


def _code(code: CodeLocation) -> str:
    return facet(
        source_code_location_job.SourceCodeLocationJobFacet,
        type=code.type,
        url=code.url,
        repoUrl=code.repository,
        path=code.path,
        version=code.version,
        branch=code.branch,
    )


def _owners(owners: Sequence[str]) -> list[dict[str, str]]:
    return [{"name": name, "type": "OWNER"} for name in owners]


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value, "source": "USER"} for key, value in tags.items()]


# Of datasets


def raw_schema(tables: Iterable[Table]) -> Facets:
    """Return the fields of raw data that tables come from: the columns of a raw row, then JSON paths."""
    paths = {path: None for table in tables for column in table.columns for path in table.source_paths(column)}
    fields = [{"name": name, "type": "raw"} for name in _RAW_FIELDS]
    fields += [{"name": path, "type": "json"} for path in paths]
    return {"schema": facet(schema_dataset.SchemaDatasetFacet, fields=fields)}


def schema(fields: Iterable[tuple[str, str, str]]) -> Facets:
    """Return the columns of a table: (name, type, description)."""
    listed = [
        {"name": name, "type": kind} | ({"description": description} if description else {})
        for name, kind, description in fields
    ]
    return {"schema": facet(schema_dataset.SchemaDatasetFacet, fields=listed)}


def described(description: str) -> Facets:
    """Return what a dataset is, in words."""
    return {"documentation": facet(documentation_dataset.DocumentationDatasetFacet, description=description)}


def of_table(table: Table, context: RunContext) -> Facets:
    """Return what holds for a table whatever a run does to it, but for where its columns come from."""
    found = schema(
        [
            *((column.name, str(column.type), column.description) for column in table.columns),
            (LINEAGE, "STRUCT", "Where the row comes from."),
        ]
    )
    found |= described(table.description or table.name)
    if context.owners:
        found["ownership"] = facet(ownership_dataset.OwnershipDatasetFacet, owners=_owners(context.owners))
    tags = dict(context.tags) | dict(table.tags)
    if tags:
        found["tags"] = facet(tags_dataset.TagsDatasetFacet, tags=_tags(tags))
    return found


def column_lineage(table: Table, source: tuple[str, str]) -> str:
    """Return the JSON paths that each column of a table comes from."""
    namespace, name = source
    found: dict[str, Any] = {}
    for column in table.columns:
        paths = table.source_paths(column)
        if not paths:
            continue
        derived = isinstance(column.origin, FromExpression)
        subtype = "TRANSFORMATION" if derived else "IDENTITY"
        text = column.origin.sql if isinstance(column.origin, FromExpression) else str(column.type)
        step = {"type": "DIRECT", "subtype": subtype, "description": text, "masking": False}
        # Marquez reads the older two fields, DataHub the transformations.
        found[column.name] = {
            "inputFields": [
                {"namespace": namespace, "name": name, "field": path, "transformations": [step]} for path in paths
            ],
            "transformationDescription": text,
            "transformationType": subtype,
        }
    return facet(column_lineage_dataset.ColumnLineageDatasetFacet, fields=found)


def assertions(table: Table, failed: Iterable[RuleReport]) -> str:
    """Return what the rows of a table were asked, and whether they are so.

    Keys, columns that may not be null and the mapping's rules always; what types and engines of plugins ask only where
    it failed.
    """
    rows: dict[str, int] = {}
    severities: dict[str, str] = {}
    for one in failed:
        rows[one.rule] = rows.get(one.rule, 0) + one.failed
        severities[one.rule] = one.severity
    found = [
        _assertion("unique:primary_key", None, "error", 0, "Rows have different keys.", "unique", table.primary_key)
    ]
    for column in table.columns:
        check = f"not_null:{column.name}"
        if not column.nullable and column.name not in (CAPTURED_AT, TRANSFORMED_AT):
            found.append(_assertion(check, column.name, "error", rows.pop(check, 0), "", "not_null", (column.name,)))
    for rule in table.rules:
        column_name = rule.columns[0] if len(rule.columns) == 1 else None
        severity = severities.get(rule.name, rule.severity)
        asks = rule.text or rule.sql or f"unique: {', '.join(rule.columns)}"
        found.append(
            _assertion(rule.name, column_name, severity, rows.pop(rule.name, 0), rule.reason, asks, rule.columns)
        )
    for name, count in rows.items():
        known = name.partition(":")[2]
        column_name = known if any(column.name == known for column in table.columns) else None
        found.append(_assertion(name, column_name, severities[name], count, "", name, ()))
    return facet(data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet, assertions=found)


def _assertion(
    name: str, column: str | None, severity: str, failed: int, reason: str, asks: str, columns: Sequence[str]
) -> dict[str, Any]:
    # Column and assertion together name an assertion in Marquez and DataHub, so each has a name of its own.
    found: dict[str, Any] = {
        "assertion": name,
        "success": failed == 0,
        "severity": "error" if severity == "error" else "warn",
        "name": name,
        "expected": "0 failing rows",
        "actual": f"{failed} failing rows",
        "content": asks,
        "contentType": "expression",
    }
    if column is not None:
        found["column"] = column
    if reason:
        found["description"] = reason
    if columns:
        found["params"] = {"columns": list(columns)}
    return found


def metrics(table: Table, rows: int, written: TableWritten | None) -> str:
    """Return what is known of the rows that were judged; columns that may not be null have no null."""
    columns = {column.name: {"nullCount": 0, "count": rows} for column in table.columns if not column.nullable}
    return facet(
        data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet,
        rowCount=rows,
        bytes=written.size if written is not None else None,
        fileCount=written.files if written is not None else None,
        columnMetrics=columns,
    )


def statistics(rows: int, size: int | None = None, files: int | None = None) -> str:
    """Return what was written to a table."""
    kind = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet
    return facet(kind, rowCount=rows, size=size, fileCount=files)


def version(number: int) -> str:
    """Return the version that a table has in its store."""
    return facet(dataset_version_dataset.DatasetVersionDatasetFacet, datasetVersion=str(number))
