"""What identifies a document, and the items of each level below it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from mlbsdk.mapping.infer.names import snake_case
from mlbsdk.mapping.infer.scalars import type_of
from mlbsdk.mapping.infer.spots import Leaf, Spot, Steps

_ID_WORDS = ("id", "pk", "guid", "uuid")
_OTHER_WORDS = ("code", "key", "number", "num", "date", "name")
#: A number, or the id of another thing in a nested object, may differ by chance: so many items in one array have to.
_MANY = 8
_ROOT_KEY_DEPTH = 3
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


@dataclass(frozen=True)
class ItemKey:
    """What tells the items of one level apart."""

    how: Literal["index", "key", "path"]
    path: Steps = ()
    is_enough: bool = False
    """Whether it tells items of the whole document apart, so that the levels above are not needed."""
    is_id: bool = False
    """Whether it is an id by its name, which tells more than a number or a date."""
    doubt: str = ""


@dataclass(frozen=True)
class DocumentKey:
    """One column that identifies documents."""

    origin: Literal["json_path", "parameter", "url", "row_id"]
    path: Steps = ()
    parameter: str = ""
    may_be_absent: bool = False


class Requests:
    """The requests of captures, and which values of documents they name."""

    def __init__(self) -> None:
        self.documents = 0
        self.parameters: Counter[str] = Counter()
        self.urls = 0
        self.without_parameters = 0
        self._matching: dict[str, set[Steps]] = {}

    def add(self, document: Mapping[str, Any], envelope: Mapping[str, Any] | None) -> None:
        """Look at one capture: its document, and the envelope around it, if there is one."""
        self.documents += 1
        envelope = envelope or {}
        parts = [envelope.get(key) for key in ("query_params", "path_params")]
        parameters = {name: text for part in parts if isinstance(part, Mapping) for name, text in part.items()}
        parameters = {name: text for name, text in parameters.items() if text is not None and _PARAMETER.match(name)}
        self.urls += isinstance(envelope.get("url"), str)
        self.without_parameters += not parameters
        values = dict(_scalars(document, ()))
        for name, text in parameters.items():
            self.parameters[name] += 1
            same = {path for path, value in values.items() if value == str(text) and _is_named(path, name)}
            self._matching[name] = same & self._matching.get(name, same)

    def document_key(self, root: Spot) -> tuple[list[DocumentKey], str]:
        """Return the columns that identify a document, and what a person should look at."""
        if self.parameters and not self.without_parameters:
            return self._of_request(), (
                "made of all request parameters seen: leave out those that do not say which document it is"
            )
        found = _id_at_root(root)
        if found is not None:
            return [DocumentKey("json_path", found)], (
                "guessed from its name" if self.documents > 1 else "guessed from its name, in one document alone"
            )
        if self.urls == self.documents:
            return [DocumentKey("url")], "nothing in the documents identifies them, so their address does"
        return [DocumentKey("row_id")], (
            "neither the documents nor their requests say which document it is, so each capture counts as one of its "
            "own; name what identifies it, or save captures with their envelope"
        )

    def _of_request(self) -> list[DocumentKey]:
        found: dict[tuple[Steps, str], DocumentKey] = {}
        for name, count in self.parameters.items():
            is_always = count == self.documents
            paths = sorted(self._matching[name], key=len) if is_always else []
            key = DocumentKey("json_path", paths[0]) if paths else DocumentKey("parameter", (), name, not is_always)
            found[(key.path, key.parameter.lower())] = key
        return list(found.values())


def _scalars(value: Mapping[str, Any], path: Steps) -> list[tuple[Steps, str]]:
    found = []
    for name, child in value.items():
        if isinstance(child, Mapping):
            found += _scalars(child, (*path, name)) if len(path) + 1 < _ROOT_KEY_DEPTH else []
        elif isinstance(child, str | int | Decimal) and not isinstance(child, bool):
            found.append(((*path, name), str(child)))
    return found


def _is_named(path: Steps, parameter: str) -> bool:
    """Whether a path ends in a parameter's name: ``game_pk`` is at ``gameData.game.pk``."""
    wanted = snake_case(parameter).replace("_", "")
    return bool(wanted) and "".join(snake_case(step) for step in path).replace("_", "").endswith(wanted)


def _id_at_root(root: Spot) -> Steps | None:
    """Return the path of a document's own id: the nearest to the root, ``id`` itself before ``teamId``."""
    found = [leaf for leaf in root.leaves if len(leaf.path) <= _ROOT_KEY_DEPTH and _word(leaf) in _ID_WORDS]
    found = [leaf for leaf in found if is_complete(leaf, root) and _is_plain(leaf)]
    found.sort(key=lambda leaf: (len(leaf.path), snake_case(leaf.path[-1]) not in _ID_WORDS))
    return found[0].path if found else None


def item_key(spot: Spot, noun: str) -> ItemKey:
    """Return what tells the items of a level apart; ``noun`` names one of them."""
    if spot.kind in ("map", "branches"):
        return ItemKey("key")
    ranked = sorted(
        (rank, number, leaf)
        for number, leaf in enumerate(spot.leaves)
        if is_complete(leaf, spot) and (rank := _rank(leaf, noun)) is not None
    )
    for _, _, leaf in ranked:
        identity = leaf.shape.identity
        is_own_id = len(leaf.path) == 1 and _word(leaf) in _ID_WORDS
        if identity is None or not identity.is_unique_in_array or not _is_plain(leaf):
            continue
        if not is_own_id and identity.most < (2 if type_of(leaf.shape.scalars).type == "DATE" else _MANY):
            continue
        told = f"unique in {spot.item.values} items" if identity.most > 1 else "never more than one item in an array"
        is_enough = identity.is_unique_in_document and (identity.most > 1 or spot.depth == 1)
        return ItemKey("path", leaf.path, is_enough, _word(leaf) in _ID_WORDS, told)
    return ItemKey("index")


def _rank(leaf: Leaf, noun: str) -> int | None:
    """Return how likely a leaf is the key of items, 0 the most; None where it is none by its name."""
    if not leaf.path or len(leaf.path) > 2:
        return None
    name, word = snake_case(leaf.path[-1]), _word(leaf)
    if len(leaf.path) == 2:
        return 4 if name in _ID_WORDS else None
    if name in _ID_WORDS:
        return 0
    if word in _ID_WORDS:
        return 1 if name.startswith(f"{noun}_") else 2
    is_own = name in _OTHER_WORDS or name == noun or (word in _OTHER_WORDS and name.startswith(f"{noun}_"))
    return 3 if is_own and word != "name" else None


def _word(leaf: Leaf) -> str:
    return snake_case(leaf.path[-1]).rpartition("_")[2] if leaf.path else ""


def is_complete(leaf: Leaf, spot: Spot) -> bool:
    """Whether every item has a value there."""
    return bool(leaf.shape.values) and leaf.shape.values == spot.item.values == leaf.shape.seen


def _is_plain(leaf: Leaf) -> bool:
    """Whether the values are of one kind that keys are made of: whole numbers, texts or dates."""
    typed = type_of(leaf.shape.scalars)
    is_text = typed.type.startswith("VARCHAR") and (leaf.shape.scalars.shortest or 0) > 0
    return not leaf.is_whole and not typed.null_values and (is_text or typed.type in ("INT", "BIGINT", "DATE"))
