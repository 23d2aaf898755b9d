"""Cut one table from parsed documents: open its levels, read its values, apply types, judge rules, add lineage.

The table's plan becomes one Spark SQL query. Names that start with ``__`` are the query's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from mlbsdk.mapping.plan import (
    LINEAGE,
    RESCUED,
    RESCUED_FROM,
    TRANSFORMED_AT,
    Column,
    FromDocument,
    FromExpression,
    FromItem,
    FromJson,
    FromRaw,
    Level,
    Table,
)
from mlbsdk.runtime.sql import Over, array, literal, name, reach, select
from mlbsdk.runtime.values import (
    expression,
    expression_misfit,
    finite,
    is_raw_text,
    layers,
    misfit,
    raw_value,
    typed,
    usable,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_RAW = (
    "row_id",
    "captured_at",
    "endpoint",
    "method",
    "params",
    "url",
    "status_code",
    "run_id",
    "transformed_at",
    "document_columns",
)


@dataclass(frozen=True)
class RunStamp:
    """What every row of a run carries about the run."""

    run_id: str
    transform: str
    raw_table: str
    transformed_at: datetime
    source: str = ""
    """The address that its captures come from, without passwords."""


#: Where the parsed documents have what is at a path of the document, as SQL.
Place = Callable[[tuple[str | int, ...]], str]


def in_document(path: tuple[str | int, ...]) -> str:
    """Return the place of a path where documents are whole."""
    return reach("document", path)


def cut(parsed: DataFrame, table: Table, stamp: RunStamp) -> DataFrame:
    """Return the rows of one table.

    Args:
        parsed: as :func:`mlbsdk.runtime.parse.parse` returns it, without rejected captures.
        table: the table's plan.
        stamp: the run.

    Returns:
        The table's columns in order, then ``lineage_metadata``, a struct of source_table, source_row_id, transform_job,
        run_id, transform_timestamp, data_quality_passed, quality_checks_run and quality_checks_failed.
    """
    with Over(parsed) as over:
        return over.run(query(table, over.name, stamp))


def judged_again(rows: DataFrame, table: Table, stamp: RunStamp) -> DataFrame:
    """Return rows that were cut before, judged by what the table asks now.

    Args:
        rows: the table's columns, with their types, and ``__row_id``.
        table: the table's plan.
        stamp: the run.

    Returns:
        As :func:`cut`. Whether values fit their type is not asked: what did not fit is not in a row any more.
    """
    conditions = [
        (f"{kind}:{column.name}", _broken(kind, column, 0))
        for column in table.columns
        for kind in _built_in(column)
        if kind != "type"
    ]
    columns = [name(column.name) for column in table.columns]
    with Over(rows) as over:
        failed = f"{_failed_of(table, conditions)} AS __failed"
        found = select([*columns, "__row_id", f"{literal(stamp.run_id)} AS __run_id", failed], over.name)
        return over.run(select([*columns, f"{_lineage(table, stamp)} AS {LINEAGE}"], found))


def query(table: Table, parsed: str, stamp: RunStamp, place: Place = in_document) -> str:
    """Return the query that cuts a table from the parsed documents of that name; ``place`` says where a path is."""
    opened = _typed_values(table, _opened_levels(table, parsed, place))
    for layer in layers(
        [c for c in table.columns if isinstance(c.origin, FromExpression) and c.name != TRANSFORMED_AT]
    ):
        opened = select(["*", *(f"{expression(column)} AS {name(column.name)}" for column in layer)], opened)
    if table.filter is not None and table.filter.columns:
        opened = select(["*"], opened, table.filter.sql)
    columns = [name(column.name) for column in table.columns]
    judged = select([*columns, name("__row_id"), name("__run_id"), f"{_failed(table)} AS __failed"], opened)
    return select([*columns, f"{_lineage(table, stamp)} AS {LINEAGE}"], judged)


# Levels


def document_paths(table: Table) -> list[tuple[str | int, ...]]:
    """Return the paths at which a table reads the document: what it opens at first, and single values."""
    opened = [table.levels[0].path] if table.levels else []
    return [*opened, *(origin.path for origin in _values_at(table, len(table.levels)).values())]


def _opened_levels(table: Table, parsed: str, place: Place) -> str:
    """Open the table's levels one in another, reading at each the values that its columns need from there.

    Ancestors are never carried down whole: an exploded row copies all that it carries.
    """
    depth = len(table.levels)
    rescued = [RESCUED_FROM] if any(column.name == RESCUED for column in table.columns) else []
    carried = [f"__{column}" for column in (*_RAW, *rescued)]
    own = [f"{name(column)} AS {name(f'__{column}')}" for column in (*_RAW, *rescued)]
    here = _values_at(table, depth)
    first = table.levels[0] if depth else None
    columns = [*own, *_read(here, place), *([f"{_items(table, 0, place)} AS __items"] if first else [])]
    found = select(columns, parsed)
    carried += here
    for number, level in enumerate(table.levels):
        position = f"__at_{depth - number - 1}"
        item, key, lateral = _entry(level, position, has_previous=bool(_previous(table)) and number == depth - 1)
        here = _values_at(table, depth - number - 1)
        inside = partial(reach, item)
        columns = [*map(name, carried), f"{key} AS {name(position)}", *_read(here, inside)]
        carried += [position, *here]
        if number < depth - 1:
            columns.append(f"{_items(table, number + 1, inside)} AS __items")
        else:
            columns += [f"__entry.{name(n)} AS {name(n)}" for n in _previous(table)]
            carried += _previous(table)
        found = select(columns, found, f"{item} IS NOT NULL", lateral)
    if table.filter is not None and not table.filter.columns:
        found = select(["*"], found, table.filter.sql)
    return found


def _entry(level: Level, position: str, has_previous: bool) -> tuple[str, str, str]:
    """Return (the item, its position or key, the LATERAL VIEW that opens the level)."""
    if level.kind == "array":
        view = f" LATERAL VIEW posexplode(__items) __view AS {name('__position')}, __entry"
        return ("__entry.value" if has_previous else "__entry"), "__position", view
    return "__entry.value", "__entry.key", " LATERAL VIEW explode(__items) __view AS __entry"


def _items(table: Table, number: int, place: Place) -> str:
    """Return the array that a level explodes: of items, of {key, value}, or of {value, values of the previous item}."""
    level = table.levels[number]
    inside = place(level.path)
    if level.kind == "map":
        return f"map_entries({inside})"
    if level.kind == "branches":
        entries = (f"named_struct('key', {literal(b)}, 'value', {inside}.{name(b)})" for b in level.branches)
        return f"array({', '.join(entries)})"
    previous = _previous(table) if number == len(table.levels) - 1 else {}
    if not previous:
        return inside
    before = [f"{literal(n)}, {reach(f'get({inside}, __i - 1)', o.path)}" for n, o in previous.items()]
    return f"transform({inside}, (__x, __i) -> named_struct('value', __x, {', '.join(before)}))"


def _values_at(table: Table, up: int) -> dict[str, FromJson]:
    """Return the values that the table reads ``up`` levels above its items, by the name they are carried under."""
    found = {f"__v_{n}": c.origin for n, c in enumerate(table.columns) if isinstance(c.origin, FromJson)}
    found |= dict(table.filter.paths if table.filter else ())
    return {key: origin for key, origin in found.items() if origin.up == up and not origin.previous}


def _previous(table: Table) -> dict[str, FromJson]:
    """Return the values that the table reads from the previous item."""
    found = {f"__v_{n}": c.origin for n, c in enumerate(table.columns) if isinstance(c.origin, FromJson)}
    found |= dict(table.filter.paths if table.filter else ())
    return {key: origin for key, origin in found.items() if origin.previous}


def _read(values: dict[str, FromJson], place: Place) -> list[str]:
    return [f"{place(origin.path)} AS {name(key)}" for key, origin in values.items()]


# Values


def _typed_values(table: Table, source: str) -> str:
    computed = [(n, column) for n, column in enumerate(table.columns) if has_text(column) and not _is_read(column)]
    texts = [f"{_text(column, n)} AS {name(f'__t_{n}')}" for n, column in computed]
    with_texts = select(["*", *texts], source) if texts else source
    values = [
        f"{typed(_text_name(column, n), column.type) if has_text(column) else _ready(column, n)} AS {name(column.name)}"
        for n, column in enumerate(table.columns)
        if not isinstance(column.origin, FromExpression) or column.name == TRANSFORMED_AT
    ]
    return select(["*", *values], with_texts)


def _is_read(column: Column) -> bool:
    """Whether a column's text is what was read, with nothing done to it: each further layer costs planning time."""
    return not isinstance(column.origin, FromRaw) and not column.null_values and column.default is None


