"""Run one transform from start to end: the Python API behind ``mlbsdk run``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from mlbsdk.errors import ConfigurationError
from mlbsdk.hookspecs import RunListener, Source, SourceDecl, SparkRequirements, TransformDecl, Writer, WriterDecl
from mlbsdk.mapping.choice import chosen
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import LoadedMapping
from mlbsdk.plugins import Plugins
from mlbsdk.report import RunReport
from mlbsdk.runtime.engines import Engines
from mlbsdk.runtime.interpreting import interpreting
from mlbsdk.runtime.kept_queries import kept_queries
from mlbsdk.runtime.planning import planned_once
from mlbsdk.runtime.preparation import (
    DEFAULT_TARGET,
    find_transform,
    load_mapping,
    make_source,
    make_writer,
    open_report,
    run_context,
    source_needs,
    writer_needs,
)
from mlbsdk.runtime.selection import OwnCaptures, conditions
from mlbsdk.runtime.session import is_here, session
from mlbsdk.runtime.standing import STANDING_BYTES, StandingQueries
from mlbsdk.runtime.storage import Storages
from mlbsdk.runtime.transformation import OnError, TransformMode, transformation_for
from mlbsdk.runtime.watchers import Watchers
from mlbsdk.settings import LineageSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mlbsdk.mapping.plan import Plan

__all__ = ["DEFAULT_TARGET", "RunRequest", "load_mapping", "run"]


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What to run. ``source`` None takes the plugin's sample; ``mapping`` replaces the plugin's mapping by a file."""

    name: str
    source: str | None = None
    target: str = DEFAULT_TARGET
    on_error: OnError = OnError.FAIL
    mapping: Path | None = None
    spark: Mapping[str, str] = field(default_factory=dict)
    log_file: Path | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    """Only captures that have these values in these fields of the mapping's first root target, or in its filters."""
    tables: tuple[str, ...] = ()
    """Only these tables, with or without their schema, and those of the mapping that they refer to; none for all."""
    storage: Mapping[str, object] = field(default_factory=dict)
    """Settings of the storages of paths such as ``s3a://``: see :class:`mlbsdk.settings.Settings`."""
    own_only: bool = False
    """Leave out captures that say they are responses of another endpoint or method, instead of rejecting them."""
    quality: tuple[str, ...] = ()
    """Engines of plugins that judge the tables beside the mapping's own rules: what they call an error closes the gate
    before anything is published, whatever ``on_error`` says, and all else is a warning."""
    lineage: LineageSettings = field(default_factory=LineageSettings)
    """What events tell of the run."""
    ends_process: bool = False
    """Whether the process ends with this run, as the command line's does: for few captures it gets a Java that is
    quick at once instead of quicker in the long run, and nothing is kept for a next run."""


def run(
    request: RunRequest,
    plugins: Plugins | None = None,
    spark: SparkSession | None = None,
    listeners: tuple[RunListener, ...] = (),
) -> RunReport:
    """Run a transform over all captures of its source.

    Args:
        request: what to run.
        plugins: the loaded plugins; by default those installed.
        spark: the session to use; by default one is made with what the source and the writer need.
        listeners: watchers besides those that plugins declare.

    Returns:
        The finished report.

    Raises:
        MlbsdkError: see :mod:`mlbsdk.errors`; the report so far is saved and listeners are told before it is raised.
    """
    with prepared(request, plugins or Plugins.load()) as one:
        return one.run(listeners, spark, ends_after=one.size if request.ends_process else None)


