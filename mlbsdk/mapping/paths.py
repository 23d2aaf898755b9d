"""Paths of the mapping language: ``$.a.b[0].c``, ``parent.x``, ``$.plays[*].events``, ``$.teams['away','home']``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from mlbsdk.errors import did_you_mean

_MOST_STEPS = 64
_MOST_INDEX = 2**31 - 1

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
_QUOTED = re.compile(r"""'([^']+)'|"([^"]+)\"""")
_TOKEN = re.compile(
    r"""\.(?P<name>[A-Za-z_][A-Za-z0-9_-]*)|(?P<map>\.\*)|(?P<all>\[\*\])|\[(?P<index>[0-9]+)\]"""
    r"""|\[(?P<names>\s*(?:'[^']+'|"[^"]+")(?:\s*,\s*(?:'[^']+'|"[^"]+"))*\s*)\]"""
)
_ANCHOR = re.compile(
    r"(?P<item>\$)|(?P<parents>parent(?:\.parent)*)(?![A-Za-z0-9_-])|(?P<word>root|previous)(?![A-Za-z0-9_-])"
)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Every:
    """A step that gives several items: all of an array, all values of a map, or the named branches."""

    kind: Literal["array", "map", "branches"]
    branches: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind == "branches":
            return "[" + ",".join(_quoted(name) for name in self.branches) + "]"
        return "[*]" if self.kind == "array" else ".*"


Step = str | int | Every


@dataclass(frozen=True)
class Path:
    """A parsed path: where it starts, and its steps."""

    anchor: Literal["item", "parent", "root", "previous"]
    up: int
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        anchor = {"item": "$", "parent": ".".join(["parent"] * self.up)}.get(self.anchor, self.anchor)
        return join(anchor, self.steps)

    @property
    def is_single(self) -> bool:
        """Whether every step gives at most one value."""
        return not any(isinstance(step, Every) for step in self.steps)

    @property
    def plain_steps(self) -> tuple[str | int, ...]:
        """The steps of a single-valued path."""
        return tuple(step for step in self.steps if not isinstance(step, Every))


def parse_path(text: str) -> Path:
    """Parse a path.

    Raises:
        ValueError: the text is no path; the message says where it goes wrong.
    """
    text = text.strip()
    anchor = _ANCHOR.match(text)
    if anchor is None:
        word = _WORD.match(text)
        near = did_you_mean(word[0], ["parent", "root", "previous"]) if word else ""
        raise ValueError(f"'{_cut(text)}' is not a path: it starts with '$', 'parent.', 'root.' or 'previous.'{near}")
    position, steps = anchor.end(), []
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            found = text[position : position + 10]
            raise ValueError(f"'{_cut(text)}' is not a path: unexpected '{found}' at position {position + 1}")
        steps.append(_step(match))
        position = match.end()
    parents = anchor["parents"].split(".") if anchor["parents"] else []
    if len(steps) + len(parents) > _MOST_STEPS:
        raise ValueError(f"'{_cut(text)}' has {len(steps) + len(parents)} steps; a path has at most {_MOST_STEPS}")
    if anchor["item"]:
        return Path("item", 0, tuple(steps))
    if parents:
        return Path("parent", len(parents), tuple(steps))
    return Path("root" if anchor["word"] == "root" else "previous", 0, tuple(steps))


def _step(match: re.Match[str]) -> Step:
    if match["name"]:
        return match["name"]
    if match["map"]:
        return Every("map")
    if match["all"]:
        return Every("array")
    if match["index"]:
        return _index(match["index"])
    names = tuple(single or double for single, double in _QUOTED.findall(match["names"]))
    for name in names:
        if "${" in name or not name.isprintable():
            raise ValueError(f"the key '{_cut(name)}' holds '${{' or a character that can't be printed")
    if len({name.lower() for name in names}) < len(names):
        raise ValueError(f"[{match['names']}] names a branch twice")
    return names[0] if len(names) == 1 else Every("branches", names)


def _index(digits: str) -> int:
    if len(digits) > len(str(_MOST_INDEX)) or int(digits) > _MOST_INDEX:
        raise ValueError(f"[{_cut(digits)}] is too large a position")
    return int(digits)


def _cut(text: str) -> str:
    return text if len(text) <= 120 else text[:120] + "..."


def _quoted(name: str) -> str:
    """Return a key in quotes; no key holds both kinds, as a path could not have written it."""
    return f'"{name}"' if "'" in name else f"'{name}'"


def join(prefix: str, steps: tuple[Step, ...]) -> str:
    """Return ``prefix`` extended by ``steps``, as text without a leading ``$.``."""
    text = prefix
    for step in steps:
        if isinstance(step, Every):
            text += str(step)
        elif isinstance(step, int):
            text += f"[{step}]"
        elif _NAME.match(step):
            text += f".{step}" if text else step
        else:
            text += f"[{_quoted(step)}]"
    return text
