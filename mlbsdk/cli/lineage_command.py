"""``mlbsdk lineage``: send events that backends did not take or have not seen, and look at the last run."""

from __future__ import annotations

import json
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


@app.command("flush")
def flush_events(location: Location = _DEFAULT) -> None:
    """Send the spooled events to the configured backends."""
    from mlbsdk.lineage.delivery import flush

    _tell(flush(location, _backends(), _storage(location)))


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
def show(location: Location = _DEFAULT, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show the jobs of the last run, with their inputs and outputs."""
    from mlbsdk.lineage.delivery import last_run

    events = last_run(location, _storage(location))
    if not events:
        raise ConfigurationError(
            f"no lineage at '{location}'", fix="Run a transform first, or name its target's folder with --location."
        )
    if as_json:
        typer.echo(json.dumps({"version": 1, "events": events}))
        return
    for event in events:
        typer.echo(f"{event['eventType']:9} {event['job']['name']}")
        for direction in ("inputs", "outputs"):
            for dataset in event.get(direction, []):
                typer.echo(f"          {direction[:-1]:6} {dataset['namespace']} {dataset['name']}")


def _storage(location: str) -> Storage:
    from mlbsdk.runtime.storage import storage_of
    from mlbsdk.settings import load_settings

    return storage_of(location, load_settings(None, {}).storage)
