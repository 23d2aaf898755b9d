"""Follow a source and keep the tables up to date: the Python API behind ``mlbsdk stream``."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlbsdk.errors import ConfigurationError
from mlbsdk.hookspecs import RangeSource, RunListener, Source, SourceDecl, StreamSource, TransformDecl
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.plugins import Plugins
from mlbsdk.report import RunReport, StreamReport
from mlbsdk.runtime.checkpoint import Checkpoint, Marker, canonical, without_passwords
from mlbsdk.runtime.durations import seconds_of
from mlbsdk.runtime.ending import EndedBy, Ending
from mlbsdk.runtime.following import RangeFollower, SparkFollower
from mlbsdk.runtime.interpreting import interpreting
from mlbsdk.runtime.micro_batch import MicroBatches
from mlbsdk.runtime.preparation import (
    DEFAULT_TARGET,
    find_transform,
    make_source,
    make_writer,
    open_report,
    run_context,
    source_needs,
    writer_needs,
)
from mlbsdk.runtime.session import is_here, session
from mlbsdk.runtime.sources import FileSource
from mlbsdk.runtime.standing import StandingQueries
from mlbsdk.runtime.storage import LOCAL, Storages
from mlbsdk.runtime.transformation import OnError, TransformMode, transformation_for
from mlbsdk.runtime.until import Until
from mlbsdk.runtime.watchers import Watchers
from mlbsdk.settings import LineageSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mlbsdk.hookspecs import Writer
    from mlbsdk.mapping.plan import Plan

DEFAULT_TRIGGER = "30s"
AVAILABLE_NOW = "available-now"


@dataclass(frozen=True, kw_only=True)
class StreamRequest:
    """What to stream. ``mapping`` replaces the plugin's mapping by a file."""

    name: str
    source: str
    target: str = DEFAULT_TARGET
    trigger: str = DEFAULT_TRIGGER
    """A duration between batches, or ``available-now``: write what there is, and end."""
    until: str | None = None
    """End once every document that was seen satisfies this condition over the first root table: Spark SQL."""
    idle_timeout: str | None = None
    """End when no capture came for this long."""
    checkpoint: str | None = None
    """A folder, on this machine or ``s3a://...``; by default one that belongs to transform, source and target."""
    accept_mapping_change: bool = False
    on_error: OnError = OnError.QUARANTINE
    mapping: Path | None = None
    spark: Mapping[str, str] = field(default_factory=dict)
    storage: Mapping[str, object] = field(default_factory=dict)
    """Settings of the storages of paths such as ``s3a://``: see :class:`mlbsdk.settings.Settings`."""
    log_file: Path | None = None
    lineage: LineageSettings = field(default_factory=LineageSettings)
    """What events tell of the stream."""


def stream(
    request: StreamRequest,
    plugins: Plugins | None = None,
    spark: SparkSession | None = None,
    listeners: tuple[RunListener, ...] = (),
    stop: threading.Event | None = None,
) -> RunReport:
    """Follow a source, batch by batch, until the stream is to end.

    SIGINT, SIGTERM and ``stop`` complete and commit the running batch, and end the stream; a second signal interrupts
    it at once. Signals are taken only where this is called in the process's main thread.

    Args:
        request: what to stream.
        plugins: the loaded plugins; by default those installed.
        spark: the session to use; by default one is made with what the source and the writer need.
        listeners: watchers besides those that plugins declare.
        stop: set it, from any thread, to end the stream after the running batch.

    Returns:
        The finished report; its figures add up over the batches since this start.

    Raises:
        MlbsdkError: see :mod:`mlbsdk.errors`; nothing of the batch that failed is committed, and the next start repeats
            it. The report so far is saved and listeners are told before it is raised.
        KeyboardInterrupt: the second signal came.
    """
    trigger_s = None if request.trigger == AVAILABLE_NOW else seconds_of(request.trigger, "--trigger")
    idle_s = seconds_of(request.idle_timeout, "--idle-timeout") if request.idle_timeout else None
    plugins = plugins or Plugins.load()
    transform, loaded = find_transform(request.name, request.mapping, plugins)
    plan = compile_mapping(loaded)
    until = Until(request.until, plan) if request.until else None
    storages = Storages(plugins, request.storage)
    source_decl, source = make_source(plugins, request.source, plan, storages=storages)
    storages.check()
    _require_followable(plugins, source_decl, source)
    writer_decl, writer = make_writer(plugins, request.target, plan, "stream", storages=storages)
    report = _report(request, transform, plugins, plan, writer, storages)
    checkpoint = _checkpoint(request, plan, report, storages)
    ending = Ending(stop or threading.Event(), until, idle_s)
    with checkpoint.locked(), ending.on_signals():
        marker = _marker(request, plan)
        checkpoint.claim(marker, request.accept_mapping_change)
        if until is not None:
            until.load(checkpoint)
        watchers = Watchers.made(listeners, plugins, report)
        with watchers.told():
            with watchers.phase("start"):
                needs = source_needs(source_decl, request.source, storages) + storages.needs(checkpoint.folder)
                needs += writer_needs(writer_decl, request.target, None, request.spark, storages)
                spark = spark or session(needs, request.spark, request.log_file)
                storages.use_in(spark)
            ending.listen()
            kind = plugins.call(transform, transformation_for, transform.name, transform.make)
            assert report.stream is not None
            # Between two looks few captures come; when catching up there may be many.
            few = trigger_s is not None
            with interpreting(spark, 0 if few else None), _standing(spark, plan, few) as standing:
                batches = MicroBatches(
                    kind, loaded, writer, request.on_error, report, watchers, ending, checkpoint, standing
                )
                report.stream.ended_by = _follow(batches, spark, source, trigger_s)
    return report


