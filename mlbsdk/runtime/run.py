"""Run one transform from start to end: the Python API behind ``mlbsdk run``."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from mlbsdk.errors import ConfigurationError
from mlbsdk.hookspecs import RunListener, SparkRequirements, TransformDecl
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import LoadedMapping, load_file
from mlbsdk.plugins import Plugins
from mlbsdk.report import RunReport
from mlbsdk.runtime.addresses import is_local, split_address
from mlbsdk.runtime.session import session
from mlbsdk.runtime.transformation import OnError, TransformMode, new_report, transformation_for

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

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
    writer_scheme, target = split_address(request.target, "delta")
    writer_decl = plugins.writer(writer_scheme)
    _refuse_unsupported(writer_decl.name, writer_decl.supports, plan.tables)
    with _source_address(request, transform) as source_address:
        source_scheme, source_rest = split_address(source_address, "file")
        source_decl = plugins.source(source_scheme)
        source = source_decl.make(source_rest, {})
        if hasattr(source, "files"):
            source.files()  # a missing source is told before Java starts
        writer = writer_decl.make(target, {})
        report = new_report(plan, source_address, request.target, TransformMode.BATCH.value)
        writer.prepare()
        report.location = _location(target)
        report.datasets = {table.name: writer.address_of(table.name) for table in plan.tables}
        if request.source is None:
            report.source = f"the sample capture of {transform.name}"
            report.notes.append(
                f"no --source was given: this is the sample capture that the plugin ships ({Path(source_address).name})"
            )
        watchers = _Watchers.made(listeners, plugins, report)
        begun = time.monotonic()
        try:
            with _phase(report, watchers, "start"):
                needs = [source_decl.spark, *_writer_needs(writer_decl.spark, writer_scheme, source, request.spark)]
                spark = spark or session(needs, request.spark, request.log_file)
            kind = transformation_for(transform.name, transform.make)
            transformation = kind(
                spark,
                loaded,
                TransformMode.BATCH,
                source=source,
                writer=writer,
                on_error=request.on_error,
                report=report,
            )
            try:
                with _phase(report, watchers, "read"):
                    raw = transformation.read_source()
                    watchers.tell("run_started")
                    tables = transformation.transform(raw)
                with _phase(report, watchers, "write"):
                    transformation.write_targets(tables)
            finally:
                transformation.release()
            report.duration_s = time.monotonic() - begun
            report.status = "completed"
            watchers.tell("batch_written", 0)
            watchers.tell("run_completed")
        except BaseException as problem:
            report.duration_s = time.monotonic() - begun
            report.status = "failed"
            report.errors.append(str(problem) or type(problem).__name__)
            watchers.tell("run_failed", problem)
            save_report(report)
            raise
        save_report(report)
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


def _refuse_unsupported(writer: str, supports: frozenset[str], tables: tuple[object, ...]) -> None:
    deleting = [table for table in tables if getattr(table, "on_missing", "") == "delete"]
    if deleting and "delete" not in supports:
        raise ConfigurationError(
            f"the writer '{writer}' can't keep 'on_missing: delete', which this mapping asks for",
            fix="Choose another --target.",
        )


def _location(target: str) -> str | None:
    from mlbsdk.writers.lakehouse import HOUSEKEEPING, Lakehouse

    return None if "://" in target and is_local(target) else f"{Lakehouse(target).root}/{HOUSEKEEPING}"


def _writer_needs(
    needs: SparkRequirements, scheme: str, source: object, settings: Mapping[str, str]
) -> list[SparkRequirements]:
    """Return what the writer needs of Spark: nothing where small batches are committed without it."""
    from mlbsdk.runtime.transformation import SMALL_BATCH_BYTES

    size = getattr(source, "size", lambda: None)()
    is_here = settings.get("spark.master", "local").startswith("local") and "cluster" not in settings.get(
        "spark.master", ""
    )
    allowed = settings.get("spark.mlbsdk.arrow", "true") != "false"
    small = scheme == "delta" and is_here and allowed and size is not None and size <= SMALL_BATCH_BYTES
    return [] if small else [needs]


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


@contextlib.contextmanager
def _phase(report: RunReport, watchers: _Watchers, name: str) -> Iterator[None]:
    watchers.tell("phase_changed", name)
    begun = time.monotonic()
    try:
        yield
    finally:
        report.phases[name] = report.phases.get(name, 0.0) + time.monotonic() - begun


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
                made.append(declared.make({}))
            except Exception as problem:  # as in tell
                report.notes.append(
                    f"listener '{declared.name}' could not be made: {type(problem).__name__}: {problem}"
                )
        return cls(tuple(made), report)

    def tell(self, event: str, *details: object) -> None:
        for listener in self.listeners:
            act: Callable[..., None] = getattr(listener, event)
            try:
                act(self.report, *details)
            except Exception as problem:  # a watcher's own fault, whatever it is, must not harm the data
                self.report.notes.append(
                    f"{type(listener).__name__}.{event} failed: {type(problem).__name__}: {problem}"
                )
