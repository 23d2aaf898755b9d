"""What a change of a mapping means: for the tables that there are, for the rows to come, and for who reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mlbsdk.mapping.ddl import qualified, quoted
from mlbsdk.mapping.plan import Column, FromExpression, FromItem, FromJson, FromRaw, Plan, Rule, Table
from mlbsdk.mapping.types import ColumnType

#: Whom a change breaks: those who read the tables, rows that were published before and are refused now, tables stored
#: in PostgreSQL, tables stored in a lakehouse (Delta, Parquet, Avro), and the next run into the target looked at.
Breaks = Literal["readers", "rows", "postgresql", "lakehouse", "target"]

_REWRITE = "Delta, Parquet and Avro: write to another --target, or rewrite the table"
_RERUN = "Run the captures again to have it in the rows that are stored."
_INTEGERS = ("SMALLINT", "INT", "BIGINT")
_DIGITS = {"SMALLINT": 5, "INT": 10, "BIGINT": 19}


@dataclass(frozen=True)
class Change:
    """One thing that differs."""

    part: str
    """What it is about: mapping, table, column, type, nullability, source, key, partition, rule, ..."""
    table: str
    """The table; empty for the mapping as a whole."""
    name: str
    """The column or rule; empty for the table as a whole."""
    text: str
    """What changes."""
    breaks: tuple[Breaks, ...] = ()
    """Whom it breaks; nobody where it is empty."""
    why: str = ""
    fix: str = ""

    @property
    def is_breaking(self) -> bool:
        """Whether somebody or something has to be changed as well."""
        return bool(self.breaks)


def differences(old: Plan, new: Plan) -> tuple[Change, ...]:
    """Return what changes from one mapping to another. Descriptions and the order of columns don't count."""
    return (*_of_mapping(old, new), *_of_tables(old, new))


def _of_mapping(old: Plan, new: Plan) -> Iterator[Change]:
    if old.name != new.name:
        why = "captures of the other endpoint are refused, and what is stored belongs to the other name"
        yield Change("mapping", "", "", f"{old.name} becomes {new.name}", ("rows",), why, "Write to another --target.")
    if old.key != new.key:
        yield Change(
            "key",
            "",
            "",
            f"documents are identified by {_list(new.key)}, not by {_list(old.key)}",
            ("rows", "postgresql", "lakehouse"),
            "captures that are stored count as other documents: their rows are not replaced",
            "Write to another --target, and run all captures again.",
        )
    if old.raw_table != new.raw_table:
        text = f"raw captures are in {new.raw_table}, not in {old.raw_table}"
        yield Change("mapping", "", "", text, (), "raw tables are read there from now on", "Move the raw table.")
    if old.captured_at != new.captured_at:
        text = f"the time of capture is read at {_time(new)}, not at {_time(old)}"
        why = "captures without a time of their own get another one, by which newer and older are told apart"
        yield Change("mapping", "", "", text, (), why, "Run all captures again.")


def _time(plan: Plan) -> str:
    if plan.captured_at is None:
        return "no place in the document"
    origin, pattern = plan.captured_at
    return f"$.{'.'.join(map(str, origin.path))} ({pattern})"


# Tables


def _of_tables(old: Plan, new: Plan) -> Iterator[Change]:
    before, after = ({table.name: table for table in plan.tables} for plan in (old, new))
    gone = [table for name, table in before.items() if name not in after]
    come = [table for name, table in after.items() if name not in before]
    for table in gone:
        twin = next((other for other in come if _is_renamed(table, other)), None)
        if twin is None:
            yield _removed(table)
        else:
            come.remove(twin)
            yield _renamed(table, twin)
    for table in come:
        why = "the next run makes it, and fills it from the captures that it reads"
        yield Change("table", table.name, "", "new table", (), why, _RERUN)
    for name, table in after.items():
        if name in before:
            yield from _of_table(before[name], table)


def _is_renamed(table: Table, other: Table) -> bool:
    same = table.levels == other.levels and table.primary_key == other.primary_key
    return same and {c.name: c.type for c in table.columns} == {c.name: c.type for c in other.columns}


