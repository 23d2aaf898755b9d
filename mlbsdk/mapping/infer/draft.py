"""A draft of a mapping: tables and columns made from the places that captures have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlbsdk.errors import ConfigurationError
from mlbsdk.mapping.infer.keys import DocumentKey, ItemKey, Requests, is_complete, item_key
from mlbsdk.mapping.infer.names import Names, joined, singular, snake_case
from mlbsdk.mapping.infer.scalars import type_of
from mlbsdk.mapping.infer.shapes import Observer, Shape
from mlbsdk.mapping.infer.spots import Leaf, Spot, Steps, spots
from mlbsdk.mapping.model import IDENTIFIER
from mlbsdk.mapping.paths import join
from mlbsdk.mapping.plan import SYSTEM_COLUMNS

#: A value that was there in so many items, without exception, is said to be never null.
_ENOUGH = 20
_STAMP = re.compile(r"(?:.*_)?(?:time_?stamp|captured_at|generated_at|retrieved_at|last_updated|updated_at|as_of)\Z")
_STAMP_FORMATS = (
    (re.compile(r"\d{8}_\d{6}\Z"), "yyyyMMdd_HHmmss"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z"), "yyyy-MM-dd'T'HH:mm:ssX"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z"), "yyyy-MM-dd'T'HH:mm:ss.SSSX"),
)


@dataclass(frozen=True)
class DraftColumn:
    """One column of a draft."""

    name: str
    type: str
    origin: tuple[str, str]
    """The key of its origin, such as ``json_path``, and what stands there."""
    is_required: bool = False
    default: str | None = None
    null_values: tuple[str, ...] = ()
    doubt: str = ""
    """What a person should look at."""
    remark: str = ""
    """What is worth knowing, and likely right."""


@dataclass(frozen=True)
class DraftRelationship:
    """A reference of a draft."""

    to_table: str
    fields: tuple[str, ...]
    to_fields: tuple[str, ...]


@dataclass
class DraftTable:
    """One table of a draft."""

    name: str
    description: str
    array_source: str | None
    primary_key: tuple[str, ...]
    columns: list[DraftColumn]
    relationships: list[DraftRelationship]
    seen: str
    """What the captures have of it."""
    doubts: list[str] = field(default_factory=list)
    """What a person should look at."""
    skipped: list[str] = field(default_factory=list)
    """Places that became no column, and why."""


@dataclass(frozen=True)
class Draft:
    """A whole draft."""

    endpoint: str
    method: str
    documents: int
    key: tuple[str, ...]
    key_doubt: str
    captured_at: tuple[str, str] | None
    tables: tuple[DraftTable, ...]

    @property
    def name(self) -> str:
        """The transform's name."""
        return f"{self.endpoint}.{self.method}"

    @property
    def doubts(self) -> int:
        """How many places a person should look at."""
        in_tables = sum(len(table.doubts) + sum(bool(c.doubt) for c in table.columns) for table in self.tables)
        return in_tables + bool(self.key_doubt) + bool(self.captured_at)


class MappingInference:
    """Collects captures, and drafts a mapping of them.

    Args:
        name: the transform's name, ``endpoint.method``.

    Raises:
        ConfigurationError: that is no such name.
    """

    def __init__(self, name: str) -> None:
        self.endpoint, dot, self.method = name.partition(".")
        if not dot or not IDENTIFIER.match(self.endpoint) or not IDENTIFIER.match(self.method):
            raise ConfigurationError(
                f"'{name}' is no name of a transform",
                fix="Write endpoint.method, of letters, digits and _, such as schedule.schedule.",
            )
        self._observer = Observer()
        self._requests = Requests()
        self._stamps: dict[Steps, set[str | None]] = {}

    @property
    def documents(self) -> int:
        """How many documents were looked at."""
        return self._requests.documents

    def add(self, document: dict[str, Any], envelope: Mapping[str, Any] | None = None) -> None:
        """Look at one document: parsed JSON, with decimals as :class:`decimal.Decimal`; and the envelope around it."""
        self._observer.add(document)
        self._requests.add(document, envelope)
        for path, text in _stamps(document, ()):
            self._stamps.setdefault(path, set()).add(_stamp_format(text))

    def draft(self) -> Draft:
        """Return the draft.

        Raises:
            ConfigurationError: no document was looked at.
        """
        if not self.documents:
            raise ConfigurationError("there is no document to draft a mapping from")
        root = spots(self._observer.root)
        keys, doubt = self._requests.document_key(root)
        return _Drafting(self.endpoint, self.method, root, keys, doubt, self._captured_at(root)).draft(self.documents)

    def _captured_at(self, root: Spot) -> tuple[str, str] | None:
        for leaf in root.leaves:
            formats = self._stamps.get(leaf.path, set())
            pattern = next(iter(formats)) if len(formats) == 1 else None
            if pattern and is_complete(leaf, root):
                return join("$", leaf.path), pattern
        return None


