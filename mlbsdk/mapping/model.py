"""The mapping language as pydantic models: what a YAML file may say. Unknown keys are refused."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from mlbsdk.mapping.types import ColumnType

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")


def _identifier(value: str) -> str:
    if not IDENTIFIER.match(value):
        raise ValueError(f"'{value}' is not a name: letters, digits and _, not starting with a digit, at most 63")
    return value


def _table_name(value: str) -> str:
    schema, dot, table = value.partition(".")
    if not dot or not IDENTIFIER.match(schema) or not IDENTIFIER.match(table):
        raise ValueError(f"'{value}' is not a table name: write schema.table, such as game.live_game_plays")
    return value


def _column_type(value: str) -> str:
    ColumnType.parse(value)
    return value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Identifier = Annotated[str, AfterValidator(_identifier)]
TableName = Annotated[str, AfterValidator(_table_name)]
Names = Annotated[list[Identifier], BeforeValidator(_as_list)]


class Strict(BaseModel):
    """A part of a mapping: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CapturedAt(Strict):
    """Where the document says when it was captured."""

    path: str
    format: str


class Source(Strict):
    """Where documents come from."""

    endpoint: Identifier
    method: Identifier
    raw_table: TableName
    key: Names | None = None
    captured_at: CapturedAt | None = None


class FieldSpec(Strict):
    """One column and its single origin."""

    name: Identifier
    type: Annotated[str, AfterValidator(_column_type)]
    nullable: bool = True
    default: str | int | float | bool | None = None
    description: str = ""
    null_values: list[str] = []
    json_path: str | None = None
    source_field: str | None = None
    expression: str | None = None
    item: str | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> FieldSpec:
        origins = [key for key in ("json_path", "source_field", "expression", "item") if getattr(self, key) is not None]
        if len(origins) != 1:
            found = " and ".join(origins) if origins else "none"
            raise ValueError(f"needs exactly one of json_path, source_field, expression or item, has {found}")
        return self


class RelationshipSpec(Strict):
    """A reference to another table."""

    to_table: TableName
    from_field: Names
    to_field: Names
    type: Literal["many_to_one", "one_to_one", "one_to_many", "many_to_many"] = "many_to_one"

    @model_validator(mode="after")
    def _same_length(self) -> RelationshipSpec:
        if len(self.from_field) != len(self.to_field):
            raise ValueError(f"from_field names {len(self.from_field)} fields and to_field {len(self.to_field)}")
        return self


class IndexSpec(Strict):
    """An index, for stores that have them."""

    columns: Names
    type: Literal["btree", "hash", "brin", "gin"] = "btree"


class RuleSpec(Strict):
    """One data-quality rule."""

    rule: str | None = None
    type: Literal["sql", "range", "not_null", "unique"] = "sql"
    field: Identifier | None = None
    fields: Names | None = None
    min: int | float | str | None = None
    max: int | float | str | None = None
    severity: Literal["error", "warning"] = "error"
    name: Identifier | None = None
    reason: str = ""

    @model_validator(mode="after")
    def _complete(self) -> RuleSpec:
        needs = {"sql": "rule", "range": "field", "not_null": "field"}.get(self.type)
        if needs and getattr(self, needs) is None:
            raise ValueError(f"a rule of type {self.type} needs '{needs}'")
        if self.type == "range" and self.min is None and self.max is None:
            raise ValueError("a rule of type range needs 'min' or 'max'")
        if self.type == "unique" and not (self.fields or self.field):
            raise ValueError("a rule of type unique needs 'fields'")
        return self


class TargetSpec(Strict):
    """One table."""

    name: TableName
    description: str = ""
    array_source: str | None = None
    filter: str | None = None
    primary_key: Names
    upsert_keys: Names | None = None
    partition_by: Names = []
    on_missing: Literal["keep", "delete"] = "keep"
    fields: Annotated[list[FieldSpec], Field(min_length=1)]
    relationships: list[RelationshipSpec] = []
    indexes: list[IndexSpec] = []
    data_quality: list[RuleSpec] = []


class PathNote(Strict):
    """A JSON path and why it is listed."""

    path: str
    reason: str


class CoverageSpec(Strict):
    """What ``mapping coverage`` should not complain about."""

    ignore: list[PathNote] = []
    may_be_absent: list[PathNote] = []


class Mapping(Strict):
    """A whole mapping file."""

    version: Literal["1.0"]
    description: str = ""
    source: Source
    targets: Annotated[list[TargetSpec], Field(min_length=1)]
    coverage: CoverageSpec = CoverageSpec()

    @property
    def name(self) -> str:
        """The transform's name, ``endpoint.method``."""
        return f"{self.source.endpoint}.{self.source.method}"