def _removed(table: Table) -> Change:
    why = "it stays as it is, and no run updates it"
    fix = f"Keep it in the mapping, or drop it once nobody reads it: DROP TABLE {qualified(table.name)};"
    return Change("table", table.name, "", "table removed", ("readers",), why, fix)


def _renamed(table: Table, twin: Table) -> Change:
    name = quoted(twin.name.partition(".")[2])
    return Change(
        "table",
        table.name,
        "",
        f"becomes {twin.name}, as it seems",
        ("readers",),
        "the next run makes a new table beside it, with none of its rows",
        f"PostgreSQL: ALTER TABLE {qualified(table.name)} RENAME TO {name}; Lakehouse: move its folder. "
        "Or run all captures again.",
    )


def _of_table(old: Table, new: Table) -> Iterator[Change]:
    if old.levels != new.levels:
        yield Change(
            "source",
            new.name,
            "",
            f"rows come from {rows_from(new)}, not from {rows_from(old)}",
            ("readers",),
            "other items become rows; those stored stay until their document is captured again",
            "Run all captures again.",
        )
    if (old.filter and old.filter.text) != (new.filter and new.filter.text):
        shown = [table.filter.text if table.filter else "none" for table in (old, new)]
        why = "other items become rows"
        text = f"filter {shown[0]} becomes {shown[1]}"
        yield Change("filter", new.name, "", text, ("readers",), why, "Run all captures again.")
    yield from _of_keys(old, new)
    yield from _of_columns(old, new)
    yield from _of_rules(old, new)
    yield from _of_relations(old, new)


def rows_from(table: Table) -> str:
    """Return the path whose items are a table's rows."""
    from mlbsdk.mapping.origins import source_path

    return f"$.{source_path(table.levels, FromJson(0, ()))}".replace("$.[", "$[") if table.levels else "the document"


def _of_keys(old: Table, new: Table) -> Iterator[Change]:
    if old.primary_key != new.primary_key:
        is_order = set(old.primary_key) == set(new.primary_key)
        key = ", ".join(map(quoted, new.primary_key))
        yield Change(
            "key",
            new.name,
            "",
            f"primary key {_list(old.primary_key)} becomes {_list(new.primary_key)}",
            () if is_order else ("readers", "rows", "postgresql", "lakehouse"),
            "only its order differs" if is_order else "rows that are stored are not found by the new key, and stay",
            "" if is_order else f"Write to another --target and run all captures again. The key there: ({key}).",
        )
    if old.partition_by != new.partition_by:
        yield Change(
            "partition",
            new.name,
            "",
            f"partitioned by {_list(new.partition_by)}, not by {_list(old.partition_by)}",
            ("postgresql", "lakehouse"),
            "a stored table keeps the partitions that it was made with",
            "Write to another --target and run all captures again.",
        )
    if old.on_missing != new.on_missing:
        is_delete = new.on_missing == "delete"
        yield Change(
            "on_missing",
            new.name,
            "",
            f"on_missing {old.on_missing} becomes {new.on_missing}",
            ("readers",) if is_delete else (),
            "rows that the newest capture of their document lacks are deleted"
            if is_delete
            else "rows that the newest capture of their document lacks stay",
            "",
        )


# Columns


def _of_columns(old: Table, new: Table) -> Iterator[Change]:
    before, after = ({column.name: column for column in table.columns} for table in (old, new))
    gone = [column for name, column in before.items() if name not in after]
    come = [column for name, column in after.items() if name not in before]
    for column in gone:
        twin = next((o for o in come if o.type == column.type and _source(old, column) == _source(new, o)), None)
        if twin is None:
            yield _column_removed(new, column)
        else:
            come.remove(twin)
            yield _column_renamed(new, column, twin)
    for column in come:
        yield _column_added(new, column)
    for name, column in after.items():
        if name in before:
            yield from _of_column(new, before[name], column, _source(old, before[name]))


