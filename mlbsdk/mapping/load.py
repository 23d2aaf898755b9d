"""Read a mapping file, and say of every mistake where it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from mlbsdk.errors import MappingError
from mlbsdk.mapping import model
from mlbsdk.mapping.model import Mapping
from mlbsdk.mapping.yaml_file import (
    Mistake,
    Place,
    Positions,
    UnreadableFile,
    data_of,
    file_text,
    in_order,
    mistakes_of_models,
)


@dataclass(frozen=True, eq=False)
class LoadedMapping:
    """A mapping and where its parts stand in the file."""

    mapping: Mapping
    positions: Positions

    def error(self, mistakes: Iterable[Mistake]) -> MappingError:
        """Return the error that tells of all mistakes, in the order of the file."""
        return MappingError(in_order(mistakes, self.positions))


def load_file(path: str | Path) -> LoadedMapping:
    """Load and check a mapping file.

    Raises:
        MappingError: the file is missing, is not YAML or breaks the language; all mistakes at once.
    """
    try:
        text = file_text(path, "a mapping")
    except UnreadableFile as problem:
        raise MappingError([str(problem)]) from problem
    except (OSError, ValueError) as problem:
        raise MappingError([f"the mapping can't be read: {problem}"], where=str(path)) from problem
    return load_text(text, str(path))


@lru_cache(maxsize=32)
def load_text(text: str, file: str) -> LoadedMapping:
    """Load and check a mapping, once for the same text; ``file`` is the name used in messages.

    Raises:
        MappingError: as :func:`load_file`.
    """
    positions = Positions(file)
    try:
        data, mistakes = data_of(text, positions)
    except UnreadableFile as problem:
        raise MappingError([str(problem)]) from problem
    if not isinstance(data, dict):
        raise MappingError([f"{file}:1:1: a mapping is a YAML object with version, source and targets"])
    try:
        mapping = Mapping.model_validate(data)
    except ValidationError as problem:
        mistakes += mistakes_of_models(problem, data, _known_keys, describe)
        raise MappingError(in_order([*mistakes, *_more_mistakes(problem, data, positions)], positions)) from problem
    loaded = LoadedMapping(mapping, positions)
    if mistakes:
        from mlbsdk.mapping.compile import mistakes_of

        raise loaded.error([*mistakes, *mistakes_of(loaded, frozenset())])
    return loaded


# Mistakes that the models find


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
