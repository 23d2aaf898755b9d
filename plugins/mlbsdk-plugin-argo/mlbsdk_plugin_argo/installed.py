"""Whether this machine has what a workflow's steps need: told before the first request and not after the last."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable
from pathlib import Path

from mlbsdk.plugin import ConfigurationError, Plugins
from mlbsdk_plugin_argo.configuration import WorkflowConfiguration


def require_installed(configuration: WorkflowConfiguration, export: Path | None = None) -> None:
    """Refuse a season for which a plugin or a file is missing.

    Raises:
        UnknownNameError: no installed plugin has the command, a transform or a derived table; it says what to install.
        ConfigurationError: there is no such configuration of exports.
    """
    plugins = Plugins.load()
    plugins.command("fetch")
    wanted = (*configuration.transforms.season, *configuration.transforms.days)
    _require(wanted, (one.name for one in plugins.transforms()), plugins.transform)
    _require(configuration.derive, (one.name for one in plugins.derived_tables()), plugins.derived)
    if export is not None and not export.is_file():
        raise ConfigurationError(
            f"--export: there is no file '{export}'",
            fix="docs/export.md tells of it; examples/exports.yaml is one.",
        )


def _require(patterns: Iterable[str], names: Iterable[str], get: Callable[[str], object]) -> None:
    known = list(names)
    for pattern in patterns:
        if not fnmatch.filter(known, pattern):
            get(pattern)
