"""``mlbsdk run``: a transform over all captures of a source."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlbsdk.cli.status_line import StatusLine
from mlbsdk.errors import ConfigurationError, MlbsdkError

if TYPE_CHECKING:
    from mlbsdk.plugins import Plugins
    from mlbsdk.report import DriftReport, RunReport
    from mlbsdk.runtime.run import RunRequest

#: Drifted paths that are shown to a person.
_DRIFT_SHOWN = 10


def run(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Transforms, such as game.live_game_v1 or 'game.*' ('mlbsdk plugins list' shows them).",
        ),
    ],
    source: Annotated[
        str | None,
        typer.Option(
            help="A file, folder or glob of captures, delta:, avro: or parquet:PATH, or postgresql://... "
            "Default: the plugin's sample."
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="delta:PATH (default delta:warehouse), parquet:PATH or avro:PATH.")
    ] = None,
    on_error: Annotated[
        str | None, typer.Option(help="fail (default) or quarantine: what happens to rows that break a rule.")
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="Use this mapping file instead of the plugin's.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=VALUE",
            help="Only captures that have this value, such as game_pk=747175 or season=2024. May be repeated.",
        ),
    ] = None,
    date: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Only captures of this date; as --where date=...")
    ] = None,
    season: Annotated[str | None, typer.Option(help="Only captures of this season; as --where season=...")] = None,
    game_pk: Annotated[str | None, typer.Option(help="Only captures of this game; as --where game_pk=...")] = None,
    tables: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TABLE,...",
            help="Only these tables, with or without their schema, and those that they refer to. May be repeated.",
        ),
    ] = None,
    quality: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ENGINE",
            help="Also let this plugin's quality engine, such as deequ, judge the tables before anything is published. "
            "May be repeated.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the quality report as an HTML file, also where the run fails."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file. Default: mlbsdk.yaml, if there is one.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object to standard output, and nothing else there.")
    ] = False,
) -> None:
    """Run transforms: read captures, cut tables, check them, write them."""
    from mlbsdk.plugins import Plugins
    from mlbsdk.runtime.run import RunRequest
    from mlbsdk.runtime.several import names_of
    from mlbsdk.runtime.transformation import OnError
    from mlbsdk.settings import load_settings

    require_policy(on_error)
    settings = load_settings(config, {"source": source, "target": target, "on_error": on_error})
    asked = {"date": date, "season": season, "game_pk": game_pk}
    request = RunRequest(
        name=names[0],
        source=settings.source,
        target=settings.target,
        on_error=OnError(settings.on_error or "fail"),
        mapping=mapping,
        where=_where([*(where or []), *(f"{field}={value}" for field, value in asked.items() if value is not None)]),
        tables=tuple(name.strip() for text in tables or [] for name in text.split(",") if name.strip()),
        quality=tuple(quality or ()),
        spark=settings.spark,
        storage=settings.storage,
        lineage=settings.lineage,
        log_file=settings.spark_log,
        ends_process=True,
    )
    plugins = Plugins.load()
    found = names_of(names, plugins)
    if found == tuple(names) and len(found) == 1:
        _run_one(request, plugins, as_json, report)
    elif report is not None:
        raise ConfigurationError(
            "--report goes with one transform", fix="'mlbsdk quality report RUN_ID' writes the page of each run."
        )
    elif mapping is not None:
        raise ConfigurationError("--mapping goes with one transform", fix="Name the transform that the file maps.")
    else:
        _run_several([replace(request, name=name) for name in found], plugins, as_json)


def _run_one(request: RunRequest, plugins: Plugins, as_json: bool, page: Path | None = None) -> None:
    from mlbsdk.runtime.run import run as run_transform

    progress = Progress(quiet=as_json)
    try:
        report = run_transform(request, plugins, listeners=(progress,))
    except MlbsdkError as problem:
        progress.stop()
        _write_page(progress.report, request, plugins, page)
        if as_json:
            typer.echo(json.dumps(failed(progress.report, request.name, problem)))
        raise
    progress.stop()
    if as_json:
        typer.echo(json.dumps(report.to_json()))
    else:
        show([report])
    _write_page(report, request, plugins, page)


def _write_page(report: RunReport | None, request: RunRequest, plugins: Plugins, page: Path | None) -> None:
    """Write the quality report of a run; of one that failed before it began there is none."""
    if page is not None and report is not None:
        from mlbsdk.cli.report_command import write_page
        from mlbsdk.quality.page.html import page_of

        write_page(page_of(report, request.target, plugins), page)


def _run_several(requests: list[RunRequest], plugins: Plugins, as_json: bool) -> None:
    """Run transforms, show what all did, and end with the first error if there was any."""
    from mlbsdk.runtime.several import for_tables, run_several

    progress = Progress(quiet=as_json)
    found = run_several(for_tables(requests, requests[0].tables, plugins), plugins, listeners=(progress,))
    progress.stop()
    if as_json:
        typer.echo(json.dumps(found.to_json()))
    else:
        show(found.runs)
        for name, failed_one in found.skipped.items():
            typer.echo(f"note: {name} was skipped: it refers to tables of {failed_one}", err=True)
        for name, other in list(found.problems.items())[1:]:
            typer.echo(f"error: {name}: {other}", err=True)
    if found.problems:
        raise next(iter(found.problems.values()))


def _where(given: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise ConfigurationError(f"--where is FIELD=VALUE, such as game_pk=747175, not '{text}'")
        if name in found:
            raise ConfigurationError(f"'{name}' is given twice: --where, --date, --season and --game-pk are one")
        found[name] = value
    return found


def failed(report: RunReport | None, name: str, problem: BaseException) -> dict[str, Any]:
    """Return the report of a run that failed as JSON, also where it failed before there was a report."""
    found: dict[str, Any] = (
        report.to_json() if report else {"version": 1, "run_id": None, "transform": name, "tables": {}}
    )
    errors = [str(error) for error in found.get("errors", [])]
    return found | {"status": "failed", "errors": errors if str(problem) in errors else [*errors, str(problem)]}


def show(reports: Sequence[RunReport]) -> None:
    """Print what runs did for people: results to standard output, notes to standard error."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("TABLE", no_wrap=True)
    columns = ("rows", "inserted", "updated", "unchanged", "deleted", "quarantined")
    for column in columns:
        table.add_column(column.upper(), justify="right")
    for report in reports:
        for name, entry in report.tables.items():
            table.add_row(name, *(str(getattr(entry, column)) for column in columns))
    console = Console(soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 160)
    console.print(table)
    notes = Console(stderr=True, soft_wrap=True)
    for report in reports:
        whose = f"{report.transform}: " if len(reports) > 1 else ""
        console.print(f"{whose}{_summary(report)}", highlight=False, markup=False)
        for rule in report.quality:
            notes.print(f"{rule.severity}: {rule.table} {rule.rule}: {rule.failed} rows", highlight=False, markup=False)
        for text in drift_lines(report.drift):
            notes.print(text, highlight=False, markup=False)
        for text in (*report.notes, *report.errors):
            notes.print(f"note: {whose}{text}", highlight=False, markup=False)


