"""The workflow of a game: wait for it, follow it until it is over, then run the batch over all its captures."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from hera.workflows import DAG, Container, Parameter, Suspend, Task, Workflow, models

from mlbsdk.plugin import ConfigurationError
from mlbsdk_plugin_argo.configuration import WorkflowConfiguration
from mlbsdk_plugin_argo.season import after, captures_of
from mlbsdk_plugin_argo.steps import SCRATCH, Steps, workflow_options

JOB = "workflow.game"
_WAIT = f"{SCRATCH}/wait"
_GAME = "{{workflow.parameters.game-pk}}"


def game_workflow(
    game_pk: int,
    start_time: datetime,
    configuration: WorkflowConfiguration,
    *,
    before: str = "30m",
    every: str = "30s",
    idle_timeout: str = "6h",
    export_file: str | None = None,
) -> dict[str, Any]:
    """Return the manifest of a game's workflow.

    Args:
        game_pk: the game.
        start_time: when it begins, with its offset.
        configuration: the workflow's configuration; its store must be a path that a stream can follow.
        before: how long before the start to begin.
        every: how often the feed is asked for, and the stream looks for captures.
        idle_timeout: when a stream without captures ends; the final batch still comes.
        export_file: a configuration of exports on this machine.

    Raises:
        ConfigurationError: the store can't be followed game by game.
    """
    if not configuration.has_folders or configuration.store.startswith(("avro:", "parquet:")):
        raise ConfigurationError(
            f"a game can't be followed in '{configuration.store}'",
            fix="The store of a game's workflow is a folder, s3a://... or delta:PATH: each game has a part of its own.",
        )
    steps = Steps(configuration, JOB, export_file)
    moment = start_time.astimezone(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
    with Workflow(
        api_version="argoproj.io/v1alpha1",
        generate_name=f"game-{game_pk}-",
        entrypoint="game",
        on_exit="close-lineage",
        arguments=[
            Parameter(name="game-pk", value=str(game_pk)),
            Parameter(name="start-time", value=moment),
            Parameter(name="before", value=before),
            Parameter(name="every", value=every),
            Parameter(name="idle-timeout", value=idle_timeout),
        ],
        labels={"app.kubernetes.io/managed-by": "mlbsdk", "mlbsdk.dev/workflow": "game", **configuration.labels},
        workflow_metadata=models.WorkflowMetadata(
            labels_from={"mlbsdk.dev/game-pk": models.LabelValueFrom(expression="workflow.parameters['game-pk']")}
        ),
        volumes=steps.volumes(),
        # The stream would wait for ever for captures that nothing fetches.
        **workflow_options(configuration, configuration.deadlines.game, at_least=2),
    ) as workflow:
        folder = captures_of(configuration, f"game-{_GAME}")
        opened = steps.tell("open-lineage", "Running")
        steps.tell("close-lineage", "{{workflow.status}}")
        planned = _plan(steps)
        wait = Suspend(name="wait", duration="{{inputs.parameters.duration}}", inputs=[Parameter(name="duration")])
        first, follow, stream = _first(steps, folder), _follow(steps, folder), _stream(steps, folder)
        final = steps.transform("final", [configuration.transforms.game], folder)
        with DAG(name="game"):
            Task(name="open-lineage", template=opened)
            Task(name="plan", template=planned, dependencies=["open-lineage"])
            duration = {"duration": "{{tasks.plan.outputs.parameters.duration}}"}
            Task(name="wait", template=wait, dependencies=["plan"], arguments=duration)
            # A stream refuses a folder that is not there, and so does not begin before the first capture.
            Task(name="first-capture", template=first, dependencies=["wait"])
            Task(name="follow", template=follow, dependencies=["first-capture"])
            Task(name="stream", template=stream, dependencies=["first-capture"])
            Task(name="final", template=final, dependencies=["follow", "stream"])
            after(steps, ["final"], folder)
    found: dict[str, Any] = workflow.to_dict()
    return found


def _plan(steps: Steps) -> Container:
    return steps.step(
        "plan",
        [
            *("workflow", "wait", "--start-time", "{{workflow.parameters.start-time}}"),
            *("--before", "{{workflow.parameters.before}}", "--out", _WAIT),
        ],
        "small",
        outputs=[Parameter(name="duration", value_from=models.ValueFrom(path=_WAIT))],
    )


def _first(steps: Steps, folder: str) -> Container:
    arguments = ["fetch", "game", "--game-pk", _GAME, "--to", folder, *steps.fetch_options()]
    return steps.step("first-capture", arguments, "fetch", calls_api=True)


def _follow(steps: Steps, folder: str) -> Container:
    # It holds no semaphore: a request each half minute for hours would keep others from the API for nothing.
    return steps.step(
        "follow",
        [
            *("fetch", "game", "--game-pk", _GAME, "--follow", "--every", "{{workflow.parameters.every}}"),
            *("--until", "Final", "--to", folder, *steps.fetch_options()),
        ],
        "fetch",
        deadline=steps.configuration.deadlines.live,
    )


def _stream(steps: Steps, folder: str) -> Container:
    configuration = steps.configuration
    return steps.step(
        "stream",
        [
            *("stream", configuration.transforms.game, "--source", folder, "--target", configuration.target),
            *("--trigger", "{{workflow.parameters.every}}", "--until", "abstract_game_state = 'Final'"),
            *("--idle-timeout", "{{workflow.parameters.idle-timeout}}"),
            *("--checkpoint", f"{configuration.checkpoints.rstrip('/')}/game-{_GAME}"),
            *steps.run_options(),
        ],
        "transform",
        mutex=f"mlbsdk-game-{_GAME}",  # not the target's: games that are on at the same time are followed together
        deadline=configuration.deadlines.live,
    )
