"""``workflow.yaml``: where a workflow runs, what it reads and writes, and where its secrets are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from mlbsdk.plugin import ConfigurationError, did_you_mean
from mlbsdk_plugin_argo.documents import read_documents
from mlbsdk_plugin_argo.names import LABEL, QUANTITY, SECRET_NAME, SUBDOMAIN

FILE_NAME = "workflow.yaml"


def _matching(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.search(text):
            raise ValueError(f"'{text}' is no {what}")
        return text

    return AfterValidator(check)


Name = Annotated[str, _matching(SUBDOMAIN, "name of Kubernetes: small letters, digits, '-' and '.'")]
Namespace = Annotated[str, _matching(LABEL, "name of a namespace: small letters, digits and '-', at most 63")]
Quantity = Annotated[str, _matching(QUANTITY, "quantity such as 500m, 2 or 4Gi")]
Address = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\s{}]+$")]
Duration = Annotated[str, StringConstraints(pattern=r"^[0-9]+(ms|s|m|h)$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Pattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.*?]+$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KeyOfSecret(_Part):
    """A key of a Kubernetes secret."""

    secret: Name
    key: str = Field(pattern=r"^[A-Za-z0-9._-]+$")


class KeyOfConfigMap(_Part):
    """A key of a Kubernetes ConfigMap."""

    config_map: Name
    key: str = Field(pattern=r"^[A-Za-z0-9._-]+$")


class Claim(_Part):
    """A persistent volume claim and where steps see it."""

    claim: Name
    path: str = Field(default="/data", pattern=r"^(/[A-Za-z0-9._-]+)+$")


class Resources(_Part):
    """What a step asks for and may use: the same, so that a pod is not evicted for what it was promised."""

    cpu: Quantity = "1"
    memory: Quantity = "1Gi"


class StepResources(_Part):
    """Resources by kind of step."""

    small: Resources = Resources(cpu="100m", memory="256Mi")
    fetch: Resources = Resources(cpu="500m", memory="1Gi")
    transform: Resources = Resources(cpu="2", memory="6Gi")


class Retries(_Part):
    """How often and when a failed step is tried again; exit codes 2 and 3 never are."""

    limit: int = Field(default=3, ge=0, le=20)
    wait: Duration = "30s"
    factor: int = Field(default=2, ge=1, le=10)


class Transforms(_Part):
    """Which transforms a season runs: on its metadata, and on the captures of days."""

    season: tuple[Pattern, ...] = ("season.season", "team.team")
    days: tuple[Pattern, ...] = Field(default=("schedule.schedule", "game.live_game_v1"), min_length=1)
    game: Pattern = "game.live_game_v1"


class Deadlines(_Part):
    """Seconds after which a workflow or a step is stopped."""

    season: int = Field(default=172_800, ge=60)
    game: int = Field(default=86_400, ge=60)
    step: int = Field(default=14_400, ge=60)
    live: int = Field(default=43_200, ge=60)


class WorkflowConfiguration(_Part):
    """A workflow's configuration; unknown keys are refused. Each key is explained in docs/workflows.md."""

    version: Literal["1.0"] = "1.0"
    image: str = Field(default="mlbsdk:latest", pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$")
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    namespace: Namespace | None = None
    service_account: Name | None = None
    labels: dict[str, str] = {}
    store: Address = "/data/captures"
    target: Address = "delta:/data/warehouse"
    checkpoints: Address = "/data/checkpoints"
    volume: Claim | None = None
    settings: KeyOfConfigMap | None = None
    export: KeyOfConfigMap | None = None
    transforms: Transforms = Transforms()
    on_error: Literal["fail", "quarantine"] | None = None
    derive: tuple[Pattern, ...] = ()
    chunk_days: int = Field(default=7, ge=1, le=366)
    max_chunks: int = Field(default=60, ge=1, le=80)
    parallelism: int = Field(default=4, ge=1, le=200)
    api_semaphore: KeyOfConfigMap | None = None
    api_rate: float | None = Field(default=None, gt=0, le=100)
    env: dict[VariableName, str] = {}
    secrets: dict[VariableName, KeyOfSecret] = {}
    secrets_from: tuple[Name, ...] = ()
    spark: dict[Annotated[str, StringConstraints(pattern=r"^spark\.[A-Za-z0-9._-]+$")], str] = {}
    lineage_namespace: str = Field(default="mlbsdk", pattern=r"^[A-Za-z0-9._:-]+$")
    resources: StepResources = StepResources()
    retries: Retries = Retries()
    deadlines: Deadlines = Deadlines()
    keep_seconds: int = Field(default=604_800, ge=0)

    @field_validator("env")
    @classmethod
    def _no_secret(cls, given: dict[str, str]) -> dict[str, str]:
        for name, value in given.items():
            if SECRET_NAME.search(name):
                raise ValueError(f"'{name}' looks like a secret; name it under 'secrets', with its secret and key")
            if re.search(r"://[^/@\s:]*:[^/@\s]+@", value):
                raise ValueError(f"the address in '{name}' has a password; give it by 'secrets'")
            if "{{" in value:
                raise ValueError(f"'{name}' holds '{{{{': a workflow would take it for a variable")
        return given

    @field_validator("spark")
    @classmethod
    def _no_secret_for_spark(cls, given: dict[str, str]) -> dict[str, str]:
        for name, value in given.items():
            if SECRET_NAME.search(name.replace("serviceAccount", "")) and "provider" not in name.lower():
                raise ValueError(f"'{name}' looks like a secret, and would be readable in the manifest; use 'secrets'")
            if "{{" in value:
                raise ValueError(f"'{name}' holds '{{{{': a workflow would take it for a variable")
        return given

    @field_validator("store", "target")
    @classmethod
    def _no_password(cls, given: str) -> str:
        if re.search(r"://[^/@\s:]*:[^/@\s]+@", given) or re.search(r"[?&](ssl)?password=", given, re.IGNORECASE):
            raise ValueError("an address must hold no password: it would be readable in the manifest; use 'secrets'")
        return given

    @model_validator(mode="after")
    def _each_variable_once(self) -> WorkflowConfiguration:
        clash = self.env.keys() & self.secrets.keys()
        if clash:
            raise ValueError(f"'{min(clash)}' is under 'env' and under 'secrets'")
        return self

    @property
    def runs_executors(self) -> bool:
        """Whether Spark asks Kubernetes for executors, so that a step is a driver only."""
        return self.spark.get("spark.master", "").startswith("k8s://")

    @property
    def has_folders(self) -> bool:
        """Whether the store is a path, which has folders below it, and not a database."""
        return not self.store.startswith(("postgresql:", "postgres:"))


def load_configuration(file: Path | None, flags: Mapping[str, Any]) -> WorkflowConfiguration:
    """Join the configuration of a file and flags; a flag that is None was not given.

    ``file`` None is ``workflow.yaml`` in the working directory, if there is one.

    Raises:
        ConfigurationError: a file that is not there or not YAML, an unknown key, a wrong value.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    path = file or Path(FILE_NAME)
    found: Any = {}
    if file is not None or path.exists():
        documents = read_documents(path)
        found = documents[0] if documents else {}
        if len(documents) > 1 or not isinstance(found, dict):
            raise ConfigurationError("a workflow's configuration is one YAML object", where=str(path))
    try:
        return WorkflowConfiguration.model_validate(found | given)
    except ValidationError as problem:
        raise ConfigurationError(_sentence(problem), where=str(path) if found else None) from problem


def _sentence(problem: ValidationError) -> str:
    first = problem.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = WorkflowConfiguration.model_fields if len(first["loc"]) == 1 else _fields_at(first["loc"][:-1])
        return f"'{name}' is no key of a workflow's configuration.{did_you_mean(str(first['loc'][-1]), known)}"
    text = first["msg"].removeprefix("Value error, ")
    return f"'{name}': {text}" if name else text


def _fields_at(place: tuple[int | str, ...]) -> list[str]:
    model: Any = WorkflowConfiguration
    for part in place:
        field = model.model_fields.get(str(part)) if isinstance(model, type) and issubclass(model, BaseModel) else None
        model = field.annotation if field is not None else None
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
