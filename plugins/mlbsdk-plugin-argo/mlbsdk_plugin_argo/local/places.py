"""Where a container's paths and variables are on this machine."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlbsdk.plugin import ConfigurationError
from mlbsdk_plugin_argo.manifest import parameters_of


@dataclass(frozen=True)
class Places:
    """The folders of a step, by the path at which its container sees them."""

    folders: Mapping[str, Path]

    def local(self, text: str) -> str:
        """Return a text with each path in it that is of the container replaced by that of this machine."""
        for path in sorted(self.folders, key=len, reverse=True):
            # Where a word begins, or after '=' or ':' as in delta:/data/warehouse; not in the middle of another path.
            pattern = re.compile(rf"(?<![\w./-]){re.escape(path)}(?![\w.-])")
            text = str(self.folders[path]).join(pattern.split(text))
        return text


def volume_folders(
    spec: Mapping[str, Any], shared: Path, given: Mapping[str, Path]
) -> tuple[dict[str, Path], set[str]]:
    """Return the folders of volumes that steps share, and the names of those that each step has for itself.

    Args:
        spec: the workflow's specification.
        shared: where the folders of persistent volume claims are.
        given: folders by the name of a volume, which a user named.

    Raises:
        ConfigurationError: a volume is made of a ConfigMap or secret, and no folder is given for it.
    """
    found: dict[str, Path] = {}
    own: set[str] = set()
    names = [volume["name"] for volume in spec.get("volumes") or []]
    for name in given:
        if name not in names:
            raise ConfigurationError(
                f"--volume: the workflow has no volume '{name}'; it has: {', '.join(names) or 'none'}"
            )
    for volume in spec.get("volumes") or []:
        name = volume["name"]
        if name in given:
            found[name] = given[name].expanduser().absolute()
        elif volume.get("persistentVolumeClaim") is not None:
            found[name] = shared / volume["persistentVolumeClaim"]["claimName"]
        elif volume.get("emptyDir") is not None:
            own.add(name)
        else:
            raise ConfigurationError(
                f"the volume '{name}' holds a ConfigMap or secret, which this machine has not",
                fix=f"Give a folder with its files: --volume {name}=FOLDER.",
            )
    return found, own


def places_of(template: Mapping[str, Any], shared: Mapping[str, Path], scratch: Path) -> Places:
    """Return the folders of a step and make them; an output outside of its volumes is in a folder of its own."""
    folders = {
        mount["mountPath"].rstrip("/"): shared.get(mount["name"], scratch / mount["name"])
        for mount in template["container"].get("volumeMounts") or []
    }
    outside = {}
    for name, output in parameters_of(template.get("outputs")).items():
        path = (output.get("valueFrom") or {}).get("path")
        if path and not any(path.startswith(f"{mounted}/") for mounted in folders):
            outside[path] = scratch / "outputs" / name
    for folder in (*folders.values(), *(path.parent for path in outside.values())):
        folder.mkdir(parents=True, exist_ok=True)
    return Places(folders | outside)


class Variables:
    """The environment of steps: this process's, with what the manifest says, and secrets by their names here.

    The value of a secret's or ConfigMap's key is that of the variable itself, if this environment or the ``.env``
    file has it, else of ``NAME_KEY`` in capitals: ``BASEBALL_POSTGRES_PASSWORD`` for key ``password`` of
    ``baseball-postgres``.
    """

    def __init__(self, file: Mapping[str, str], overrides: Mapping[str, str]) -> None:
        self._file = file
        self._overrides = overrides
        self.secrets: set[str] = set()

    def of(self, container: Mapping[str, Any], places: Places) -> dict[str, str]:
        """Return the environment of a container's process; its texts are filled in already.

        Raises:
            ConfigurationError: a secret or ConfigMap has no value here.
        """
        found = dict(os.environ)
        found["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), found.get("PATH", os.defpath)])
        if container.get("envFrom"):
            found |= self._file
            self.secrets |= {value for value in self._file.values() if value}
        for variable in container.get("env") or []:
            name = variable["name"]
            if variable.get("valueFrom") is None:
                found[name] = places.local(variable.get("value") or "")
                continue
            value = self._referred(name, variable["valueFrom"])
            if value is not None:
                found[name] = value
        return found | dict(self._overrides)

    def _referred(self, variable: str, source: Mapping[str, Any]) -> str | None:
        is_secret = source.get("secretKeyRef") is not None
        reference = source["secretKeyRef"] if is_secret else source["configMapKeyRef"]
        longer = re.sub(r"[^A-Z0-9]", "_", f"{reference['name']}_{reference['key']}".upper())
        for name in (variable, longer):
            for values in (self._overrides, self._file, os.environ):
                if name in values:
                    if is_secret and values[name]:
                        self.secrets.add(values[name])
                    return values[name]
        if reference.get("optional"):
            return None
        kind = "secret" if is_secret else "ConfigMap"
        raise ConfigurationError(
            f"the {kind} '{reference['name']}' with key '{reference['key']}' has no value on this machine",
            fix=f"Set the variable {variable} or {longer}, or write it into a file for --env-file.",
        )

    def hidden(self, text: str) -> str:
        """Return a text without the values of secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def read_env_file(file: Path) -> dict[str, str]:
    """Return the variables of a ``.env`` file: NAME=VALUE a line, ``#`` for comments, quotes taken off.

    Raises:
        ConfigurationError: it can't be read, or a line is something else.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"'{file}' can't be read: {problem}") from problem
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ").strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name.strip()):
            raise ConfigurationError("the line is not NAME=VALUE", where=f"{file}:{number}")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name.strip()] = value
    return found


def pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """Return NAME=VALUE texts of a repeated option as a dictionary.

    Raises:
        ConfigurationError: a text has no '=', or a name comes twice.
    """
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise ConfigurationError(f"{option} is NAME=VALUE, not '{text}'")
        if name in found:
            raise ConfigurationError(f"{option}: '{name}' is given twice")
        found[name] = value
    return found
