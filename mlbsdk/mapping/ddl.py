"""PostgreSQL data definition from a mapping: schemas, tables, keys, indexes, comments. Text only, no connection.

Statements are for PostgreSQL 14 to 18, each without its semicolon.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from mlbsdk.mapping.plan import LINEAGE, Column, Plan, Relationship, Table

#: PostgreSQL cuts longer names.
_LONGEST_NAME = 63
#: The newest captured_at of every document, which the writer keeps.
LEDGER = "mlbsdk.documents"
CREATE_LEDGER = """CREATE TABLE IF NOT EXISTS "mlbsdk"."documents" (
  "transform" text NOT NULL,
  "document" text NOT NULL,
  "captured_at" timestamp with time zone NOT NULL,
  "run_id" text NOT NULL,
  "recorded_at" timestamp with time zone NOT NULL DEFAULT now(),
  PRIMARY KEY ("transform", "document")
)"""
_LINEAGE_COMMENT = "Where the row comes from, which run made it, and which quality checks ran and failed."


@dataclass(frozen=True)
class NamedStatement:
    """A statement that makes an index or a constraint of this name."""

    name: str
    sql: str


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key that a relationship asks for."""

    name: str
    to_table: str
    columns: tuple[str, ...]
    to_columns: tuple[str, ...]
    is_own: bool
    """Whether the same mapping makes the parent's rows, in the same transaction: only then it can be enforced."""


