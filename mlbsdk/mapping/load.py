"""Read a mapping file, and say of every mistake where it is."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from mlbsdk.errors import MappingError, did_you_mean
from mlbsdk.mapping import model
from mlbsdk.mapping.model import Mapping

_MOST_BYTES = 4 * 1024 * 1024
_MOST_NODES = 200_000

Place = tuple[str | int, ...]


@dataclass
class Positions:
    """Line and column of every part of a file, by its place in the data."""

    file: str
    marks: dict[Place, tuple[int, int]] = field(default_factory=dict)
    nodes: int = 0

    def of(self, place: Place) -> str:
        """Return ``file:line:column`` of the nearest part that has a position."""
        while place and place not in self.marks:
            place = place[:-1]
        line, column = self.marks.get(place, (1, 1))
        return f"{self.file}:{line}:{column}"


@dataclass(frozen=True)
class LoadedMapping:
    """A mapping and where its parts stand in the file."""

    mapping: Mapping
    positions: Positions


def load_file(path: str | Path) -> LoadedMapping:
    """Load and check a mapping file.

    Raises:
        MappingError: the file is missing, is not YAML or breaks the language; all mistakes at once.
    """
    file = Path(path)
    try:
        size = file.stat().st_size
        text = file.read_text(encoding="utf-8") if size <= _MOST_BYTES else ""
    except (OSError, UnicodeDecodeError) as problem:
        raise MappingError([f"the mapping can't be read: {problem}"], where=str(path)) from problem
    if size > _MOST_BYTES:
        raise MappingError([f"the file has {size} bytes; a mapping has at most {_MOST_BYTES}"], where=str(path))
    return load_text(text, str(path))


def load_text(text: str, file: str) -> LoadedMapping:
    """Load and check a mapping; ``file`` is the name used in messages.

    Raises:
        MappingError: as :func:`load_file`.
    """
    positions = Positions(file)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = _data(node, (), positions) if node is not None else None
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        raise MappingError([f"{where}: {problem.problem}"]) from problem
    except (yaml.YAMLError, RecursionError, ValueError) as problem:
        raise MappingError([f"{file}: {problem}"]) from problem
    if not isinstance(data, dict):
        raise MappingError([f"{file}:1:1: a mapping is a YAML object with version, source and targets"])
    try:
        mapping = Mapping.model_validate(data)
    except ValidationError as problem:
        raise MappingError([_sentence(error, data, positions) for error in problem.errors()]) from problem
    return LoadedMapping(mapping, positions)


def _data(node: yaml.Node, place: Place, positions: Positions) -> Any:
    """Turn a YAML node into data, noting positions and refusing duplicate keys."""
    positions.nodes += 1
    if positions.nodes > _MOST_NODES:
        raise ValueError(f"more than {_MOST_NODES} values: aliases that expand without end?")
    positions.marks[place] = (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.MappingNode):
        return _object(node, place, positions)
    if isinstance(node, yaml.SequenceNode):
        return [_data(item, (*place, index), positions) for index, item in enumerate(node.value)]
    return _scalar(node)


def _object(node: yaml.MappingNode, place: Place, positions: Positions) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = _scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
        if not isinstance(key, Hashable) or not isinstance(key, str):
            raise yaml.MarkedYAMLError(problem="keys are names", problem_mark=key_node.start_mark)
        if key in found:
            raise yaml.MarkedYAMLError(problem=f"'{key}' stands here twice", problem_mark=key_node.start_mark)
        inside = (*place, key)
        found[key] = _data(value_node, inside, positions)
        positions.marks[inside] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
    return found


def _scalar(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    finally:
        loader.dispose()


def _sentence(error: Any, data: dict[str, Any], positions: Positions) -> str:
    place: Place = tuple(part for part in error["loc"])
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = f"unknown key '{place[-1]}'.{did_you_mean(str(place[-1]), _known_keys(place[:-1]))}"
    elif error["type"] == "missing":
        message = f"'{place[-1]}' is missing"
    elif error["type"] == "literal_error":
        message = f"{error['msg']}, not {error['input']!r}"
    return f"{positions.of(place)}: {describe(place, data)}{message}"


def describe(place: Place, data: Any) -> str:
    """Return ``target.field: `` for a place within a target, or the key's own name."""
    names: list[str] = []
    for part in place:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            names.append(str(part))
            break
        if isinstance(data, dict) and isinstance(data.get("name"), str):
            names.append(data["name"])
        elif isinstance(part, str) and part not in ("targets", "fields", "data_quality"):
            names.append(part)
    return ".".join(names) + ": " if names else ""


def _known_keys(place: Place) -> list[str]:
    """Return the keys that the language knows at a place."""
    current: Any = Mapping
    by_list = {"targets": model.TargetSpec, "fields": model.FieldSpec, "data_quality": model.RuleSpec}
    by_list |= {"relationships": model.RelationshipSpec, "indexes": model.IndexSpec}
    by_key = {"source": model.Source, "captured_at": model.CapturedAt, "coverage": model.CoverageSpec}
    for part in place:
        if part in ("ignore", "may_be_absent"):
            current = model.PathNote
        current = by_list.get(str(part), by_key.get(str(part), current))
    assert issubclass(current, BaseModel)
    return list(current.model_fields)
