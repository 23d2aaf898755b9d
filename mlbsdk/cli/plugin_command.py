"""``mlbsdk plugin new``: a project for a plugin of one's own. Starts no Spark."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mlbsdk.errors import ConfigurationError

app = typer.Typer(help="Write a plugin of one's own.", no_args_is_help=True)


@app.command("new")
def new(
    folder: Annotated[
        Path | None, typer.Argument(help="Where to make it: empty or not there yet. Default: the plugin's name.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="transform, writer, source, quality or lineage.")] = None,
    name: Annotated[str | None, typer.Option(help="The distribution's name, such as my-store.")] = None,
    author: Annotated[str, typer.Option(help="For pyproject.toml and LICENSE.")] = "",
) -> None:
    """Make a project that installs and passes its own tests and the contract suite; asks for what is missing."""
    from mlbsdk.templates import KINDS, NewPlugin

    if kind is None:
        kind = _asked("--kind", f"Kind ({', '.join(KINDS)})", "writer")
    if name is None:
        name = _asked("--name", "Name of the distribution", folder.name if folder else f"my-{kind}")
    plugin = NewPlugin(kind, name, author)
    place = folder or Path(name)
    for file in plugin.make(place):
        typer.echo(f"{place}/{file}")
    typer.echo(
        f'\nNext:\n  cd {place}\n  pip install --editable ".[test]"\n  pytest --mlbsdk-contract\n'
        f"  mlbsdk plugins show {name}",
        err=True,
    )


def _asked(option: str, question: str, default: str) -> str:
    """Ask where somebody can answer.

    Raises:
        ConfigurationError: nobody can.
    """
    if not _is_terminal():
        raise ConfigurationError(f"{option} is missing", fix="It is asked for only where a terminal is.")
    return str(typer.prompt(question, default=default, err=True))


def _is_terminal() -> bool:
    return sys.stdin.isatty()
