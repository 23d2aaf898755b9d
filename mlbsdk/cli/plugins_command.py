"""``mlbsdk plugins``: what is installed, from whom, and whether it can be used. Starts no Spark."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated

import typer

from mlbsdk.cli.columns import aligned
from mlbsdk.plugins import DeclarationRecord, PluginRecord, Plugins

app = typer.Typer(help="List plugins and what they provide.")

AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON object to standard output.")]
_HEAD = ("KIND", "NAME", "FROM", "STATUS")


@app.callback(invoke_without_command=True)
def plugins(context: typer.Context) -> None:
    """List plugins and what they provide."""
    if context.invoked_subcommand is None:
        list_plugins()


@app.command("list")
def list_plugins(as_json: AsJson = False) -> None:
    """List every plugin found and every name it declares."""
    found = Plugins.load()
    records, notes = found.records(), found.notes()
    if as_json:
        _write_json(records, notes)
        return
    for line in aligned([_HEAD, *(row for record in records for row in _rows(record))]):
        typer.echo(line)
    for note in notes:
        typer.echo(f"note: {note}", err=True)


@app.command("show")
def show_plugin(
    name: Annotated[str, typer.Argument(help="A plugin, a distribution, or what it declares, such as 'delta'.")],
    as_json: AsJson = False,
) -> None:
    """Show a plugin, or a transform, source, writer, quality engine, listener or command, in full."""
    found = Plugins.load()
    records = found.find(name)
    if as_json:
        _write_json(records, found.notes())
        return
    typer.echo("\n\n".join("\n".join(_described(record)) for record in records))


def _write_json(records: Iterable[PluginRecord], notes: Iterable[str]) -> None:
    data = {"version": 1, "plugins": [record.to_json() for record in records], "notes": list(notes)}
    typer.echo(json.dumps(data, indent=2))


def _rows(record: PluginRecord) -> list[tuple[str, str, str, str]]:
    """Return a row for each declaration, and one for the plugin where it failed, is disabled or declares nothing."""
    rows = [(each.kind, each.name, each.origin, _status(each)) for each in record.declarations]
    if record.status != "ready" or not rows:
        nothing = "" if record.reason else ": declares nothing"
        rows.append(("plugin", record.name, record.origin, _status(record) + nothing))
    return rows


def _status(record: PluginRecord | DeclarationRecord) -> str:
    return f"{record.status}: {record.reason}" if record.reason else record.status


def _described(record: PluginRecord) -> list[str]:
    lines = [f"{record.origin} (entry point '{record.name}'): {_status(record)}"]
    for each in record.declarations:
        lines += ["", f"{each.kind} {each.name}: {_status(each)}", f"  {each.summary}"]
        lines += [f"  {key}: {text}" for key, value in each.details.items() if (text := _plain(value))]
    return lines


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={text}" for key, text in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")
