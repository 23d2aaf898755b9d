"""Which captures a run wants, ``--where FIELD=VALUE``, and where in a capture a field's value stands.

Sources apply the conditions to raw rows, before anything is parsed whole: those of the core by :func:`matching`, others
in their own language. Values are compared with the text as it stands in the capture, numbers as numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from mlbsdk.errors import ConfigurationError, did_you_mean
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import LoadedMapping
from mlbsdk.mapping.model import FieldSpec, FilterSpec
from mlbsdk.mapping.model import Mapping as TransformMapping
from mlbsdk.mapping.origins import from_raw
from mlbsdk.mapping.paths import join, parse_path
from mlbsdk.mapping.plan import Node, Plan
from mlbsdk.mapping.types import ColumnType
from mlbsdk.mapping.yaml_file import Positions
from mlbsdk.runtime.envelopes import envelope_value, with_parsed
from mlbsdk.runtime.parse import is_of_other
from mlbsdk.runtime.raw import RAW_SCHEMA, RawBatch
from mlbsdk.runtime.sql import Over, literal, name, reach, select

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from mlbsdk.hookspecs import Source

#: Numbers are compared with this type: a value that does not fit it is equal to none.
_NUMBER = "decimal(38,9)"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


@dataclass(frozen=True)
class Place:
    """Where a value stands in a capture: at ``path`` in the response, or in a request parameter."""

    path: tuple[str | int, ...] = ()
    parameter: str | None = None

    @property
    def in_response(self) -> str:
        """The path as mappings write it, such as ``$.gameData.game.pk``."""
        return join("$", self.path)


@dataclass(frozen=True)
class Condition:
    """One ``FIELD=VALUE``. Captures without a value at the place don't meet it."""

    field: str
    place: Place
    value: str
    is_number: bool


def conditions(mapping: TransformMapping, where: Mapping[str, str]) -> tuple[Condition, ...]:
    """Return the conditions on a mapping's captures.

    Args:
        mapping: the mapping; FIELD is one of its filters, or a field of its first root target.
        where: FIELD and VALUE.

    Raises:
        ConfigurationError: there is no such field, it has no place in a capture, or no capture can hold the value.
    """
    return tuple(_condition(mapping, field, value) for field, value in where.items())


def selected(rows: DataFrame, mapping: TransformMapping, options: Mapping[str, object]) -> DataFrame:
    """Return the raw rows that a source's option ``where`` asks for; all of them without it."""
    where = options.get("where")
    return matching(rows, conditions(mapping, where)) if isinstance(where, Mapping) else rows


def document_key(mapping: TransformMapping) -> dict[str, Place | None]:
    """Return where the fields stand that identify a document; None for one that is computed.

    Empty where the mapping says that captures are no documents.
    """
    roots = [target for target in mapping.targets if target.array_source is None]
    specs = {spec.name: spec for target in reversed(roots) for spec in target.fields}
    if mapping.source.capture_is == "list":
        return {}
    key = mapping.source.key or (roots or mapping.targets)[0].primary_key
    return {field: _place(specs[field]) if field in specs else None for field in key}


def filter_place(mapping: TransformMapping, filter: str) -> Place | None:
    """Return where in a capture the value of a mapping's filter stands; None where it has no such filter."""
    spec = mapping.source.filters.get(filter)
    return _place(spec) if spec is not None else None


def row_places(mapping: TransformMapping) -> tuple[Place, ...]:
    """Return where in a response the rows of a mapping's tables are cut from."""
    return tuple(Place(path) for path in _compiled(mapping).row_places)


def document_tree(mapping: TransformMapping) -> Node:
    """Return the tree of what a mapping reads of a document; a compiled plan has it as ``document``."""
    return _compiled(mapping).document


def _compiled(mapping: TransformMapping) -> Plan:
    return compile_mapping(LoadedMapping(mapping, Positions(mapping.name)))


def matching(rows: DataFrame, wanted: Iterable[Condition]) -> DataFrame:
    """Return the raw rows that meet all conditions; each is read as a bare response or an envelope."""
    found = tuple(wanted)
    if not found:
        return rows
    tree = tree_of(condition.place.path for condition in found if condition.place.parameter is None)
    with Over(rows) as over:
        parsed = with_parsed(over.name, tree, values=("path_params", "query_params"))
        opened = select(["*", "__parsed.document AS __document"], parsed)
        return over.run(select(map(name, RAW_SCHEMA), opened, " AND ".join(map(_is_met, found))))


