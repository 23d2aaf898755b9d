"""A YAML file that people write: its data, where each part stands, and sentences for what is wrong in it."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from mlbsdk.errors import did_you_mean

_MOST_BYTES = 4 * 1024 * 1024
_MOST_NODES = 200_000
_MOST_DEPTH = 32

Place = tuple[str | int, ...]


@dataclass
class Positions:
    """Line and column of every part of a file, by its place in the data."""

    file: str
    marks: dict[Place, tuple[int, int]] = field(default_factory=dict)

    def of(self, place: Place) -> str:
        """Return ``file:line:column`` of the nearest part that has a position."""
        line, column = self.at(place)
        return f"{self.file}:{line}:{column}"

    def at(self, place: Place) -> tuple[int, int]:
        """Return line and column of the nearest part that has a position."""
        while place and place not in self.marks:
            place = place[:-1]
        return self.marks.get(place, (1, 1))


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong: where in the data, and what."""

    place: Place
    message: str


class UnreadableFile(ValueError):
    """A file is not there, or no YAML; the text says where and why."""


def in_order(mistakes: Iterable[Mistake], positions: Positions) -> list[str]:
    """Return the sentences of mistakes, each once, with their places, in the order of the file."""
    found = sorted(dict.fromkeys(mistakes), key=lambda mistake: positions.at(mistake.place))
    return [f"{positions.of(mistake.place)}: {mistake.message}" for mistake in found]


