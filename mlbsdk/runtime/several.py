"""Several transforms in one go: parents before children, one Spark session, one report."""

from __future__ import annotations

import contextlib
import fnmatch
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mlbsdk.errors import ConfigurationError, MlbsdkError, did_you_mean
from mlbsdk.hookspecs import RunListener
from mlbsdk.lineage.context import JobRun, RunContext
from mlbsdk.plugins import Plugins
from mlbsdk.report import RunReport
from mlbsdk.runtime.preparation import find_transform
from mlbsdk.runtime.run import PreparedRun, RunRequest, prepared

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pyspark.sql import SparkSession

    from mlbsdk.lineage.commands import Command

_PATTERN = frozenset("*?[")


@dataclass
class RunsReport:
    """What several transforms did."""

    runs: list[RunReport] = field(default_factory=list)
    """In the order in which they ran."""
    problems: dict[str, MlbsdkError] = field(default_factory=dict)
    """Why runs failed, by transform."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Transforms that did not run, with the failed one whose tables they refer to."""
    duration_s: float = 0.0

    @property
    def status(self) -> str:
        """completed, or failed if any did."""
        return "failed" if self.problems else "completed"

    def to_json(self) -> dict[str, Any]:
        """Return the ``--json`` object, format version 1."""
        return {
            "version": 1,
            "status": self.status,
            "duration_s": round(self.duration_s, 3),
            "runs": [report.to_json() for report in self.runs],
            "skipped": [{"transform": name, "because": failed} for name, failed in self.skipped.items()],
        }


def names_of(patterns: Iterable[str], plugins: Plugins) -> tuple[str, ...]:
    """Return the transforms that names and patterns such as ``game.*`` stand for, each once, as they come.

    Raises:
        ConfigurationError: no transform is like a pattern. A name that is none is told when its run is prepared.
    """
    known = sorted(transform.name for transform in plugins.transforms())
    found: dict[str, None] = {}
    for pattern in patterns:
        if not _PATTERN & set(pattern):
            found[pattern] = None
            continue
        alike = fnmatch.filter(known, pattern)
        if not alike:
            raise ConfigurationError(
                f"no installed transform is like '{pattern}'",
                fix=f"There are: {', '.join(known)}." if known else "Install a plugin, such as mlbsdk-plugin-game.",
            )
        found |= dict.fromkeys(alike)
    return tuple(found)


def for_tables(requests: Sequence[RunRequest], tables: Iterable[str], plugins: Plugins) -> tuple[RunRequest, ...]:
    """Return the runs that write the tables that are wanted, each with its own; all of them where none is named.

    Args:
        requests: one a transform.
        tables: names with or without their schema.
        plugins: the loaded plugins.

    Raises:
        ConfigurationError: none of the transforms has such a table.
    """
    wanted = tuple(tables)
    if not wanted:
        return tuple(requests)
    found = []
    known: set[str] = set()
    for request in requests:
        mapping = find_transform(request.name, request.mapping, plugins)[1].mapping
        names = {name for target in mapping.targets for name in (target.name, target.name.partition(".")[2])}
        known |= names
        own = tuple(name for name in wanted if name in names)
        if own:
            found.append(replace(request, tables=own))
    for name in wanted:
        if name not in known:
            transforms = ", ".join(request.name for request in requests)
            raise ConfigurationError(f"--tables: '{name}' is no table of {transforms}.{did_you_mean(name, known)}")
    return tuple(found)


