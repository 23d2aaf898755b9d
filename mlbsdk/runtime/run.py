"""Run one transform from start to end: the Python API behind ``mlbsdk run``."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from mlbsdk.errors import ConfigurationError
from mlbsdk.hookspecs import (
    RunListener,
    Source,
    SourceDecl,
    SparkRequirements,
    TransformDecl,
    Writer,
    WriterDecl,
)
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import LoadedMapping, load_file
from mlbsdk.plugins import Plugins
from mlbsdk.report import RunReport
from mlbsdk.runtime.addresses import is_local, split_address
from mlbsdk.runtime.session import is_here, master_of, session
from mlbsdk.runtime.transformation import ARROW, OnError, TransformMode, is_small, new_report, transformation_for

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mlbsdk.mapping.plan import Plan

DEFAULT_TARGET = "delta:warehouse"


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


def load_mapping(transform: TransformDecl) -> LoadedMapping:
    """Load the mapping that a transform declares, from its package.

    Raises:
        MappingError: the mapping is missing or wrong.
    """
    package, path = transform.mapping
    with resources.as_file(resources.files(package).joinpath(path)) as file:
        return load_file(file)


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
    plugins = plugins or Plugins.load()
    transform = _declared(request, plugins)
    loaded = load_file(request.mapping) if request.mapping else load_mapping(transform)
    plan = compile_mapping(loaded)
    with _source_address(request, transform) as address:
        source_decl, source, size = _source(plugins, address)
        writer_decl, writer = _writer(plugins, request.target, plan)
        report = _report(request, transform, plan, address, writer)
        watchers = _Watchers.made(listeners, plugins, report)
        with watchers.told():
            with watchers.phase("start"):
                needs = [source_decl.spark, *_writer_needs(writer_decl, size, request.spark)]
                spark = spark or session(needs, request.spark, request.log_file)
            kind = plugins.call(transform, transformation_for, transform.name, transform.make)
            steps = kind(spark, loaded, source=source, writer=writer, on_error=request.on_error, report=report)
            try:
                with watchers.phase("read"):
                    raw = steps.read_source()
                    watchers.tell("run_started")
                    tables = steps.transform(raw)
                with watchers.phase("write"):
                    steps.write_targets(tables)
            finally:
                steps.release()
        return report


def save_report(report: RunReport) -> Path | None:
    """Save the report as JSON beside the target's housekeeping; return where, or None for targets without a folder."""
    if report.location is None or not is_local(report.location):
        return None
    folder = Path(report.location) / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.started_at:%Y%m%dT%H%M%SZ}-{report.run_id}.json"
    path.write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
    return path


def _declared(request: RunRequest, plugins: Plugins) -> TransformDecl:
    if request.mapping is None:
        return plugins.transform(request.name)
    loaded = load_file(request.mapping)
    if loaded.mapping.name != request.name:
        raise ConfigurationError(f"'{request.mapping}' is the mapping of {loaded.mapping.name}, not of {request.name}")
    if request.name in {decl.name for decl in plugins.transforms()}:
        return plugins.transform(request.name)
    return TransformDecl(name=request.name, summary=loaded.mapping.description, mapping=("", str(request.mapping)))


def _source(plugins: Plugins, address: str) -> tuple[SourceDecl, Source, int | None]:
    """Make the source, and have it look for what it will read: a missing source is told before Java starts."""
    scheme, rest = split_address(address, "file")
    declared = plugins.source(scheme)
    source = plugins.call(declared, declared.make, rest, {})
    return declared, source, plugins.call(declared, source.prepare)


def _writer(plugins: Plugins, target: str, plan: Plan) -> tuple[WriterDecl, Writer]:
    """Make the writer, and have it prove that it can write.

    Raises:
        ConfigurationError: it can't do what the mapping asks for.
    """
    scheme, rest = split_address(target, "delta")
    declared = plugins.writer(scheme)
    needed = {"keep": "upsert", "delete": "delete"}
    lacking = sorted({needed[table.on_missing] for table in plan.tables} - declared.supports)
    if lacking:
        raise ConfigurationError(
            f"the writer '{declared.name}' does not support {' and '.join(lacking)}, which {plan.name} needs",
            fix="Choose another --target.",
        )
    writer = plugins.call(declared, declared.make, rest, {})
    plugins.call(declared, writer.prepare)
    return declared, writer


def _report(request: RunRequest, transform: TransformDecl, plan: Plan, source: str, writer: Writer) -> RunReport:
    """Return the report of the run that begins."""
    report = new_report(plan, source, request.target, TransformMode.BATCH.value)
    report.location = _location(split_address(request.target, "delta")[1])
    report.datasets = {table.name: writer.address_of(table.name) for table in plan.tables}
    if request.source is None:
        report.source = f"the sample capture of {transform.name}"
        report.notes.append(
            f"no --source was given: this is the sample capture that the plugin ships ({Path(source).name})"
        )
    return report


def _location(target: str) -> str | None:
    from mlbsdk.writers.lakehouse import HOUSEKEEPING, Lakehouse

    return None if "://" in target and is_local(target) else f"{Lakehouse(target).root}/{HOUSEKEEPING}"


def _writer_needs(declared: WriterDecl, size: int | None, settings: Mapping[str, str]) -> list[SparkRequirements]:
    """Return what the writer needs of Spark: nothing where a small batch is committed to Delta without it."""
    without_spark = (
        declared.name == "delta"
        and is_here(master_of(settings, os.environ))
        and settings.get(ARROW, "true") != "false"
        and is_small(size)
    )
    return [] if without_spark else [declared.spark]


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


class _Watchers:
    """Tells every listener; one that raises is noted in the report and never stops the run."""

    def __init__(self, listeners: tuple[RunListener, ...], report: RunReport) -> None:
        self.listeners = listeners
        self.report = report

    @classmethod
    def made(cls, given: tuple[RunListener, ...], plugins: Plugins, report: RunReport) -> _Watchers:
        """Make the listeners that plugins declare; one that can't be made is noted."""
        made = list(given)
        for declared in plugins.listeners():
            try:
                made.append(plugins.call(declared, declared.make, {}))
            except Exception as problem:  # as in tell
                report.notes.append(
                    f"listener '{declared.name}' could not be made: {type(problem).__name__}: {problem}"
                )
        return cls(tuple(made), report)

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Tell how what is done inside ends, and save the report."""
        begun = time.monotonic()
        try:
            yield
            self.report.duration_s = time.monotonic() - begun
            self.report.status = "completed"
            self.tell("batch_written", 0)
            self.tell("run_completed")
        except BaseException as problem:
            self.report.duration_s = time.monotonic() - begun
            self.report.status = "failed"
            self.report.errors.append(str(problem) or type(problem).__name__)
            self.tell("run_failed", problem)
            raise
        finally:
            save_report(self.report)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Tell that a phase begins, and note its seconds."""
        self.tell("phase_changed", name)
        begun = time.monotonic()
        try:
            yield
        finally:
            self.report.phases[name] = self.report.phases.get(name, 0.0) + time.monotonic() - begun

    def tell(self, event: str, *details: object) -> None:
        for listener in self.listeners:
            act: Callable[..., None] = getattr(listener, event)
            try:
                act(self.report, *details)
            except Exception as problem:  # a watcher's own fault, whatever it is, must not harm the data
                self.report.notes.append(
                    f"{type(listener).__name__}.{event} failed: {type(problem).__name__}: {problem}"
                )