def _column_removed(table: Table, column: Column) -> Change:
    why = "it stays in stored tables, and is null in rows written from now on"
    breaks: tuple[Breaks, ...] = ("readers",) if column.nullable else ("readers", "postgresql")
    alter = f"ALTER TABLE {qualified(table.name)} DROP COLUMN {quoted(column.name)};"
    more = "" if column.nullable else "; PostgreSQL refuses the table as long as it may not be null there"
    return Change("column", table.name, column.name, "column removed", breaks, why + more, f"PostgreSQL: {alter}")


def _column_renamed(table: Table, column: Column, twin: Column) -> Change:
    alter = f"ALTER TABLE {qualified(table.name)} RENAME COLUMN {quoted(column.name)} TO {quoted(twin.name)};"
    return Change(
        "column",
        table.name,
        column.name,
        f"becomes {twin.name}, as it seems",
        ("readers",) if column.nullable else ("readers", "postgresql"),
        f"stored tables keep {column.name}, null in rows written from now on, and get {twin.name} beside it",
        f"PostgreSQL: {alter} Lakehouse: run all captures again.",
    )


def _column_added(table: Table, column: Column) -> Change:
    if column.nullable:
        why = "null in the rows that are stored"
        return Change("column", table.name, column.name, f"new column, {column.type}", (), why, _RERUN)
    why = "null in the rows that are stored; rows without a value for it are refused"
    text = f"new column, {column.type}, never null"
    return Change("column", table.name, column.name, text, ("rows",), why, f"Let it be nullable at first. {_RERUN}")


def _of_column(table: Table, old: Column, new: Column, source: str) -> Iterator[Change]:
    if old.type != new.type:
        yield _type_changed(table, old, new)
    if old.nullable and not new.nullable:
        why = "rows without a value are refused; stored ones stay null"
        fix = "Give it a default, or let it be null."
        yield Change("nullability", table.name, new.name, "may no longer be null", ("rows",), why, fix)
    elif new.nullable and not old.nullable:
        alter = f"ALTER TABLE {qualified(table.name)} ALTER COLUMN {quoted(new.name)} DROP NOT NULL;"
        why = "readers may meet nulls, and a stored table in PostgreSQL allows none"
        text = "may be null"
        yield Change("nullability", table.name, new.name, text, ("readers", "postgresql"), why, f"PostgreSQL: {alter}")
    if source != _source(table, new):
        text = f"comes from {_source(table, new)}, not from {source}"
        why = "the values may be others; stored rows keep theirs until their document is captured again"
        yield Change("source", table.name, new.name, text, ("readers",), why, "Run all captures again.")
    if (old.default, old.null_values) != (new.default, new.null_values):
        text = f"{_filled(old)} becomes {_filled(new)}"
        yield Change("source", table.name, new.name, text, (), "stored rows keep what they have", _RERUN)


def _source(table: Table, column: Column) -> str:
    """Return where a column's value comes from, as one text."""
    origin = column.origin
    if isinstance(origin, FromExpression):
        return origin.sql.replace("`", "")
    if isinstance(origin, FromItem):
        return f"the {'.'.join(['parent'] * origin.up + [origin.what])} of the item"
    if isinstance(origin, FromRaw):
        return f"the raw row's {'.'.join(filter(None, [origin.column, origin.parameter]))}"
    if isinstance(origin, FromJson) and origin.previous:
        return f"the item before, $.{column.source_path}"
    return f"$.{column.source_path}" if column.source_path else "the item"


def _filled(column: Column) -> str:
    nulls = f"null_values {list(column.null_values)}" if column.null_values else "no null_values"
    return f"{nulls} and {'no default' if column.default is None else f'default {column.default!r}'}"


