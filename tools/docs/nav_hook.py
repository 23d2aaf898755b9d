"""An mkdocs hook: entries of ``nav`` that end in a slash become the pages of that folder.

So no page is forgotten.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def on_config(config: Any) -> Any:
    """Expand the folders in the configuration's nav."""
    config["nav"] = [_expanded(entry, Path(config["docs_dir"])) for entry in config["nav"] or []]
    return config


def _expanded(entry: Any, docs: Path) -> Any:
    if not isinstance(entry, dict):
        return entry
    return {title: _below(value, docs) for title, value in entry.items()}


def _below(value: Any, docs: Path) -> Any:
    if isinstance(value, list):
        return [_expanded(each, docs) for each in value]
    if not value.endswith("/"):
        return value
    found = sorted((docs / value).glob("*.md"), key=lambda path: (path.name != "index.md", path.name))
    return [path.relative_to(docs).as_posix() for path in found]
