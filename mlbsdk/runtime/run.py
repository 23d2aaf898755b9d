"""Run one transform from start to end: the Python API behind ``mlbsdk run``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from mlbsdk.errors import ConfigurationError
from mlbsdk.hookspecs import RunListener, TransformDecl
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.plugins import Plugins
from mlbsdk.report import RunReport
from mlbsdk.runtime.engines import Engines
from mlbsdk.runtime.interpreting import interpreting
from mlbsdk.runtime.preparation import (
    DEFAULT_TARGET,
    find_transform,
    load_mapping,
    make_source,
    make_writer,
    open_report,
    writer_needs,
)
from mlbsdk.runtime.selection import conditions
from mlbsdk.runtime.session import session
from mlbsdk.runtime.transformation import OnError, TransformMode, transformation_for
from mlbsdk.runtime.watchers import Watchers

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mlbsdk.hookspecs import Writer
    from mlbsdk.mapping.plan import Plan

__all__ = ["DEFAULT_TARGET", "RunRequest", "load_mapping", "run"]


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What to run. ``source`` None takes the plugin's sample; ``mapping`` replaces the plugin's mapping by a file.

    ``where`` leaves only captures that have these values in these fields of the mapping's first root target.
    ``quality`` names engines of plugins that judge the tables beside the mapping's own rules; they warn.
    """

    name: str
    source: str | None = None
    target: str = DEFAULT_TARGET
    on_error: OnError = OnError.FAIL
    mapping: Path | None = None
    spark: Mapping[str, str] = field(default_factory=dict)
    log_file: Path | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    quality: tuple[str, ...] = ()


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
    transform, loaded = find_transform(request.name, request.mapping, plugins)
    plan = compile_mapping(loaded)
    conditions(loaded.mapping, request.where)
    engines = Engines.of(plugins, request.quality)
    with _source_address(request, transform) as address:
        source_decl, source = make_source(plugins, address, plan, request.where)
        # A missing source is told before Java starts.
        size = plugins.call(source_decl, source.prepare)
        writer_decl, writer = make_writer(plugins, request.target, plan)
        report = _report(request, transform, plan, address, writer)
        watchers = Watchers.made(listeners, plugins, report)
        with watchers.told():
            with watchers.phase("start"):
                needs = [source_decl.spark, *writer_needs(writer_decl, size, request.spark), *engines.needs]
                spark = spark or session(needs, request.spark, request.log_file)
            kind = plugins.call(transform, transformation_for, transform.name, transform.make)
            steps = kind(spark, loaded, source=source, writer=writer, on_error=request.on_error, report=report)
            with interpreting(spark, size):
                try:
                    with watchers.phase("read"):
                        with plugins.running(source_decl, "reading"):
                            raw = steps.read_source()
                        watchers.tell("run_started")
                        with plugins.running(transform, "transforming"):
                            tables = steps.transform(raw)
                        _note_nothing(request, report)
                    with watchers.phase("write"):
                        report.quality += engines.judge(tables, plan)
                        with plugins.running(writer_decl, "writing"):
                            steps.write_targets(tables)
                finally:
                    steps.release()
            watchers.batch_written(0)
        return report


def _report(request: RunRequest, transform: TransformDecl, plan: Plan, source: str, writer: Writer) -> RunReport:
    """Return the report of the run that begins."""
    report = open_report(plan, source, request.target, TransformMode.BATCH, writer)
    if request.source is None:
        report.source = f"the sample capture of {transform.name}"
        report.notes.append(
            f"no --source was given: this is the sample capture that the plugin ships ({Path(source).name})"
        )
    return report


def _note_nothing(request: RunRequest, report: RunReport) -> None:
    """Say that no capture has the values that were asked for, which may be a slip."""
    if request.where and not report.documents.read:
        asked = ", ".join(f"{field}={value}" for field, value in request.where.items())
        report.notes.append(f"no capture has {asked}")


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
