"""Where a field's value comes from: the forms that a mapping writes, made into origins of a plan."""

from __future__ import annotations

import re
from typing import Literal

from mlbsdk.errors import did_you_mean
from mlbsdk.mapping.model import FieldSpec
from mlbsdk.mapping.paths import Every, Path, Step, join
from mlbsdk.mapping.plan import Column, FromExpression, FromItem, FromJson, FromRaw, Level
from mlbsdk.mapping.types import ColumnType

RAW_COLUMNS = ("captured_at", "endpoint", "method", "params", "url", "status_code", "row_id")
_ITEM = re.compile(r"(?P<parents>(?:parent\.)*)(?P<what>index|key)\Z")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


def require_kind(kind: str | None, spec: FieldSpec) -> None:
    """Refuse a type that Spark can't cast to, or not in a way that anybody means: a date to a number."""
    wanted = ColumnType.parse(spec.type).kind
    if kind in (None, "text", wanted) or (wanted == "text" and kind not in ("list", "interval")):
        return
    if {kind, wanted} == {"number", "boolean"}:
        return
    hint = " Take one of its items." if kind == "list" else ""
    raise ValueError(f"it gives a {kind}, which is not cast to {spec.type}.{hint}")


def from_item(text: str, levels: tuple[Level, ...]) -> tuple[FromItem, str]:
    """Return the origin of an item pseudo-column, and the path of its level.

    Raises:
        ValueError: there is no such level, or it has no such thing.
    """
    match = _ITEM.match(text)
    if match is None:
        raise ValueError(f"'{text}' is no pseudo-column: write index, key, parent.index or parent.key")
    up = match["parents"].count("parent.")
    if up >= len(levels):
        raise ValueError(f"'{text}' goes {up} levels up, and array_source has {len(levels)} levels")
    level = levels[-1 - up]
    if match["what"] == "index" and level.kind != "array":
        raise ValueError(f"'{text}': that level is an object; its items have a key, not an index")
    if match["what"] == "key" and level.kind == "array":
        raise ValueError(f"'{text}': that level is an array; its items have an index, not a key")
    what: Literal["index", "key"] = "index" if match["what"] == "index" else "key"
    return FromItem(up, what), source_path(levels, FromJson(up, ()))


def from_raw(text: str) -> FromRaw:
    """Return the origin of a ``source_field``.

    Raises:
        ValueError: the raw row has no such column.
    """
    column, dot, parameter = text.partition(".")
    if column not in RAW_COLUMNS:
        raise ValueError(f"the raw row has no column '{column}'.{did_you_mean(column, RAW_COLUMNS)}")
    if dot and column != "params":
        raise ValueError(f"'{text}': only params has parts, such as params.game_pk")
    if dot and not _PARAMETER.match(parameter):
        raise ValueError(f"'{text}': a parameter's name has letters, digits, _ and -")
    return FromRaw(column, parameter or None)


def reach(path: Path, levels: tuple[Level, ...], text: str) -> FromJson:
    """Return the origin of a single-valued path that starts at one of the levels.

    Raises:
        ValueError: it leads to several values, or to a level that is not there.
    """
    if not path.is_single:
        raise ValueError(f"'{text}' leads to several values")
    if path.anchor == "root":
        return FromJson(len(levels), path.plain_steps)
    if path.anchor == "previous":
        if not levels or levels[-1].kind != "array":
            raise ValueError(f"'{text}': only items of an array have a previous one")
        return FromJson(0, path.plain_steps, previous=True)
    if path.up > len(levels):
        raise ValueError(f"'{text}' goes {path.up} levels up, and the document is {len(levels)} levels up")
    return FromJson(path.up, path.plain_steps)


def source_path(levels: tuple[Level, ...], origin: FromJson) -> str:
    """Return where a value is from the document's root, such as ``liveData.plays.allPlays[*].result.event``."""
    text = ""
    for level in levels[: len(levels) - origin.up]:
        text = join(text, (*level.path, Every(level.kind, level.branches)))
    steps: tuple[Step, ...] = origin.path
    return join(text, steps)


def circles(columns: list[Column]) -> tuple[list[str], int]:
    """Return the columns whose expressions need their own value, and how many layers of expressions the others have."""
    needs = {c.name: set(c.origin.columns) for c in columns if isinstance(c.origin, FromExpression)}
    waiting, layers = dict(needs), 0
    while free := [name for name, needed in waiting.items() if not needed & waiting.keys()]:
        layers += 1
        for name in free:
            del waiting[name]
    return [name for name in waiting if name in _reachable(name, waiting)], layers


def _reachable(start: str, needs: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    ahead = [start]
    while ahead:
        new = needs.get(ahead.pop(), set()) - found
        found |= new
        ahead += new
    return found
