"""The template of a plugin, and its rendering: what ``mlbsdk plugin new`` makes."""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mlbsdk.errors import ConfigurationError, EnvironmentProblem, did_you_mean
from mlbsdk.hookspecs import HOOKSPEC_VERSION

#: What a new plugin may add, and what a project of that kind is.
KINDS = {
    "transform": "A transform: an endpoint as tables.",
    "writer": "A writer: a store for tables.",
    "source": "A source: a place that captures are read from.",
    "quality": "A quality engine: checks beyond the rules of mappings.",
    "lineage": "A run listener: where rows came from and went to, told elsewhere.",
}
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TAKEN = {"mlbsdk", "conftest", "tests", "pytest", "pyspark"}
_TEMPLATE = Path(__file__).with_name("plugin")


@dataclass(frozen=True)
class NewPlugin:
    """A plugin to be made.

    Args:
        kind: one of :data:`KINDS`.
        name: the distribution, in lower case with hyphens; the package and the URI scheme follow from it.
        author: for pyproject.toml and LICENSE; may be empty.

    Raises:
        ConfigurationError: there is no such kind, or the name can't be used.
    """

    kind: str
    name: str
    author: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigurationError(
                f"there is no kind of plugin '{self.kind}'.{did_you_mean(self.kind, KINDS)}",
                fix=f"Kinds are {', '.join(KINDS)}.",
            )
        if len(self.name) > 50 or not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"'{self.name}' can't be the name of a plugin",
                fix="Use lower-case letters, digits and single hyphens, such as my-store; at most 50 characters.",
            )
        taken = {*sys.stdlib_module_names, *keyword.kwlist, *keyword.softkwlist, *_TAKEN}
        if self.package in taken:
            raise ConfigurationError(
                f"'{self.name}' would make a Python package '{self.package}', and Python has that name already",
                fix=f"Choose another, such as my-{self.name}.",
            )
        if any(not char.isprintable() for char in self.author):
            raise ConfigurationError("the author's name has characters that can't be printed")

    @property
    def package(self) -> str:
        """The Python package."""
        return self.name.replace("-", "_")

    def make(self, folder: Path) -> list[str]:
        """Make the project and return its files, relative to ``folder``, sorted.

        Raises:
            ConfigurationError: the folder holds something, or can't be written.
            EnvironmentProblem: copier is not installed.
        """
        try:
            import copier
        except ImportError as problem:
            raise EnvironmentProblem(
                "the template needs copier, which is not installed", fix="pip install 'mlbsdk[authoring]'."
            ) from problem
        _require_empty(folder)
        try:
            for part in ("common", self.kind):
                copier.run_copy(
                    str(_TEMPLATE), folder, data=self._answers(part), defaults=True, overwrite=True, quiet=True
                )
        except OSError as problem:
            raise ConfigurationError(f"can't write to '{folder}': {problem.strerror or problem}") from problem
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())

    def _answers(self, part: str) -> dict[str, object]:
        import mlbsdk

        major, minor = mlbsdk.__version__.split(".")[:2]
        return {
            "part": part,
            "kind": self.kind,
            "name": self.name,
            "author": self.author,
            "year": str(date.today().year),
            "mlbsdk_from": f"{major}.{minor}",
            # Before 1.0 a minor version may break; afterwards only a major one.
            "mlbsdk_below": f"0.{int(minor) + 1}" if major == "0" else str(int(major) + 1),
            "plugin_api": HOOKSPEC_VERSION,
            "summary": KINDS[self.kind],
        }


def _require_empty(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ConfigurationError(f"'{folder}' is no folder", fix="Give a folder that is empty or not there yet.")
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigurationError(f"'{folder}' is not empty", fix="Give a folder that is empty or not there yet.")
