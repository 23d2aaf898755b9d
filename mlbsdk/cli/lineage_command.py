"""``mlbsdk lineage``: send events that backends did not take or have not seen, and look at the last run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlbsdk.errors import ConfigurationError, LineageError, did_you_mean

if TYPE_CHECKING:
    from mlbsdk.hookspecs import Storage
    from mlbsdk.lineage.backends import Backend
    from mlbsdk.lineage.delivery import Flushed

app = typer.Typer(help="Look at lineage, and send what a backend did not take.", no_args_is_help=True)
Location = Annotated[str, typer.Option(help="The target's _mlbsdk folder, or s3a://BUCKET/TARGET/_mlbsdk.")]
_DEFAULT = "warehouse/_mlbsdk"
_ENDLESS = 10_000


@app.command("flush")
def flush_events(location: Location = _DEFAULT) -> None:
    """Send the kept events and reports to the configured backends."""
    import os

    from mlbsdk.lineage.backends import is_configured
    from mlbsdk.lineage.delivery import flush
    from mlbsdk.lineage.reporting import flush_reports
    from mlbsdk.plugins import Plugins

    reports = flush_reports(location, Plugins.load(), _storage(location))
    for name, done in reports.items():
        typer.echo(f"{name}: {done.sent} reports sent, {done.left} left")
    if is_configured(os.environ) or not reports:
        _tell(flush(location, _backends(), _storage(location)))
    for name, done in reports.items():
        if done.problem:
            raise LineageError(f"{name} refused a report: {done.problem}", fix="The reports are kept; try again later.")


@app.command("replay")
def replay_events(
    location: Location = _DEFAULT,
    run: Annotated[
        str | None, typer.Option(metavar="RUN_ID", help="Only the events of this run and of its parts. Default: all.")
    ] = None,
    backend: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only to this backend of a composite transport. Default: to all.")
    ] = None,
) -> None:
    """Send events of past runs once more, such as to a Marquez that is new."""
    from mlbsdk.lineage.delivery import replay

    backends = _backends()
    if backend is not None:
        names = [one.name for one in backends]
        backends = [one for one in backends if one.name == backend]
        if not backends:
            raise ConfigurationError(
                f"no lineage backend is called '{backend}'.{did_you_mean(backend, names)}",
                fix=f"There are: {', '.join(names)}." if any(names) else "Leave --backend out: there is only one.",
            )
    found = replay(location, backends, run, _storage(location))
    if not any(one.sent or one.left for one in found):
        what = f"of a run {run} " if run is not None else ""
        raise ConfigurationError(
            f"there are no events {what}at '{location}'", fix="'mlbsdk lineage show' shows those of the last run."
        )
    _tell(found)


def _tell(found: list[Flushed]) -> None:
    """Print what became of the events of each backend; the first that refused one is the error."""
    for one in found:
        typer.echo(f"{f'{one.backend}: ' if one.backend else ''}{one.sent} events sent, {one.left} left")
    for one in found:
        if one.problem:
            whose = f"the backend '{one.backend}'" if one.backend else "the backend"
            raise LineageError(
                f"{whose} refused an event: {one.problem}",
                fix="The events are kept; 'mlbsdk lineage flush' tries again later.",
            )


def _backends() -> list[Backend]:
    import os

    from mlbsdk.lineage.backends import configuration, is_configured, quiet_client

    if not is_configured(os.environ):
        raise ConfigurationError(
            "no lineage backend is configured", fix="Set OPENLINEAGE_URL, or write an openlineage.yml."
        )
    quiet_client()
    try:
        return list(configuration().backends)
    except Exception as wrong:  # the client raises many kinds for what a user wrote
        raise ConfigurationError(f"the OpenLineage configuration is wrong: {type(wrong).__name__}: {wrong}") from wrong


@app.command("show")
def show(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN|NAME|FILE]",
            help="A run's id or its first letters, or a transform or mapping file. Default: the last run.",
        ),
    ] = None,
    location: Location = _DEFAULT,
    table: Annotated[str | None, typer.Option(help="Show this table's columns and where they come from.")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the graph as one page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON object to standard output.")] = False,
) -> None:
    """Show what comes from where: from the raw capture to each column, of a run or a mapping; this starts no Java."""
    from mlbsdk.errors import did_you_mean
    from mlbsdk.lineage.look import graph_and_events

    graph, events = graph_and_events(what, location, _storage(location))
    chosen = graph.table(table) if table is not None else None
    if table is not None and chosen is None:
        names = [one.name for one in graph.tables]
        raise ConfigurationError(
            f"'{graph.transform}' has no table '{table}'.{did_you_mean(table, names)}",
            fix=f"It has {', '.join(names)}.",
        )
    if html is not None:
        from mlbsdk.cli.report_command import write_page
        from mlbsdk.lineage.page import page_of

        write_page(page_of(graph), html, "lineage")
    if as_json:
        typer.echo(json.dumps({"version": 1, "events": events, "graph": graph.to_json()}))
    elif html is None:
        from rich.console import Console

        from mlbsdk.lineage.terminal import tree_of

        # Cut to no width where it is not a terminal, so that it can be searched.
        console = Console(highlight=False, width=None if sys.stdout.isatty() else _ENDLESS)
        console.print(tree_of(graph, chosen))


@app.command("row")
def row(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="Such as game.live_game_plays.")],
    key: Annotated[
        str,
        typer.Argument(
            metavar="KEY", help="The primary key: game_pk=747175,at_bat_index=0. A part of it lists the keys it has."
        ),
    ],
    target: Annotated[
        str | None, typer.Option(help="The target, such as delta:warehouse. Default: as for 'mlbsdk run'.")
    ] = None,
    mapping: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="The mapping that made it. Default: the installed one with the table."),
    ] = None,
    source: Annotated[str | None, typer.Option(help="Where raw rows are. Default: where the run read them.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file. Default: mlbsdk.yaml, if there is one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON object to standard output.")] = False,
) -> None:
    """Show where a row came from: capture, run, rules, and the place of every value; this starts no Java."""
    from mlbsdk.cli.lineage_row_text import lines_of
    from mlbsdk.lineage.row import parsed_key, row_lineage
    from mlbsdk.plugins import Plugins
    from mlbsdk.runtime.storage import Storages
    from mlbsdk.settings import load_settings

    settings = load_settings(config, {"target": target})
    plugins = Plugins.load()
    found = row_lineage(
        table,
        parsed_key(key),
        settings.target,
        mapping=mapping,
        source=source,
        plugins=plugins,
        storages=Storages(plugins, settings.storage),
    )
    typer.echo(json.dumps(found.to_json()) if as_json else "\n".join(lines_of(found)))


def _storage(location: str) -> Storage:
    from mlbsdk.runtime.storage import storage_of
    from mlbsdk.settings import load_settings

    return storage_of(location, load_settings(None, {}).storage)
