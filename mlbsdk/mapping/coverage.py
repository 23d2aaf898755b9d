"""How well a mapping fits real captures: which of its paths resolve, which values fit, and what no field maps.

Plain Python over parsed JSON, so that a mapping is judged in a second, without Spark; a document at a time.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any, Literal

from mlbsdk.errors import ConfigurationError
from mlbsdk.mapping.baseline import EXAMPLES, Baseline, FieldSeen, PathSeen
from mlbsdk.mapping.conditions import Judge, NotJudgedError, compile_condition
from mlbsdk.mapping.fitting import fits, text_of
from mlbsdk.mapping.model import CoverageSpec, PathNote
from mlbsdk.mapping.origins import source_path
from mlbsdk.mapping.plan import Column, FromJson, Level, Plan, Table
from mlbsdk.mapping.unmapped import Reasons, is_mapped, unmapped_leaves

_SHOWN_LENGTH = 60
_ABSENT = object()

#: The states of a field, the good ones first; each field has one.
Status = Literal["resolves", "constant", "earlier", "null", "excused", "misfits", "never", "no items"]
#: States that leave a field's path unaccounted for.
UNACCOUNTED: tuple[Status, ...] = ("misfits", "never", "no items")
#: What happened since the baseline.
Change = Literal["", "new", "vanished"]


@dataclass
class FieldCoverage:
    """One field against all captures. Counts are items: array elements, map values, branches, or documents."""

    table: str
    field: str
    path: str
    """From the document's root, ``$.liveData.plays.allPlays[*].result.event``."""
    type: str
    items: int = 0
    resolved: int = 0
    """Items where the path leads to a value."""
    null: int = 0
    """Items where the last step is there and null, or one of the field's ``null_values``."""
    misfits: int = 0
    """Values that do not fit the field's type."""
    examples: list[str] = dataclass_field(default_factory=list)
    """The first distinct values that do not fit, shortened."""
    constant: str | None = None
    """The one value that all items have, shortened; None where there are several, or none."""
    reason: str | None = None
    """Why the mapping says that the path may be absent."""
    reason_without_items: str | None = None
    """Why it says so of the table's items."""
    earlier: FieldSeen | None = None
    """What the runs of a baseline saw of it."""

    @property
    def absent(self) -> int:
        """Items where a step of the path is not there."""
        return self.items - self.resolved - self.null

    @property
    def seen(self) -> FieldSeen:
        """What this run and those of the baseline saw."""
        counts = (self.items, self.resolved, self.null, self.misfits)
        now = FieldSeen(self.path, self.type, *counts, self.constant, tuple(sorted(self.examples)))
        return now.joined(self.earlier) if self.earlier is not None else now

    @property
    def status(self) -> Status:
        """What became of it, in this run and those of the baseline.

        ``resolves``, ``constant`` (to one value, more than once), ``earlier`` (only in earlier runs), ``null`` (there,
        always null), ``excused`` (never, with a reason), ``misfits`` (some values do not fit the type), ``never``, or
        ``no items`` (the table has no item).
        """
        seen = self.seen
        if seen.misfits:
            return "misfits"
        if self.resolved:
            return "constant" if seen.status == "constant" else "resolves"
        if seen.resolved:
            return "earlier"
        if self.reason is not None:
            return "excused"
        if not seen.items:
            return "no items" if self.reason_without_items is None else "excused"
        return "null" if seen.null else "never"

    @property
    def change(self) -> Change:
        """Whether it resolves for the first time, or no longer; what may be absent, with a reason, does neither."""
        if self.earlier is None or self.reason is not None or bool(self.earlier.resolved) == bool(self.resolved):
            return ""
        return "new" if self.resolved else "vanished"


@dataclass(frozen=True)
class UnmappedPath:
    """A path that captures have and no field maps."""

    path: str
    count: int
    """Leaves there, in all documents; 0 for a path that only earlier runs saw."""
    documents: int
    """Documents that have it."""
    example: str | None
    """The first value that is not null, shortened."""
    reason: str | None
    """Why the mapping ignores it."""
    earlier: PathSeen | None = None
    """What the runs of a baseline saw of it."""
    change: Change = ""
    """Whether the baseline lacks it, or has it and this run does not; one that the mapping ignores does neither."""


@dataclass(frozen=True)
class Coverage:
    """What captures say about a mapping."""

    transform: str
    documents: int
    fields: tuple[FieldCoverage, ...]
    unmapped: tuple[UnmappedPath, ...]
    """By frequency; those that only earlier runs saw last."""
    notes: tuple[str, ...]
    spec: CoverageSpec
    """What the mapping ignores, and what may be absent."""
    baseline: Baseline | None = None
    """What earlier runs saw, where a baseline was given."""

    @property
    def dead(self) -> tuple[FieldCoverage, ...]:
        """Fields whose path never resolves, without a reason."""
        return tuple(found for found in self.fields if found.status == "never")

    @property
    def misfitting(self) -> tuple[FieldCoverage, ...]:
        """Fields some of whose values do not fit their type."""
        return tuple(found for found in self.fields if found.status == "misfits")

    @property
    def unexplained(self) -> tuple[UnmappedPath, ...]:
        """Unmapped paths that the mapping does not ignore."""
        return tuple(found for found in self.unmapped if found.reason is None)

    @property
    def ignored(self) -> tuple[UnmappedPath, ...]:
        """Unmapped paths that the mapping ignores, with a reason."""
        return tuple(found for found in self.unmapped if found.reason is not None)

    @property
    def changed(self) -> tuple[FieldCoverage | UnmappedPath, ...]:
        """Fields and unmapped paths that vanished since the baseline, then those that are new."""
        both: tuple[FieldCoverage | UnmappedPath, ...] = (*self.fields, *self.unmapped)
        return tuple(found for change in ("vanished", "new") for found in both if found.change == change)

    @property
    def by_status(self) -> dict[Status, int]:
        """Fields by status; only those that there are, the commonest first."""
        return dict(Counter(found.status for found in self.fields).most_common())

    @property
    def accounted(self) -> float:
        """Percent of all paths, of fields and unmapped ones, that resolve and fit, or have a reason."""
        good = sum(found.status not in UNACCOUNTED for found in self.fields) + len(self.ignored)
        total = len(self.fields) + len(self.unmapped)
        return 100.0 * good / total if total else 100.0

    @property
    def seen(self) -> Baseline:
        """What this run and those of the baseline saw: the next baseline."""
        fields = {f"{found.table}.{found.field}": found.seen for found in self.fields}
        unmapped = {}
        for found in self.unmapped:
            now = PathSeen(found.count, found.documents)
            unmapped[found.path] = now.joined(found.earlier) if found.earlier else now
        earlier = self.baseline.documents if self.baseline else 0
        return Baseline(self.transform, max(self.documents, earlier), fields, unmapped)


