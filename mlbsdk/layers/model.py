"""The configuration of exports as pydantic models: what a YAML file may say. Unknown keys are refused."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StrictInt, model_validator

from mlbsdk.errors import did_you_mean
from mlbsdk.mapping.model import Identifier, Names, Strict, TableName

#: Columns by which raw rows may be partitioned: of when they were captured, and the day that they are about.
RAW_PARTITIONS = ("year", "month", "day", "date")
KEEP_FOREVER = -1

_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")
_VARIABLE = re.compile(r"\{([^{}]*)\}")


def _days(value: int) -> int:
    if value != KEEP_FOREVER and not 1 <= value <= 100_000:
        raise ValueError(f"must be 1 to 100000 days, or {KEEP_FOREVER} to keep for ever, not {value}")
    return value


def _bucket(value: str) -> str:
    if not value.strip() or "\0" in value:
        raise ValueError("is empty")
    return value


def _endpoint(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL such as http://localhost:9000")
    if parts.username or parts.password:
        raise ValueError("must hold no user or password; credentials come from AWS's own variables or files")
    return value


def _raw_partitions(value: list[str]) -> list[str]:
    for name in value:
        if name not in RAW_PARTITIONS:
            near = did_you_mean(name, RAW_PARTITIONS)
            raise ValueError(f"'{name}' is none of {', '.join(RAW_PARTITIONS)}.{near}")
    if value and value not in (["year"], ["year", "month"], ["year", "month", "day"], ["date"]):
        raise ValueError("must be [year], [year, month], [year, month, day], [date] or []")
    return value


def _path_ending(*endings: str) -> AfterValidator:
    """Return the check that a layer's path is a folder of its own, then what writers lay tables out by."""

    def check(path: str) -> str:
        last = next((one for one in endings if path.endswith(f"/{one}")), endings[0])
        known = re.findall(_VARIABLE, " ".join(endings))
        for name in _VARIABLE.findall(path):
            if name not in known:
                raise ValueError(
                    f"'{{{name}}}' is no part of this layer's path, which ends in {last}.{did_you_mean(name, known)}"
                )
        if not path.endswith(f"/{last}"):
            raise ValueError(f"must be a folder and then {' or '.join(endings)}, as tables are laid out; not '{path}'")
        for folder in path.removesuffix(f"/{last}").split("/"):
            if not _FOLDER.match(folder):
                raise ValueError(
                    f"'{folder}' is no name for a layer's folder: letters, digits, dots, hyphens and _, "
                    "a letter or digit first; and the path does not begin with /"
                )
        return path

    return AfterValidator(check)


Days = Annotated[StrictInt, AfterValidator(_days)]
RawPartitions = Annotated[Names, AfterValidator(_raw_partitions)]


class Storage(Strict):
    """Where all layers are kept."""

    backend: Literal["s3", "local"]
    """``s3`` for an object store, ``local`` for a folder."""
    bucket: Annotated[str, AfterValidator(_bucket)] | None = None
    """The bucket; with backend local the folder, as ``path``."""
    path: Annotated[str, AfterValidator(_bucket)] | None = None
    """With backend local: the folder that holds the layers; relative to where the command runs."""
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")] | None = None
    """Of the bucket, such as ``us-east-1``."""
    endpoint: Annotated[str, AfterValidator(_endpoint)] | None = None
    """URL of an object store other than Amazon's, such as MinIO's."""

    @model_validator(mode="after")
    def _one_place(self) -> Storage:
        if self.backend == "local":
            if (self.bucket is None) == (self.path is None):
                raise ValueError("backend local needs the folder: either path or bucket")
            if self.region is not None or self.endpoint is not None:
                raise ValueError("region and endpoint go with backend s3; leave them out")
            return self
        if self.path is not None:
            raise ValueError("path goes with backend local; name the bucket")
        if self.bucket is None:
            raise ValueError("backend s3 needs a bucket")
        if not _BUCKET.match(self.bucket):
            raise ValueError(
                f"'{self.bucket}' is no bucket: 3 to 63 small letters, digits, dots and hyphens, no s3:// before them"
            )
        return self


class Override(Strict):
    """What is otherwise for one table or kind of capture."""

    partition_by: Names
    """Its partitions; an empty list for none."""


class _Layer(Strict):
    """What all layers have."""

    path: str
    """Where its tables are, below the storage's root."""
    retention_days: Days = KEEP_FOREVER
    """Partitions wholly older are what ``mlbsdk retention`` removes; -1 keeps for ever."""

    @property
    def prefix(self) -> str:
        """The folder that is the layer's own."""
        return "/".join(part for part in self.path.split("/") if "{" not in part)


