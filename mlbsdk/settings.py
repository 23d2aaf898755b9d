"""Settings: ``mlbsdk.yaml``, then ``MLBSDK_*`` variables, then flags, in rising order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    SettingsConfigDict,
    SettingsError,
    YamlConfigSettingsSource,
)

from mlbsdk.errors import ConfigurationError, did_you_mean

FILE_NAME = "mlbsdk.yaml"


class LineageSettings(BaseModel):
    """What OpenLineage events tell of all runs.

    Backends and their keys are configured as users of the OpenLineage client know it, and not here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    owners: tuple[str, ...] = ()
    """Who answers for jobs and tables, such as ``team:analytics`` or ``user:jdoe``."""
    tags: dict[str, str] = {}
    """Labels of jobs and tables; those of a mapping take their place."""
    stack_traces: bool = False
    """Whether the error of a failed run is told with the places in the code that led to it."""


class Settings(BaseSettings):
    """What a run or stream can be told; unknown keys are refused.

    ``on_error`` None is the command's own default: ``fail`` for a run, ``quarantine`` for a stream. ``trigger``,
    ``idle_timeout`` and ``checkpoint`` are of streams. ``spark`` holds Spark settings by their own
    names, ``storage`` what object stores are told, such as ``endpoint`` and ``region`` of s3a:// paths,
    ``lineage`` what events tell of all runs.
    """

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix="MLBSDK_")

    source: str | None = None
    target: str = "delta:warehouse"
    on_error: Literal["fail", "quarantine"] | None = None
    trigger: str = "30s"
    idle_timeout: str | None = None
    checkpoint: str | None = None
    log_file: Path | None = None
    spark: dict[str, str] = {}
    storage: dict[str, str | bool] = {}
    lineage: LineageSettings = LineageSettings()

    @property
    def spark_log(self) -> Path:
        """Where Spark's output goes: ``log_file``, or the default one."""
        return (self.log_file or default_log_file()).expanduser().absolute()


def load_settings(file: Path | None, flags: Mapping[str, Any]) -> Settings:
    """Join the settings of file, environment and flags; a flag that is None was not given.

    Raises:
        ConfigurationError: a file that is not there or not YAML, an unknown key, a wrong value.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings.model_validate(_from_file(file) | EnvSettingsSource(Settings)() | given)
    except SettingsError as problem:
        raise ConfigurationError(f"a MLBSDK_* variable can't be read: {problem}") from problem
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
        return YamlConfigSettingsSource(Settings, yaml_file=path)()
    except (OSError, ValueError, TypeError, yaml.YAMLError) as problem:
        raise ConfigurationError(
            f"the configuration can't be read: {problem}", where=str(path), fix="It is a YAML object of settings."
        ) from problem


def home() -> Path:
    """Return the folder of what mlbsdk keeps for a user: ``MLBSDK_HOME``, or ``~/.mlbsdk``."""
    return Path(os.environ.get("MLBSDK_HOME", Path.home() / ".mlbsdk"))


def default_log_file() -> Path:
    """Return where Spark's output goes when nothing else is said."""
    return home() / "spark.log"
