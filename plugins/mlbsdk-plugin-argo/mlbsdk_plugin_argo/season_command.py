"""``mlbsdk season``: a season on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlbsdk_plugin_argo import options

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    """A season on this machine."""


@app.command("run")
def run(
    season: Annotated[str, typer.Option(metavar="YEAR", help="The season, such as 2024.")],
    start: Annotated[str, typer.Option(metavar="DATE", help="The first day, such as 2024-03-20.")],
    end: Annotated[str, typer.Option(metavar="DATE", help="The last day.")],
    store: Annotated[str, typer.Option(help="Where captures are kept.")] = "captures",
    target: Annotated[str, typer.Option(help="Where tables go, as for 'mlbsdk run'.")] = "delta:warehouse",
    config: options.Config = None,
    derive: options.Derive = None,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A configuration of exports, to export to in the end.")
    ] = None,
    chunk_days: Annotated[int | None, typer.Option(help="Days that are fetched and transformed as one.")] = None,
    on_error: Annotated[str | None, typer.Option(help="fail or quarantine, as for 'mlbsdk run'.")] = None,
    state: options.State = options.DEFAULT_STATE,
    jobs: options.Jobs = None,
    again: options.Again = False,
    as_json: options.AsJson = False,
) -> None:
    """Fetch a season's days, transform them, and derive and export: all in one call, which may be called again.

    The graph is that of 'mlbsdk workflow season'. Steps that are done are not run again: after Ctrl-C, a crash or a
    failure the same command goes on. What is done for good is run anew with --again.
    """
    from mlbsdk_plugin_argo.chunks import chunks, day, season_of
    from mlbsdk_plugin_argo.configuration import load_configuration
    from mlbsdk_plugin_argo.installed import require_installed
    from mlbsdk_plugin_argo.lint import require
    from mlbsdk_plugin_argo.local.runner import LocalOptions
    from mlbsdk_plugin_argo.season import season_workflow
    from mlbsdk_plugin_argo.workflow_command import default_jobs

    given = options.flags(derive, store=store, target=target, chunk_days=chunk_days, on_error=on_error)
    # What a cluster has and this machine has not: volumes, ConfigMaps and secrets; their values are in the environment.
    configuration = load_configuration(config, given).model_copy(
        update={"volume": None, "settings": None, "export": None, "secrets": {}, "secrets_from": ()}
    )
    first, last = day(start, "--start"), day(end, "--end")
    chunks(first, last, configuration.chunk_days, configuration.max_chunks)
    document = season_workflow(
        season_of(season),
        first,
        last,
        configuration,
        str(export) if export is not None else None,
    )
    require(document, "the season's workflow")
    require_installed(configuration, export)
    options.run_here(document, LocalOptions(state=state, jobs=jobs or default_jobs(), again=again), as_json)
