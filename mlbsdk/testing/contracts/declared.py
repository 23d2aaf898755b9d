"""What the suites are run for: the declarations of a project's own distribution."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlbsdk.errors import ConfigurationError, PluginError
from mlbsdk.hookspecs import SparkRequirements
from mlbsdk.plugins import PluginRecord, Plugins


@dataclass(frozen=True)
class Declared:
    """The plugins under test."""

    plugins: Plugins
    records: tuple[PluginRecord, ...]

    @classmethod
    def by(cls, distributions: Iterable[str]) -> Declared:
        """Return what installed distributions declare.

        Raises:
            PluginError: one is not installed, has no plugin, or its plugin can't be used.
        """
        plugins = Plugins.load()
        records = tuple(record for name in distributions for record in _records(plugins, name))
        return cls(plugins, records)

    @staticmethod
    def is_installed(distribution: str) -> bool:
        """Whether a distribution has a plugin that can be used."""
        try:
            return bool(Declared.by([distribution]).records)
        except PluginError:
            return False

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names declared of a kind; for ``plugin`` the distributions."""
        if kind == "plugin":
            return tuple(dict.fromkeys(record.distribution for record in self.records))
        return tuple(each.name for record in self.records for each in record.declarations if each.kind == kind)

    def spark_requirements(self) -> list[SparkRequirements]:
        """Return what the declared sources, writers, storages and quality engines need of Spark."""
        found = [self.plugins.source(name).spark for name in self.names("source")]
        found += [self.plugins.writer(name).spark for name in self.names("writer")]
        found += [self.plugins.storage(name).spark for name in self.names("storage")]
        return found + [self.plugins.quality(name).spark for name in self.names("quality")]


def _records(plugins: Plugins, distribution: str) -> list[PluginRecord]:
    found = [one for one in plugins.records() if _normalized(one.distribution) == _normalized(distribution)]
    if not found:
        raise PluginError(
            f"no plugin of the distribution '{distribution}' is installed.", fix="Install it: pip install --editable ."
        )
    for record in found:
        wrong = next((each for each in record.declarations if each.status != "ready"), None)
        if record.status != "ready" or wrong:
            reason = wrong.reason if wrong else record.reason
            raise PluginError(f"can't be used: {reason}", where=f"plugin '{record.name}' of {record.origin}")
        if not record.declarations:
            raise PluginError("declares nothing.", where=f"plugin '{record.name}' of {record.origin}")
    return found


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def distribution_of(folder: Path, *, required: bool = True) -> str:
    """Return the name of the distribution whose project is in a folder; an empty text if it is not required.

    Raises:
        ConfigurationError: there is no ``pyproject.toml`` with a name.
    """
    path = folder / "pyproject.toml"
    name = _project(path).get("name") if path.exists() else None
    if isinstance(name, str):
        return name
    if not required:
        return ""
    raise ConfigurationError(
        f"'{path}' has no [project] name, so it is not clear whose contract to test.",
        fix="Run pytest in the folder of pyproject.toml, or name the distribution: --mlbsdk-contract-of NAME.",
    )


def _project(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:  # pytest brings it
        import tomli as tomllib
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8")).get("project")
    except (OSError, ValueError) as problem:
        raise ConfigurationError(f"'{path}' can't be read: {problem}") from problem
    return project if isinstance(project, dict) else {}
