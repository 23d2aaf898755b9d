"""The mapping language as pydantic models: what a YAML file may say. Unknown keys are refused."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    WithJsonSchema,
    model_validator,
)

from mlbsdk.mapping.types import ColumnType

_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,62}"
IDENTIFIER = re.compile(_NAME + r"\Z")


def _identifier(value: str) -> str:
    if not IDENTIFIER.match(value):
        raise ValueError(f"'{value}' is not a name: letters, digits and _, not starting with a digit, at most 63")
    return value


def _column_name(value: str) -> str:
    if value.startswith("__"):
        raise ValueError(f"'{value}' is not a name for a field: names that start with __ are the engine's own")
    return _identifier(value)


def _table_name(value: str) -> str:
    schema, dot, table = value.partition(".")
    if not dot or not IDENTIFIER.match(schema) or not IDENTIFIER.match(table):
        raise ValueError(f"'{value}' is not a table name: write schema.table, such as game.live_game_plays")
    return value


def _column_type(value: str) -> str:
    ColumnType.parse(value)
    return value


def _distinct(value: list[str]) -> list[str]:
    seen: set[str] = set()
    for name in value:
        if name.lower() in seen:
            raise ValueError(f"names '{name}' twice")
        seen.add(name.lower())
    return value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Identifier = Annotated[str, AfterValidator(_identifier), WithJsonSchema({"type": "string", "pattern": f"^{_NAME}$"})]
TableName = Annotated[
    str, AfterValidator(_table_name), WithJsonSchema({"type": "string", "pattern": rf"^{_NAME}\.{_NAME}$"})
]
ColumnName = Annotated[
    str, AfterValidator(_column_name), WithJsonSchema({"type": "string", "pattern": f"^(?!__){_NAME}$"})
]
Names = Annotated[
    list[Identifier],
    AfterValidator(_distinct),
    BeforeValidator(_as_list, json_schema_input_type=Identifier | list[Identifier]),
]
SomeNames = Annotated[Names, Field(min_length=1)]


class Strict(BaseModel):
    """A part of a mapping: unknown keys are mistakes."""

    # Docstrings of attributes become the descriptions that editors show.
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class CapturedAt(Strict):
    """Where the document says when it was captured."""

    path: str
    """Path in the document, such as ``$.metaData.timeStamp``."""
    format: str
    """Spark datetime pattern of the text there, read as UTC: ``yyyyMMdd_HHmmss``."""


class FilterSpec(Strict):
    """A value of a document that runs may ask for by a name, such as ``--date``."""

    type: Annotated[str, AfterValidator(_column_type)]
    """As a field's type; a value that does not fit it is refused before anything is read."""
    json_path: str | None = None
    """One value in the document, such as ``$.gameData.datetime.officialDate``."""
    source_field: str | None = None
    """A request parameter, such as ``params.date``."""

    @model_validator(mode="after")
    def _one_place(self) -> FilterSpec:
        if (self.json_path is None) == (self.source_field is None):
            raise ValueError("a filter has either json_path or source_field")
        return self


class Source(Strict):
    """Where documents come from."""

    endpoint: Identifier
    """The StatsAPI endpoint: the first part of the transform's name."""
    method: Identifier
    """The method of the endpoint: the second part of the transform's name."""
    raw_table: TableName
    """The table that holds raw captures."""
    also_methods: Names = []
    """Other methods of the endpoint whose responses have the same shape, such as ``teams`` beside ``team``."""
    capture_is: Literal["document", "list"] = "document"
    """``document``: a capture is one document, known by its key. ``list``: it is none, but lists things that other
    captures list too; each table keeps them by its own primary key."""
    key: SomeNames | None = None
    """Root-target fields that identify one document; default: the primary key of the first root target."""
    captured_at: CapturedAt | None = None
    """Where the document says when it was captured, for captures that carry no time."""
    filters: dict[ColumnName, FilterSpec] = Field(default_factory=dict)
    """Values to choose captures by, with ``--date``, ``--season``, ``--game-pk`` and ``--where``. A field of the first
    root target that holds one value needs no filter."""

    @model_validator(mode="after")
    def _key_of_documents(self) -> Source:
        if self.capture_is == "list" and self.key is not None:
            raise ValueError("capture_is: list has no 'key', since such captures are no documents")
        return self


class FieldSpec(Strict):
    """One column and its single origin."""

    name: ColumnName
    """The column."""
    type: Annotated[str, AfterValidator(_column_type)]
    """SMALLINT, INT, BIGINT, REAL, DOUBLE, NUMERIC(p,s), VARCHAR(n), CHAR(n), TEXT, BOOLEAN, DATE, TIMESTAMP,
    TIMESTAMPTZ or JSONB."""
    nullable: bool = True
    """Whether the value may be missing; primary-key fields never may."""
    default: str | int | float | bool | None = None
    """Used where the value is missing or null."""
    description: str = ""
    """What it is, with its unit."""
    null_values: list[str] = []
    """Texts that mean null, such as ``-.--``."""
    json_path: str | None = None
    """Path within the item: ``$.a.b[0].c``, ``parent.x``, ``root.x`` or ``previous.x``."""
    source_field: str | None = None
    """Column of the raw row, or ``params.NAME`` for a request parameter."""
    expression: str | None = None
    """Spark SQL over this row's other columns."""
    item: str | None = None
    """``index`` (position in the array) or ``key`` (in the object); ``parent.index`` for a level above."""

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
    """The table referred to."""
    from_field: SomeNames
    """Fields of this target."""
    to_field: SomeNames
    """Fields of the other table, in the same order."""
    type: Literal["many_to_one", "one_to_one", "one_to_many", "many_to_many"] = "many_to_one"
    """How many rows of this table refer to how many of the other."""

    @model_validator(mode="after")
    def _same_length(self) -> RelationshipSpec:
        if len(self.from_field) != len(self.to_field):
            raise ValueError(f"from_field names {len(self.from_field)} fields and to_field {len(self.to_field)}")
        return self


