"""``mlbsdk stream``: a transform that follows a source."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlbsdk.cli.run_command import failed, require_policy, show
from mlbsdk.cli.status_line import StatusLine
from mlbsdk.errors import ConfigurationError, MlbsdkError

if TYPE_CHECKING:
    from mlbsdk.report import BatchReport, RunReport

INTERRUPTED = 130
_ENDED = {
    "available": "all captures there were are written",
    "until": "every document satisfies --until",
    "idle": "no capture came for --idle-timeout",
    "stop": "asked to stop",
}
_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def stream(
    name: Annotated[
        str, typer.Argument(help="The transform, such as game.live_game_v1 ('mlbsdk plugins list' shows them).")
    ],
    source: Annotated[
        str | None,
        typer.Option(help="A folder or glob that captures are moved into, delta:PATH, or postgresql://..."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="delta:PATH (default delta:warehouse), parquet:PATH, avro:PATH or postgresql://..."),
    ] = None,
    trigger: Annotated[
        str | None,
        typer.Option(help="How often to look for captures (default 30s), or available-now: write what there is, end."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="PREDICATE",
            help="End once every document seen satisfies this SQL over the first table with a row a document, "
            "such as \"detailed_state = 'Final'\".",
        ),
    ] = None,
    idle_timeout: Annotated[
        str | None, typer.Option(help="End when no capture came for this long: 90s, 10m, 2h.")
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="The folder that remembers what was read. Default: one for this source and target."
        ),
    ] = None,
    accept_mapping_change: Annotated[
        bool,
        typer.Option("--accept-mapping-change", help="Go on from the checkpoint although the mapping has changed."),
    ] = False,
    on_error: Annotated[
        str | None, typer.Option(help="quarantine (default) or fail: what happens to rows that break a rule.")
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="Use this mapping file instead of the plugin's.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file. Default: mlbsdk.yaml, if there is one.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each batch, and the report as the last.")
    ] = False,
) -> None:
    """Follow a source: write each batch of new captures as it comes.

    Ctrl-C or SIGTERM completes the running batch and ends with exit code 0; a second one interrupts at once.
    """
    from mlbsdk.runtime.stream import StreamRequest
    from mlbsdk.runtime.stream import stream as stream_transform
    from mlbsdk.runtime.transformation import OnError
    from mlbsdk.settings import load_settings

    require_policy(on_error)
    flags = {"source": source, "target": target, "on_error": on_error, "trigger": trigger}
    settings = load_settings(config, flags | {"idle_timeout": idle_timeout, "checkpoint": checkpoint})
    if settings.source is None:
        raise ConfigurationError("a stream needs a source", fix="Say what to follow: --source FOLDER, for one.")
    request = StreamRequest(
        name=name,
        source=settings.source,
        target=settings.target,
        trigger=settings.trigger,
        until=until,
        idle_timeout=settings.idle_timeout,
        checkpoint=settings.checkpoint,
        accept_mapping_change=accept_mapping_change,
        on_error=OnError(settings.on_error or "quarantine"),
        mapping=mapping,
        spark=settings.spark,
        storage=settings.storage,
        lineage=settings.lineage,
        log_file=settings.spark_log,
    )
    display = Display(as_json)
    try:
        report = stream_transform(request, listeners=(display,))
    except (MlbsdkError, KeyboardInterrupt) as problem:
        display.stop()
        if as_json:
            typer.echo(json.dumps(failed(display.report, name, problem)))
        if isinstance(problem, KeyboardInterrupt):
            _leave_at_once()
        raise
    display.stop()
    if as_json:
        typer.echo(json.dumps(report.to_json()))
    else:
        show([report])
        typer.echo(_end(report))


def _leave_at_once() -> None:
    """End the process without waiting for threads that still write: the next start repeats their batch."""
    typer.echo("stopped in the middle of a batch: the next start repeats it", err=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def _end(report: RunReport) -> str:
    assert report.stream is not None
    count = report.stream.batches
    batches = f"{count} batch{'' if count == 1 else 'es'}"
    return f"{batches}; ended: {_ENDED[report.stream.ended_by]}. Checkpoint: {report.stream.checkpoint}"


class Display:
    """Shows how a stream goes on: a line that changes on a terminal, otherwise a line for each batch."""

    def __init__(self, as_json: bool) -> None:
        self.report: RunReport | None = None
        self._as_json = as_json
        self._line = StatusLine(not as_json and sys.stderr.isatty())

    def phase_changed(self, report: RunReport, phase: str) -> None:
        """Show what is done at the moment, before what the last batch was."""
        self.report = report
        text = {"start": "starting Spark", "read": "reading", "write": "writing"}
        self._show(text.get(phase, phase))

    def run_started(self, report: RunReport) -> None:
        """Say that captures may come."""
        self._show("waiting for captures")

    def batch_written(self, report: RunReport, batch_id: int) -> None:
        """Show what a batch was."""
        assert report.stream is not None
        assert report.stream.last is not None
        batch = report.stream.last
        if self._as_json:
            typer.echo(json.dumps(batch.to_json()))
            sys.stdout.flush()
        elif not self._line.is_shown:
            typer.echo(f"{report.transform}: {line(batch)}", err=True)
        self._show("waiting for captures")

    def run_completed(self, report: RunReport) -> None:
        """Stop showing."""
        self.stop()

    def run_failed(self, report: RunReport, error: BaseException) -> None:
        """Stop showing."""
        self.stop()

    def stop(self) -> None:
        """Take the line away."""
        self._line.stop()

    def _show(self, doing: str) -> None:
        if self.report is None:
            return
        stream = self.report.stream
        last = f"; {line(stream.last)}" if stream is not None and stream.last is not None else ""
        self._line.show(f"{self.report.transform}: {doing}{last}")


def line(batch: BatchReport) -> str:
    """Return what a batch was, on one line."""
    documents = batch.documents
    refused = f", {documents.rejected} rejected" if documents.rejected else ""
    rate = batch.rows / batch.seconds if batch.seconds > 0 else 0.0
    lag = f", lag {_shortly(batch.lag_s)}" if batch.lag_s is not None else ""
    return (
        f"batch {batch.batch_id}: {documents.newest} documents{refused}, {batch.rows} rows ({rate:.0f} rows/s), "
        f"visible {_shortly(batch.seconds)} after the trigger{lag}"
    )


def _shortly(seconds: float) -> str:
    """Return a time in one unit, such as ``1.2 s`` or ``3.5 h``."""
    unit, size = next(((unit, size) for unit, size in _UNITS if abs(seconds) >= size), ("s", 1))
    return f"{seconds / size:.1f} {unit}"
