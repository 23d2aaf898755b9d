"""``mlbsdk mapping docs``: a page about the tables of a mapping. Starts no Spark."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mlbsdk.errors import ConfigurationError


class PageFormat(str, Enum):
    """What a page is written as."""

    MARKDOWN = "markdown"
    HTML = "html"


_ENDING = {PageFormat.MARKDOWN: ".md", PageFormat.HTML: ".html"}


def docs(
    which: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="A transform such as game.live_game_v1, or a mapping file.")
    ],
    output: Annotated[
        Path | None, typer.Option(help="Write to this file, or into this folder as NAME.md or NAME.html.")
    ] = None,
    format: Annotated[
        PageFormat | None, typer.Option("--format", help="Default: what the output's name says, else markdown.")
    ] = None,
) -> None:
    """Print a page about a mapping's tables: columns, types, sources, keys, references, rules, and a diagram.

    In Markdown the diagram is Mermaid text; HTML is one file that loads nothing from elsewhere.
    """
    from mlbsdk.cli.mapping_argument import is_mapping_file, loaded_mapping, plan_of
    from mlbsdk.mapping.reference.html import html_page
    from mlbsdk.mapping.reference.pages import Setting, page

    kind = format or _kind_of(output)
    plan = plan_of(loaded_mapping(which))
    file = Path(which).name if is_mapping_file(which) else ""
    text = html_page(plan, file) if kind is PageFormat.HTML else page(plan, Setting(file=file))
    if output is None:
        typer.echo(text)
        return
    path = output / f"{plan.name}{_ENDING[kind]}" if _is_folder(output) else output
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as problem:
        raise ConfigurationError(f"can't write to '{path}': {problem.strerror or problem}") from problem
    typer.echo(f"{len(plan.tables)} tables written to {path}")


def _kind_of(output: Path | None) -> PageFormat:
    is_html = output is not None and output.suffix.lower() in (".html", ".htm")
    return PageFormat.HTML if is_html else PageFormat.MARKDOWN


def _is_folder(path: Path) -> bool:
    return path.is_dir() or not path.suffix