def _summary(report: RunReport) -> str:
    documents = report.documents
    seconds = ", ".join(f"{phase} {spent:.1f}" for phase, spent in report.phases.items())
    refused = f", {documents.rejected} rejected" if documents.rejected else ""
    written = "Written to" if report.status == "completed" else "Failed on its way to"
    return (
        f"{documents.newest} of {documents.read} captures used{refused}; "
        f"{len(report.tables)} tables in {report.duration_s:.1f} s ({seconds}). {written} {report.target}"
    )


def drift_lines(drift: Sequence[DriftReport]) -> list[str]:
    """Return what drifted, a line each; of many the first."""
    lines = []
    for one in drift[:_DRIFT_SHOWN]:
        found = f"{one.count} values" if one.kind == "new_path" else f"in none of {one.count} items, {one.field}"
        lines.append(f"drift: {one.kind.replace('_', ' ')} {one.path}: {found} (captures looked at: {one.sampled})")
    if len(drift) > _DRIFT_SHOWN:
        lines.append(f"drift: and {len(drift) - _DRIFT_SHOWN} more paths: --json and the saved report list them")
    return lines


class Progress:
    """Shows a person which phase a run is in, on standard error; silent where that is no terminal."""

    def __init__(self, quiet: bool) -> None:
        self.report: RunReport | None = None
        self._line = StatusLine(not quiet and sys.stderr.isatty())

    def phase_changed(self, report: RunReport, phase: str) -> None:
        """Show the phase."""
        self.report = report
        text = {
            "start": "starting Spark",
            "read": "reading and parsing captures",
            "write": "checking and writing tables",
        }
        self._line.show(f"{report.transform}: {text.get(phase, phase)}")

    def run_started(self, report: RunReport) -> None:
        """Nothing to show."""

    def batch_written(self, report: RunReport, batch_id: int) -> None:
        """Nothing to show."""

    def run_completed(self, report: RunReport) -> None:
        """Stop showing."""
        self.stop()

    def run_failed(self, report: RunReport, error: BaseException) -> None:
        """Stop showing."""
        self.stop()

    def stop(self) -> None:
        """Take the progress line away."""
        self._line.stop()


def require_policy(on_error: str | None) -> None:
    """Check what ``--on-error`` was given.

    Raises:
        ConfigurationError: it is no policy.
    """
    if on_error not in (None, "fail", "quarantine"):
        raise ConfigurationError(f"--on-error is 'fail' or 'quarantine', not '{on_error}'")
