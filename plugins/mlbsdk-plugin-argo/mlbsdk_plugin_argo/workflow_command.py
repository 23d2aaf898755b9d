"""``mlbsdk workflow``: make, check and run Argo Workflows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from mlbsdk.plugin import ConfigurationError
from mlbsdk_plugin_argo import options

app = typer.Typer(no_args_is_help=True)

#: What Argo calls the state of a workflow -> what OpenLineage does.
_STATES = {
    "Running": "START",
    "Succeeded": "COMPLETE",
    "Failed": "FAIL",
    "Error": "FAIL",
}
_PurePath = Annotated[Path, typer.Option(help="The file to write, for Argo to read.")]
Start = Annotated[str, typer.Option(metavar="DATE", help="The first day, such as 2024-03-20.")]
End = Annotated[str, typer.Option(metavar="DATE", help="The last day.")]


@app.callback()
def _group() -> None:
    """Argo Workflows: make, check and run them."""


@app.command("season")
def season(
    season: Annotated[str, typer.Option(metavar="YEAR", help="The season, such as 2024.")],
    start: Start,
    end: End,
    out: options.Out = None,
    config: options.Config = None,
    store: options.Store = None,
    target: options.Target = None,
    derive: options.Derive = None,
    chunk_days: Annotated[int | None, typer.Option(help="Days that are fetched and transformed as one.")] = None,
    image: options.Image = None,
    namespace: options.Namespace = None,
) -> None:
    """Make the workflow of a season: fetch and transform its days in chunks, then derive and export.

    The manifest is checked before it is written. 'argo submit -p start=... -p end=...' runs it for other days.
    """
    from mlbsdk_plugin_argo.chunks import chunks
    from mlbsdk_plugin_argo.configuration import load_configuration
    from mlbsdk_plugin_argo.season import season_workflow
    from mlbsdk_plugin_argo.sizes import LARGEST_OBJECT, season_sizes

    given = options.flags(derive, store=store, target=target, chunk_days=chunk_days, image=image, namespace=namespace)
    configuration = load_configuration(config, given)
    first, last = _days(season, start, end)
    planned = chunks(first, last, configuration.chunk_days, configuration.max_chunks)
    document = season_workflow(season, first, last, configuration)
    sizes = season_sizes(document, planned)
    if sizes.manifest + sizes.status > LARGEST_OBJECT:
        raise ConfigurationError(
            f"{len(planned)} chunks with {configuration.retries.limit} retries may take {sizes.status} bytes; "
            f"Argo takes {LARGEST_OBJECT} for a workflow's status",
            fix="Set a larger chunk_days, a smaller max_chunks or fewer retries.",
        )
    _write(document, out)
    typer.echo(
        f"{counted(len(planned), 'chunk')} of days; manifest {sizes.manifest} bytes, chunks {sizes.chunks}, "
        f"status up to {sizes.status} of the {LARGEST_OBJECT} that Argo takes",
        err=True,
    )


@app.command("game")
def game(
    game_pk: Annotated[int, typer.Option("--game-pk", min=1, help="The game.")],
    start_time: Annotated[
        str, typer.Option(metavar="TIME", help="When it begins, with its offset: 2024-07-12T23:10:00Z.")
    ],
    before: Annotated[str, typer.Option(help="How long before the start to begin.")] = "30m",
    every: Annotated[str, typer.Option(help="How often to ask for the feed, and to look for captures.")] = "30s",
    idle_timeout: Annotated[str, typer.Option(help="When a stream without captures ends.")] = "6h",
    out: options.Out = None,
    config: options.Config = None,
    store: options.Store = None,
    target: options.Target = None,
    derive: options.Derive = None,
    image: options.Image = None,
    namespace: options.Namespace = None,
) -> None:
    """Make the workflow of a live game: wait, follow it until it is final, then run the batch."""
    from mlbsdk_plugin_argo.configuration import load_configuration
    from mlbsdk_plugin_argo.game import game_workflow
    from mlbsdk_plugin_argo.waiting import moment, require_duration

    for name, text in (("--before", before), ("--every", every), ("--idle-timeout", idle_timeout)):
        require_duration(text, name)
    given = options.flags(derive, store=store, target=target, image=image, namespace=namespace)
    configuration = load_configuration(config, given)
    document = game_workflow(
        game_pk, moment(start_time), configuration, before=before, every=every, idle_timeout=idle_timeout
    )
    _write(document, out)


@app.command("lint")
def lint(
    files: Annotated[list[Path], typer.Argument(help="Files of workflows.")],
    as_json: options.AsJson = False,
) -> None:
    """Check manifests: against Argo's schema with unknown fields refused, and what a schema can't say."""
    from mlbsdk_plugin_argo.documents import read_documents
    from mlbsdk_plugin_argo.lint import problems_of
    from mlbsdk_plugin_argo.schema import ARGO_VERSION

    found: dict[str, list[str]] = {}
    count = 0
    for file in files:
        documents = read_documents(file)
        if not documents:
            raise ConfigurationError(f"'{file}' is empty")
        found[str(file)] = [problem for document in documents for problem in problems_of(document)]
        count += len(documents)
    wrong = sum(map(len, found.values()))
    if as_json:
        typer.echo(json.dumps({"version": 1, "argo": ARGO_VERSION, "documents": count, "problems": found}))
    else:
        for file_name, problems in found.items():
            for problem in problems:
                typer.echo(f"{file_name}: {problem}")
        if not wrong:
            typer.echo(f"{counted(count, 'workflow')} checked against Argo {ARGO_VERSION}: no problem")
    if wrong:
        raise ConfigurationError(f"{counted(wrong, 'problem')} found")


@app.command("run-local")
def run_local(
    file: Annotated[Path, typer.Argument(help="A file with one workflow.")],
    parameter: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter of the workflow. May be repeated.")
    ] = None,
    state: options.State = options.DEFAULT_STATE,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK", help="Only this task and what it depends on. May be repeated."),
    ] = None,
    jobs: options.Jobs = None,
    wait_scale: Annotated[
        float, typer.Option(min=0, help="Multiplies what the workflow waits; 0 does not wait.")
    ] = 1.0,
    env_file: Annotated[Path | None, typer.Option(help="NAME=VALUE lines: values of secrets and ConfigMaps.")] = None,
    env: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable of all steps. May be repeated.")
    ] = None,
    volume: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FOLDER", help="The folder of a volume. May be repeated.")
    ] = None,
    semaphore: Annotated[
        list[str] | None,
        typer.Option(metavar="CONFIGMAP/KEY=N", help="How many hold a semaphore (default 1). May be repeated."),
    ] = None,
    again: options.Again = False,
    as_json: options.AsJson = False,
) -> None:
    """Run a workflow's manifest on this machine, as Argo would on a cluster; call it again to go on.

    Steps that are done are not run again. Ctrl-C ends those that run; the next call runs them anew. The exit code is
    that of the first step that failed.
    """
    from mlbsdk_plugin_argo.lint import read_manifest
    from mlbsdk_plugin_argo.local.places import pairs, read_env_file
    from mlbsdk_plugin_argo.local.runner import LocalOptions

    document = read_manifest(file)
    limits = {}
    for name, number in pairs(semaphore or [], "--semaphore").items():
        if not number.isdigit() or int(number) < 1:
            raise ConfigurationError(f"--semaphore: '{number}' is no number of holders")
        limits[name] = int(number)
    chosen = LocalOptions(
        state=state,
        parameters=pairs(parameter or [], "--parameter"),
        only=tuple(only or ()),
        jobs=jobs or default_jobs(),
        wait_scale=wait_scale,
        again=again,
        volumes={name: Path(folder) for name, folder in pairs(volume or [], "--volume").items()},
        semaphores=limits,
        env_file=read_env_file(env_file) if env_file is not None else {},
        env=pairs(env or [], "--env"),
    )
    options.run_here(document, chosen, as_json)


@app.command("plan", hidden=True)
def plan(
    start: Start,
    end: End,
    out: _PurePath,
    chunk_days: Annotated[int, typer.Option(min=1)] = 7,
    max_chunks: Annotated[int, typer.Option(min=1)] = 60,
) -> None:
    """Write a season's chunks of days: a step of its workflow."""
    from mlbsdk_plugin_argo.chunks import chunks, day

    found = chunks(day(start, "--start"), day(end, "--end"), chunk_days, max_chunks)
    _save(out, json.dumps([chunk.to_json() for chunk in found]))
    longest = max(chunk.days for chunk in found)
    typer.echo(f"{counted(len(found), 'chunk')} of at most {counted(longest, 'day')}")


