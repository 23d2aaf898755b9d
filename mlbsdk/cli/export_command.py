"""``mlbsdk export``: captures into the layers of a configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlbsdk.cli.columns import aligned
from mlbsdk.cli.derive_command import show as show_derived
from mlbsdk.cli.run_command import Progress, require_policy, show
from mlbsdk.errors import MlbsdkError

if TYPE_CHECKING:
    from mlbsdk.layers.report import ExportReport, RawReport, TablesReport

#: Rejected captures that are shown to a person.
_SHOWN = 10

Layers = Annotated[
    list[str] | None,
    typer.Option("--layer", metavar="LAYER", help="Only this layer: raw, normalized or analytics. May be repeated."),
]
ExportConfig = Annotated[Path, typer.Option("--config", help="The configuration of exports, such as exports.yaml.")]


def export(
    config: ExportConfig,
    layer: Layers = None,
    source: Annotated[
        str | None,
        typer.Option(help="Captures, as for 'mlbsdk run'. Not needed with --layer normalized or analytics."),
    ] = None,
    on_error: Annotated[
        str | None, typer.Option(help="fail (default) or quarantine: what happens to captures and rows that are bad.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Make the tables from all captures of the raw layer, not only from new ones.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object to standard output, and nothing else there.")
    ] = False,
) -> None:
    """Keep captures, tables and derived tables in layers; the same captures again change nothing."""
    from mlbsdk.layers.export import ExportRequest, first_problem
    from mlbsdk.layers.export import export as export_layers
    from mlbsdk.runtime.transformation import OnError
    from mlbsdk.settings import load_settings

    require_policy(on_error)
    settings = load_settings(None, {"source": source, "on_error": on_error})
    request = ExportRequest(
        config=config,
        layers=tuple(layer or ()),
        source=settings.source,
        on_error=OnError(settings.on_error or "fail"),
        full=full,
        spark=settings.spark,
        storage=settings.storage,
        lineage=settings.lineage,
        log_file=settings.spark_log,
    )
    progress = Progress(quiet=as_json)
    try:
        report = export_layers(request, listeners=(progress,))
    except MlbsdkError as problem:
        if as_json:
            typer.echo(json.dumps({"version": 1, "status": "failed", "layers": {}, "errors": [str(problem)]}))
        raise
    finally:
        progress.stop()
    if as_json:
        typer.echo(json.dumps(report.to_json(), default=str))
    else:
        _show(report)
    first = first_problem(report)
    if first is not None:
        raise first


def _show(report: ExportReport) -> None:
    if report.raw is not None:
        _show_raw(report.raw)
    if report.normalized is not None:
        _show_tables(report.normalized)
    if report.analytics is not None:
        typer.echo(f"analytics layer, {report.analytics.target}")
        show_derived(report.analytics)
    for text in report.notes:
        typer.echo(f"note: {text}", err=True)
    typer.echo(f"{report.status} in {report.duration_s:.1f} s")


def _show_raw(raw: RawReport) -> None:
    typer.echo(f"raw layer, {raw.folder}")
    rows: list[tuple[str, ...]] = [("CAPTURES OF", "READ", "ADDED", "UNCHANGED", "EXPIRED")]
    rows += [
        (name, *map(str, (kind.captures + kind.expired, kind.added, kind.unchanged, kind.expired)))
        for name, kind in raw.kinds.items()
    ]
    typer.echo("\n".join(aligned(rows)))
    expired = sum(kind.expired for kind in raw.kinds.values())
    if expired:
        typer.echo(
            f"note: {expired} captures are of before {raw.oldest_kept}, which retention would remove: left out",
            err=True,
        )
    if raw.of_others:
        typer.echo(f"note: {raw.of_others} captures are of endpoints that no transform of the export reads", err=True)
    for text in raw.rejected[:_SHOWN]:
        typer.echo(f"rejected: {text}", err=True)
    if len(raw.rejected) > _SHOWN:
        typer.echo(f"rejected: and {len(raw.rejected) - _SHOWN} more: --json lists them", err=True)
    for text in raw.notes:
        typer.echo(f"note: {text}", err=True)


def _show_tables(tables: TablesReport) -> None:
    typer.echo(f"normalized layer, {tables.folder}")
    if tables.runs:
        show(tables.runs)
    if tables.up_to_date:
        typer.echo(f"nothing new for {', '.join(tables.up_to_date)}")
    if tables.expired:
        count = sum(tables.expired.values())
        typer.echo(
            f"note: {count} rows of {len(tables.expired)} tables are of before {tables.oldest_kept}, "
            "which retention would remove: left out",
            err=True,
        )
    for one in tables.joined:
        typer.echo(f"joined: {one.table}: {one.files_before} files are {one.files_after}")
    for text in tables.notes:
        typer.echo(f"note: {text}", err=True)
    for name, why in list(tables.failed.items())[1:]:
        typer.echo(f"error: {name}: {why}", err=True)
