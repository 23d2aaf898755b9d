"""``mlbsdk lineage``: send events that a backend did not take, and look at the last run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from mlbsdk.errors import ConfigurationError, LineageError

if TYPE_CHECKING:
    from mlbsdk.hookspecs import Storage

app = typer.Typer(help="Look at lineage, and send what a backend did not take.", no_args_is_help=True)
Location = Annotated[str, typer.Option(help="The target's _mlbsdk folder, or s3a://BUCKET/TARGET/_mlbsdk.")]
_DEFAULT = "warehouse/_mlbsdk"


@app.command("flush")
def flush_events(location: Location = _DEFAULT) -> None:
    """Send the spooled events to the configured backend."""
    import os

    from mlbsdk.lineage.delivery import configured_transport, flush, is_configured, quiet_client

    if not is_configured(os.environ):
        raise ConfigurationError(
            "no lineage backend is configured", fix="Set OPENLINEAGE_URL, or write an openlineage.yml."
        )
    quiet_client()
    try:
        transport = configured_transport(patient=True)
    except Exception as wrong:  # the client raises many kinds for what a user wrote
        raise ConfigurationError(f"the OpenLineage configuration is wrong: {type(wrong).__name__}: {wrong}") from wrong
    done = flush(location, transport, _storage(location))
    typer.echo(f"{done.sent} events sent, {done.left} left")
    if done.problem:
        raise LineageError(f"the backend refused an event: {done.problem}", fix="The events are kept; try again later.")


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