def held_against(found: Coverage, baseline: Baseline, plan: Plan) -> Coverage:
    """Return coverage that knows what earlier runs saw; fields and paths that the mapping lacks by now are let go.

    Raises:
        ConfigurationError: the baseline names a path that is none.
    """
    try:
        known = {path: seen for path, seen in baseline.unmapped.items() if not is_mapped(path, plan.document)}
    except ValueError as problem:
        raise ConfigurationError(f"the baseline of {plan.name} names no path: {problem}") from problem
    fields = [replace(each, earlier=_earlier(each, baseline)) for each in found.fields]
    unmapped = [
        replace(
            each,
            earlier=known.get(each.path),
            change="" if each.reason is not None or each.path in known else "new",
        )
        for each in found.unmapped
    ]
    ignored = Reasons(found.spec.ignore)
    gone = sorted(known.keys() - {each.path for each in found.unmapped})
    unmapped += [
        UnmappedPath(path, 0, 0, None, ignored.of(path), known[path], "" if ignored.of(path) else "vanished")
        for path in gone
    ]
    return replace(found, fields=tuple(fields), unmapped=tuple(unmapped), baseline=baseline)


def _earlier(found: FieldCoverage, baseline: Baseline) -> FieldSeen | None:
    """Return what a baseline says of a field; of another path or type it says nothing about this one."""
    earlier = baseline.fields.get(f"{found.table}.{found.field}")
    return earlier if earlier is not None and (earlier.path, earlier.type) == (found.path, found.type) else None


class CoverageCounter:
    """Counts document by document.

    Args:
        plan: the compiled mapping.
        spec: the mapping's ``coverage`` part: what it ignores, and what may be absent.
        fields: whether fields are judged; otherwise only unmapped paths are counted.
    """

    def __init__(self, plan: Plan, spec: CoverageSpec, *, fields: bool = True) -> None:
        self._plan = plan
        self._spec = spec
        self._documents = 0
        self._leaves: Counter[str] = Counter()
        self._having: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._notes: list[str] = []
        self._tables = [_TableCounter(table, spec.may_be_absent, self._notes) for table in plan.tables if fields]

    def add(self, document: Any) -> None:
        """Count one document, the response without its envelope."""
        self._documents += 1
        for table in self._tables:
            table.add(document)
        leaves: Counter[str] = Counter()
        for path, value in unmapped_leaves(document, self._plan.document):
            leaves[path] += 1
            if value is not None and path not in self._examples:
                self._examples[path] = shown(text_of(value) or "")
        self._leaves.update(leaves)
        self._having.update(leaves.keys())

    def result(self) -> Coverage:
        """Return what was counted; unmapped paths by frequency."""
        ignored = Reasons(self._spec.ignore)
        by_frequency = sorted(self._leaves.items(), key=lambda item: (-item[1], item[0]))
        unmapped = [
            UnmappedPath(path, count, self._having[path], self._examples.get(path), ignored.of(path))
            for path, count in by_frequency
        ]
        fields = tuple(
            replace(found, examples=list(found.examples)) for table in self._tables for found in table.fields
        )
        return Coverage(self._plan.name, self._documents, fields, tuple(unmapped), tuple(self._notes), self._spec)


class _TableCounter:
    """Counts the fields of one table that come from JSON."""

    def __init__(self, table: Table, excused: Sequence[PathNote], notes: list[str]) -> None:
        self.table = table
        reasons = Reasons(excused)
        self._columns: list[tuple[Column, FromJson, FieldCoverage]] = []
        of_items = reasons.of(f"$.{source_path(table.levels, FromJson(0, ()))}") if table.levels else None
        for column in table.columns:
            if isinstance(column.origin, FromJson):
                path = f"$.{column.source_path}" if column.source_path else "$"
                found = FieldCoverage(
                    table.name,
                    column.name,
                    path,
                    str(column.type),
                    reason=reasons.of(path),
                    reason_without_items=of_items,
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
    if found.resolved == 1:
        found.constant = shown(text)
    elif found.constant is not None and found.constant != shown(text):
        found.constant = None
    if not fits(text, column.type):
        found.misfits += 1
        if len(found.examples) < EXAMPLES and shown(text) not in found.examples:
            found.examples.append(shown(text))


def shown(text: str) -> str:
    """Return a value as reports show it. One that is long is cut, with what tells it from others that begin alike."""
    if len(text) <= _SHOWN_LENGTH:
        return text
    # A lone surrogate is no UTF-8, and JSON can hold one.
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{text[: _SHOWN_LENGTH // 2]}… ({len(text)} characters, #{digest})"