def _text_name(column: Column, number: int) -> str:
    """Return the name that a column's text has before its type is applied."""
    if not _is_read(column):
        return name(f"__t_{number}")
    origin = column.origin
    return name(f"__at_{origin.up}" if isinstance(origin, FromItem) else f"__v_{number}")


def has_text(column: Column) -> bool:
    """Whether the value comes as text whose type is applied here."""
    origin = column.origin
    if isinstance(origin, FromItem):
        return origin.what == "key"
    if isinstance(origin, FromJson):
        return not origin.is_typed
    return isinstance(origin, FromRaw) and is_raw_text(origin)


def _text(column: Column, number: int) -> str:
    origin = column.origin
    if isinstance(origin, FromItem):
        return name(f"__at_{origin.up}")
    return usable(raw_value(origin, "__") if isinstance(origin, FromRaw) else name(f"__v_{number}"), column)


def _ready(column: Column, number: int) -> str:
    """Return a value that has a type already."""
    if column.name == TRANSFORMED_AT:
        return "__transformed_at"
    origin = column.origin
    if isinstance(origin, FromJson):
        value = _text_name(column, number)
        return finite(value) if _may_be_infinite(column) else value
    if isinstance(origin, FromDocument):
        return f"__document_columns.{name(origin.name)}"
    if isinstance(origin, FromItem):
        return f"cast({name(f'__at_{origin.up}')} AS {column.type.spark})"
    assert isinstance(origin, FromRaw)
    return f"cast({usable(raw_value(origin, '__'), column)} AS {column.type.spark})"