class RawOverride(Strict):
    """What is otherwise for the captures of one transform."""

    partition_by: RawPartitions
    """As the layer's."""


class RawLayer(_Layer):
    """Captures as they came, a folder for each endpoint and method."""

    path: Annotated[str, _path_ending("{endpoint}/{method}")] = "raw/{endpoint}/{method}"
    """Ends in ``{endpoint}/{method}``."""
    format: Literal["avro", "parquet"] = "avro"
    compression: Literal["snappy", "deflate", "gzip", "zstd", "none"] = "snappy"
    """``deflate`` is Avro's, ``gzip`` Parquet's."""
    partition_by: RawPartitions = Field(default_factory=lambda: list(RAW_PARTITIONS[:3]))
    """Any of ``year``, ``month`` and ``day`` (of captured_at, UTC), or ``date``, the day that the capture is about.
    Captures that answer a request for a day, as their mapping's filter ``date`` says, are kept by ``date``."""
    overrides: dict[str, RawOverride] = Field(default_factory=dict)
    """What is otherwise for a transform's captures, by its name, such as ``schedule.schedule``."""

    @model_validator(mode="after")
    def _fits(self) -> RawLayer:
        wrong, right = {"avro": ("gzip", "deflate"), "parquet": ("deflate", "gzip")}[self.format]
        if self.compression == wrong:
            raise ValueError(f"compression: {self.format} has no '{wrong}'; take '{right}', which packs alike")
        return self


class NormalizedLayer(_Layer):
    """The tables of transforms."""

    path: Annotated[str, _path_ending("{schema}/{table}")] = "normalized/{schema}/{table}"
    """Ends in ``{schema}/{table}``."""
    format: Literal["parquet", "delta"] = "parquet"
    compression: Literal["snappy", "gzip", "zstd", "none"] = "snappy"
    partition_by: Names = Field(default_factory=list)
    """Of tables that have these columns; others keep what their mapping says."""
    overrides: dict[TableName, Override] = Field(default_factory=dict)
    """What is otherwise for a table, such as ``game.live_game_plays``."""

    @model_validator(mode="after")
    def _fits(self) -> NormalizedLayer:
        if self.format == "delta" and self.compression != "snappy":
            raise ValueError(f"compression '{self.compression}' goes with parquet; Delta tables are written in snappy")
        return self


class AnalyticsLayer(_Layer):
    """Tables derived from the normalized ones."""

    path: Annotated[str, _path_ending("{schema}/{table}", "{table}")] = "analytics/{table}"
    """Ends in ``{table}`` below a folder of the tables' schema, or in ``{schema}/{table}``."""
    format: Literal["delta"] = "delta"
    partition_by: Names = Field(default_factory=list)
    z_order_by: Names = Field(default_factory=list)
    """Rows alike in these columns lie together; columns that a table lacks are left out."""
    tables: list[Identifier | TableName] = Field(default_factory=list)
    """Which derived tables; none for all that plugins offer."""

    @model_validator(mode="after")
    def _fits(self) -> AnalyticsLayer:
        twice = sorted({*self.partition_by} & {*self.z_order_by})
        if twice:
            raise ValueError(f"z_order_by: '{twice[0]}' is in partition_by already: rows are apart by it")
        return self


class Layers(Strict):
    """The layers; those that are left out are not made."""

    raw: RawLayer | None = None
    normalized: NormalizedLayer | None = None
    analytics: AnalyticsLayer | None = None

    @model_validator(mode="after")
    def _apart(self) -> Layers:
        if not self.chosen:
            raise ValueError("names no layer: raw, normalized or analytics")
        if self.analytics is not None and self.normalized is None:
            raise ValueError("analytics is made from normalized: add that layer, or leave analytics out")
        prefixes = {name: layer.prefix for name, layer in self.chosen.items()}
        for name, prefix in prefixes.items():
            for other, inside in prefixes.items():
                if name != other and f"{inside}/".startswith(f"{prefix}/"):
                    raise ValueError(f"{other}.path lies in the folder of {name}, '{prefix}': give each its own")
        return self

    @property
    def chosen(self) -> dict[str, RawLayer | NormalizedLayer | AnalyticsLayer]:
        """The layers that there are, by name, each after those it is made from."""
        found = {"raw": self.raw, "normalized": self.normalized, "analytics": self.analytics}
        return {name: layer for name, layer in found.items() if layer is not None}


class Exports(Strict):
    """A configuration of exports."""

    version: Literal["1.0"]
    """Of the configuration's language, in quotes."""
    storage: Storage
    layers: Layers
    transforms: list[str] = Field(default_factory=list)
    """Names and patterns such as ``game.*``; none for all installed ones."""
