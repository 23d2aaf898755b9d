"""What coverage found, as text for people and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mlbsdk.cli.columns import aligned

if TYPE_CHECKING:
    from mlbsdk.mapping.coverage import Coverage, FieldCoverage, Status, UnmappedPath

#: Entries of a list that are shown without ``--all``.
_SHOWN = 20
_TOLD: dict[Status, str] = {
    "resolves": "resolve",
    "constant": "constant",
    "earlier": "in earlier runs only",
    "excused": "never, with a reason",
    "null": "always null",
    "misfits": "with values that do not fit",
    "never": "never",
    "no items": "without an item",
}


def percent(value: float) -> str:
    """Return a percentage with one decimal; only what is whole is ever 100.0."""
    return f"{math.floor(value * 10) / 10:.1f}"


def as_json(found: Coverage) -> str:
    """Return all findings as the ``--json`` object, format version 1."""
    changes = [_change(each) for each in found.changed]
    return json.dumps(
        {
            "version": 1,
            "transform": found.transform,
            "documents": found.documents,
            "accounted_percent": math.floor(found.accounted * 100) / 100,
            "statuses": found.by_status,
            "fields": [_field(each) for each in found.fields],
            "unmapped": [_unmapped(each) for each in found.unmapped],
            "changes": changes if found.baseline is not None else None,
            "notes": list(found.notes),
        },
        indent=2,
    )


def _field(each: FieldCoverage) -> dict[str, Any]:
    known = asdict(each)
    known.pop("earlier")
    known["examples"] = list(each.seen.examples)
    return known | {"absent": each.absent, "status": each.status, "change": each.change or None}


def _unmapped(each: UnmappedPath) -> dict[str, Any]:
    known = asdict(each)
    known.pop("earlier")
    return known | {"change": each.change or None}


def _change(each: FieldCoverage | UnmappedPath) -> dict[str, Any]:
    return {"change": each.change, "path": each.path, "field": _name_if_field(each) or None}


def lines(found: Coverage, every: bool) -> list[str]:
    """Return the findings as lines; with ``every`` all fields and paths, otherwise those that want a look."""
    told = ", ".join(f"{count} {_TOLD[status]}" for status, count in found.by_status.items())
    written = [
        f"{found.transform} over {found.documents} documents: {percent(found.accounted)} % of paths accounted for",
        f"{len(found.fields)} fields: {told or 'none'}",
        f"{len(found.unmapped)} paths that no field maps, {len(found.ignored)} of them ignored with a reason",
    ]
    written += [f"note: {note}" for note in found.notes]
    for part in (_never(found), _null(found), _without_item(found), _misfitting(found), _changed(found)):
        written += _part(*part, every=every)
    unmapped = found.unmapped if every else found.unexplained
    written += _part(
        "Mapped by no field", [(str(e.count), e.path, _quoted(e.example), e.reason or "") for e in unmapped], every
    )
    written += _part(*_constant(found), every=every)
    if every:
        rows = [
            (_name(e), e.status, f"{e.resolved} of {e.items}", _absent(e), e.path, e.reason or "") for e in found.fields
        ]
        written += _part("Every field", rows, every)
    return written


def _never(found: Coverage) -> tuple[str, list[tuple[str, ...]]]:
    return "Never resolves", [(_name(each), each.path, f"0 of {each.items} items") for each in found.dead]


def _null(found: Coverage) -> tuple[str, list[tuple[str, ...]]]:
    nulls = [each for each in found.fields if each.status == "null"]
    return "Always null", [(_name(each), each.path, f"{each.null} of {each.items} items") for each in nulls]


def _without_item(found: Coverage) -> tuple[str, list[tuple[str, ...]]]:
    rows = [(_name(each), each.path) for each in found.fields if each.status == "no items"]
    return "Table without an item in these captures", list(rows)


def _misfitting(found: Coverage) -> tuple[str, list[tuple[str, ...]]]:
    return "Does not fit its type", [
        (
            _name(each),
            each.type,
            f"{each.misfits} of {each.resolved} values",
            f"such as {', '.join(map(repr, each.seen.examples))}",
        )
        for each in found.misfitting
    ]


def _constant(found: Coverage) -> tuple[str, list[tuple[str, ...]]]:
    constant = [each for each in found.fields if each.status == "constant"]
    return "One value in all", [(_name(e), f"{e.resolved} times", _quoted(e.constant)) for e in constant]


def _changed(found: Coverage) -> tuple[str, list[tuple[str, ...]]]:
    rows: list[tuple[str, ...]] = [(each.change, _name_if_field(each), each.path) for each in found.changed]
    return "Against the baseline", rows


def _name(each: FieldCoverage) -> str:
    return f"{each.table}.{each.field}"


def _name_if_field(each: FieldCoverage | UnmappedPath) -> str:
    from mlbsdk.mapping.coverage import FieldCoverage

    return _name(each) if isinstance(each, FieldCoverage) else ""


def _absent(each: FieldCoverage) -> str:
    return f"{each.absent} absent, {each.null} null"


def _quoted(value: str | None) -> str:
    return "" if value is None else repr(value)


def _part(title: str, rows: Sequence[tuple[str, ...]], every: bool) -> list[str]:
    if not rows:
        return []
    shown = rows if every else rows[:_SHOWN]
    more = [f"  and {len(rows) - len(shown)} more: --all lists them"] if len(rows) > len(shown) else []
    return ["", f"{title} ({len(rows)}):", *aligned(shown, "  "), *more]
