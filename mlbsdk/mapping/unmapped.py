"""The leaves of documents that no field of a mapping reads, and the notes that say why."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Any

from mlbsdk.mapping.model import PathNote
from mlbsdk.mapping.plan import Node

# Keys that are ids, such as ID545361 or 545361: an object with such keys is a map, whatever the mapping says.
_ID = re.compile(r"[A-Za-z]*\d{3,}\Z")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
_STEP = re.compile(
    r"""(?P<array>\[\*\])|(?P<map>\.\*)|\.(?P<name>[A-Za-z_][A-Za-z0-9_-]*)"""
    r"""|\[(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\]"""
)


def unmapped_leaves(document: Any, root: Node) -> Iterator[tuple[str, Any]]:
    """Give (path, value) of every leaf of a document that no field reads, arrays as ``[*]`` and maps as ``.*``."""
    return ((path, value) for path, _, value in unmapped_places(document, root))


def unmapped_places(document: Any, root: Node) -> Iterator[tuple[str, str, Any]]:
    """Give (path, place, value) of every such leaf; its place names each position and key: ``$.games[2].x``."""
    return _leaves(document, root, "$", "$")


def _leaves(value: Any, node: Node | None, path: str, place: str) -> Iterator[tuple[str, str, Any]]:
    if node is not None and (node.is_value or value is None):
        return
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _leaves(child, *_member(key, node, path), f"{place}{_step(key)}")
    elif isinstance(value, list):
        inside = node.item if node is not None and node.kind == "array" else None
        for number, child in enumerate(value):
            yield from _leaves(child, inside, f"{path}[*]", f"{place}[{number}]")
    elif node is None or node.kind != "leaf":
        yield path, place, value


def _step(key: str) -> str:
    # As the mapping language writes a key that is no name; what could harm a terminal is escaped.
    return f".{key}" if _PLAIN.match(key) else f"[{key!r}]"


def _member(key: str, node: Node | None, path: str) -> tuple[Node | None, str]:
    if node is not None and node.kind == "map":
        return node.item, f"{path}.*"
    inside = node.fields.get(key) if node is not None else None
    if inside is None and _ID.match(key):
        return None, f"{path}.*"
    return inside, f"{path}{_step(key)}"


def is_mapped(path: str, root: Node) -> bool:
    """Whether a field reads the leaves at a path that :func:`unmapped_leaves` gave, perhaps for another mapping.

    Raises:
        ValueError: it is no such path.
    """
    node: Node | None = root
    position = 1
    if not path.startswith("$"):
        raise ValueError(f"'{path}' does not start with '$'")
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise ValueError(f"'{path}' has no step at position {position + 1}")
        position = step.end()
        if node is not None and not node.is_value:
            node = _inside(node, step)
    return node is not None and (node.is_value or node.kind == "leaf")


def _inside(node: Node, step: re.Match[str]) -> Node | None:
    if step["array"] or step["map"]:
        return node.item if node.kind == ("array" if step["array"] else "map") else None
    name = step["name"] or _unquoted(step["quoted"])
    return node.item if node.kind == "map" else node.fields.get(name)


def _unquoted(text: str) -> str:
    try:
        return str(ast.literal_eval(text))
    except SyntaxError as problem:
        raise ValueError(f"{text} is no quoted key") from problem


class Reasons:
    """Why a mapping lists paths; in a note's path ``**`` is any number of steps, and none."""

    def __init__(self, notes: Sequence[PathNote]) -> None:
        self._notes = [(_pattern(note.path), note.reason) for note in notes]
        self._known: dict[str, str | None] = {}

    def of(self, path: str) -> str | None:
        """Return the reason of the first note that fits; None where none does."""
        if path not in self._known:
            self._known[path] = next((reason for pattern, reason in self._notes if pattern.match(path)), None)
        return self._known[path]


def _pattern(path: str) -> re.Pattern[str]:
    text = re.escape(path.strip())
    text = text.replace(r"\.\*\*\.", r"\.(?:.*\.)?")
    return re.compile(re.sub(r"\\\.\\\*\\\*\Z", r"(?:[.\\[].*)?", text) + r"\Z", re.DOTALL)
