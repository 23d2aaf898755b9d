"""Options that several commands have."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mlbsdk_plugin_argo.local.report import WorkflowReport
    from mlbsdk_plugin_argo.local.runner import LocalOptions

Config = Annotated[
    Path | None, typer.Option("--config", help="The workflow's configuration. Default: workflow.yaml, if there is one.")
]
Store = Annotated[str | None, typer.Option(help="Where captures are kept: a folder, s3a://..., or a raw table.")]
Target = Annotated[str | None, typer.Option(help="Where tables go, as for 'mlbsdk run'.")]
Derive = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="A derived table to build in the end, such as 'analytics.*'. May be repeated."),
]
Image = Annotated[str | None, typer.Option(help="The container image of mlbsdk.")]
Namespace = Annotated[str | None, typer.Option(help="The namespace of Kubernetes.")]
Out = Annotated[Path | None, typer.Option(help="Write the manifest to this file instead of standard output.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object to standard output, and nothing else there.")
]
State = Annotated[Path, typer.Option(help="The folder that remembers what is done.")]
Jobs = Annotated[
    int | None, typer.Option(min=1, help="Most steps at once. Default: the number of processors, from 2 to 4.")
]
Again = Annotated[bool, typer.Option("--again", help="Forget what was done, and run all of it.")]

DEFAULT_STATE = Path(".mlbsdk-workflows")


def flags(derive: Sequence[str] | None = None, **given: Any) -> dict[str, Any]:
    """Return the flags that were given, as the configuration takes them."""
    return {"derive": tuple(derive) if derive else None, **given}


def run_here(document: dict[str, Any], options: LocalOptions, as_json: bool) -> None:
    """Run a workflow on this machine, show what it did, and end with its exit code."""
    from mlbsdk_plugin_argo.local.progress import Progress
    from mlbsdk_plugin_argo.local.runner import run_workflow

    progress = Progress(quiet=as_json)
    stop = threading.Event()
    with _signals(stop, progress.note):
        report = run_workflow(document, options, progress, stop)
        _show(report, as_json)
    if report.exit_code:
        raise typer.Exit(report.exit_code)


@contextmanager
def _signals(stop: threading.Event, note: Any) -> Iterator[None]:
    """Have Ctrl-C and SIGTERM end the steps that run, and the workflow then."""

    def asked(number: int, frame: object) -> None:
        if not stop.is_set():
            note("stopping: steps that run are ended, and are run again by the next call")
        stop.set()

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show(report: WorkflowReport, as_json: bool) -> None:
    import json

    if as_json:
        typer.echo(json.dumps(report.to_json()))
        return
    for error in report.errors:
        typer.echo(f"error: {error}", err=True)
    if report.was_done:
        typer.echo(f"{report.workflow} was done before; --again runs it from the beginning. State: {report.state}")
        return
    ran = sum(1 for node in report.nodes if node.attempts)
    before = sum(1 for node in report.nodes if node.from_before)
    known = f", {before} done before" if before else ""
    steps = f"{ran} step{'' if ran == 1 else 's'}"
    typer.echo(f"{report.workflow} {report.status} in {report.duration_s:.1f} s: {steps}{known}. State: {report.state}")
