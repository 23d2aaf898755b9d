"""``mlbsdk quality``: what checks found, and what becomes of refused rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="See what checks found, and try refused rows again.", no_args_is_help=True)
Config = Annotated[Path | None, typer.Option(help="Settings file. Default: mlbsdk.yaml, if there is one.")]


@app.command("report")
def report(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="A run's id or its first letters, or a file with the report of a run. Default: the last run.",
        ),
    ] = None,
    location: Annotated[
        str | None,
        typer.Option(help="The target, such as delta:warehouse, or its _mlbsdk folder. Default: as for 'mlbsdk run'."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The HTML file to write.")] = Path("quality-report.html"),
    profile: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Show these profiles, as 'mlbsdk quality profile --json' prints them."),
    ] = None,
    config: Config = None,
) -> None:
    """Write the quality report of a run as one HTML file; this starts no Java."""
    from mlbsdk.quality.page.html import quality_report
    from mlbsdk.settings import load_settings

    found = location or load_settings(config, {}).target
    write_page(quality_report(run, found, profile=profile), out)


def write_page(page: str, out: Path) -> None:
    """Write a page, and say where.

    Raises:
        ConfigurationError: it can't be written there.
    """
    from mlbsdk.errors import ConfigurationError

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page, encoding="utf-8")
    except OSError as problem:
        raise ConfigurationError(f"can't write '{out}': {problem.strerror or problem}") from problem
    typer.echo(f"quality report: {out}", err=True)
