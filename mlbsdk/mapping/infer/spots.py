"""Where tables begin: the root, each array, each map and each set of branches, with the columns between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from mlbsdk.mapping.infer.places import Places, item_of_map, readable
from mlbsdk.mapping.infer.shapes import Shape, merged
from mlbsdk.mapping.paths import Every, Step, join

Steps = tuple[str, ...]


@dataclass(frozen=True)
class Leaf:
    """A place that becomes a column."""

    path: Steps
    """From the item; empty for the item itself."""
    shape: Shape
    is_whole: bool
    """Whether it is an object or array that is read as one JSON value."""


@dataclass(frozen=True)
class Skipped:
    """A place that becomes nothing."""

    path: str
    reason: str


@dataclass(eq=False)
class Spot:
    """A place that gives a row for each of its items."""

    parent: Spot | None
    steps: tuple[Step, ...]
    """From the parent's item; the last one opens the level. Empty for the root."""
    item: Shape
    """What the items are."""
    leaves: list[Leaf] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    children: list[Spot] = field(default_factory=list)

    @property
    def kind(self) -> Literal["root", "array", "map", "branches"]:
        """What gives the items."""
        last = self.steps[-1] if self.steps else None
        return last.kind if isinstance(last, Every) else "root"

    @property
    def depth(self) -> int:
        """How many levels are above the items; the root has none."""
        return 0 if self.parent is None else self.parent.depth + 1

    @property
    def own_names(self) -> Steps:
        """The keys that lead here from the parent's item."""
        return tuple(step for step in self.steps if isinstance(step, str))

    @property
    def names(self) -> Steps:
        """The keys that lead here from the root."""
        return (*(self.parent.names if self.parent else ()), *self.own_names)

    @property
    def branches(self) -> Steps:
        """The names of parallel branches; empty for other kinds."""
        last = self.steps[-1] if self.steps else None
        return last.branches if isinstance(last, Every) else ()

    @property
    def path(self) -> str:
        """The path of the items, from the document's root."""
        return join(self.parent.path if self.parent else "$", self.steps)

    def whole_tree(self) -> Iterator[Spot]:
        """Give this place and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.whole_tree()


def spots(root: Shape) -> Spot:
    """Return the root with all places below it."""
    return _Finder(Places(root)).root(root)


class _Finder:
    def __init__(self, places: Places) -> None:
        self._places = places

    def root(self, shape: Shape) -> Spot:
        spot = Spot(None, (), shape)
        self._fields(spot, shape, (), is_root=True)
        return spot

    def _fields(self, spot: Spot, shape: Shape, path: Steps, is_root: bool = False) -> None:
        branches = tuple(
            name for name in self._places.branches(shape) if not readable(name, shape.fields, is_root, False)
        )
        if len(branches) > 1:
            item = merged(shape.fields[name] for name in branches)
            self._below(spot, (*path, Every("branches", branches)), item)
        for name, child in shape.fields.items():
            if len(branches) > 1 and name in branches:
                continue
            kind = self._places.kind(child)
            problem = readable(name, shape.fields, is_root, kind == "leaf")
            if problem:
                spot.skipped.append(Skipped(join(spot.path, (*path, name)), problem))
            else:
                self._place(spot, child, (*path, name))

    def _place(self, spot: Spot, shape: Shape, path: Steps) -> None:
        kind = self._places.kind(shape)
        if kind in ("leaf", "whole"):
            spot.leaves.append(Leaf(path, shape, kind == "whole"))
        elif kind == "object":
            self._fields(spot, shape, path)
        elif kind == "array":
            assert shape.item is not None
            self._below(spot, (*path, Every("array")), shape.item)
        elif kind == "map":
            self._below(spot, (*path, Every("map")), item_of_map(shape))
        else:
            spot.skipped.append(Skipped(join(spot.path, path), "empty in all captures"))

    def _below(self, parent: Spot, steps: tuple[Step, ...], item: Shape) -> None:
        spot = Spot(parent, steps, item)
        parent.children.append(spot)
        self._place(spot, item, ())
