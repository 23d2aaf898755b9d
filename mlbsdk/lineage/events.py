"""OpenLineage events of a run: pure functions from a report to events; nothing is sent here.

One job for the run (``game.live_game_v1``) and one for each table (``game.live_game_v1.live_game_plays``), its child.
Every event repeats all inputs and outputs with their schemas, since Marquez drops edges that a later event does not
name. Specification: OpenLineage 2-0-2.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from importlib import metadata
from typing import TYPE_CHECKING, Any

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    data_quality_assertions_dataset,
    documentation_dataset,
    documentation_job,
    error_message_run,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    schema_dataset,
)

from mlbsdk.errors import redact
from mlbsdk.mapping.plan import LINEAGE, FromExpression, Table
from mlbsdk.report import RunReport

if TYPE_CHECKING:
    from mlbsdk.mapping.plan import Plan

PRODUCER = "https://github.com/mlbsdk/mlbsdk"
_RAW_FIELDS = ("captured_at", "endpoint", "method", "params", "url", "status_code", "row_id")


def run_events(
    report: RunReport, state: RunState, namespace: str, error: BaseException | None = None
) -> list[RunEvent]:
    """Return the events of one moment of a run: the parent's first at START, last otherwise.

    The events share their datasets.
    """
    plan = report.plan
    assert plan is not None
    source = _input(report, plan)
    written = [_output(report, plan, table, done=state is RunState.COMPLETE) for table in plan.tables]
    children = [
        _event(report, state, namespace, source, [output], error, table)
        for table, output in zip(plan.tables, written, strict=True)
    ]
    parent = _event(report, state, namespace, source, written, error)
    return [parent, *children] if state is RunState.START else [*children, parent]


def _event(
    report: RunReport,
    state: RunState,
    namespace: str,
    source: InputDataset,
    outputs: list[OutputDataset],
    error: BaseException | None,
    table: Table | None = None,
) -> RunEvent:
    """Return the event of the run, or of one table, its child."""
    assert report.plan is not None
    description, name, run_id = report.plan.description, report.transform, report.run_id
    if table is not None:
        description, name = table.description, f"{report.transform}.{table.name.partition('.')[2]}"
        run_id = str(uuid.uuid5(uuid.UUID(report.run_id), table.name))
    moment = report.started_at if state is RunState.START else datetime.now(timezone.utc)
    facets: dict[str, Any] = {"processing_engine": processing_engine()}
    if table is not None:
        parent_job = parent_run.Job(namespace=namespace, name=report.transform)
        of = parent_run.Run(runId=report.run_id)
        root = parent_run.Root(
            run=parent_run.RootRun(runId=report.run_id),
            job=parent_run.RootJob(namespace=namespace, name=report.transform),
        )
        facets["parent"] = parent_run.ParentRunFacet(run=of, job=parent_job, root=root)
    if error is not None:
        message = redact(str(error)) or type(error).__name__
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(message=message, programmingLanguage="Python")
    return RunEvent(
        eventType=state,
        eventTime=_timestamp(moment),
        run=Run(runId=run_id, facets=facets),
        job=Job(namespace=namespace, name=name, facets=_job_facets(report, description)),
        inputs=[source],
        outputs=list(outputs),
        producer=PRODUCER,
    )


def processing_engine() -> processing_engine_run.ProcessingEngineRunFacet:
    """Return what runs the transforms."""
    # Older DataHub servers refuse events whose engine they can't tell; "spark" is a platform they know.
    return processing_engine_run.ProcessingEngineRunFacet(
        version=metadata.version("pyspark"),
        name="spark",
        openlineageAdapterVersion=metadata.version("openlineage-python"),
    )


def _job_facets(report: RunReport, description: str) -> dict[str, Any]:
    # Marquez asks for all three of these.
    processing = "STREAMING" if report.mode == "streaming" else "BATCH"
    facets: dict[str, Any] = {
        "jobType": job_type_job.JobTypeJobFacet(processingType=processing, integration="MLBSDK", jobType="TRANSFORM")
    }
    if description:
        facets["documentation"] = documentation_job.DocumentationJobFacet(description=description)
    return facets


def _input(report: RunReport, plan: Plan) -> InputDataset:
    paths = {path: None for table in plan.tables for column in table.columns for path in table.source_paths(column)}
    fields = [schema_dataset.SchemaDatasetFacetFields(name=name, type="raw") for name in _RAW_FIELDS]
    fields += [schema_dataset.SchemaDatasetFacetFields(name=path, type="json") for path in paths]
    namespace, name = report.source_dataset
    facets: dict[str, Any] = {"schema": schema_dataset.SchemaDatasetFacet(fields=fields)}
    return InputDataset(namespace=namespace, name=name, facets=facets)


def _output(report: RunReport, plan: Plan, table: Table, done: bool) -> OutputDataset:
    fields = [
        schema_dataset.SchemaDatasetFacetFields(name=column.name, type=str(column.type), description=column.description)
        for column in table.columns
    ]
    fields.append(schema_dataset.SchemaDatasetFacetFields(name=LINEAGE, type="STRUCT"))
    facets: dict[str, Any] = {
        "schema": schema_dataset.SchemaDatasetFacet(fields=fields),
        "columnLineage": _column_lineage(report, table),
        "documentation": documentation_dataset.DocumentationDatasetFacet(description=table.description or table.name),
    }
    written = report.tables.get(table.name)
    if done:
        facets["dataQualityAssertions"] = _assertions(report, table)
    statistics: dict[str, Any] = {}
    if done and written is not None:
        statistics["outputStatistics"] = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=written.inserted + written.updated
        )
    namespace, name = report.datasets[table.name]
    return OutputDataset(namespace=namespace, name=name, facets=facets, outputFacets=statistics)


def _column_lineage(report: RunReport, table: Table) -> column_lineage_dataset.ColumnLineageDatasetFacet:
    namespace, name = report.source_dataset
    found = {}
    for column in table.columns:
        paths = table.source_paths(column)
        if not paths:
            continue
        derived = isinstance(column.origin, FromExpression)
        subtype = "TRANSFORMATION" if derived else "IDENTITY"
        text = column.origin.sql if isinstance(column.origin, FromExpression) else str(column.type)
        transformation = column_lineage_dataset.Transformation(
            type="DIRECT", subtype=subtype, description=text, masking=False
        )
        inputs = [column_lineage_dataset.InputField(namespace, name, path, [transformation]) for path in paths]
        # Marquez reads the older two fields, DataHub the transformations.
        found[column.name] = column_lineage_dataset.Fields(
            inputFields=inputs, transformationDescription=text, transformationType=subtype
        )
    return column_lineage_dataset.ColumnLineageDatasetFacet(fields=found)


def _assertions(report: RunReport, table: Table) -> data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet:
    failed = {rule.rule for rule in report.quality if rule.table == table.name}
    assertions = [
        # Column and assertion together name an assertion in Marquez and DataHub, so each rule has its own.
        data_quality_assertions_dataset.Assertion(
            assertion=rule.name,
            success=rule.name not in failed,
            column=rule.columns[0] if len(rule.columns) == 1 else None,
        )
        for rule in table.rules
    ]
    return data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(assertions=assertions)


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
