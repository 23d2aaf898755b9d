"""``mlbsdk quality report`` and ``replay``: what checks found, and what becomes of refused rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlbsdk.cli.columns import aligned

if TYPE_CHECKING:
    from mlbsdk.runtime.replay import ReplayReport

Config = Annotated[Path | None, typer.Option(help="Settings file. Default: mlbsdk.yaml, if there is one.")]


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
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Show this profile of a table, as 'mlbsdk quality profile TABLE --json' prints it. May be repeated.",
        ),
    ] = None,
    config: Config = None,
) -> None:
    """Write the quality report of a run as one HTML file; this starts no Java."""
    from mlbsdk.quality.page.html import quality_report
    from mlbsdk.settings import load_settings

    settings = load_settings(config, {})
    found = location or settings.target
    write_page(quality_report(run, found, profiles=profile or (), storage=settings.storage), out)


def replay(
    target: Annotated[
        str | None, typer.Option(help="The target, such as delta:warehouse. Default: as for 'mlbsdk run'.")
    ] = None,
    transform: Annotated[str | None, typer.Option(metavar="NAME", help="Only rows of this transform.")] = None,
    table: Annotated[
        str | None,
        typer.Option(help="Only rows of this table; only it is written, and the tables that it refers to."),
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="RUN_ID", help="Only rows that this run refused.")] = None,
    source: Annotated[
        str | None, typer.Option(help="Read their captures from here, instead of from where they were read.")
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="Use this mapping file instead of the plugin's.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing: only say what would become of them.")
    ] = False,
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON object to standard output.")] = False,
) -> None:
    """Try quarantined rows again after a fix of the mapping: what passes now is published, and its entry settled.

    Their captures are read again and run through the current mapping. Rows whose captures are gone are tried from what
    the quarantine table keeps of them, where that is right.
    """
    from mlbsdk.runtime.replay import ReplayRequest
    from mlbsdk.runtime.replay import replay as try_again
    from mlbsdk.settings import load_settings

    settings = load_settings(config, {"target": target})
    request = ReplayRequest(
        target=settings.target,
        transform=transform,
        table=table,
        run_id=run,
        source=source,
        mapping=mapping,
        dry_run=dry_run,
        spark=settings.spark,
        storage=settings.storage,
        log_file=settings.spark_log,
    )
    found = try_again(request)
    typer.echo(json.dumps(found.to_json()) if as_json else "\n".join(_lines(found)))


def _lines(found: ReplayReport) -> list[str]:
    """Return what a replay did, for people."""
    if not any(one.entries for one in found.transforms):
        return [f"nothing to replay: no such row is open in the quarantine of {found.target}"]
    from mlbsdk.quality.outcomes import Outcome
    from mlbsdk.quality.quarantine import NAME as QUARANTINE

    rows = [("TRANSFORM", "ENTRIES", *(outcome.value.replace("_", " ").upper() for outcome in Outcome))]
    rows += [
        (one.transform, str(one.entries), *(str(one.outcomes.get(outcome.value, 0)) for outcome in Outcome))
        for one in found.transforms
    ]
    lines = aligned(rows)
    for one in found.transforms:
        lines += [f"{one.transform}: {each.rows} of {each.table} not replayed: {each.why}" for each in one.unreplayed]
    for name, table in ((name, table) for one in found.transforms for name, table in one.tables.items()):
        changes = {what: getattr(table, what) for what in ("inserted", "updated", "deleted")}
        if name != QUARANTINE and any(changes.values()):
            lines.append(f"{name}: {', '.join(f'{count} {what}' for what, count in changes.items() if count)}")
    lines.append("nothing was written: a dry run" if found.dry_run else f"{found.open} rows left in quarantine")
    return lines


def write_page(page: str, out: Path, what: str = "quality report") -> None:
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
    typer.echo(f"{what}: {out}", err=True)
