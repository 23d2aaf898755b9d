"""How well a mapping fits real captures: which of its paths resolve, which values fit, and what no field maps.

Plain Python over parsed JSON, so that a mapping is judged in a second, without Spark.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from mlbsdk.mapping.conditions import Judge, NotJudgedError, compile_condition
from mlbsdk.mapping.fitting import fits, text_of
from mlbsdk.mapping.model import CoverageSpec, PathNote
from mlbsdk.mapping.origins import source_path
from mlbsdk.mapping.plan import Column, FromJson, Level, Node, Plan, Table

_EXAMPLES = 3
_EXAMPLE_LENGTH = 60
# Keys that are ids, such as ID545361 or 545361: an object with such keys is a map, whatever the mapping says.
_ID = re.compile(r"[A-Za-z]*\d{3,}\Z")
_ABSENT = object()


@dataclass
class FieldCoverage:
    """One field against all captures. Counts are items: array elements, map values, branches, or documents."""

    table: str
    field: str
    path: str
    """From the document's root, ``$.liveData.plays.allPlays[*].result.event``."""
    items: int = 0
    resolved: int = 0
    """Items where the path leads to a value."""
    null: int = 0
    """Items where the last step is there and null, or one of the field's ``null_values``."""
    misfits: int = 0
    """Values that do not fit the field's type."""
    examples: list[str] = dataclass_field(default_factory=list)
    """The first values that do not fit."""
    reason: str | None = None
    """Why the mapping says that the path may be absent."""
    reason_without_items: str | None = None
    """Why it says so of the table's items."""

    @property
    def absent(self) -> int:
        """Items where a step of the path is not there."""
        return self.items - self.resolved - self.null

    @property
    def status(self) -> str:
        """One of resolves, excused (never, with a reason), null (there, always null), never and no items."""
        if self.resolved:
            return "resolves"
        if self.reason is not None:
            return "excused"
        if not self.items:
            return "no items" if self.reason_without_items is None else "excused"
        return "null" if self.null else "never"


@dataclass(frozen=True)
class UnmappedPath:
    """A path that captures have and no field maps."""

    path: str
    count: int
    reason: str | None
    """Why the mapping ignores it."""


@dataclass(frozen=True)
class Coverage:
    """What captures say about a mapping."""

    transform: str
    documents: int
    fields: tuple[FieldCoverage, ...]
    unmapped: tuple[UnmappedPath, ...]
    notes: tuple[str, ...]

    @property
    def dead(self) -> tuple[FieldCoverage, ...]:
        """Fields whose path never resolves, without a reason."""
        return tuple(found for found in self.fields if found.status == "never")

    @property
    def misfitting(self) -> tuple[FieldCoverage, ...]:
        """Fields some of whose values do not fit their type."""
        return tuple(found for found in self.fields if found.misfits)

    @property
    def unexplained(self) -> tuple[UnmappedPath, ...]:
        """Unmapped paths that the mapping does not ignore."""
        return tuple(found for found in self.unmapped if found.reason is None)

    @property
    def accounted(self) -> float:
        """Percent of all paths, of fields and unmapped ones, that resolve and fit, or have a reason."""
        good = sum(found.status not in ("never", "no items") and not found.misfits for found in self.fields)
        good += len(self.unmapped) - len(self.unexplained)
        total = len(self.fields) + len(self.unmapped)
        return 100.0 * good / total if total else 100.0


class CoverageCounter:
    """Counts document by document.

    Args:
        plan: the compiled mapping.
        spec: the mapping's ``coverage`` part: what it ignores, and what may be absent.
    """

    def __init__(self, plan: Plan, spec: CoverageSpec) -> None:
        self._plan = plan
        self._ignored = [(_pattern(note.path), note.reason) for note in spec.ignore]
        self._documents = 0
        self._unmapped: Counter[str] = Counter()
        self._notes: list[str] = []
        self._tables = [_TableCounter(table, spec.may_be_absent, self._notes) for table in plan.tables]

    def add(self, document: Any) -> None:
        """Count one document, the response without its envelope."""
        self._documents += 1
        for table in self._tables:
            table.add(document)
        self._unmapped.update(_unmapped(document, self._plan.document, "$"))

    def result(self) -> Coverage:
        """Return what was counted; unmapped paths by frequency."""
        unmapped = [
            UnmappedPath(path, count, _reason(path, self._ignored)) for path, count in self._unmapped.most_common()
        ]
        fields = tuple(found for table in self._tables for found in table.fields)
        return Coverage(self._plan.name, self._documents, fields, tuple(unmapped), tuple(self._notes))


