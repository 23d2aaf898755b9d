"""Read a mapping file, and say of every mistake where it is."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from mlbsdk.errors import MappingError, did_you_mean
from mlbsdk.mapping import model
from mlbsdk.mapping.model import Mapping

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


@dataclass(frozen=True, eq=False)
class LoadedMapping:
    """A mapping and where its parts stand in the file."""

    mapping: Mapping
    positions: Positions

    def error(self, mistakes: Iterable[Mistake]) -> MappingError:
        """Return the error that tells of all mistakes, in the order of the file."""
        return _error(mistakes, self.positions)


def _error(mistakes: Iterable[Mistake], positions: Positions) -> MappingError:
    in_order = sorted(dict.fromkeys(mistakes), key=lambda mistake: positions.at(mistake.place))
    return MappingError([f"{positions.of(mistake.place)}: {mistake.message}" for mistake in in_order])


def load_file(path: str | Path) -> LoadedMapping:
    """Load and check a mapping file.

    Raises:
        MappingError: the file is missing, is not YAML or breaks the language; all mistakes at once.
    """
    file = Path(path)
    try:
        size = file.stat().st_size
        content = file.read_bytes() if size <= _MOST_BYTES else b""
    except (OSError, ValueError) as problem:
        raise MappingError([f"the mapping can't be read: {problem}"], where=str(path)) from problem
    if size > _MOST_BYTES:
        raise MappingError([f"{path}:1:1: the file has {size} bytes; a mapping has at most {_MOST_BYTES}"])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        before = content[: problem.start].decode("utf-8-sig", "replace")
        raise MappingError([f"{path}:{_position(before)}: this is not UTF-8; save the file as UTF-8"]) from problem
    return load_text(text, str(path))


@lru_cache(maxsize=32)
def load_text(text: str, file: str) -> LoadedMapping:
    """Load and check a mapping, once for the same text; ``file`` is the name used in messages.

    Raises:
        MappingError: as :func:`load_file`.
    """
    positions = Positions(file)
    reader = _Reader(positions)
    try:
        data = reader.read(text)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        where = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        said = ", ".join(part for part in (problem.context, problem.problem) if part)
        raise MappingError([f"{file}:{where}: {said}"]) from problem
    except yaml.reader.ReaderError as problem:
        where = _position(text[: problem.position])
        raise MappingError([f"{file}:{where}: a character that YAML does not allow ({problem.reason})"]) from problem
    except RecursionError as problem:
        raise MappingError([f"{file}:1:1: its parts are nested too deeply"]) from problem
    if not isinstance(data, dict):
        raise MappingError([f"{file}:1:1: a mapping is a YAML object with version, source and targets"])
    try:
        mapping = Mapping.model_validate(data)
    except ValidationError as problem:
        mistakes = [*reader.mistakes, *_mistakes(problem, data)]
        raise _error([*mistakes, *_more_mistakes(problem, data, positions)], positions) from problem
    loaded = LoadedMapping(mapping, positions)
    if reader.mistakes:
        from mlbsdk.mapping.compile import mistakes_of

        raise loaded.error([*reader.mistakes, *mistakes_of(loaded, frozenset())])
    return loaded


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


# Mistakes that the models find


def _mistakes(problem: ValidationError, data: dict[str, Any]) -> list[Mistake]:
    found: dict[Place, Mistake] = {}
    for error in problem.errors():
        place = _existing(tuple(error["loc"]), data) if error["type"] not in ("missing",) else tuple(error["loc"])
        # A value that may be of several types gives one error for each.
        if place not in found or error["type"] == "missing":
            found[place] = Mistake(place, describe(place, data) + _sentence(error, tuple(error["loc"]), place, data))
    return list(found.values())


def _existing(place: Place, data: Any) -> Place:
    """Return the part of a place that is there in the data: the models add the types that they tried."""
    for depth, part in enumerate(place):
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return place[:depth]
    return place


def _sentence(error: Any, place: Place, existing: Place, data: dict[str, Any]) -> str:
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        return f"unknown key '{place[-1]}'.{did_you_mean(str(place[-1]), _known_keys(place[:-1]))}"
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
    if value is None:
        return "has no value; write one, or leave the key out"
    if existing != place or kind in ("string_type", "int_type", "float_type"):
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


def describe(place: Place, data: Any) -> str:
    """Return ``target.field: `` for a place within a target, or the key's own name."""
    names: list[str] = []
    lists = ("targets", "fields", "data_quality", "indexes", "relationships", "ignore", "may_be_absent")
    above: str | int = ""
    for depth, part in enumerate(place):
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            break
        is_named = isinstance(data, dict) and isinstance(data.get("name"), str)
        if is_named and above in lists:
            names.append(data["name"])
        elif isinstance(part, int) and names and names[-1] == above:
            names[-1] += f"[{part}]"
        elif isinstance(part, int):
            names.append(f"{above}[{part}]")
        elif part not in lists or depth == len(place) - 1:
            names.append(part)
        above = part
    return ".".join(names) + ": " if names else ""


def _known_keys(place: Place) -> list[str]:
    """Return the keys that the language knows at a place."""
    current: Any = Mapping
    by_list = {"targets": model.TargetSpec, "fields": model.FieldSpec, "data_quality": model.RuleSpec}
    by_list |= {"relationships": model.RelationshipSpec, "indexes": model.IndexSpec}
    by_key = {"source": model.Source, "captured_at": model.CapturedAt, "coverage": model.CoverageSpec}
    by_key["drift"] = model.DriftSpec
    for part in place:
        if part in ("ignore", "may_be_absent"):
            current = model.PathNote
        current = by_list.get(str(part), by_key.get(str(part), current))
    assert issubclass(current, BaseModel)
    return list(current.model_fields)


# Mistakes in the parts that are whole


_STAND_INS: dict[str, dict[str, Any]] = {
    "fields": {"type": "TEXT", "json_path": "$.stand_in"},
    "data_quality": {"rule": "TRUE"},
}


def _more_mistakes(problem: ValidationError, data: dict[str, Any], positions: Positions) -> list[Mistake]:
    """Return what else is wrong: compile the mapping with stand-ins for its broken parts, and leave those out."""
    from mlbsdk.mapping.compile import mistakes_of

    broken = {unit for error in problem.errors() if (unit := _unit(tuple(error["loc"]))) is not None}
    if len({_unit(tuple(error["loc"])) for error in problem.errors()} - broken):
        return []
    for place in broken:
        *above, part = place
        holder: Any = data
        for step in above:
            holder = holder[step]
        name = holder[part].get("name") if isinstance(holder[part], dict) else None
        is_name = isinstance(name, str) and model.IDENTIFIER.match(name) is not None
        holder[part] = {**_STAND_INS[str(place[2])], "name": name if is_name else f"stand_in_{part}"}
    try:
        mapping = Mapping.model_validate(data)
    except ValidationError:
        return []
    found = mistakes_of(LoadedMapping(mapping, positions), frozenset(broken))
    return [mistake for mistake in found if mistake.place[:4] not in broken]


def _unit(place: Place) -> Place | None:
    """Return the field or rule that a place is in."""
    is_in_unit = len(place) >= 4 and place[0] == "targets" and place[2] in _STAND_INS
    return place[:4] if is_in_unit else None