def _type_changed(table: Table, old: Column, new: Column) -> Change:
    way = direction(old.type, new.type)
    alter = f"ALTER TABLE {qualified(table.name)} ALTER COLUMN {quoted(new.name)} TYPE {new.type.postgresql};"
    same_in_lakehouse = old.type.spark == new.type.spark
    breaks: list[Breaks] = [] if way == "widening" else ["readers", "rows"]
    breaks += ["postgresql"] if old.type.postgresql != new.type.postgresql else []
    breaks += [] if same_in_lakehouse else ["lakehouse"]
    why = {
        "widening": "every value of the old type fits; stored tables keep the old one, and are refused",
        "narrowing": "values that no longer fit are refused",
        "other": "values of another kind; those that do not fit are refused",
    }[way]
    fix = f"PostgreSQL: {alter}" + ("" if same_in_lakehouse else f" {_REWRITE}.")
    text = f"{old.type} becomes {new.type} ({way if way != 'other' else 'another kind'})"
    return Change("type", table.name, new.name, text, tuple(breaks), why, fix)


def direction(old: ColumnType, new: ColumnType) -> Literal["widening", "narrowing", "other"]:
    """Return whether every value of the old type is one of the new (widening), the reverse (narrowing), or neither."""
    if _holds(new, old):
        return "widening"
    return "narrowing" if _holds(old, new) else "other"


def _holds(wide: ColumnType, narrow: ColumnType) -> bool:
    """Whether every value of a type is also one of another, and means the same."""
    if wide.name == narrow.name == "NUMERIC":
        scale, other = wide.scale or 0, narrow.scale or 0
        return scale >= other and (wide.precision or 0) - scale >= (narrow.precision or 0) - other
    if wide.name in ("TEXT", "VARCHAR", "CHAR"):
        is_text = narrow.name in ("TEXT", "VARCHAR", "CHAR")
        return is_text and (wide.name == "TEXT" or (narrow.length is not None and narrow.length <= (wide.length or 0)))
    if narrow.name in _INTEGERS:
        if wide.name in _INTEGERS:
            return _INTEGERS.index(wide.name) >= _INTEGERS.index(narrow.name)
        if wide.name == "NUMERIC":
            return (wide.precision or 0) - (wide.scale or 0) >= _DIGITS[narrow.name]
        return wide.name == "DOUBLE" and narrow.name != "BIGINT"
    return (wide.name, narrow.name) in (("DOUBLE", "REAL"), ("TIMESTAMP", "DATE"))


# Rules, relationships, indexes


def _of_rules(old: Table, new: Table) -> Iterator[Change]:
    before, after = ({rule.name: rule for rule in table.rules} for table in (old, new))
    for name, rule in before.items():
        if name not in after:
            yield Change("rule", new.name, name, f"rule removed: {rule.text}", (), "rows that broke it are published")
    for name, rule in after.items():
        if name not in before:
            yield _rule(new, rule, f"new rule of severity {rule.severity}: {rule.text}")
        elif (before[name].text, before[name].severity) != (rule.text, rule.severity):
            earlier = before[name]
            is_milder = earlier.text == rule.text and rule.severity == "warning"
            text = f"{earlier.text} ({earlier.severity}) becomes {rule.text} ({rule.severity})"
            yield _rule(new, rule, text, is_milder)


def _rule(table: Table, rule: Rule, text: str, is_milder: bool = False) -> Change:
    if rule.severity == "warning":
        why = "rows that break it are published, and counted" if is_milder else "rows that break it are counted"
        return Change("rule", table.name, rule.name, text, (), why)
    fix = "Let it be of severity warning at first, and see how many rows break it."
    return Change("rule", table.name, rule.name, text, ("rows",), "rows that break it are refused", fix)


def _of_relations(old: Table, new: Table) -> Iterator[Change]:
    def told(relation: object) -> str:
        from_fields, to_table = getattr(relation, "from_fields", ()), getattr(relation, "to_table", "")
        return f"{_list(from_fields)} -> {to_table} {_list(getattr(relation, 'to_fields', ()))}"

    for relation in old.relationships:
        if relation not in new.relationships:
            why = "a foreign key in PostgreSQL stays until it is dropped"
            yield Change("relationship", new.name, "", f"relationship removed: {told(relation)}", (), why)
    for relation in new.relationships:
        if relation not in old.relationships:
            why = "PostgreSQL makes a foreign key of it, and checks the rows that are stored"
            yield Change("relationship", new.name, "", f"new relationship: {told(relation)}", (), why)
    for index in old.indexes:
        if index not in new.indexes:
            why = "it stays in PostgreSQL until it is dropped"
            yield Change("index", new.name, "", f"index removed: {_list(index.columns)} {index.type}", (), why)
    for index in new.indexes:
        if index not in old.indexes:
            why = "the next run makes it in PostgreSQL"
            yield Change("index", new.name, "", f"new index: {_list(index.columns)} {index.type}", (), why)