def file_text(path: str | Path, what: str) -> str:
    """Return a file's text.

    Args:
        path: of the file.
        what: the kind of file, for messages.

    Raises:
        OSError, ValueError: it can't be opened.
        UnreadableFile: it is too large, or not UTF-8.
    """
    file = Path(path)
    size = file.stat().st_size
    content = file.read_bytes() if size <= _MOST_BYTES else b""
    if size > _MOST_BYTES:
        raise UnreadableFile(f"{path}:1:1: the file has {size} bytes; {what} has at most {_MOST_BYTES}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        before = content[: problem.start].decode("utf-8-sig", "replace")
        raise UnreadableFile(f"{path}:{_position(before)}: this is not UTF-8; save the file as UTF-8") from problem


def data_of(text: str, positions: Positions) -> tuple[Any, list[Mistake]]:
    """Return what a YAML text holds, and what is wrong in it by itself; ``positions`` is filled.

    Raises:
        UnreadableFile: it is no YAML.
    """
    file = positions.file
    reader = _Reader(positions)
    try:
        return reader.read(text), reader.mistakes
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        where = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        said = ", ".join(part for part in (problem.context, problem.problem) if part)
        raise UnreadableFile(f"{file}:{where}: {said}") from problem
    except yaml.reader.ReaderError as problem:
        where = _position(text[: problem.position])
        raise UnreadableFile(f"{file}:{where}: a character that YAML does not allow ({problem.reason})") from problem
    except RecursionError as problem:
        raise UnreadableFile(f"{file}:1:1: its parts are nested too deeply") from problem


def _position(before: str) -> str:
    """Return line:column of what follows a text."""
    return f"{before.count(chr(10)) + 1}:{len(before) - (before.rfind(chr(10)) + 1) + 1}"


# YAML


class _Loader(yaml.SafeLoader):
    """YAML whose plain scalars are what they look like (YAML 1.2): ``no``, ``2024-01-01`` and ``12:30`` are texts."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  # without the resolvers of YAML 1.1


_TAG = "tag:yaml.org,2002:"
_WHOLE = r"(?:0|[1-9][0-9]{0,29})"
for _kind, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", rf"[-+]?{_WHOLE}", "-+0123456789"),
    (
        "float",
        rf"[-+]?{_WHOLE}(?:\.[0-9]*(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)|[-+]?\.[0-9]+(?:[eE][-+]?[0-9]+)?",
        "-+.0123456789",
    ),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_pattern})\Z"), list(_first))


class _Reader:
    """Turns YAML nodes into data, noting positions and mistakes."""

    def __init__(self, positions: Positions) -> None:
        self.positions = positions
        self.mistakes: list[Mistake] = []
        self._nodes = 0

    def read(self, text: str) -> Any:
        node = yaml.compose(text, Loader=_Loader)
        return None if node is None else self._data(node, ())

    def _wrong(self, node: yaml.Node, message: str) -> yaml.MarkedYAMLError:
        return yaml.MarkedYAMLError(problem=message, problem_mark=node.start_mark)

    def _data(self, node: yaml.Node, place: Place) -> Any:
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise self._wrong(node, f"more than {_MOST_NODES} values: aliases that expand without end?")
        if len(place) > _MOST_DEPTH:
            raise self._wrong(node, "nested too deeply: an alias within itself?")
        self._mark(node, place)
        wanted = "map" if isinstance(node, yaml.MappingNode) else "seq"
        if isinstance(node, yaml.CollectionNode) and node.tag != _TAG + wanted:
            raise self._wrong(node, f"the tag {_short_tag(node.tag)} is not part of the language")
        if isinstance(node, yaml.MappingNode):
            return self._object(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self._data(item, (*place, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, place)

    def _mark(self, node: yaml.Node, place: Place) -> None:
        self.positions.marks[place] = (node.start_mark.line + 1, node.start_mark.column + 1)

    def _object(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._wrong(key_node, "a key is a name, not a list or an object")
            key = key_node.value
            inside = (*place, key)
            if key in found:
                first = self.positions.marks[inside][0]
                self._mark(key_node, (*place, key, "again"))
                self.mistakes.append(
                    Mistake((*place, key, "again"), f"'{key}' stands here twice, first in line {first}")
                )
                continue
            found[key] = self._data(value_node, inside)
            self._mark(key_node, inside)
        return found

    def _scalar(self, node: yaml.Node, place: Place) -> Any:
        text, kind = node.value, node.tag.removeprefix(_TAG)
        if kind in ("str", "!"):
            self._check_text(text, place)
            return text
        if kind == "null":
            return None
        if kind == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        try:
            if kind == "int":
                return int(text)
            if kind == "float" and math.isfinite(float(text)):
                return float(text)
        except ValueError:
            pass
        raise self._wrong(node, f"'{text}' with the tag {_short_tag(node.tag)} is not part of the language")

    def _check_text(self, text: str, place: Place) -> None:
        if place[-1:] in (("description",), ("reason",)):
            return
        if "${" in text:
            self.mistakes.append(Mistake(place, "holds '${', which Spark would replace by a setting; leave it out"))
        if any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\r\t" for char in text):
            self.mistakes.append(Mistake(place, "holds a control character"))


def _short_tag(tag: str) -> str:
    return tag.replace(_TAG, "!!")


# Mistakes that models find


def mistakes_of_models(
    problem: ValidationError,
    data: dict[str, Any],
    known_keys: Callable[[Place], list[str]],
    describe: Callable[[Place, Any], str],
) -> list[Mistake]:
    """Return what pydantic found, as sentences.

    Args:
        problem: what it raised.
        data: what the file holds.
        known_keys: gives the keys that may stand at a place.
        describe: gives what a place is called, with what separates it from the sentence.
    """
    found: dict[Place, Mistake] = {}
    for error in problem.errors():
        loc = tuple(error["loc"])
        place = existing(loc, data) if error["type"] not in ("missing",) else loc
        # A value that may be of several types gives one error for each.
        if place not in found or error["type"] == "missing":
            found[place] = Mistake(place, describe(place, data) + _sentence(error, loc, place, known_keys))
    return list(found.values())


def existing(place: Place, data: Any) -> Place:
    """Return the part of a place that is there in the data: the models add the types that they tried."""
    for depth, part in enumerate(place):
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return place[:depth]
    return place


def _sentence(error: Any, place: Place, existing: Place, known_keys: Callable[[Place], list[str]]) -> str:
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        return f"unknown key '{place[-1]}'.{did_you_mean(str(place[-1]), known_keys(place[:-1]))}"
    if kind == "missing":
        return f"'{place[-1]}' is missing"
    if existing == ("version",):
        return f'must be "1.0", in quotes, not {_shown(value)}'
    if kind == "literal_error":
        wanted = str(error["ctx"]["expected"])
        near = did_you_mean(str(value), re.findall(r"'([^']*)'", wanted))
        return f"must be {wanted}, not {_shown(value)}.{near}"
    if kind == "too_short":
        return "is empty"
    if place[-1:] == ("[key]",):
        return str(error["msg"]).removeprefix("Value error, ")
    if value is None:
        return "has no value; write one, or leave the key out"
    if existing == place and kind in ("int_type", "float_type"):
        return f"must be a number, not {_shown(value)}"
    if existing != place or kind == "string_type":
        wanted = "text, a number, true or false" if existing != place else "text; write it in quotes"
        return f"must be {wanted}: not {_shown(value)}"
    if kind == "list_type":
        return f"must be a list, not {_shown(value)}"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"must be an object with keys, not {_shown(value)}"
    if kind in ("bool_type", "bool_parsing"):
        return f"must be true or false, not {_shown(value)}"
    return str(error["msg"]).removeprefix("Value error, ")


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:80] + "..."
