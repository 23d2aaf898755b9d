"""MLB persons: players, coaches and umpires as table ``person.person``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlbsdk import TransformDecl, hookimpl

if TYPE_CHECKING:
    from mlbsdk.plugin import BaseTransformation

MLBSDK_PLUGIN_API = 1

_PACKAGE = "mlbsdk_plugin_person"


def _person() -> type[BaseTransformation]:
    from mlbsdk_plugin_person.person import PersonTransformation

    return PersonTransformation


@hookimpl
def mlbsdk_transforms() -> Iterable[TransformDecl]:
    """Declare the transform of persons."""
    return (
        TransformDecl(
            name="person.person",
            summary="Persons: names, birth, position, handedness, debut.",
            mapping=(_PACKAGE, "mappings/person/person.yaml"),
            make=_person,
            sample=(_PACKAGE, "samples/person_545361.json.gz"),
        ),
    )
