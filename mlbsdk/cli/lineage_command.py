"""``mlbsdk lineage``: send events that a backend did not take, and look at the last run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mlbsdk.errors import ConfigurationError, LineageError

app = typer.Typer(help="Look at lineage, and send what a backend did not take.", no_args_is_help=True)
Location = Annotated[Path, typer.Option(help="The target's _mlbsdk folder.")]


@app.command("flush")
def flush_events(location: Location = Path("warehouse/_mlbsdk")) -> None:
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
    done = flush(location, transport)
    typer.echo(f"{done.sent} events sent, {done.left} left")
    if done.problem:
        raise LineageError(f"the backend refused an event: {done.problem}", fix="The events are kept; try again later.")


@app.command("show")
def show(
    location: Location = Path("warehouse/_mlbsdk"), as_json: Annotated[bool, typer.Option("--json")] = False
) -> None:
    """Show the jobs of the last run, with their inputs and outputs."""
    events = _last_run(location / "lineage.jsonl")
    if as_json:
        typer.echo(json.dumps({"version": 1, "events": events}))
        return
    for event in events:
        typer.echo(f"{event['eventType']:9} {event['job']['name']}")
        for direction in ("inputs", "outputs"):
            for dataset in event.get(direction, []):
                typer.echo(f"          {direction[:-1]:6} {dataset['namespace']} {dataset['name']}")


def _last_run(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        raise ConfigurationError(
            f"no lineage at '{path.parent}'", fix="Run a transform first, or name its target's folder with --location."
        )
    events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    roots = [
        e["run"]["facets"]["parent"]["run"]["runId"] if "parent" in e["run"]["facets"] else e["run"]["runId"]
        for e in events
    ]
    latest: dict[str, dict[str, Any]] = {}
    for event, root in zip(events, roots, strict=True):
        if root == roots[-1]:
            latest[event["job"]["name"]] = event
    return list(latest.values())
