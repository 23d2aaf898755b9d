"""The mapping that is measured, from a file, the plugin or the repository, and a copy of it without rules."""

from __future__ import annotations

from pathlib import Path

from mlbsdk.errors import ConfigurationError
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import LoadedMapping, load_file
from mlbsdk.mapping.plan import Plan
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.run import load_mapping

NAME = "game.live_game_v1"
_OF_REPOSITORY = Path(__file__).resolve().parent.parent / "mappings/game/live_game_v1.yaml"


def loaded(file: Path | None, plugins: Plugins) -> tuple[Path | None, LoadedMapping]:
    """Return the mapping: a given file, else the plugin's (as file None), else the repository's."""
    if file is None:
        try:
            return None, load_mapping(plugins.transform(NAME))
        except ConfigurationError:
            file = _OF_REPOSITORY
    return file, load_file(file)


def plan_of(file: Path | None) -> Plan:
    """Return the compiled mapping."""
    return compile_mapping(loaded(file, Plugins.load())[1])