@dataclass(frozen=True)
class OwnCaptures:
    """A source without the captures that say they are responses of another endpoint or method.

    A bare response does not say whose it is, and stays.
    """

    source: Source

    def prepare(self) -> int | None:
        """Do what the source does."""
        return self.source.prepare()

    def read(self, spark: SparkSession, mapping: TransformMapping) -> RawBatch:
        """Return the raw rows that may be of the mapping."""
        raw = self.source.read(spark, mapping)
        with Over(raw.frame) as over:
            parsed = with_parsed(over.name, Node("object"), values=("endpoint", "method"))
            endpoint, method = (f"coalesce({key}, {envelope_value(key)})" for key in ("endpoint", "method"))
            of_other = is_of_other(endpoint, method, mapping.source.endpoint, mapping.methods)
            frame = over.run(select(map(name, RAW_SCHEMA), parsed, f"NOT coalesce({of_other}, FALSE)"))
        # A file may hold nothing of this mapping.
        return replace(raw, frame=frame, files=())


def _condition(mapping: TransformMapping, field: str, value: str) -> Condition:
    root = next((target for target in mapping.targets if target.array_source is None), mapping.targets[0])
    specs: dict[str, FieldSpec | FilterSpec] = {spec.name: spec for spec in root.fields}
    specs |= mapping.source.filters
    if field not in specs:
        raise ConfigurationError(
            f"--where {field}={value}: {root.name} has no field '{field}'.{did_you_mean(field, specs)}",
            fix=f"'mlbsdk mapping show {mapping.name}' lists the fields.",
        )
    is_filter = field in mapping.source.filters
    is_of_items = not is_filter and root.array_source is not None and specs[field].json_path is not None
    place = None if is_of_items else _place(specs[field])
    if place is None:
        why = (
            "is of single items, of which a capture holds several"
            if is_of_items
            else "is computed, so no capture holds it"
        )
        raise ConfigurationError(
            f"--where {field}={value}: {root.name}.{field} {why}",
            fix="Take a field with a json_path, or one that comes from a request parameter.",
        )
    kind = ColumnType.parse(specs[field].type)
    if not _can_hold(kind, value):
        raise ConfigurationError(f"--where {field}={value}: {field} is {kind}, and '{value}' is none")
    return Condition(field, place, value, kind.kind == "number")


def _can_hold(kind: ColumnType, value: str) -> bool:
    if kind.kind == "number":
        try:
            return Decimal(value).is_finite()
        except InvalidOperation:
            return False
    if kind.name == "BOOLEAN":
        return value in ("true", "false")
    return kind.name != "DATE" or _DATE.match(value) is not None


def _place(spec: FieldSpec | FilterSpec) -> Place | None:
    if spec.json_path is not None:
        path = parse_path(spec.json_path)
        return Place(path.plain_steps) if path.is_single and path.anchor in ("item", "root") else None
    origin = from_raw(spec.source_field) if spec.source_field is not None else None
    return Place(parameter=origin.parameter) if origin is not None and origin.parameter is not None else None


def tree_of(paths: Iterable[tuple[str | int, ...]]) -> Node:
    """Return the tree of some paths of one mapping, which agree on what is an object and what an array."""
    root = Node("object")
    for path in paths:
        node = root
        for step in path:
            if isinstance(step, int):
                node.kind = "array"
                node.item = node.item or Node()
                node = node.item
            else:
                node.kind = "object"
                node = node.fields.setdefault(step, Node())
    return root


def _is_met(condition: Condition) -> str:
    place = condition.place
    text = reach("__document", place.path) if place.parameter is None else _parameter(place.parameter)
    # Spark puts settings and variables of the environment where a query says ${...}, in literals too.
    value = literal(condition.value).replace("$", "\\u0024")
    if not condition.is_number:
        return f"{text} = {value}"
    return f"cast({text} AS {_NUMBER}) = cast({value} AS {_NUMBER})"


def _parameter(parameter: str) -> str:
    """Return a request parameter: of the raw row where it has any, else of the envelope, whose path wins."""

    def one(holder: str) -> str:
        return f"from_json({holder}, 'map<string,string>')[{literal(parameter)}]"

    enveloped = f"coalesce({one(envelope_value('path_params'))}, {one(envelope_value('query_params'))})"
    return f"CASE WHEN params IS NOT NULL THEN {one('params')} ELSE {enveloped} END"