@dataclass(frozen=True)
class PreparedRun:
    """A run whose source, target and mapping were found good, before Java starts."""

    request: RunRequest
    plugins: Plugins
    transform: TransformDecl
    mapping: LoadedMapping
    source_decl: SourceDecl
    source: Source
    writer_decl: WriterDecl
    writer: Writer
    engines: Engines
    size: int | None
    """Bytes of JSON text, roughly; None when not known."""
    needs: tuple[SparkRequirements, ...]
    """What source, writer and engines need of Spark."""
    report: RunReport
    storages: Storages

    def run(
        self,
        listeners: tuple[RunListener, ...] = (),
        spark: SparkSession | None = None,
        needs: Iterable[SparkRequirements] = (),
        ends_after: int | None = None,
    ) -> RunReport:
        """Run it, once.

        Args:
            listeners: watchers besides those that plugins declare.
            spark: the session to use; by default one is made.
            needs: what a session that is made must have besides, for runs that come after.
            ends_after: bytes of JSON text, of this and those runs, after which the process ends; None if it goes on, or
                nobody knows.

        Raises:
            MlbsdkError: as :func:`run`.
        """
        request, plugins, report = self.request, self.plugins, self.report
        watchers = Watchers.made(listeners, plugins, report)
        with watchers.told():
            with watchers.phase("start"):
                spark = spark or session([*self.needs, *needs], request.spark, request.log_file, ends_after=ends_after)
                self.storages.use_in(spark)
            kind = plugins.call(self.transform, transformation_for, self.transform.name, self.transform.make)
            steps = kind(
                spark,
                self.mapping,
                source=self.source,
                writer=self.writer,
                on_error=request.on_error,
                report=report,
                engines=self.engines,
            )
            with (
                interpreting(spark, self.size),
                planned_once(spark, self.size),
                self._standing(spark, steps.plan) as steps.standing,
            ):
                try:
                    with watchers.phase("read"):
                        with plugins.running(self.source_decl, "reading"):
                            raw = steps.read_source()
                        watchers.tell("run_started")
                        with plugins.running(self.transform, "transforming"):
                            tables = steps.transform(raw)
                        self._note_nothing()
                    with watchers.phase("write"):
                        with plugins.running(self.writer_decl, "writing"):
                            steps.write_targets(tables)
                        self.engines.keep_figures(report)
                finally:
                    steps.release()
            watchers.batch_written(0)
        return report

    @contextlib.contextmanager
    def _standing(self, spark: SparkSession, plan: Plan) -> Iterator[StandingQueries | None]:
        """Give queries that later runs of this process use too, where the captures are few enough for them."""
        is_few = self.size is not None and self.size <= STANDING_BYTES
        if self.request.ends_process or not is_few or not is_here(spark.sparkContext.master):
            yield None
            return
        with kept_queries(spark, plan) as queries:
            yield queries

    def _note_nothing(self) -> None:
        """Say that there was nothing of what was asked for, which may be a slip."""
        if self.report.documents.read:
            return
        if self.request.where:
            asked = ", ".join(f"{field}={value}" for field, value in self.request.where.items())
            self.report.notes.append(f"no capture has {asked}")
        elif self.request.own_only:
            self.report.notes.append(f"no capture is a response of {self.transform.name}")


@contextlib.contextmanager
def prepared(request: RunRequest, plugins: Plugins) -> Iterator[PreparedRun]:
    """Give a run that can start, as long as its sample capture is unpacked.

    Raises:
        MlbsdkError: something that was asked for is not there, or can't work.
    """
    transform, loaded = find_transform(request.name, request.mapping, plugins)
    plan = chosen(compile_mapping(loaded), request.tables)
    conditions(loaded.mapping, request.where)
    engines = Engines.of(plugins, request.quality)
    storages = Storages(plugins, request.storage)
    with _source_address(request, transform) as address:
        source_decl, source = make_source(plugins, address, plan, request.where, storages)
        # A missing source is told before Java starts.
        size = plugins.call(source_decl, source.prepare)
        writer_decl, writer = make_writer(plugins, request.target, plan, storages=storages)
        yield PreparedRun(
            request,
            plugins,
            transform,
            loaded,
            source_decl,
            OwnCaptures(source) if request.own_only else source,
            writer_decl,
            writer,
            engines,
            size,
            (
                *source_needs(source_decl, address, storages),
                *writer_needs(writer_decl, request.target, size, request.spark, storages),
                *engines.needs,
            ),
            _report(request, transform, plugins, plan, address, writer, storages),
            storages,
        )


def _report(
    request: RunRequest,
    transform: TransformDecl,
    plugins: Plugins,
    plan: Plan,
    source: str,
    writer: Writer,
    storages: Storages,
) -> RunReport:
    """Return the report of the run that begins."""
    report = open_report(plan, source, request.target, TransformMode.BATCH, writer, storages)
    asked = {
        "source": report.source,
        "target": report.target,
        "on_error": request.on_error.value,
        "tables": ", ".join(request.tables),
        "quality": ", ".join(request.quality),
        **{f"where.{name}": value for name, value in request.where.items()},
    }
    given = {name: value for name, value in asked.items() if value}
    report.context = run_context(transform, request.mapping, plugins, request.lineage, given, _day(request.where))
    if request.source is None:
        report.source = f"the sample capture of {transform.name}"
        report.notes.append(
            f"no --source was given: this is the sample capture that the plugin ships ({Path(source).name})"
        )
    return report


def _day(where: Mapping[str, str]) -> date | None:
    """Return the day that was asked for by ``--date``; its value was checked already."""
    try:
        return date.fromisoformat(where.get("date", ""))
    except ValueError:
        return None


@contextlib.contextmanager
def _source_address(request: RunRequest, transform: TransformDecl) -> Iterator[str]:
    """Give the address to read from; the sample capture of a zipped package is unpacked for the run's time."""
    if request.source is not None:
        yield request.source
        return
    if transform.sample is None:
        raise ConfigurationError(
            f"{transform.name} ships no sample capture", fix="Say what to read: --source FILE, FOLDER or GLOB."
        )
    package, path = transform.sample
    with resources.as_file(resources.files(package).joinpath(path)) as file:
        yield str(file)