def _list(names: Iterable[str]) -> str:
    return f"({', '.join(names)})"


# A mapping and what is stored


@dataclass(frozen=True, kw_only=True)
class StoredTable:
    """A table as a store holds it, and as it would be made for the mapping.

    A writer that has ``stored(table)`` returns it. ``None`` says that the store knows nothing of the kind.
    """

    columns: dict[str, str]
    """Type of each column, as the store spells it."""
    wanted: dict[str, str]
    """The same for the mapping's columns; ``lineage_metadata`` is among them."""
    required: frozenset[str] | None = None
    """Columns that may not be null."""
    primary_key: tuple[str, ...] | None = None
    partition_by: tuple[str, ...] | None = None
    wanted_partition: tuple[str, ...] = ()
    is_sql: bool = False
    """Whether ALTER TABLE can bring it forward."""


def differences_in_store(
    tables: Sequence[Table], stored_of: Callable[[Table], StoredTable | None]
) -> tuple[Change, ...]:
    """Return what a run of the mapping would find different in a store."""
    found: list[Change] = []
    for table in tables:
        stored = stored_of(table)
        if stored is None:
            found.append(Change("table", table.name, "", "not there yet", (), "the next run makes it"))
        else:
            found += _of_stored(table, stored)
    return tuple(found)


def _of_stored(table: Table, stored: StoredTable) -> Iterator[Change]:
    refused = "the next run refuses the table"
    broken: tuple[Breaks, ...] = ("target",)
    for name, kind in stored.wanted.items():
        have = stored.columns.get(name)
        if have is None:
            why = "the next run adds it, null in the rows that are stored"
            yield Change("column", table.name, name, f"not there yet, {kind}", (), why, _RERUN)
        elif have != kind:
            text = f"is {have}, the mapping says {kind}"
            yield Change("type", table.name, name, text, broken, refused, _type_fix(table, name, kind, stored.is_sql))
    for name in stored.columns:
        if name not in stored.wanted:
            is_required = name in (stored.required or ())
            why = refused if is_required else "it stays, null in rows written from now on"
            alter = f"ALTER TABLE {qualified(table.name)} ALTER COLUMN {quoted(name)} DROP NOT NULL;"
            text = "not in the mapping" + (", and may not be null" if is_required else "")
            breaks = broken if is_required else ()
            yield Change("column", table.name, name, text, breaks, why, alter if is_required else "")
    if stored.primary_key is not None and set(stored.primary_key) != set(table.primary_key):
        text = f"the primary key is {_list(stored.primary_key)}, the mapping says {_list(table.primary_key)}"
        yield Change("key", table.name, "", text, broken, refused, "Write to another --target.")
    if stored.partition_by is not None and stored.partition_by != stored.wanted_partition:
        text = f"partitioned by {_list(stored.partition_by)}, the mapping says {_list(stored.wanted_partition)}"
        why = "a stored table keeps the partitions that it was made with, and the next run may be refused"
        yield Change("partition", table.name, "", text, broken, why, "Write to another --target.")
    nullable = {column.name for column in table.columns if column.nullable and column.name not in table.primary_key}
    for name in sorted((stored.required or frozenset()) & nullable):
        alter = f"ALTER TABLE {qualified(table.name)} ALTER COLUMN {quoted(name)} DROP NOT NULL;"
        text = "may not be null, and may in the mapping"
        yield Change("nullability", table.name, name, text, broken, refused, alter)


def _type_fix(table: Table, name: str, kind: str, is_sql: bool) -> str:
    if is_sql:
        return f"ALTER TABLE {qualified(table.name)} ALTER COLUMN {quoted(name)} TYPE {kind};"
    return "Write to another --target, or rewrite the stored table with the new type."
