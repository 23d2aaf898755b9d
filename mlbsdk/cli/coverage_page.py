"""What coverage found as one HTML page: self-contained, readable without its script, everything escaped."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from mlbsdk.cli.coverage_text import percent
from mlbsdk.mapping.coverage import UNACCOUNTED, Status, UnmappedPath
from mlbsdk.pages import rendered

if TYPE_CHECKING:
    from mlbsdk.mapping.coverage import Coverage, FieldCoverage
    from mlbsdk.mapping.plan import Plan

#: What each state of a field is called, and what it means.
STATES: dict[Status, tuple[str, str]] = {
    "resolves": ("resolves", "The path leads to values that fit."),
    "constant": ("constant", "It resolves more than once, always to one value."),
    "earlier": ("in earlier runs", "Not in these captures; the baseline has seen it."),
    "null": ("always null", "The path is there, and every value is null."),
    "excused": ("absent, explained", "Never in these captures; the mapping says why."),
    "misfits": ("does not fit", "Some values do not fit the field's type."),
    "never": ("never present", "The table has items, and the path is in none of them."),
    "no items": ("no items", "The table has no item in these captures."),
}


@dataclass(frozen=True)
class _Part:
    """A part of a stacked bar."""

    state: str
    count: int
    share: float
    """Percent of the bar."""


@dataclass(frozen=True)
class _TableView:
    name: str
    description: str
    fields: int
    items: int
    bar: tuple[_Part, ...]
    is_good: bool


def page(found: Coverage, plan: Plan) -> str:
    """Return the page."""
    return rendered("mlbsdk.cli", "coverage.html", _content(found, plan), {"percent": percent, "slug": _slug})


def _content(found: Coverage, plan: Plan) -> dict[str, Any]:
    by_status = found.by_status
    states = [(state, *STATES[state], by_status[state]) for state in get_args(Status) if state in by_status]
    return {
        "found": found,
        "plan": plan,
        "unaccounted": sum(by_status.get(state, 0) for state in UNACCOUNTED) + len(found.unexplained),
        "states": states,
        "labels": {state: label for state, (label, _) in STATES.items()},
        "bad_states": UNACCOUNTED,
        "overall": _bar(found.fields),
        "tables": [
            _table(table.name, table.description, [each for each in found.fields if each.table == table.name])
            for table in plan.tables
        ],
        "most": max((each.count for each in found.unexplained), default=0) or 1,
        "ignored": _by_reason(found.ignored),
    }


def _table(name: str, description: str, fields: list[FieldCoverage]) -> _TableView:
    items = max((each.items for each in fields), default=0)
    is_good = not any(each.status in UNACCOUNTED for each in fields)
    return _TableView(name, description, len(fields), items, _bar(fields), is_good)


def _bar(fields: list[FieldCoverage] | tuple[FieldCoverage, ...]) -> tuple[_Part, ...]:
    counts = Counter(each.status for each in fields)
    return tuple(
        _Part(state, counts[state], 100 * counts[state] / len(fields)) for state in get_args(Status) if counts[state]
    )


def _by_reason(paths: tuple[UnmappedPath, ...]) -> list[tuple[str, list[UnmappedPath]]]:
    groups: dict[str, list[UnmappedPath]] = {}
    for each in paths:
        groups.setdefault(each.reason or "", []).append(each)
    return sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))


def _slug(state: str) -> str:
    return state.replace(" ", "-")
