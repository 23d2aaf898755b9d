"""``mlbsdk table``: care of a target's Delta tables."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlbsdk.cli.columns import aligned

if TYPE_CHECKING:
    from mlbsdk.writers.delta_care import DeltaTarget

app = typer.Typer(help="Look after a target's Delta tables; none of this starts Java.", no_args_is_help=True)
Target = Annotated[str | None, typer.Option(help="The target, such as delta:warehouse. Default: as for 'mlbsdk run'.")]
Config = Annotated[Path | None, typer.Option(help="Settings file. Default: mlbsdk.yaml, if there is one.")]
Tables = Annotated[list[str], typer.Argument(metavar="TABLE...", help="Tables, or patterns such as 'game.*'.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON object to standard output.")]
#: Files that are listed for a person.
_SHOWN = 10


@app.command("history")
def history(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="Such as game.live_game_plays.")],
    target: Target = None,
    limit: Annotated[int, typer.Option(min=1, help="How many versions, the newest first.")] = 20,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show the versions of a table: when each was written, and what it changed."""
    found = _target(target, config).history(table, limit)
    if as_json:
        commits = [asdict(commit) | {"at": commit.at.isoformat()} for commit in found]
        typer.echo(json.dumps({"version": 1, "table": table, "commits": commits}))
        return
    rows = [("VERSION", "WRITTEN (UTC)", "OPERATION", "FIGURES")]
    for commit in found:
        figures = ", ".join(f"{name} {value}" for name, value in sorted(commit.figures.items()) if _tells(value))
        rows.append((str(commit.version), f"{commit.at:%Y-%m-%d %H:%M:%S}", commit.operation, figures))
    typer.echo("\n".join(aligned(rows)))


@app.command("optimize")
def optimize(
    tables: Tables,
    target: Target = None,
    z_order: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Let rows alike in this column lie together. May be repeated."),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Join small files into larger ones; rows stay as they are."""
    delta = _target(target, config)
    found = delta.optimize(delta.tables(tables), z_order or ())
    if as_json:
        typer.echo(json.dumps({"version": 1, "tables": [asdict(one) for one in found]}))
        return
    rows = [("TABLE", "FILES BEFORE", "AFTER")]
    rows += [(one.table, str(one.files_before), str(one.files_after)) for one in found]
    typer.echo("\n".join(aligned(rows)))


@app.command("vacuum")
def vacuum(
    tables: Tables,
    target: Target = None,
    retention_hours: Annotated[
        int, typer.Option(min=0, help="Keep what versions of the last hours need; time travel reaches no further.")
    ] = 168,
    yes: Annotated[bool, typer.Option("--yes", help="Remove the files; without it they are only told.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Remove files that no version of the last hours needs; without --yes say which they are."""
    delta = _target(target, config)
    found = [delta.vacuum(name, retention_hours, dry_run=not yes) for name in delta.tables(tables)]
    if as_json:
        typer.echo(json.dumps({"version": 1, "removed": yes, "tables": [asdict(one) for one in found]}))
        return
    for one in found:
        typer.echo(f"{one.table}: {len(one.files)} files {'removed' if yes else 'would be removed'}")
        for name in one.files[:_SHOWN]:
            typer.echo(f"  {name}")
        if len(one.files) > _SHOWN:
            typer.echo(f"  and {len(one.files) - _SHOWN} more: --json lists them")
    if not yes and any(one.files for one in found):
        typer.echo("nothing was removed: --yes removes them", err=True)


def _target(target: str | None, config: Path | None) -> DeltaTarget:
    from mlbsdk.settings import load_settings
    from mlbsdk.writers.delta_care import DeltaTarget

    settings = load_settings(config, {"target": target})
    return DeltaTarget(settings.target, settings.storage)


def _tells(value: object) -> bool:
    """Whether a figure is worth a person's eye: not nothing, and no nested text."""
    return str(value) not in ("0", "") and not str(value).startswith(("{", "["))
