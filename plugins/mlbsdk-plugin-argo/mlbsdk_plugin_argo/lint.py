"""Both checks of a workflow's manifest: Argo's schema, closed, and what it can't say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlbsdk.plugin import ConfigurationError
from mlbsdk_plugin_argo.documents import read_documents
from mlbsdk_plugin_argo.schema import KINDS, schema_problems
from mlbsdk_plugin_argo.semantics import semantic_problems


def problems_of(document: Any) -> list[str]:
    """Return all that is wrong with a manifest; only what fits the schema is looked at further."""
    return schema_problems(document) or semantic_problems(document)


def read_manifest(file: Path) -> dict[str, Any]:
    """Return the one workflow of a file, checked.

    Raises:
        ConfigurationError: it can't be read, holds no workflow or several, or is wrong; the error has all problems.
    """
    found = [one for one in read_documents(file) if isinstance(one, dict) and one.get("kind") in KINDS]
    if len(found) != 1:
        raise ConfigurationError(f"'{file}' holds {len(found)} workflows", fix="Give a file with one.")
    require(found[0], str(file))
    return found[0]


def require(document: dict[str, Any], where: str) -> None:
    """Raise ConfigurationError with all problems of a manifest, if it has any."""
    problems = problems_of(document)
    if problems:
        count = len(problems)
        text = problems[0] if count == 1 else f"{count} mistakes:\n  " + "\n  ".join(problems)
        raise ConfigurationError(text, where=where)