def run_several(
    requests: Sequence[RunRequest],
    plugins: Plugins | None = None,
    spark: SparkSession | None = None,
    listeners: tuple[RunListener, ...] = (),
) -> RunsReport:
    """Run transforms one after the other, those first whose tables others refer to.

    Of a source that several read, each takes the captures that are not another's. When a run fails, those that refer
    to its tables are skipped, and the others run.

    Args:
        requests: what to run, each transform once.
        plugins: the loaded plugins; by default those installed.
        spark: the session to use; by default one is made with what all sources and writers need.
        listeners: watchers besides those that plugins declare.

    Returns:
        What each run did. Runs that failed are in it, and not raised.

    Raises:
        MlbsdkError: one of the runs can't start; none was started then.
    """
    plugins = plugins or Plugins.load()
    with contextlib.ExitStack() as stack:
        ready = [stack.enter_context(prepared(replace(request, own_only=True), plugins)) for request in requests]
        return run_prepared(ready, spark, listeners)


def run_prepared(
    ready: Sequence[PreparedRun],
    spark: SparkSession | None = None,
    listeners: tuple[RunListener, ...] = (),
    parent: JobRun | None = None,
) -> RunsReport:
    """Run what was prepared, as :func:`run_several`; ``parent`` is the run that all of them are a part of."""
    begun = time.monotonic()
    if parent is not None or len(ready) < 2:
        found = _run_in_order(ready, spark, listeners, parent)
    else:
        with _told(ready) as command:
            found = _run_in_order(ready, spark, listeners, command.run if command is not None else None)
            if command is not None:
                command.problem = next(iter(found.problems.values()), None)
    found.duration_s = time.monotonic() - begun
    return found


def _told(ready: Sequence[PreparedRun]) -> AbstractContextManager[Command | None]:
    """Tell of the runs as parts of one."""
    from mlbsdk.lineage.commands import told_command

    first = ready[0].report
    return told_command(
        "mlbsdk.run",
        "Runs several transforms, one after the other.",
        location=first.location,
        storage=first.storage,
        context=RunContext(
            parameters={"transforms": ", ".join(one.transform.name for one in ready)},
            day=first.context.day,
            owners=first.context.owners,
            tags=first.context.tags,
            stack_traces=first.context.stack_traces,
        ),
        note=first.note,
    )


def _run_in_order(
    ready: Sequence[PreparedRun],
    spark: SparkSession | None,
    listeners: tuple[RunListener, ...],
    parent: JobRun | None,
) -> RunsReport:
    found = RunsReport()
    parents = _parents({one.transform.name: one for one in ready})
    needs = [need for one in ready for need in one.needs]
    sizes = [one.size for one in ready]
    of_all = None if None in sizes else sum(size for size in sizes if size is not None)
    for one in _in_order(ready, parents):
        name = one.transform.name
        failed = next((parent for parent in parents[name] if parent in (*found.problems, *found.skipped)), None)
        if failed is not None:
            found.skipped[name] = failed
            continue
        found.runs.append(one.report)
        one.report.context = replace(one.report.context, parent=parent)
        try:
            one.run(listeners, spark, needs, of_all if one.request.ends_process else None)
        except MlbsdkError as problem:
            found.problems[name] = problem
    return found


def _parents(runs: Mapping[str, PreparedRun]) -> dict[str, list[str]]:
    """Return, for each transform, the others whose tables its tables refer to."""
    plans = {name: one.report.plan for name, one in runs.items()}
    homes = {table.name: name for name, plan in plans.items() if plan is not None for table in plan.tables}
    found: dict[str, list[str]] = {}
    for name, plan in plans.items():
        tables = plan.tables if plan is not None else ()
        referred = {homes.get(reference.to_table) for table in tables for reference in table.relationships}
        found[name] = sorted(home for home in referred if home is not None and home != name)
    return found


def _in_order(runs: Sequence[PreparedRun], parents: Mapping[str, Sequence[str]]) -> list[PreparedRun]:
    """Return runs with parents before children, else as given; of those that refer to each other the first is first."""
    waiting = {one.transform.name: one for one in runs}
    found: list[PreparedRun] = []
    while waiting:
        free = (name for name in waiting if not set(parents[name]) & waiting.keys())
        found.append(waiting.pop(next(free, next(iter(waiting)))))
    return found
