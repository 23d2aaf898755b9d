"""``mlbsdk derive``: tables that are made from tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlbsdk.cli.columns import aligned

if TYPE_CHECKING:
    from mlbsdk.runtime.derived import DerivedReport


def derive(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Derived tables, such as analytics.team_travel or 'analytics.*' ('mlbsdk plugins list' shows them).",
        ),
    ],
    source: Annotated[
        str | None,
        typer.Option(
            help="The target that transforms wrote their inputs to: delta:, parquet: or avro:PATH. Default: the target."
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="delta:PATH; tables are PATH/{schema}/{table}. Default: as for 'mlbsdk run'.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file. Default: mlbsdk.yaml, if there is one.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object to standard output, and nothing else there.")
    ] = False,
) -> None:
    """Build derived tables, or bring them up to date: only what has changed in their inputs is made again."""
    from mlbsdk.runtime.derived import build
    from mlbsdk.settings import load_settings

    # The setting ``source`` names captures, which is not what a derived table is made from.
    settings = load_settings(config, {"target": target})
    report = build(
        names,
        source or settings.target,
        settings.target,
        settings=settings.spark,
        storage=settings.storage,
        lineage=settings.lineage,
        log_file=settings.spark_log,
    )
    if as_json:
        typer.echo(json.dumps(report.to_json(), default=str))
    else:
        show(report)


def show(report: DerivedReport) -> None:
    """Print what was done: results to standard output, notes to standard error."""
    rows: list[tuple[str, ...]] = [("TABLE", "GROUPS", "BUILT", "ROWS WRITTEN", "REMOVED")]
    for name, table in report.tables.items():
        figures = (table.groups, table.groups_built, table.rows_written, table.rows_removed)
        rows.append((name, *map(str, figures)))
    typer.echo("\n".join(aligned(rows)))
    typer.echo(f"{len(report.tables)} tables in {report.duration_s:.1f} s. In {report.target}")
    for name, table in report.tables.items():
        for figure, value in table.figures.items():
            typer.echo(f"note: {name}: {figure.replace('_', ' ')}: {value}", err=True)
    for note in report.notes:
        typer.echo(f"note: {note}", err=True)