class IndexSpec(Strict):
    """An index, for stores that have them."""

    columns: SomeNames
    """Fields of this target."""
    type: Literal["btree", "hash", "brin", "gin"] = "btree"
    """Kind of index."""


class RuleSpec(Strict):
    """One data-quality rule."""

    rule: str | None = None
    """Boolean Spark SQL over the columns; a row for which it is null passes."""
    type: Literal["sql", "range", "not_null", "unique"] = "sql"
    """``sql`` (a predicate), ``range`` (min, max), ``not_null`` or ``unique``."""
    field: Identifier | None = None
    """The field that the rule is about."""
    fields: SomeNames | None = None
    """Fields that are unique together."""
    min: StrictInt | StrictFloat | str | None = None
    """Smallest value allowed."""
    max: StrictInt | StrictFloat | str | None = None
    """Largest value allowed."""
    severity: Literal["error", "warning"] = "error"
    """``error`` rows are refused, ``warning`` rows are published and counted."""
    name: Identifier | None = None
    """Name in reports; default: made from the rule."""
    reason: str = ""
    """Why the rule holds."""

    @model_validator(mode="after")
    def _complete(self) -> RuleSpec:
        uses = {"sql": {"rule"}, "range": {"field", "min", "max"}, "not_null": {"field"}, "unique": {"field", "fields"}}
        for key in ("rule", "field", "fields", "min", "max"):
            if getattr(self, key) is not None and key not in uses[self.type]:
                raise ValueError(f"a rule of type {self.type} has no '{key}'")
        needs = {"sql": "rule", "range": "field", "not_null": "field"}.get(self.type)
        if needs and getattr(self, needs) is None:
            raise ValueError(f"a rule of type {self.type} needs '{needs}'")
        if self.type == "range" and self.min is None and self.max is None:
            raise ValueError("a rule of type range needs 'min' or 'max'")
        if self.type == "unique" and (self.fields is None) == (self.field is None):
            raise ValueError("a rule of type unique needs 'fields'" + (", not 'field' as well" if self.fields else ""))
        return self


class TargetSpec(Strict):
    """One table."""

    name: TableName
    """``schema.table``."""
    description: str = ""
    """What one row is."""
    array_source: str | None = None
    """Path that gives one row each; without it the target is a root: one row a document."""
    filter: str | None = None
    """Keeps only items for which it is true: ``$.isPitch = true``."""
    primary_key: SomeNames
    """Fields that identify a row."""
    upsert_keys: Names | None = None
    """Informational: primary key and captured_at."""
    partition_by: Names = []
    """A field or a list of fields."""
    on_missing: Literal["keep", "delete"] = "keep"
    """What happens to stored rows that the newest capture of their document lacks."""
    fields: Annotated[list[FieldSpec], Field(min_length=1)]
    """The columns."""
    relationships: list[RelationshipSpec] = []
    """References to other tables."""
    indexes: list[IndexSpec] = []
    """Indexes, for stores that have them."""
    data_quality: list[RuleSpec] = []
    """Rules that rows must keep."""
    tags: dict[Identifier, str] = {}
    """Labels of the table for lineage backends, such as ``domain: pitching``."""


class PathNote(Strict):
    """A JSON path and why it is listed."""

    path: str
    """JSON path; ``**`` stands for any number of steps."""
    reason: str
    """Why."""


class CoverageSpec(Strict):
    """What ``mapping coverage`` should not complain about."""

    ignore: list[PathNote] = []
    """Paths of captures that no field maps, on purpose."""
    may_be_absent: list[PathNote] = []
    """Paths of fields that captures may lack."""


class DriftSpec(Strict):
    """What a run does about paths that captures have newly, or no longer have. By default it does not look."""

    new_paths: Literal["ignore", "report", "fail"] = "ignore"
    """Paths that no field maps and ``coverage: ignore`` does not list."""
    vanished_paths: Literal["ignore", "report", "fail"] = "ignore"
    """Paths of fields that no capture has, though their table has items, and ``coverage: may_be_absent`` does not
    list."""
    sample: Annotated[int, Field(ge=1, le=1000)] = 10
    """How many captures are looked at, the newest; those of a batch for a stream."""
    rescued: bool = False
    """Whether the first root target gets a column ``_rescued``: what no field maps and ``coverage: ignore`` does not
    list, as a JSON object of places and values. Each document is parsed once more for it, in Python."""

    @property
    def is_looked_for(self) -> bool:
        """Whether any of it is not ignored."""
        return (self.new_paths, self.vanished_paths) != ("ignore", "ignore")


class Mapping(Strict):
    """A whole mapping file."""

    version: Literal["1.0"]
    """Version of the language."""
    description: str = ""
    """What the mapping covers."""
    source: Source
    """The endpoint, and what identifies its documents."""
    targets: Annotated[list[TargetSpec], Field(min_length=1)]
    """One entry a table."""
    coverage: CoverageSpec = CoverageSpec()
    """What ``mapping coverage`` accepts."""
    drift: DriftSpec = DriftSpec()
    """What a run does about new and vanished paths."""
    tags: dict[Identifier, str] = {}
    """Labels of the transform for lineage backends."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods whose responses the mapping reads."""
        return (self.source.method, *self.source.also_methods)

    @property
    def name(self) -> str:
        """The transform's name, ``endpoint.method``."""
        return f"{self.source.endpoint}.{self.source.method}"
