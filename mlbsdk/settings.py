"""Settings: ``mlbsdk.yaml``, then ``MLBSDK_*`` variables, then flags, in rising order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from mlbsdk.errors import ConfigurationError, did_you_mean

FILE_NAME = "mlbsdk.yaml"
_PREFIX = "MLBSDK_"
# Read elsewhere, and no settings of a run.
_OTHER_VARIABLES = {"LOAD_PLUGINS", "DISABLED_PLUGINS", "LINEAGE_NAMESPACE", "HOME", "DEBUG"}


class Settings(BaseModel):
    """What a run can be told; unknown keys are refused. ``spark`` holds Spark settings by their own names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str | None = None
    target: str = "delta:warehouse"
    on_error: Literal["fail", "quarantine"] = "fail"
    log_file: Path | None = None
    spark: dict[str, str] = {}


def load_settings(file: Path | None, environment: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """Join the settings of file, environment and flags; a flag that is None was not given.

    Raises:
        ConfigurationError: a file that is not there or not YAML, an unknown key, a wrong value.
    """
    values = _from_file(file) | _from_environment(environment) | {name: v for name, v in flags.items() if v is not None}
    try:
        return Settings.model_validate(values)
    except ValidationError as problem:
        first = problem.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        near = did_you_mean(name, Settings.model_fields) if first["type"] == "extra_forbidden" else ""
        what = "is no setting" if first["type"] == "extra_forbidden" else first["msg"]
        raise ConfigurationError(f"setting '{name}': {what}.{near}", where=str(file or "")) from problem


def _from_file(file: Path | None) -> dict[str, Any]:
    path = file or Path(FILE_NAME)
    if not path.exists():
        if file is None:
            return {}
        raise ConfigurationError(f"the configuration '{file}' does not exist")
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise ConfigurationError(f"the configuration can't be read: {problem}", where=str(path)) from problem
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigurationError("the configuration is a YAML object of settings", where=str(path))
    return found


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in environment.items():
        setting = name.removeprefix(_PREFIX).lower()
        if name.startswith(_PREFIX) and setting in Settings.model_fields and setting != "spark":
            found[setting] = value
    return found


def home() -> Path:
    """Return the folder of what mlbsdk keeps for a user: ``MLBSDK_HOME``, or ``~/.mlbsdk``."""
    return Path(os.environ.get("MLBSDK_HOME", Path.home() / ".mlbsdk"))


def default_log_file() -> Path:
    """Return where Spark's output goes when nothing else is said."""
    return home() / "spark.log"