@dataclass(frozen=True)
class PostgresTable:
    """A table of a mapping as PostgreSQL knows it."""

    table: Table

    @property
    def name(self) -> str:
        """The quoted name."""
        return qualified(self.table.name)

    @property
    def partition_column(self) -> Column | None:
        """The column by which the table is partitioned; None where it is not.

        PostgreSQL partitions a table only by columns of its primary key.
        """
        asked = [self.table.column(name) for name in self.table.partition_by[:1]]
        return next((column for column in asked if column.name in self.table.primary_key), None)

    def types(self) -> dict[str, str]:
        """Return the type of every column, as PostgreSQL writes it."""
        return {column.name: column.type.postgresql for column in self.table.columns} | {LINEAGE: "jsonb"}

    def is_required(self, name: str) -> bool:
        """Whether a column may not be null."""
        return name != LINEAGE and (name in self.table.primary_key or not self.table.column(name).nullable)

    def create(self) -> str:
        """Return CREATE TABLE, with its primary key."""
        lines = [
            f"{quoted(name)} {kind}{' NOT NULL' if self.is_required(name) else ''}"
            for name, kind in self.types().items()
        ]
        lines.append(f"CONSTRAINT {quoted(self.key_name)} PRIMARY KEY ({names(self.table.primary_key)})")
        partition = self.partition_column
        by = ""
        if partition is not None:
            by = f" PARTITION BY {'LIST' if partition.type.is_text else 'RANGE'} ({quoted(partition.name)})"
        body = ",\n  ".join(lines)
        return f"CREATE TABLE {self.name} (\n  {body}\n){by}"

    @property
    def key_name(self) -> str:
        """The name of the primary key's constraint."""
        return short_name(self.table.name.partition(".")[2], "pkey")

    def add_column(self, name: str) -> str:
        """Return ALTER TABLE that adds a column, null in the rows that there are."""
        return f"ALTER TABLE {self.name} ADD COLUMN {quoted(name)} {self.types()[name]}"

    def partition_values(self, rows: str) -> str:
        """Return a query for the partitions that the rows of a (quoted) table need: one value each.

        Dates and times are partitioned by month, whole numbers one by one, texts by value.
        """
        column = self.partition_column
        assert column is not None
        value = quoted(column.name)
        if column.type.kind == "moment":
            value = f"date_trunc('month', {value})::date"
        return f"SELECT DISTINCT {value} FROM {rows}"

    def create_partition(self, value: date | int | str) -> str:
        """Return CREATE TABLE for the partition of one value of :meth:`partition_values`."""
        table = self.table.name.partition(".")[2]
        schema = self.table.name.partition(".")[0]
        if isinstance(value, date):
            following = date(value.year + value.month // 12, value.month % 12 + 1, 1)
            suffix, bounds = f"{value:%Y_%m}", f"FROM ('{value}') TO ('{following}')"
        elif isinstance(value, int):
            suffix, bounds = str(value).replace("-", "minus_"), f"FROM ({value}) TO ({value + 1})"
        else:
            suffix = hashlib.sha256(value.encode()).hexdigest()[:8]
            bounds = f"IN ({literal(value)})"
        name = f"{quoted(schema)}.{quoted(short_name(table, suffix))}"
        how = f"FOR VALUES {bounds}"
        return f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF {self.name} {how}"

    def comments(self) -> list[str]:
        """Return a COMMENT for the table and for each column that has a description."""
        texts = {column.name: column.description for column in self.table.columns} | {LINEAGE: _LINEAGE_COMMENT}
        found = [f"COMMENT ON TABLE {self.name} IS {literal(self.table.description)}"] if self.table.description else []
        return found + [
            f"COMMENT ON COLUMN {self.name}.{quoted(name)} IS {literal(text)}" for name, text in texts.items() if text
        ]

    def indexes(self) -> list[NamedStatement]:
        """Return the mapping's indexes, and those without which deletes and foreign keys would read whole tables."""
        wanted = [(index.columns, index.type) for index in self.table.indexes]
        needed = [self.table.document_key, *(one.from_fields for one in self.table.relationships)]
        partition = [name for name in self.table.partition_by if self.partition_column is None]
        covered = [self.table.primary_key, *(columns for columns, kind in wanted if kind == "btree")]
        for columns in [*needed, *([tuple(partition)] if partition else [])]:
            if all(columns != one[: len(columns)] for one in covered):
                wanted.append((columns, "btree"))
                covered.append(columns)
        return [self._index(columns, kind) for columns, kind in dict.fromkeys(wanted)]

    def _index(self, columns: tuple[str, ...], kind: str) -> NamedStatement:
        table = self.table.name.partition(".")[2]
        suffix = "idx" if kind == "btree" else f"{kind}_idx"
        name = short_name(f"{table}_{'_'.join(columns)}", suffix)
        return NamedStatement(name, f"CREATE INDEX {quoted(name)} ON {self.name} USING {kind} ({names(columns)})")

    def foreign_keys(self, own: Mapping[str, Table]) -> list[ForeignKey]:
        """Return the foreign keys to the tables of the same mapping, and to those of others.

        A relationship becomes one where it leads to a primary key: PostgreSQL refers to nothing else.
        """
        found = []
        for relation in self.table.relationships:
            parent = own.get(relation.to_table)
            leads_to_key = parent is None or set(relation.to_fields) == set(parent.primary_key)
            if relation.type in ("many_to_one", "one_to_one") and leads_to_key:
                found.append(self._foreign_key(relation, is_own=parent is not None))
        return found

    def _foreign_key(self, relation: Relationship, is_own: bool) -> ForeignKey:
        name = short_name(f"{self.table.name.partition('.')[2]}_{'_'.join(relation.from_fields)}", "fkey")
        if sum(one.from_fields == relation.from_fields for one in self.table.relationships) > 1:
            parent = relation.to_table.replace(".", "_")
            name = short_name(f"{self.table.name.partition('.')[2]}_{'_'.join(relation.from_fields)}_{parent}", "fkey")
        return ForeignKey(name, relation.to_table, relation.from_fields, relation.to_fields, is_own)

    def add_foreign_key(self, key: ForeignKey) -> str:
        """Return ALTER TABLE that adds a foreign key.

        A key to a table of the same mapping is checked at the end of each transaction. One to another mapping's
        table, whose rows may come later, is NOT ENFORCED: that needs PostgreSQL 18.
        """
        how = "DEFERRABLE INITIALLY DEFERRED" if key.is_own else "NOT ENFORCED"
        return (
            f"ALTER TABLE {self.name} ADD CONSTRAINT {quoted(key.name)} FOREIGN KEY ({names(key.columns)}) "
            f"REFERENCES {qualified(key.to_table)} ({names(key.to_columns)}) {how}"
        )


def script(plan: Plan, housekeeping: Sequence[Table] = ()) -> str:
    """Return the whole data definition of a mapping, as a script for psql.

    ``housekeeping`` are tables that a run may write besides those of the mapping.
    """
    own = {table.name: table for table in (*plan.tables, *housekeeping)}
    tables = [PostgresTable(table) for table in own.values()]
    parts = [f"-- {plan.name}: made from its mapping for PostgreSQL 14 to 18"]
    parts += [f"{create_schema(schema)};" for schema in schemas([*own, LEDGER])]
    parts.append(f"{CREATE_LEDGER};")
    for table in tables:
        statements = [table.create(), *(index.sql for index in table.indexes()), *table.comments()]
        parts.append("\n".join(f"{statement};" for statement in statements))
    keys = [(table, key) for table in tables for key in table.foreign_keys(own)]
    parts.append("\n".join(f"{table.add_foreign_key(key)};" for table, key in keys if key.is_own))
    later = [f"-- {table.add_foreign_key(key)};" for table, key in keys if not key.is_own]
    if later:
        parts.append("\n".join(["-- On PostgreSQL 18, where the tables of other mappings exist:", *later]))
    return "\n\n".join(part for part in parts if part) + "\n"


def schemas(tables: Iterable[str]) -> list[str]:
    """Return the schemas of tables, each once."""
    return list(dict.fromkeys(table.partition(".")[0] for table in tables))


def create_schema(name: str) -> str:
    """Return CREATE SCHEMA."""
    return f"CREATE SCHEMA IF NOT EXISTS {quoted(name)}"


def quoted(name: str) -> str:
    """Return an identifier in quotes."""
    return '"' + name.replace('"', '""') + '"'


def qualified(table: str) -> str:
    """Return ``schema.table`` with each part in quotes."""
    schema, _, name = table.partition(".")
    return f"{quoted(schema)}.{quoted(name)}"


def names(columns: Iterable[str], prefix: str = "") -> str:
    """Return quoted names, each after a prefix such as ``t.``, separated by commas."""
    return ", ".join(prefix + quoted(name) for name in columns)


def literal(text: str) -> str:
    """Return a text literal, whatever ``standard_conforming_strings`` is."""
    escaped = text.replace("'", "''")
    return "E'" + escaped.replace("\\", "\\\\") + "'" if "\\" in escaped else f"'{escaped}'"


def short_name(base: str, suffix: str) -> str:
    """Return ``base_suffix``, cut and made distinct by a hash where PostgreSQL would cut it."""
    whole = f"{base}_{suffix}"
    if len(whole) <= _LONGEST_NAME:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{base[: _LONGEST_NAME - len(suffix) - len(digest) - 2]}_{digest}_{suffix}"
