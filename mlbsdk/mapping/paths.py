"""Paths of the mapping language: ``$.a.b[0].c``, ``parent.x``, ``$.plays[*].events``, ``$.teams['away','home']``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_TOKEN = re.compile(
    r"""\.(?P<name>[A-Za-z_][A-Za-z0-9_-]*)|(?P<map>\.\*)|(?P<all>\[\*\])|\[(?P<index>\d+)\]"""
    r"""|\[(?P<names>\s*(?:'[^']+'|"[^"]+")(?:\s*,\s*(?:'[^']+'|"[^"]+"))*\s*)\]"""
)
_ANCHOR = re.compile(
    r"(?P<item>\$)|(?P<parents>parent(?:\.parent)*)(?![A-Za-z0-9_])|(?P<word>root|previous)(?![A-Za-z0-9_])"
)


@dataclass(frozen=True)
class Every:
    """A step that gives several items: all of an array, all values of a map, or the named branches."""

    kind: Literal["array", "map", "branches"]
    branches: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind == "branches":
            return "[" + ",".join(f"'{name}'" for name in self.branches) + "]"
        return "[*]" if self.kind == "array" else ".*"


Step = str | int | Every


@dataclass(frozen=True)
class Path:
    """A parsed path: where it starts, and its steps."""

    anchor: Literal["item", "parent", "root", "previous"]
    up: int
    steps: tuple[Step, ...]

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
    anchor = _ANCHOR.match(text.strip())
    if anchor is None:
        raise ValueError(f"'{text}' is not a path: it starts with '$', 'parent.', 'root.' or 'previous.'")
    text = text.strip()
    position, steps = anchor.end(), []
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(
                f"'{text}' is not a path: unexpected '{text[position : position + 10]}' at position {position + 1}"
            )
        steps.extend(_step(match))
        position = match.end()
    if anchor["item"]:
        return Path("item", 0, tuple(steps))
    if anchor["parents"]:
        return Path("parent", anchor["parents"].count("parent"), tuple(steps))
    return Path("root" if anchor["word"] == "root" else "previous", 0, tuple(steps))


def _step(match: re.Match[str]) -> list[Step]:
    if match["name"]:
        return [match["name"]]
    if match["map"]:
        return [Every("map")]
    if match["all"]:
        return [Every("array")]
    if match["index"]:
        return [int(match["index"])]
    names = tuple(name.strip().strip("'\"") for name in match["names"].split(","))
    return [names[0]] if len(names) == 1 else [Every("branches", names)]


def join(prefix: str, steps: tuple[Step, ...]) -> str:
    """Return ``prefix`` extended by ``steps``, as text without a leading ``$.``."""
    text = prefix
    for step in steps:
        if isinstance(step, Every):
            text += str(step)
        elif isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text
