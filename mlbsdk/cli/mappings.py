"""Mappings as commands name them: a transform of a plugin, or a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlbsdk.mapping.load import LoadedMapping
    from mlbsdk.mapping.plan import Plan


def loaded(which: str) -> LoadedMapping:
    """Load the mapping of a transform, or a file."""
    from mlbsdk.mapping.load import load_file
    from mlbsdk.plugins import Plugins
    from mlbsdk.runtime.run import load_mapping

    if is_file(which):
        return load_file(which)
    return load_mapping(Plugins.load().transform(which))


def is_file(which: str) -> bool:
    """Whether a name is that of a file, not of a transform."""
    return which.endswith((".yaml", ".yml")) or "/" in which or Path(which).is_file()


def compiled(mapping: LoadedMapping) -> Plan:
    """Compile a mapping."""
    from mlbsdk.mapping.compile import compile_mapping

    return compile_mapping(mapping)