def _stamps(value: Mapping[str, Any], path: Steps) -> Iterator[tuple[Steps, str]]:
    """Give texts near the root whose keys say that they are times of the document."""
    for name, child in value.items():
        if isinstance(child, Mapping) and len(path) < 2:
            yield from _stamps(child, (*path, name))
        elif isinstance(child, str) and _STAMP.match(snake_case(name)):
            yield (*path, name), child


def _stamp_format(text: str) -> str | None:
    return next((pattern for form, pattern in _STAMP_FORMATS if form.match(text)), None)


@dataclass(frozen=True)
class _KeyPart:
    """One column that tells items apart, in the table of its level and in those below."""

    spot: Spot
    key: ItemKey
    name: str
    type: str

    def origin_in(self, spot: Spot) -> tuple[str, str]:
        """Return the origin in a table at or below the level."""
        up = spot.depth - self.spot.depth
        above = ["parent"] * up
        if self.key.how != "path":
            return "item", ".".join([*above, self.key.how])
        return "json_path", join(".".join(above) or "$", self.key.path)


class _Drafting:
    def __init__(
        self,
        endpoint: str,
        method: str,
        root: Spot,
        keys: list[DocumentKey],
        key_doubt: str,
        captured_at: tuple[str, str] | None,
    ) -> None:
        self.endpoint, self.method = endpoint, method
        self.root, self.keys, self.key_doubt, self.captured_at = root, keys, key_doubt, captured_at
        self.tables: dict[Spot, DraftTable] = {}
        self.names = self._table_names()
        self.document_key = self._document_columns()
        self.chains: dict[Spot, tuple[_KeyPart, ...]] = {root: ()}

    def draft(self, documents: int) -> Draft:
        for spot in self.root.whole_tree():
            if spot is not self.root:
                self.chains[spot] = self._chain(spot)
            if spot is self.root or spot.leaves or not spot.children:
                self.tables[spot] = self._table(spot)
        key = tuple(column.name for column in self.document_key)
        tables = tuple(self.tables.values())
        return Draft(self.endpoint, self.method, documents, key, self.key_doubt, self.captured_at, tables)

    # Names

    def _table_names(self) -> dict[Spot, str]:
        """Name tables after the transform and their array; where two would have one name, after more of the path."""
        prefix = snake_case(self.method)
        taken, found = Names(), {}
        for spot in self.root.whole_tree():
            steps = spot.names
            shortest = 1
            if spot is not self.root and not spot.own_names:
                # An array in an array, or branches of an item, are named after what they are in.
                own = spot.branches or ("items",)
                steps = (*steps, *own)
                shortest = min(len(own) + 1, len(steps))
            wanted = [joined([prefix, *steps[-count:]]) for count in range(shortest, len(steps) + 1)] or [prefix]
            found[spot] = f"{self.endpoint}.{taken.take(*dict.fromkeys(wanted))}"
        return found

    def _noun(self, spot: Spot) -> str:
        """Return the name of one item of a level."""
        return singular(snake_case(spot.names[-1])) if spot.names else snake_case(self.method)

    def _document_columns(self) -> list[DraftColumn]:
        """Return the columns that identify the document.

        Their names differ from all keys of the documents: ``json_path: $.id`` of an item would mean the document's.
        """
        names, found = Names((*SYSTEM_COLUMNS, *_keys(self.root.item))), []
        noun = singular(snake_case(self.method))
        by_path = {leaf.path: leaf for leaf in self.root.leaves}
        for key in self.keys:
            if key.origin == "json_path" and key.path in by_path:
                plain = joined(key.path[-1:])
                longer = joined(key.path) if len(key.path) > 1 else joined([noun, plain])
                name = names.take(*([longer] if plain in ("id", "pk", "key", "code") else [plain, longer]))
                typed = type_of(by_path[key.path].shape.scalars)
                found.append(DraftColumn(name, typed.type, ("json_path", join("$", key.path)), True))
            elif key.origin == "parameter" or key.origin == "json_path":
                parameter = key.parameter or key.path[-1]
                name = names.take(joined(["request", parameter]))
                default = "" if key.may_be_absent else None
                found.append(DraftColumn(name, "TEXT", ("source_field", f"params.{parameter}"), True, default))
            else:
                name = names.take("request_url" if key.origin == "url" else "capture_id")
                found.append(DraftColumn(name, "TEXT", ("source_field", key.origin), True))
        return found

    # Keys

    def _chain(self, spot: Spot) -> tuple[_KeyPart, ...]:
        """Return what tells the items of a level apart within a document."""
        assert spot.parent is not None
        noun = self._noun(spot)
        key = item_key(spot, noun)
        above = () if key.is_enough else self.chains[spot.parent]
        taken = Names(
            (
                *SYSTEM_COLUMNS,
                *(column.name for column in self.document_key),
                *(part.name for part in self._above(spot)),
            )
        )
        return (*above, _KeyPart(spot, key, self._key_name(key, noun, taken), self._key_type(spot, key)))

    def _above(self, spot: Spot) -> tuple[_KeyPart, ...]:
        """Return all key columns that tables above have, and that a table here takes over."""
        found: dict[Spot, _KeyPart] = {}
        parent = spot.parent
        while parent is not None:
            found |= {part.spot: part for part in self.chains[parent] if part.spot not in found}
            parent = parent.parent
        return tuple(found.values())

    def _key_name(self, key: ItemKey, noun: str, taken: Names) -> str:
        if key.how != "path":
            return taken.take(joined([noun, key.how]))
        plain = joined(key.path)
        own = joined([noun, plain])
        return taken.take(own if plain in ("id", "pk", "guid", "uuid", "code", "key", "number", "num") else plain, own)

    def _key_type(self, spot: Spot, key: ItemKey) -> str:
        if key.how == "index":
            return "INT"
        if key.how == "key":
            return f"VARCHAR({max(20, *map(len, spot.branches))})" if spot.branches else "TEXT"
        leaf = next(leaf for leaf in spot.leaves if leaf.path == key.path)
        return type_of(leaf.shape.scalars).type

    # Tables

    def _table(self, spot: Spot) -> DraftTable:
        chain = self.chains[spot]
        parent = self._parent_table(spot)
        parts = [part for part in self._needed_above(chain, parent) if part.spot is not spot]
        names = Names((*SYSTEM_COLUMNS, *(column.name for column in self.document_key)))
        columns = [] if spot is not self.root else list(self.document_key)
        for part in [*parts, *(part for part in chain if part.spot is spot)]:
            columns.append(DraftColumn(names.take(part.name), part.type, part.origin_in(spot), part in chain))
        taken = {column.origin for column in columns}
        columns += [
            self._column(leaf, spot, names) for leaf in spot.leaves if ("json_path", join("$", leaf.path)) not in taken
        ]
        document = tuple(column.name for column in self.document_key)
        table = DraftTable(
            name=self.names[spot],
            description=self._description(spot),
            array_source=spot.path if spot is not self.root else None,
            primary_key=(*document, *(part.name for part in chain)),
            columns=columns,
            relationships=[self._relationship(parent)] if parent is not None else [],
            seen=_seen(spot),
            doubts=self._doubts(spot, chain),
        )
        table.skipped = [f"{skipped.path}: {skipped.reason}" for skipped in spot.skipped]
        return table

    def _parent_table(self, spot: Spot) -> Spot | None:
        parent = spot.parent
        while parent is not None and parent not in self.tables:
            parent = parent.parent
        return parent

    def _needed_above(self, chain: tuple[_KeyPart, ...], parent: Spot | None) -> list[_KeyPart]:
        """Return the key columns of the levels above: those of the own key, and those that lead to the parent's row."""
        referred = self.chains[parent] if parent is not None else ()
        found = {part.spot: part for part in (*referred, *chain)}
        return sorted(found.values(), key=lambda part: part.spot.depth)

    def _relationship(self, parent: Spot) -> DraftRelationship:
        document = tuple(column.name for column in self.document_key)
        fields = (*document, *(part.name for part in self.chains[parent]))
        return DraftRelationship(self.names[parent], fields, fields)

    def _description(self, spot: Spot) -> str:
        if spot is self.root:
            return f"One row for each document of {self.endpoint}.{self.method}."
        noun = self._noun(spot).replace("_", " ")
        return f"One row for each {noun}: {spot.path}."

    def _doubts(self, spot: Spot, chain: tuple[_KeyPart, ...]) -> list[str]:
        if spot is self.root:
            return []
        found, own = [], chain[-1]
        if own.key.how == "path":
            found.append(f"key {own.name}: {own.key.doubt}")
            leaf = next(leaf for leaf in spot.leaves if leaf.path == own.key.path)
            identity = leaf.shape.identity
            if identity is not None and len(identity.overall) < leaf.shape.values and own.key.is_id:
                found.append(
                    f"documents share values of {own.name}: primary_key [{own.name}] with on_missing: keep would hold "
                    "the newest row of each"
                )
        if spot.kind == "branches":
            found.append("parallel branches in one table, as they have one shape")
        if spot.kind == "map":
            examples = ", ".join(_shown(name) for name in list(self._map_keys(spot))[:2])
            found.append(f"an object whose keys look like data ({examples})")
        return found

    def _map_keys(self, spot: Spot) -> list[str]:
        assert spot.parent is not None
        shape: Shape | None = spot.parent.item
        for step in spot.steps[:-1]:
            shape = shape.fields.get(str(step)) if shape else None
        return list(shape.fields) if shape else []

    def _column(self, leaf: Leaf, spot: Spot, names: Names) -> DraftColumn:
        noun = self._noun(spot)
        plain = joined(leaf.path) if leaf.path else noun
        name = names.take(plain, joined([noun, *leaf.path]) if leaf.path else f"{noun}_value"[:63])
        is_required = spot.item.values >= _ENOUGH and is_complete(leaf, spot)
        origin = ("json_path", join("$", leaf.path))
        if leaf.is_whole:
            told = " and ".join(leaf.shape.kinds) if len(leaf.shape.kinds) > 1 else "nested too deeply"
            type = "TEXT" if "scalar" in leaf.shape.kinds else "JSONB"
            return DraftColumn(name, type, origin, is_required, doubt=f"its shape varies: {told}; read as JSON text")
        typed = type_of(leaf.shape.scalars)
        is_required = is_required and not typed.null_values
        return DraftColumn(name, typed.type, origin, is_required, None, typed.null_values, typed.doubt, typed.remark)


def _keys(shape: Shape) -> set[str]:
    """Return every key of every object."""
    found = set(shape.fields)
    for child in (*shape.fields.values(), *([shape.item] if shape.item else [])):
        found |= _keys(child)
    return found


def _seen(spot: Spot) -> str:
    count = spot.item.values
    return f"{count} {'document' if spot.kind == 'root' else 'item'}{'' if count == 1 else 's'}"


def _shown(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name[:30])