@app.command("wait", hidden=True)
def wait(
    start_time: Annotated[str, typer.Option()],
    out: _PurePath,
    before: Annotated[str, typer.Option()] = "30m",
) -> None:
    """Write how long to wait for a game: a step of its workflow."""
    from datetime import datetime, timezone

    from mlbsdk_plugin_argo.waiting import moment, wait_for

    waits = wait_for(moment(start_time), before, datetime.now(timezone.utc))
    _save(out, waits)
    typer.echo(f"waits {waits}")


@app.command("tell", hidden=True)
def tell(
    job: Annotated[str, typer.Option()],
    run_id: Annotated[str, typer.Option()],
    status: Annotated[str, typer.Option()],
) -> None:
    """Tell the lineage backend how a workflow stands: its first step, and its exit handler."""
    from mlbsdk.plugin import did_you_mean, tell_of_workflow

    if status not in _STATES:
        raise ConfigurationError(f"--status: '{status}' is no status of a workflow.{did_you_mean(status, _STATES)}")
    error = None if status in ("Running", "Succeeded") else f"the workflow ended as {status}"
    state: Any = _STATES[status]
    problem = tell_of_workflow(job, run_id, state, description="A workflow of mlbsdk.", error=error)
    if problem:
        typer.echo(f"note: the lineage backend did not take the event: {problem}; it is kept", err=True)
    typer.echo(f"{job}: {state}")


def counted(number: int, thing: str) -> str:
    """Return how many of something there are, in words."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def default_jobs() -> int:
    """Return how many steps run at once: each may start Java; two at least, for a game is fetched beside its stream."""
    return min(max(os.cpu_count() or 2, 2), 4)


def _days(season: str, start: str, end: str) -> tuple[Any, Any]:
    from mlbsdk_plugin_argo.chunks import day, season_of

    season_of(season)
    return day(start, "--start"), day(end, "--end")


def _write(document: dict[str, Any], out: Path | None) -> None:
    from mlbsdk_plugin_argo.documents import to_yaml
    from mlbsdk_plugin_argo.lint import require

    require(document, "the manifest that was made")
    if out is None:
        typer.echo(to_yaml(document), nl=False)
        return
    _save(out, to_yaml(document))
    typer.echo(f"written: {out}", err=True)


def _save(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise ConfigurationError(f"'{file}' can't be written: {problem}") from problem
