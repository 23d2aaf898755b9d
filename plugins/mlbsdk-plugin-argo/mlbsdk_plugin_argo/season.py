"""The workflow of a season: plan, fetch and transform its days in chunks, then derive and export."""

from __future__ import annotations

from datetime import date
from typing import Any

from hera.workflows import DAG, Container, Parameter, Task, Workflow, models

from mlbsdk_plugin_argo.configuration import WorkflowConfiguration
from mlbsdk_plugin_argo.steps import SCRATCH, Steps, workflow_options

JOB = "workflow.season"
_PLANNED = f"{SCRATCH}/chunks.json"


def season_workflow(
    season: str, start: date, end: date, configuration: WorkflowConfiguration, export_file: str | None = None
) -> dict[str, Any]:
    """Return the manifest of a season's workflow.

    Season and dates are the workflow's parameters, so one manifest serves any season; a step plans the chunks.
    ``export_file`` is a configuration of exports on this machine, for a workflow that is run here.
    """
    steps = Steps(configuration, JOB, export_file)
    with Workflow(
        api_version="argoproj.io/v1alpha1",
        generate_name=f"season-{season}-",
        entrypoint="season",
        on_exit="close-lineage",
        arguments=[
            Parameter(name="season", value=season),
            Parameter(name="start", value=start.isoformat()),
            Parameter(name="end", value=end.isoformat()),
            Parameter(name="chunk-days", value=str(configuration.chunk_days)),
        ],
        labels={"app.kubernetes.io/managed-by": "mlbsdk", "mlbsdk.dev/workflow": "season", **configuration.labels},
        workflow_metadata=models.WorkflowMetadata(
            labels_from={"mlbsdk.dev/season": models.LabelValueFrom(expression="workflow.parameters.season")}
        ),
        volumes=steps.volumes(),
        **workflow_options(configuration, configuration.deadlines.season),
    ) as workflow:
        opened = steps.tell("open-lineage", "Running")
        steps.tell("close-lineage", "{{workflow.status}}")
        planned = _plan(steps)
        metadata = _season_metadata(steps)
        chunk = _chunk(steps)
        with DAG(name="season"):
            Task(name="open-lineage", template=opened)
            Task(name="plan", template=planned, dependencies=["open-lineage"])
            Task(name="season-metadata", template=metadata, dependencies=["plan"])
            Task(
                name="days",
                template=chunk,
                dependencies=["plan"],
                with_param="{{tasks.plan.outputs.parameters.chunks}}",
                arguments={"id": "{{item.id}}", "start": "{{item.start}}", "days": "{{item.days}}"},
            )
            last = ["season-metadata", "days"]
            if not configuration.has_folders:
                whole = steps.transform("transform-all", configuration.transforms.days, configuration.store)
                Task(name="transform", template=whole, dependencies=last)
                last = ["transform"]
            after(steps, last, configuration.store)
    found: dict[str, Any] = workflow.to_dict()
    return found


def captures_of(configuration: WorkflowConfiguration, part: str) -> str:
    """Return where a part of the captures is kept: a folder of its own, so that a transform reads only it."""
    return f"{configuration.store.rstrip('/')}/{part}" if configuration.has_folders else configuration.store


def after(steps: Steps, last: list[str], source: str) -> None:
    """Add what follows the transforms to the current DAG: derived tables, then the export."""
    if steps.configuration.derive:
        Task(name="derive", template=steps.derive(), dependencies=last)
        last = ["derive"]
    if steps.exports:
        Task(name="export", template=steps.export(source), dependencies=last)


def _plan(steps: Steps) -> Container:
    return steps.step(
        "plan",
        [
            *("workflow", "plan"),
            *("--start", "{{workflow.parameters.start}}", "--end", "{{workflow.parameters.end}}"),
            *("--chunk-days", "{{workflow.parameters.chunk-days}}"),
            *("--max-chunks", str(steps.configuration.max_chunks), "--out", _PLANNED),
        ],
        "small",
        outputs=[Parameter(name="chunks", value_from=models.ValueFrom(path=_PLANNED))],
    )


def _season_metadata(steps: Steps) -> DAG:
    """Return the template that fetches what a season has besides games, and transforms it."""
    folder = captures_of(steps.configuration, "season-{{workflow.parameters.season}}")
    fetch = steps.step(
        "fetch-season",
        [
            *("fetch", "season", "--season", "{{workflow.parameters.season}}"),
            *("--start", "{{workflow.parameters.start}}", "--end", "{{workflow.parameters.end}}"),
            *("--to", folder, *steps.fetch_options()),
        ],
        "fetch",
        calls_api=True,
    )
    names = steps.configuration.transforms.season
    transform = steps.transform("transform-season", names, folder) if names else None
    with DAG(name="season-metadata") as dag:
        Task(name="fetch", template=fetch)
        if transform is not None:
            Task(name="transform", template=transform, dependencies=["fetch"])
    return dag


def _chunk(steps: Steps) -> DAG:
    """Return the template of some days: fetch them, then transform all their captures at once.

    One transform for a chunk and not one for each game: starting Java takes longer than transforming a week of games.
    """
    folder = captures_of(steps.configuration, "{{inputs.parameters.id}}")
    fetch = steps.step(
        "fetch-days",
        [
            *("fetch", "day", "--date", "{{inputs.parameters.start}}", "--days", "{{inputs.parameters.days}}"),
            *("--to", folder, *steps.fetch_options()),
        ],
        "fetch",
        inputs=["id", "start", "days"],
        calls_api=True,
    )
    given = {name: f"{{{{inputs.parameters.{name}}}}}" for name in ("id", "start", "days")}
    transform = None
    if steps.configuration.has_folders:
        transform = steps.transform("transform-days", steps.configuration.transforms.days, folder, inputs=["id"])
    with DAG(name="chunk", inputs=[Parameter(name=name) for name in given]) as dag:
        Task(name="fetch", template=fetch, arguments=given)
        if transform is not None:
            Task(name="transform", template=transform, dependencies=["fetch"], arguments={"id": given["id"]})
    return dag
