"""The shape of documents: what all captures have at each place, counted in one pass."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mlbsdk.mapping.infer.names import snake_case
from mlbsdk.mapping.infer.scalars import Scalars

#: Parts nested more deeply are read whole, as JSON.
MOST_DEPTH = 24
_IDENTIFYING = re.compile(r"(?:.*_)?(?:id|pk|guid|uuid|key|code|number|num|date|name)\Z")


@dataclass
class Identity:
    """Whether the values of one place tell items apart: within their array, within the document, over all documents."""

    is_unique_in_array: bool = True
    is_unique_in_document: bool = True
    is_unique_overall: bool = True
    most: int = 0
    """Most values in one array."""
    overall: set[Any] = field(default_factory=set)
    _document: int = -1
    _in_document: set[Any] = field(default_factory=set)
    _array: int = -1
    _in_array: set[Any] = field(default_factory=set)

    def add(self, value: Any, document: int, array: int) -> None:
        """Count a value of an item of an array; arrays and documents are given by number, one after the other."""
        if document != self._document:
            self._document, self._in_document = document, set()
        if array != self._array:
            self._array, self._in_array = array, set()
        self.is_unique_in_array &= value not in self._in_array
        self.is_unique_in_document &= value not in self._in_document
        self.is_unique_overall &= value not in self.overall
        for values in (self._in_array, self._in_document, self.overall):
            values.add(value)
        self.most = max(self.most, len(self._in_array))

    def merged(self, other: Identity) -> Identity:
        """Return the same for the values of two places: nothing is known of whether they are distinct."""
        return Identity(
            is_unique_in_array=self.is_unique_in_array and other.is_unique_in_array,
            is_unique_in_document=False,
            is_unique_overall=False,
            most=max(self.most, other.most),
            overall=self.overall | other.overall,
        )


@dataclass
class Shape:
    """What all values of one place are."""

    seen: int = 0
    """Values there, null among them."""
    nulls: int = 0
    scalars: Scalars = field(default_factory=Scalars)
    objects: int = 0
    fields: dict[str, Shape] = field(default_factory=dict)
    arrays: int = 0
    item: Shape | None = None
    is_too_deep: bool = False
    identity: Identity | None = None

    @property
    def values(self) -> int:
        """Values that are not null."""
        return self.seen - self.nulls

    @property
    def kinds(self) -> tuple[str, ...]:
        """What the values are: any of scalar, object and array."""
        counts = {"scalar": self.scalars.count, "object": self.objects, "array": self.arrays}
        return tuple(kind for kind, count in counts.items() if count)

    def merged(self, other: Shape) -> Shape:
        """Return the shape of the values of both places."""
        names = dict.fromkeys((*self.fields, *other.fields))
        return Shape(
            seen=self.seen + other.seen,
            nulls=self.nulls + other.nulls,
            scalars=self.scalars.merged(other.scalars),
            objects=self.objects + other.objects,
            fields={name: _both(self.fields.get(name), other.fields.get(name)) for name in names},
            arrays=self.arrays + other.arrays,
            item=_both(self.item, other.item) if self.item or other.item else None,
            is_too_deep=self.is_too_deep or other.is_too_deep,
            identity=self.identity.merged(other.identity)
            if self.identity and other.identity
            else self.identity or other.identity,
        )


def _both(one: Shape | None, other: Shape | None) -> Shape:
    if one is None or other is None:
        found = one or other
        assert found is not None
        return found
    return one.merged(other)


def merged(shapes: Iterable[Shape]) -> Shape:
    """Return the shape of the values of all places."""
    found: Shape | None = None
    for shape in shapes:
        found = shape if found is None else found.merged(shape)
    return found or Shape()


class Observer:
    """Looks at documents one by one, and keeps their common shape."""

    def __init__(self) -> None:
        self.root = Shape()
        self._document = 0
        self._arrays = 0

    def add(self, document: dict[str, Any]) -> None:
        """Look at one document: parsed JSON, with decimals as :class:`decimal.Decimal`."""
        self._document += 1
        self._look(document, self.root, 0, 0)

    def _look(self, value: Any, shape: Shape, array: int, depth: int) -> None:
        shape.seen += 1
        if value is None:
            shape.nulls += 1
        elif isinstance(value, dict | list) and depth >= MOST_DEPTH:
            shape.is_too_deep = True
            shape.objects += 1
        elif isinstance(value, dict):
            shape.objects += 1
            for name, child in value.items():
                self._look(child, self._field(shape, name), array, depth + 1)
        elif isinstance(value, list):
            shape.arrays += 1
            self._arrays += 1
            shape.item = shape.item or Shape()
            own = self._arrays
            for child in value:
                self._look(child, shape.item, own, depth + 1)
        else:
            shape.scalars.add(value)
            if shape.identity is not None:
                shape.identity.add(value, self._document, array)

    def _field(self, shape: Shape, name: str) -> Shape:
        found = shape.fields.get(name)
        if found is None:
            is_identifying = _IDENTIFYING.match(snake_case(name)) is not None
            found = shape.fields[name] = Shape(identity=Identity() if is_identifying else None)
        return found