@contextmanager
def _standing(spark: SparkSession, plan: Plan, few: bool) -> Iterator[StandingQueries | None]:
    """Give queries for small batches, where Spark runs on this machine and batches are to be small."""
    queries = StandingQueries(spark, plan) if few and is_here(spark.sparkContext.master) else None
    try:
        yield queries
    finally:
        if queries is not None:
            queries.close()


def _follow(batches: MicroBatches, spark: SparkSession, source: Source, trigger_s: float | None) -> EndedBy:
    """Follow the source in the way that it offers."""
    checkpoint, ending, mapping = batches.checkpoint, batches.ending, batches.mapping.mapping

    def opened(dataset: tuple[str, str]) -> None:
        batches.report.source_dataset = dataset
        batches.watchers.tell("run_started")

    if isinstance(source, RangeSource):
        return RangeFollower(batches, checkpoint, ending, trigger_s, opened).follow(spark, mapping, source)
    assert isinstance(source, StreamSource)
    raw = source.stream(spark, mapping)
    opened(raw.dataset)
    every_file_gives_rows = isinstance(source, FileSource)
    return SparkFollower(batches, checkpoint, ending, trigger_s, every_file_gives_rows).follow(raw)


def _require_followable(plugins: Plugins, declared: SourceDecl, source: Source) -> None:
    """Check that a source can be followed; one that is read in ranges looks for its raw rows before Java starts.

    Raises:
        ConfigurationError: it can only be read as a whole.
        SourceError: there is nothing at its address.
    """
    if isinstance(source, RangeSource):
        plugins.call(declared, source.prepare)
    elif not isinstance(source, StreamSource):
        raise ConfigurationError(
            f"a stream can't follow the source '{declared.name}'",
            fix="What can be followed: a folder or glob of capture files, delta:PATH, and sources of plugins that say "
            "so, such as postgresql://... 'mlbsdk run' reads the others.",
        )


def _report(
    request: StreamRequest, transform: TransformDecl, plugins: Plugins, plan: Plan, writer: Writer, storages: Storages
) -> RunReport:
    report = open_report(plan, request.source, request.target, TransformMode.STREAMING, writer, storages)
    report.source, report.target = _shown(report.source), _shown(report.target)
    asked = {
        "source": report.source,
        "target": report.target,
        "on_error": request.on_error.value,
        "trigger": request.trigger,
        "until": request.until or "",
        "idle_timeout": request.idle_timeout or "",
    }
    given = {name: value for name, value in asked.items() if value}
    report.context = run_context(transform, request.mapping, plugins, request.lineage, given)
    return report


def _shown(address: str) -> str:
    return without_passwords(address) if "://" in address else address


def _marker(request: StreamRequest, plan: Plan) -> Marker:
    return Marker(
        transform=plan.name,
        source=canonical(request.source, "file"),
        target=canonical(request.target, "delta"),
        fingerprint=plan.fingerprint,
    )


def _checkpoint(request: StreamRequest, plan: Plan, report: RunReport, storages: Storages) -> Checkpoint:
    """Return the checkpoint that was asked for, or the one that belongs to the stream; it is not there yet."""
    if request.checkpoint is not None:
        found = Checkpoint.at(request.checkpoint, storages)
    else:
        source, target = canonical(request.source, "file"), canonical(request.target, "delta")
        found = Checkpoint.default(plan.name, source, target, report.location, report.storage or LOCAL)
    report.stream = StreamReport(str(found))
    return found