class _TableCounter:
    """Counts the fields of one table that come from JSON."""

    def __init__(self, table: Table, excused: Sequence[PathNote], notes: list[str]) -> None:
        self.table = table
        patterns = [(_pattern(note.path), note.reason) for note in excused]
        self._columns: list[tuple[Column, FromJson, FieldCoverage]] = []
        of_items = _reason(f"$.{source_path(table.levels, FromJson(0, ()))}", patterns) if table.levels else None
        for column in table.columns:
            if isinstance(column.origin, FromJson):
                path = f"$.{column.source_path}" if column.source_path else "$"
                found = FieldCoverage(
                    table.name, column.name, path, reason=_reason(path, patterns), reason_without_items=of_items
                )
                self._columns.append((column, column.origin, found))
        self._condition = _condition(table, notes)

    @property
    def fields(self) -> list[FieldCoverage]:
        return [found for _, _, found in self._columns]

    def add(self, document: Any) -> None:
        for chain in _items(document, self.table.levels):
            if not self._is_kept(chain):
                continue
            for column, origin, found in self._columns:
                _count(found, column, _reach(chain, origin))

    def _is_kept(self, chain: _Chain) -> bool:
        if self._condition is None or self.table.filter is None:
            return True
        values = {name: _reach(chain, origin) for name, origin in self.table.filter.paths}
        return self._condition({name: None if value is _ABSENT else value for name, value in values.items()}) is True


def _condition(table: Table, notes: list[str]) -> Judge | None:
    """Return what judges a table's filter; one that only Spark can judge is noted, and all items count."""
    if table.filter is None:
        return None
    try:
        if table.filter.columns:
            raise NotJudgedError(f"'{table.filter.text}' reads columns, which Spark alone computes")
        return compile_condition(table.filter.sql)
    except NotJudgedError as problem:
        notes.append(f"{table.name}: its filter was not applied: {problem}")
        return None


@dataclass(frozen=True)
class _Chain:
    """An item, the items above it (the document first), and the one before it in its array."""

    path: tuple[Any, ...]
    previous: Any = _ABSENT


def _items(document: Any, levels: Sequence[Level]) -> Iterator[_Chain]:
    """Give every item of a table's levels; null items and other shapes give none, as in a run."""
    chains = [_Chain((document,))]
    for level in levels:
        chains = [inner for chain in chains for inner in _opened(chain, level)]
    yield from chains


def _opened(chain: _Chain, level: Level) -> Iterator[_Chain]:
    place = _follow(chain.path[-1], level.path)
    before: Any = _ABSENT
    for item in _members(place, level):
        if item is not None:
            yield _Chain((*chain.path, item), before)
        before = item


def _members(place: Any, level: Level) -> list[Any]:
    if level.kind == "array":
        return place if isinstance(place, list) else []
    if not isinstance(place, dict):
        return []
    return list(place.values()) if level.kind == "map" else [place.get(branch) for branch in level.branches]


def _reach(chain: _Chain, origin: FromJson) -> Any:
    start = chain.previous if origin.previous else chain.path[-1 - origin.up]
    return _follow(start, origin.path)


def _follow(value: Any, path: Sequence[str | int]) -> Any:
    """Return the value at a path, or _ABSENT."""
    for step in path:
        has_steps = isinstance(value, dict) if isinstance(step, str) else isinstance(value, list)
        if not has_steps:
            return _ABSENT
        try:
            value = value[step]
        except (KeyError, IndexError):
            return _ABSENT
    return value


def _count(found: FieldCoverage, column: Column, value: Any) -> None:
    found.items += 1
    if value is _ABSENT:
        return
    text = text_of(value)
    if text is None or text in column.null_values:
        found.null += 1
        return
    found.resolved += 1
    if not fits(text, column.type):
        found.misfits += 1
        if len(found.examples) < _EXAMPLES:
            found.examples.append(text[:_EXAMPLE_LENGTH])


# What no field maps


def _unmapped(value: Any, node: Node | None, path: str) -> Iterator[str]:
    """Give the path of every leaf of a document that no field reads, arrays as ``[*]`` and maps as ``.*``."""
    if node is not None and (node.is_value or value is None):
        return
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _unmapped(child, *_member(key, node, path))
    elif isinstance(value, list):
        inside = node.item if node is not None and node.kind == "array" else None
        for child in value:
            yield from _unmapped(child, inside, f"{path}[*]")
    elif node is None or node.kind != "leaf":
        yield path


def _member(key: str, node: Node | None, path: str) -> tuple[Node | None, str]:
    if node is not None and node.kind == "map":
        return node.item, f"{path}.*"
    if node is not None and key in node.fields:
        return node.fields[key], f"{path}.{key}"
    return None, f"{path}.*" if _ID.match(key) else f"{path}.{key}"


# Notes of the mapping


def _pattern(path: str) -> re.Pattern[str]:
    """Return a pattern of paths: ``**`` is any number of steps, and none."""
    text = re.escape(path.strip())
    text = text.replace(r"\.\*\*\.", r"\.(?:.*\.)?")
    return re.compile(re.sub(r"\\\.\\\*\\\*\Z", r"(?:[.\\[].*)?", text) + r"\Z")


def _reason(path: str, notes: Sequence[tuple[re.Pattern[str], str]]) -> str | None:
    return next((reason for pattern, reason in notes if pattern.match(path)), None)
