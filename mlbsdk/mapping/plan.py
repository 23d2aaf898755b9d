"""What a mapping compiles into: plain data that knows no Spark.

A :class:`Plan` says which JSON paths to parse (:class:`Node`, a tree), which tables to cut (:class:`Table`) and the
types and rules of each. The engine in :mod:`mlbsdk.runtime` turns it into DataFrames.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from mlbsdk.mapping.types import ColumnType

CAPTURED_AT = "source_captured_at"
TRANSFORMED_AT = "transform_timestamp"
#: The column of what no field maps, and the parsed column that it comes from.
RESCUED, RESCUED_FROM = "_rescued", "rescued"
LINEAGE = "lineage_metadata"
SYSTEM_COLUMNS = (CAPTURED_AT, TRANSFORMED_AT, LINEAGE)
#: The fields of ``lineage_metadata``, each with its Spark type.
LINEAGE_FIELDS = {
    "source_table": "string",
    "source_row_id": "string",
    "transform_job": "string",
    "run_id": "string",
    "transform_timestamp": "timestamp",
    "data_quality_passed": "boolean",
    "quality_checks_run": "array<string>",
    "quality_checks_failed": "array<string>",
}


@dataclass
class Node:
    """One place of the JSON document that has to be parsed.

    ``kind`` is what the mapping expects there. A ``leaf`` is parsed as text (an object or array as its JSON text),
    unless the captures of a batch are known to have another type there.
    """

    kind: Literal["leaf", "object", "array", "map"] = "leaf"
    fields: dict[str, Node] = field(default_factory=dict)
    item: Node | None = None
    is_value: bool = False
    """Whether a column reads this place whole."""
    type: str = field(default="string", repr=False)
    """The Spark type that a leaf is parsed as."""


@dataclass(frozen=True)
class Level:
    """One step of an array source that opens a level of items.

    ``path`` is relative to the level above (the document for the first). ``branches`` are the names of ``kind``
    ``branches``; ``map`` takes all keys.
    """

    path: tuple[str | int, ...]
    kind: Literal["array", "map", "branches"]
    branches: tuple[str, ...] = ()


@dataclass(frozen=True)
class FromJson:
    """A value at ``path``, ``up`` levels above the item (the document is the level above the first)."""

    up: int
    path: tuple[str | int, ...]
    previous: bool = False
    is_typed: bool = field(default=False, repr=False)
    """Whether it is parsed as its column's type, not as text."""


@dataclass(frozen=True)
class FromItem:
    """The position or key of the item, ``up`` levels above."""

    up: int
    what: Literal["index", "key"]


@dataclass(frozen=True)
class FromRaw:
    """A column of the raw row, or one of its request parameters."""

    column: str
    parameter: str | None = None


@dataclass(frozen=True)
class FromExpression:
    """A Spark SQL expression over columns of the same row, checked and with quoted identifiers."""

    sql: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class FromDocument:
    """A column computed once for the document (a root target's key or partition field), inherited by name."""

    name: str


Origin = FromJson | FromItem | FromRaw | FromExpression | FromDocument


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    type: ColumnType
    nullable: bool
    origin: Origin
    source_path: str
    """Where the value comes from, from the document's root: ``liveData.plays.allPlays[*].result.event``; empty for an
    expression, whose columns have their own (see :meth:`Table.source_paths`)."""
    default: str | None = None
    null_values: tuple[str, ...] = ()
    description: str = field(default="", repr=False)
    is_stamp: bool = False
    """Whether the value tells of the run, not of the data: it does not make two rows differ."""

    @property
    def inherited(self) -> bool:
        """Whether the value is the document's."""
        return isinstance(self.origin, FromDocument)


@dataclass(frozen=True)
class Rule:
    """One rule on a table."""

    name: str
    severity: Literal["error", "warning"]
    kind: Literal["sql", "unique"]
    sql: str
    """The predicate with quoted identifiers; empty for ``unique``."""
    columns: tuple[str, ...]
    reason: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    """The rule as its author wrote it."""


@dataclass(frozen=True)
class Relationship:
    """A reference from this table to another."""

    to_table: str
    from_fields: tuple[str, ...]
    to_fields: tuple[str, ...]
    type: str


