"""``mlbsdk raw``: raw tables without Spark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mlbsdk.plugin import TransformMapping
    from mlbsdk_plugin_postgres.raw_load import LoadReport

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Raw tables: captures as they came."""


@app.command("load")
def load(
    files: Annotated[list[str], typer.Argument(help="Files, folders or globs of captures.")],
    to: Annotated[
        str, typer.Option(help="postgresql://USER@HOST/DATABASE, with ?table=schema.name for another table.")
    ],
    name: Annotated[
        str | None,
        typer.Option(help="What the captures are of, such as game.live_game_v1. Bare responses need it."),
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="Use this mapping file instead of a plugin's.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object to standard output, and nothing else there.")
    ] = False,
) -> None:
    """Load captures into the raw tables of a database; those that are there already are left alone.

    Schema and table are made where they are missing. A call loads all it can in one transaction; it ends with exit
    code 1 if a capture was rejected.
    """
    from mlbsdk.plugin import capture_files
    from mlbsdk_plugin_postgres.connection import Database
    from mlbsdk_plugin_postgres.raw_load import Loader

    database = Database.parse(to)
    found = list(dict.fromkeys(file for address in files for file in capture_files(address)))
    mappings, only = _mappings(name, mapping)
    report = Loader(database, mappings, only).load(found)
    if as_json:
        typer.echo(json.dumps(report.to_json()))
    else:
        _show(report)
    if report.rejected:
        raise typer.Exit(1)


def _mappings(name: str | None, file: Path | None) -> tuple[dict[str, TransformMapping], str | None]:
    """Return the mappings that captures may be of, and the only one where the user named it."""
    from mlbsdk.plugin import ConfigurationError, Plugins, load_file, load_mapping

    if file is not None:
        given = load_file(file).mapping
        if name not in (None, given.name):
            raise ConfigurationError(f"'{file}' is the mapping of {given.name}, not of {name}")
        return {given.name: given}, given.name
    plugins = Plugins.load()
    wanted = [plugins.transform(name)] if name else plugins.transforms()
    return {declared.name: load_mapping(declared).mapping for declared in wanted}, name


def _show(report: LoadReport) -> None:
    from mlbsdk.plugin import aligned

    rows = [("TABLE", "LOADED", "ALREADY THERE")]
    rows += [(name, str(table.loaded), str(table.already_there)) for name, table in report.tables.items()]
    for line in aligned(rows):
        typer.echo(line)
    for text in report.notes:
        typer.echo(f"note: {text}", err=True)
    for one in report.rejected:
        typer.echo(f"error: {one.capture} was not loaded: {one.reason}", err=True)
