"""Names of tables and columns made from the keys of JSON objects."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

#: The longest name of the language, and of PostgreSQL.
LONGEST = 63
_WORD_ENDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_UNCHANGED = frozenset({"series", "status", "news", "species", "bus", "gas", "lens", "always", "previous"})
_IRREGULAR = {"people": "person", "children": "child", "men": "man", "women": "woman", "indices": "index"}


def snake_case(text: str) -> str:
    """Return a JSON key as a name: ``abstractGameState`` gives ``abstract_game_state``; never empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9]+", "_", _WORD_ENDS.sub("_", plain)).strip("_").lower()
    if not words:
        return "field"
    return words if not words[0].isdigit() else f"n{words}"


def singular(name: str) -> str:
    """Return the name of one of several things: ``all_plays`` gives ``all_play``."""
    head, _, word = name.rpartition("_")
    if word in _IRREGULAR:
        one = _IRREGULAR[word]
    elif word in _UNCHANGED or word.endswith(("ss", "us", "is")) or len(word) < 3:
        one = word
    elif word.endswith("ies") and len(word) > 4:
        one = word[:-3] + "y"
    elif word.endswith(("sses", "xes", "ches", "shes", "zes")):
        one = word[:-2]
    else:
        one = word.removesuffix("s")
    return f"{head}_{one}" if head else one


def joined(parts: Sequence[str]) -> str:
    """Return parts as one name, leading ones left out where it would be too long."""
    names = [snake_case(part) for part in parts]
    while len(names) > 1 and len("_".join(names)) > LONGEST:
        names = names[1:]
    return "_".join(names)[:LONGEST].rstrip("_")


class Names:
    """The names taken in one table or one mapping; those that differ in case alone are one."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {name.lower() for name in taken}

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._taken

    def take(self, *wanted: str) -> str:
        """Take the first of the wanted names that is free, or the first with a number."""
        free = [name for name in wanted if name not in self and len(name) <= LONGEST]
        name = free[0] if free else self._numbered(wanted[0])
        self._taken.add(name.lower())
        return name

    def _numbered(self, name: str) -> str:
        number = 2
        while True:
            suffix = f"_{number}"
            numbered = name[: LONGEST - len(suffix)] + suffix
            if numbered not in self:
                return numbered
            number += 1
