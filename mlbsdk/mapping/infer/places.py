"""What a mapping makes of each place of a document: a column, columns of a nested object, or a table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from mlbsdk.mapping.infer.shapes import Shape, merged
from mlbsdk.mapping.tree import ENVELOPE_VALUES

Kind = Literal["nothing", "leaf", "whole", "object", "array", "map", "branches"]

#: Keys that are ids or dates, not names: ID545361, 545361, 2024-10-25.
_CERTAIN_IDS = re.compile(
    r"(?:\d+|ID\d{3,}|\d{4}-\d{2}-\d{2}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\Z", re.IGNORECASE
)
_IDS = re.compile(r"[A-Za-z]{0,4}\d+\Z")
_MANY_KEYS = 12
_MOST_BRANCHES = 6
_ALIKE = 0.6
_FEWEST_LEAVES = 3

#: Keys at the root that a mapping can't read: the envelope's that hold the response, and the engine's own.
_NEVER_AT_ROOT = ("response", "_corrupt")


class Places:
    """Says what each place is; branches that were found in one place are known in all (``home`` and ``away``)."""

    def __init__(self, root: Shape) -> None:
        self._branches = list(dict.fromkeys(_branch_sets(root)))

    def kind(self, shape: Shape, is_root: bool = False) -> Kind:
        """Return what a place is."""
        kinds = shape.kinds
        if shape.is_too_deep or len(kinds) > 1:
            return "whole"
        if kinds == ("array",):
            return "array" if shape.item is not None and self.kind(shape.item) != "nothing" else "nothing"
        if kinds == ("object",):
            return self._kind_of_object(shape, is_root)
        return "leaf" if shape.seen else "nothing"

    def _kind_of_object(self, shape: Shape, is_root: bool) -> Kind:
        if not shape.fields:
            return "nothing"
        if not is_root and is_map(shape):
            return "map"
        return "object"

    def branches(self, shape: Shape) -> tuple[str, ...]:
        """Return the keys of an object that are parallel branches of one shape, in their order; empty for none."""
        own = _whole_branches(shape)
        for names in [own, *self._branches] if own else self._branches:
            members = [shape.fields[name] for name in names if name in shape.fields]
            if len(members) == len(names) and _are_alike(members):
                return names
        return ()


def readable(name: str, others: dict[str, Shape], is_root: bool, is_leaf: bool) -> str:
    """Return why no path can read a key; empty where one can. ``others`` are the object's fields, in their order."""
    if not name or ("'" in name and '"' in name) or "${" in name or not name.isprintable():
        return "a path can't name this key"
    if next(other for other in others if other.lower() == name.lower()) != name:
        return "differs from another key in case alone"
    if is_root and name.lower() in _NEVER_AT_ROOT:
        return "a key of the envelope that captures come in"
    if is_root and name.lower() in ENVELOPE_VALUES and (name.lower() != name or not is_leaf):
        return "a key of the envelope that captures come in"
    return ""


def is_map(shape: Shape) -> bool:
    """Whether an object's keys are data: ids, or many of which each is rare, with values of one kind."""
    children = [child for child in shape.fields.values() if child.values]
    if not children or len({child.kinds for child in children}) > 1:
        return False
    names = list(shape.fields)
    if all(_CERTAIN_IDS.match(name) for name in names):
        return True
    if len(names) > 1 and all(_IDS.match(name) or _CERTAIN_IDS.match(name) for name in names):
        return children[0].kinds != ("scalar",)
    is_rare = sum(child.seen for child in children) < 0.5 * len(children) * shape.objects
    return len(names) >= _MANY_KEYS and is_rare and children[0].kinds == ("object",) and _are_alike(children)


def item_of_map(shape: Shape) -> Shape:
    """Return the shape of a map's values."""
    return merged(shape.fields.values())


def _branch_sets(shape: Shape) -> Iterator[tuple[str, ...]]:
    """Give the keys of every object that has nothing but branches."""
    if names := _whole_branches(shape):
        yield names
    for child in shape.fields.values():
        yield from _branch_sets(child)
    if shape.item is not None:
        yield from _branch_sets(shape.item)


def _whole_branches(shape: Shape) -> tuple[str, ...]:
    """Return an object's keys where all its members are objects of one shape."""
    if is_map(shape) or not 2 <= len(shape.fields) <= _MOST_BRANCHES:
        return ()
    return tuple(shape.fields) if _are_alike(list(shape.fields.values())) else ()


def _are_alike(members: list[Shape]) -> bool:
    """Whether places hold objects, or arrays of objects, with mostly the same leaves."""
    kinds = {member.kinds for member in members}
    if kinds not in ({("object",)}, {("array",)}) or any(member.is_too_deep for member in members):
        return False
    leaves = [set(_leaves(member)) for member in members]
    union = set().union(*leaves)
    # Code and description say little: many things have no more. An array within says that it is more than that.
    is_much = len(union) >= _FEWEST_LEAVES or (len(union) > 1 and any("*" in path for path in union))
    return is_much and all(len(each) >= _ALIKE * len(union) for each in leaves)


def _leaves(shape: Shape, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Give the path of every scalar; ``*`` stands for each item of an array or a map."""
    if shape.scalars.count or (not shape.objects and not shape.arrays):
        yield prefix
    has_ids = bool(shape.fields) and is_map(shape)
    for name, child in shape.fields.items():
        yield from _leaves(child, (*prefix, "*" if has_ids else name))
    if shape.item is not None:
        yield from _leaves(shape.item, (*prefix, "*"))