def _may_be_infinite(column: Column) -> bool:
    """Whether a value that has a type already may be no number: JSON with 1E400 is."""
    return isinstance(column.origin, FromJson) and column.origin.is_typed and column.type.name == "DOUBLE"


# Checks


def checks_of(table: Table) -> tuple[str, ...]:
    """Return the names of the checks that each row of a table passes through: what its types ask, then its rules."""
    names = [f"{kind}:{column.name}" for column in table.columns for kind in _built_in(column)]
    return (*names, *(rule.name for rule in table.rules if rule.kind == "sql"))


def _built_in(column: Column) -> Iterator[str]:
    is_computed = isinstance(column.origin, FromExpression) and column.name != TRANSFORMED_AT
    if (has_text(column) or is_computed or _may_be_infinite(column)) and not column.type.is_text:
        yield "type"
    if column.type.length:
        yield "length"
    if not column.nullable:
        yield "not_null"


def _broken(kind: str, column: Column, number: int) -> str:
    """Return whether a row breaks what its column's type asks."""
    value = name(column.name)
    if kind == "not_null":
        return f"{value} IS NULL"
    if kind == "length":
        return f"length({value}) > {column.type.length}"
    if has_text(column) or _may_be_infinite(column):
        return misfit(_text_name(column, number), value, column.type)
    return expression_misfit(column)


def _failed(table: Table) -> str:
    """Return the names of the checks that failed, as an array."""
    conditions: list[tuple[str, str]] = []
    for number, column in enumerate(table.columns):
        conditions += [(f"{kind}:{column.name}", _broken(kind, column, number)) for kind in _built_in(column)]
    return _failed_of(table, conditions)


def _failed_of(table: Table, built_in: list[tuple[str, str]]) -> str:
    conditions = [*built_in]
    conditions += [(rule.name, f"NOT ({rule.sql})") for rule in table.rules if rule.kind == "sql"]
    if not conditions:
        return array([])
    names = array(f"if({condition}, {literal(check)}, '')" for check, condition in conditions)
    return f"array_remove({names}, '')"


def _lineage(table: Table, stamp: RunStamp) -> str:
    warnings = [literal(rule.name) for rule in table.rules if rule.severity == "warning" and rule.kind == "sql"]
    errors = f"array_except(__failed, {array(warnings)})" if warnings else "__failed"
    ran = array(literal(rule.name) for rule in table.rules if rule.kind == "sql")
    parts = {
        "source_table": literal(stamp.raw_table),
        "source_row_id": "__row_id",
        "transform_job": literal(f"{stamp.transform}.{table.name.partition('.')[2]}"),
        "run_id": "__run_id",
        "transform_timestamp": TRANSFORMED_AT,
        "data_quality_passed": f"size({errors}) = 0",
        "quality_checks_run": ran,
        "quality_checks_failed": "__failed",
    }
    return "named_struct(" + ", ".join(f"{literal(part)}, {value}" for part, value in parts.items()) + ")"
