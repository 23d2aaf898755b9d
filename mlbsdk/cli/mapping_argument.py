"""The mapping that a command is about: a transform's name, or a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlbsdk.errors import ConfigurationError

if TYPE_CHECKING:
    from mlbsdk.mapping.load import LoadedMapping
    from mlbsdk.mapping.plan import Plan

WHICH = "A transform such as game.live_game_v1, or a mapping file."
Which = Annotated[str, typer.Argument(metavar="NAME|FILE", help=WHICH)]


def loaded_mapping(which: str) -> LoadedMapping:
    """Load the mapping of a transform, or a file.

    Raises:
        UnknownNameError: no plugin has the transform.
        MappingError: the mapping is missing or wrong.
    """
    from mlbsdk.mapping.load import load_file
    from mlbsdk.plugins import Plugins
    from mlbsdk.runtime.run import load_mapping

    if is_mapping_file(which):
        return load_file(which)
    return load_mapping(Plugins.load().transform(which))


def is_mapping_file(which: str) -> bool:
    """Whether what was given is a file, not a name."""
    return which.endswith((".yaml", ".yml")) or "/" in which or Path(which).is_file()


def plan_of(loaded: LoadedMapping) -> Plan:
    """Compile a mapping."""
    from mlbsdk.mapping.compile import compile_mapping

    return compile_mapping(loaded)


def sample_of(which: str) -> str:
    """Return the path of a transform's sample capture.

    Raises:
        ConfigurationError: it has none.
    """
    from importlib import resources

    from mlbsdk.plugins import Plugins

    transform = None if is_mapping_file(which) else Plugins.load().transform(which)
    if transform is None or transform.sample is None:
        raise ConfigurationError(
            f"{which} has no sample capture", fix="Say what to read: --source FILE, FOLDER or GLOB."
        )
    package, path = transform.sample
    return str(resources.files(package).joinpath(path))
