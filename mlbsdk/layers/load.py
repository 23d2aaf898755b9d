"""Read a configuration of exports, and say of every mistake where it is."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from mlbsdk.errors import ConfigurationError
from mlbsdk.layers.model import Exports
from mlbsdk.mapping.yaml_file import (
    Place,
    Positions,
    UnreadableFile,
    data_of,
    file_text,
    in_order,
    mistakes_of_models,
)

_FIX = "docs/export.md lists the keys; examples/exports.yaml has them all."


def load_exports(path: str | Path) -> Exports:
    """Load and check a configuration of exports.

    Raises:
        ConfigurationError: the file is missing, is not YAML or says what can't be; all mistakes at once.
    """
    try:
        text = file_text(path, "a configuration of exports")
    except UnreadableFile as problem:
        raise ConfigurationError(str(problem)) from problem
    except (OSError, ValueError) as problem:
        raise ConfigurationError(
            f"the configuration of exports can't be read: {problem}", where=str(path), fix="Name it with --config."
        ) from problem
    return exports_of(text, str(path))


def exports_of(text: str, file: str) -> Exports:
    """Load and check the same from its text; ``file`` is the name used in messages.

    Raises:
        ConfigurationError: as :func:`load_exports`.
    """
    positions = Positions(file)
    try:
        data, mistakes = data_of(text, positions)
    except UnreadableFile as problem:
        raise ConfigurationError(str(problem)) from problem
    if not isinstance(data, dict):
        raise ConfigurationError(
            f"{file}:1:1: a configuration of exports is a YAML object with version, storage and layers", fix=_FIX
        )
    found: Exports | None = None
    try:
        found = Exports.model_validate(data)
    except ValidationError as problem:
        mistakes += mistakes_of_models(problem, data, _known_keys, _described)
    if found is None or mistakes:
        lines = in_order(mistakes, positions)
        head = lines[0] if len(lines) == 1 else f"{len(lines)} mistakes:\n  " + "\n  ".join(lines)
        raise ConfigurationError(head, fix=_FIX if len(lines) == 1 else f"\n  {_FIX}")
    return found


def _described(place: Place, data: Any) -> str:
    return ".".join(map(str, place)) + ": " if place else ""


def _known_keys(place: Place) -> list[str]:
    """Return the keys that the language knows at a place."""
    current: Any = Exports
    for part in place:
        # A map of names leads to the model of its values, an optional model to itself.
        field = current.model_fields.get(str(part)) if _is_model(current) else None
        annotation = field.annotation if field is not None else current
        is_map = field is not None and get_origin(annotation) is dict
        current = annotation if is_map else next(_models(annotation), None)
    return list(current.model_fields) if _is_model(current) else []


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Give the models that an annotation speaks of."""
    if _is_model(annotation):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _is_model(annotation: Any) -> bool:
    return inspect.isclass(annotation) and get_origin(annotation) is None and issubclass(annotation, BaseModel)
