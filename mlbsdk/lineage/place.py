"""Where in a capture a row was cut from: the mapping's levels followed in plain Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlbsdk.mapping.paths import join
from mlbsdk.mapping.plan import Column, FromDocument, FromItem, FromJson, Level, Origin, Plan, Table
from mlbsdk.writers.found import is_value

#: Items of one capture that are looked at.
_MOST_ITEMS = 200_000
_MISSING = object()


@dataclass(frozen=True)
class Item:
    """An item of a capture, with what it is in."""

    chain: tuple[Any, ...]
    """The document, then an item of each level; the last is the row's own."""
    keys: tuple[str | int | None, ...]
    """Of each of them its position or key."""
    steps: tuple[tuple[str | int, ...], ...]
    """Of each of them its path from the document."""

    @property
    def path(self) -> str:
        """The path of the row's item, with positions: ``liveData.plays.allPlays[3]``."""
        return join("", self.steps[-1])

    def value(self, origin: Origin) -> tuple[str, Any] | None:
        """Return (path, value) of what a column reads; None where it reads no single place."""
        if isinstance(origin, FromItem):
            place = len(self.chain) - 1 - origin.up
            return join("", self.steps[place]), self.keys[place]
        if not isinstance(origin, FromJson) or origin.previous:
            return None
        place = len(self.chain) - 1 - origin.up
        value = _at(self.chain[place], origin.path)
        return join("", (*self.steps[place], *origin.path)), None if value is _MISSING else value


def item_of(document: Any, plan: Plan, table: Table, row: Mapping[str, Any]) -> Item | None:
    """Return the item that a stored row comes from; None where no item has its key.

    Of several, since parts of a key may be computed, the one that most columns agree with.
    """
    keys = [table.column(name) for name in table.primary_key]
    best: tuple[int, Item] | None = None
    for number, item in enumerate(_items(document, table.levels)):
        if number >= _MOST_ITEMS:
            break
        if all(_agrees(item, column, row, plan) is not False for column in keys):
            score = sum(_agrees(item, column, row, plan) is True for column in table.columns)
            if best is None or score > best[0]:
                best = (score, item)
    return best[1] if best is not None and best[0] else None


def value_of(item: Item, plan: Plan, column: Column) -> tuple[str, Any] | None:
    """Return (path, value) of what a column reads in a capture; None for what is computed."""
    if isinstance(column.origin, FromDocument):
        name = column.origin.name
        own = next((one for one in plan.document_columns if one.name == name), None)
        root = Item(item.chain[:1], item.keys[:1], item.steps[:1])
        return root.value(own.origin) if own is not None else None
    return item.value(column.origin)


def _agrees(item: Item, column: Column, row: Mapping[str, Any], plan: Plan) -> bool | None:
    """Whether a stored value is what the item has; None where that is not to be seen."""
    found = value_of(item, plan, column)
    if found is None or column.name not in row or isinstance(found[1], dict | list):
        return None
    stored, value = row[column.name], found[1]
    if value is None or stored is None:
        return None
    # A boolean is written as JSON has it, and text that is a number or a time as what it is worth.
    return is_value(stored, str(value).lower() if isinstance(value, bool) else str(value))


def _items(document: Any, levels: tuple[Level, ...]) -> Iterator[Item]:
    root = Item((document,), (None,), ((),))
    yield from _below(root, levels)


def _below(item: Item, levels: tuple[Level, ...]) -> Iterator[Item]:
    if not levels:
        yield item
        return
    level = levels[0]
    base = _at(item.chain[-1], level.path)
    for key, value in _entries(base, level):
        if value is None:
            continue
        steps = (*item.steps[-1], *level.path, key)
        below = Item((*item.chain, value), (*item.keys, key), (*item.steps, steps))
        yield from _below(below, levels[1:])


def _entries(base: Any, level: Level) -> Iterator[tuple[str | int, Any]]:
    if level.kind == "array":
        if isinstance(base, list):
            yield from enumerate(base)
    elif isinstance(base, dict):
        yield from ((name, base[name]) for name in (level.branches or base) if name in base)


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return _MISSING
            value = value[step]
        elif not isinstance(value, dict) or step not in value:
            return _MISSING
        else:
            value = value[step]
    return value