@dataclass(frozen=True)
class Index:
    """An index, for stores that have them."""

    columns: tuple[str, ...]
    type: str


@dataclass(frozen=True)
class Filter:
    """A boolean expression over columns and item paths; ``paths`` are bound to the names used in ``sql``."""

    sql: str
    columns: tuple[str, ...]
    paths: tuple[tuple[str, FromJson], ...]
    text: str = field(repr=False)


@dataclass(frozen=True)
class Table:
    """One table: what gives its rows, its columns in order, and what holds for it.

    ``columns`` ends with source_captured_at, transform_timestamp and (not listed as a Column) lineage_metadata.
    """

    name: str
    description: str = field(repr=False)
    levels: tuple[Level, ...]
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    partition_by: tuple[str, ...]
    document_key: tuple[str, ...]
    """The columns that identify the document of a row."""
    on_missing: Literal["keep", "delete"]
    filter: Filter | None
    rules: tuple[Rule, ...]
    relationships: tuple[Relationship, ...]
    indexes: tuple[Index, ...]
    tags: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Labels for lineage backends."""

    @property
    def compared_columns(self) -> tuple[str, ...]:
        """The columns that make two rows differ: all but when and by which run they were made."""
        return tuple(column.name for column in self.columns if not column.is_stamp)

    def column(self, name: str) -> Column:
        """Return the column of that name."""
        return next(column for column in self.columns if column.name == name)

    def source_paths(self, column: Column) -> tuple[str, ...]:
        """Return the JSON paths that a column's value comes from, through expressions."""
        if not isinstance(column.origin, FromExpression):
            return (column.source_path,) if column.source_path else ()
        found = (path for name in column.origin.columns for path in self.source_paths(self.column(name)))
        return tuple(dict.fromkeys(found))


def longest_first(tables: Iterable[Table]) -> list[Table]:
    """Return tables by how long their rows may take, longest first: tables made side by side end together then.

    Tables that lie deeper in a document have more rows.
    """
    return sorted(tables, key=lambda table: (len(table.levels) + 1) * len(table.columns), reverse=True)


@dataclass(frozen=True)
class Plan:
    """A compiled mapping."""

    name: str
    """The transform's name, ``game.live_game_v1``."""
    endpoint: str
    method: str
    raw_table: str
    description: str = field(repr=False)
    document: Node
    key: tuple[str, ...]
    """The document columns that identify a document; none where captures are no documents but list what others list
    too. All tables are ``keep`` then."""
    document_columns: tuple[Column, ...]
    """Columns of the first root target computed once a document, in the order in which they build on each other: the
    key, what child tables inherit, and what those need."""
    captured_at: tuple[FromJson, str] | None
    """Where the document says when it was captured, and the Spark datetime pattern of that text."""
    tables: tuple[Table, ...]
    fingerprint: str
    """SHA-256 of the plan's content: changes whenever the tables could. What is only for people does not count: such
    fields have no place in the plan's ``repr``, of which this is the hash."""
    also_methods: tuple[str, ...] = ()
    """Other methods of the endpoint whose responses are read too."""
    not_rescued: tuple[str, ...] | None = None
    """Paths that are left out of the column ``_rescued``; None where there is no such column."""
    is_part: bool = field(default=False, repr=False)
    """Whether tables of the mapping were left out."""
    tags: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Labels for lineage backends."""

    @property
    def ledger_names(self) -> tuple[str, ...]:
        """The names under which a store notes captures that were written: the transform, or each chosen table."""
        if not self.is_part:
            return (self.name,)
        return tuple(self.ledger_name_of(table) for table in self.tables)

    @property
    def row_places(self) -> tuple[tuple[str | int, ...], ...]:
        """Where in a document the rows of its tables are cut from: up to the first array or object used as a map."""
        return tuple(dict.fromkeys(table.levels[0].path if table.levels else () for table in self.tables))

    def ledger_name_of(self, table: Table) -> str:
        """Return the name under which a store notes captures that were written for one chosen table."""
        return f"{self.name} {table.name}"

    def table(self, name: str) -> Table:
        """Return the table of that name."""
        return next(table for table in self.tables if table.name == name)
