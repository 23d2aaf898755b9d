"""Which graph is meant: of the last run, of a run by its id, or of a mapping; the Python API of ``lineage show``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mlbsdk.errors import ConfigurationError, MlbsdkError
from mlbsdk.hookspecs import Storage
from mlbsdk.lineage.graph import LineageGraph, graph_of_plan, graph_of_run, transform_of
from mlbsdk.lineage.recorded import recorded_run
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file
from mlbsdk.mapping.plan import Plan
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.preparation import load_mapping
from mlbsdk.runtime.storage import storage_of

#: The first letters of a run's id, a UUID.
_RUN_ID = re.compile(r"[0-9a-fA-F]{4,8}(-[0-9a-fA-F-]*)?")


def lineage_graph(
    what: str | None = None,
    location: str = "warehouse/_mlbsdk",
    *,
    storage: Storage | None = None,
    plugins: Plugins | None = None,
) -> LineageGraph:
    """Return the graph from a raw capture to each column, of a run or of a mapping; no Spark is needed.

    Args:
        what: a run's id or its first letters; or a transform or mapping file, that need never have run; None is the
            last run.
        location: the target's ``_mlbsdk`` folder, for runs.
        storage: what keeps that folder; by default found by its path, with the environment's own settings.
        plugins: the loaded plugins; by default those installed.

    Raises:
        ConfigurationError: there is no such run.
        UnknownNameError: no plugin has the transform.
        MappingError: the mapping is wrong.
    """
    return graph_and_events(what, location, storage, plugins)[0]


def lineage_page(
    what: str | None = None,
    location: str = "warehouse/_mlbsdk",
    *,
    storage: Storage | None = None,
    plugins: Plugins | None = None,
) -> str:
    """Return the same graph as one HTML page that loads nothing; arguments and errors as :func:`lineage_graph`."""
    from mlbsdk.lineage.page import page_of

    return page_of(lineage_graph(what, location, storage=storage, plugins=plugins))


def graph_and_events(
    what: str | None, location: str, storage: Storage | None = None, plugins: Plugins | None = None
) -> tuple[LineageGraph, list[dict[str, Any]]]:
    """Return the graph, and the events that it was made of; raises as :func:`lineage_graph`."""
    plugins = plugins or Plugins.load()
    if what is not None and not _RUN_ID.fullmatch(what):
        return graph_of_plan(plan_of(what, plugins)), []
    run = recorded_run(location, what, storage or storage_of(location, plugins=plugins))
    try:
        return graph_of_run(run.events, run.saved, _plan_now(transform_of(run.events), plugins)), run.events
    except (ValueError, KeyError, TypeError) as problem:
        raise ConfigurationError(
            f"the events at '{location}' are not those of a transform: {problem}",
            fix="'mlbsdk lineage show NAME' shows a mapping without them.",
        ) from problem


def plan_of(name_or_file: str, plugins: Plugins) -> Plan:
    """Compile the mapping of a transform, or a file; raises as :func:`lineage_graph`."""
    is_file = name_or_file.endswith((".yaml", ".yml")) or "/" in name_or_file or Path(name_or_file).is_file()
    loaded = load_file(name_or_file) if is_file else load_mapping(plugins.transform(name_or_file))
    return compile_mapping(loaded)


def _plan_now(transform: str, plugins: Plugins) -> Plan | None:
    """Return the transform's mapping as it is now; None where it is gone or wrong: the events tell enough."""
    try:
        return plan_of(transform, plugins)
    except MlbsdkError:
        return None
