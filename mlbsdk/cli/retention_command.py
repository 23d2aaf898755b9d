"""``mlbsdk retention``: what is older than the layers of a configuration keep."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from mlbsdk.cli.columns import aligned
from mlbsdk.cli.export_command import ExportConfig, Layers
from mlbsdk.errors import ConfigurationError

if TYPE_CHECKING:
    from mlbsdk.layers.retention import LayerRetention

#: Partitions and odd files that are listed for a person.
_SHOWN = 10


def retention(
    config: ExportConfig,
    layer: Layers = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed: the default.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Remove it.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object to standard output, and nothing else there.")
    ] = False,
) -> None:
    """Remove partitions wholly older than their layer keeps; without --apply say which. It starts no Java."""
    from mlbsdk.layers.retention import retention as find
    from mlbsdk.settings import load_settings

    if dry_run and apply:
        raise ConfigurationError("--dry-run and --apply exclude each other", fix="Give one of them.")
    settings = load_settings(None, {})
    report = find(config, layers=tuple(layer or ()), apply=apply, storage=settings.storage)
    if as_json:
        typer.echo(json.dumps(report.to_json()))
        return
    for one in report.layers:
        _show(one, apply)
    what = "removed" if apply else "would be removed"
    typer.echo(f"{report.files} files, {report.bytes} bytes {what}")
    if not apply and report.files:
        typer.echo("nothing was removed: --apply removes them", err=True)


def _show(layer: LayerRetention, applied: bool) -> None:
    if layer.oldest_kept is None:
        typer.echo(f"{layer.layer}: all is kept for ever ({layer.folder})")
        return
    typer.echo(f"{layer.layer}: {layer.retention_days} days, so from {layer.oldest_kept} on ({layer.folder})")
    if layer.tables:
        rows: list[tuple[str, ...]] = [("  TABLE", "PARTITIONS", "FILES", "BYTES", "VACUUMED")]
        rows += [
            (f"  {one.table}", *map(str, (len(one.partitions), one.files, one.bytes, one.vacuumed)))
            for one in layer.tables
        ]
        typer.echo("\n".join(aligned(rows)))
        named = [f"{one.table} {partition}" for one in layer.tables for partition in one.partitions]
        _list("removed" if applied else "would remove", named)
    _list("kept, since it tells no date", list(layer.undated))
    _list("left alone", [f"{path}: {what}" for path, what in layer.left])


def _list(head: str, names: list[str]) -> None:
    for name in names[:_SHOWN]:
        typer.echo(f"  {head}: {name}")
    if len(names) > _SHOWN:
        typer.echo(f"  {head}: and {len(names) - _SHOWN} more; --json lists them")
