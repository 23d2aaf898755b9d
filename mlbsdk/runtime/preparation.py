"""What runs and streams do alike before anything is read: find the transform, make source and writer, open a report."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from datetime import date
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from mlbsdk.errors import ConfigurationError
from mlbsdk.hookspecs import Source, SourceDecl, SparkRequirements, TransformDecl, Writer, WriterDecl
from mlbsdk.lineage.context import RunContext
from mlbsdk.lineage.source_code import code_location
from mlbsdk.mapping.load import LoadedMapping, load_file
from mlbsdk.plugins import Plugins
from mlbsdk.report import RunReport
from mlbsdk.runtime.addresses import is_local, split_address
from mlbsdk.runtime.session import is_here, master_of
from mlbsdk.runtime.storage import Storages
from mlbsdk.runtime.transformation import ARROW, MOST_RESULTS, TransformMode, may_leave_spark, new_report
from mlbsdk.settings import LineageSettings

if TYPE_CHECKING:
    from mlbsdk.mapping.plan import Plan

DEFAULT_TARGET = "delta:warehouse"


def load_mapping(transform: TransformDecl) -> LoadedMapping:
    """Load the mapping that a transform declares, from its package.

    Raises:
        MappingError: the mapping is missing or wrong.
    """
    package, path = transform.mapping
    with resources.as_file(resources.files(package).joinpath(path)) as file:
        return load_file(file)


def find_transform(name: str, mapping: Path | None, plugins: Plugins) -> tuple[TransformDecl, LoadedMapping]:
    """Return a transform and its mapping; the file ``mapping`` takes the place of the plugin's, or of a whole plugin.

    Raises:
        UnknownNameError: no plugin has the transform, and no mapping is given.
        MappingError: the mapping is missing or wrong.
        ConfigurationError: the given mapping is that of another transform.
    """
    if mapping is None:
        transform = plugins.transform(name)
        return transform, load_mapping(transform)
    loaded = load_file(mapping)
    if loaded.mapping.name != name:
        raise ConfigurationError(f"'{mapping}' is the mapping of {loaded.mapping.name}, not of {name}")
    if name in {decl.name for decl in plugins.transforms()}:
        return plugins.transform(name), loaded
    return TransformDecl(name=name, summary=loaded.mapping.description, mapping=("", str(mapping))), loaded


def make_source(
    plugins: Plugins,
    address: str,
    plan: Plan | None = None,
    where: Mapping[str, str] | None = None,
    storages: Storages | None = None,
) -> tuple[SourceDecl, Source]:
    """Make the source at an address; it has not looked for anything yet.

    Its options are ``plan``, ``where`` if only captures are wanted that have these values in these fields, and
    ``storage`` for a path in an object store.

    Raises:
        UnknownNameError: no plugin reads such addresses.
        PluginError: the plugin can't make it.
    """
    scheme, rest = split_address(address, "file")
    declared = plugins.source(scheme)
    options: dict[str, object] = {"plan": plan} | ({"where": dict(where)} if where else {})
    options |= (storages or Storages(plugins)).options(rest)
    return declared, plugins.call(declared, declared.make, rest, options)


def make_writer(
    plugins: Plugins, target: str, plan: Plan, *needed: str, storages: Storages | None = None
) -> tuple[WriterDecl, Writer]:
    """Make the writer, and have it prove that it can write.

    Args:
        plugins: the loaded plugins.
        target: its address.
        plan: what is to be written.
        needed: what it has to support beyond what the tables' ``on_missing`` asks for.
        storages: the storages of the run; by default with the environment's own settings.

    Raises:
        ConfigurationError: it can't do what is asked for.
        TargetUnwritableError: nothing can be written at the address.
    """
    scheme, rest = split_address(target, "delta")
    declared = plugins.writer(scheme)
    for_missing = {"keep": "upsert", "delete": "delete"}
    lacking = sorted(({for_missing[table.on_missing] for table in plan.tables} | set(needed)) - declared.supports)
    if lacking:
        raise ConfigurationError(
            f"the writer '{declared.name}' does not support {' and '.join(lacking)}, which {plan.name} needs",
            fix="Choose another --target.",
        )
    writer = plugins.call(declared, declared.make, rest, (storages or Storages(plugins)).options(rest))
    plugins.call(declared, writer.prepare)
    return declared, writer


def source_needs(declared: SourceDecl, address: str, storages: Storages) -> list[SparkRequirements]:
    """Return what the source at an address needs of Spark."""
    return [declared.spark, *storages.needs(split_address(address, "file")[1])]


def writer_needs(
    declared: WriterDecl, target: str, size: int | None, settings: Mapping[str, str], storages: Storages
) -> list[SparkRequirements]:
    """Return what the writer needs of Spark: nothing where a batch is committed without it.

    ``size`` is in bytes of JSON text; None is not known, as for batches that are still to come.
    """
    without_spark = (
        declared.name in ("delta", "parquet")
        and is_here(master_of(settings, os.environ))
        and may_leave_spark(size, {ARROW: "true", MOST_RESULTS: "0", **settings})
    )
    return [] if without_spark else [declared.spark, *storages.needs(split_address(target, "delta")[1])]


def open_report(
    plan: Plan, source: str, target: str, mode: TransformMode, writer: Writer, storages: Storages
) -> RunReport:
    """Return the report of a run or stream that begins."""
    report = new_report(plan, source, target, mode.value)
    report.location = location_of(target)
    report.storage = storages.of(report.location) if report.location is not None else None
    report.datasets = {table.name: writer.address_of(table.name) for table in plan.tables}
    return report


def run_context(
    transform: TransformDecl,
    mapping: Path | None,
    plugins: Plugins,
    settings: LineageSettings,
    parameters: Mapping[str, str],
    day: date | None = None,
) -> RunContext:
    """Return what lineage tells of a run besides its figures.

    Args:
        transform: what runs.
        mapping: the file that takes the place of its mapping, if any.
        plugins: the loaded plugins.
        settings: what the user wants told of all runs.
        parameters: what was asked; no secrets.
        day: the day whose documents were asked for.
    """
    package, resource = transform.mapping
    with contextlib.ExitStack() as stack:
        file = mapping
        if file is None:
            file = stack.enter_context(resources.as_file(resources.files(package).joinpath(resource)))
        code = code_location(file, resource if package else "", plugins.origin(transform) if package else "")
    return RunContext(
        parameters=dict(parameters),
        day=day,
        code=code,
        owners=settings.owners,
        tags=settings.tags,
        stack_traces=settings.stack_traces,
    )


def location_of(target: str) -> str | None:
    """Return the folder of a target's housekeeping; None for targets that have no folder."""
    from mlbsdk.writers.lakehouse import HOUSEKEEPING, root_of

    path = split_address(target, "delta")[1]
    return None if "://" in path and is_local(path) else f"{root_of(path)}/{HOUSEKEEPING}"
