"""The files that a layer holds: listed, and removed, without ever leaving the layer's own folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from mlbsdk.hookspecs import Storage
from mlbsdk.runtime.addresses import child
from mlbsdk.writers.lakehouse import HOUSEKEEPING


@dataclass(frozen=True)
class DataFile:
    """One data file of a table."""

    path: str
    """Below the layer's folder."""
    size: int
    table: str
    """``schema.table``, or ``endpoint.method``."""
    partition: Mapping[str, str]
    """Value by column, from the folders' names."""


@dataclass
class Stored:
    """What a layer's folder holds."""

    files: list[DataFile] = field(default_factory=list)
    odd: list[tuple[str, str]] = field(default_factory=list)
    """(path below the layer's folder, what it is): what is none of a layer's files."""


def stored_files(storage: Storage, own: str, format: str) -> Stored:
    """Return the data files of all tables in a layer's folder, and what else lies there.

    Symbolic links are not followed. What mlbsdk keeps for itself is left out.
    """
    found = Stored()
    for path, size, what in _walked(own, "") if storage.is_local else _listed(storage, own):
        *folders, name = path.split("/")
        partition = _partition(folders[2:])
        if what:
            found.odd.append((path, what))
        elif len(folders) < 2 or partition is None or any("=" in folder for folder in folders[:2]):
            found.odd.append((path, "a file outside of the tables' folders"))
        elif not name.endswith(f".{format}") or name.startswith(("_", ".")):
            found.odd.append((path, f"no {format} file"))
        else:
            found.files.append(DataFile(path, size, ".".join(folders[:2]), partition))
    return found


def remove(storage: Storage, own: str, paths: Iterable[str]) -> None:
    """Remove files of a layer, and the partitions' folders that are empty then.

    A file that is gone already is passed over; one that a symbolic link leads to by now is left.
    """
    if not storage.is_local:
        storage.delete([child(own, path) for path in paths])
        return
    base = Path(own)
    for path in paths:
        file = base / path
        if file.parent.resolve() != file.parent or file.is_symlink():
            continue
        file.unlink(missing_ok=True)
        for folder in list(file.parents)[: len(Path(path).parts) - 3]:
            with contextlib.suppress(OSError):  # it holds something still
                folder.rmdir()


def _listed(storage: Storage, own: str) -> Iterator[tuple[str, int, str]]:
    """Give the same of an object store, which has neither links nor folders."""
    for file in storage.files(own):
        path = file.path.removeprefix(f"{own}/")
        if not path.startswith(f"{HOUSEKEEPING}/"):
            yield path, file.size, ""


def _walked(base: str, below: str) -> Iterator[tuple[str, int, str]]:
    """Give (path, size, what it is if it is no plain file), in order."""
    try:
        entries = sorted(os.scandir(Path(base) / below), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        path = f"{below}/{entry.name}" if below else entry.name
        if entry.is_symlink():
            yield path, 0, "a symbolic link"
        elif entry.is_dir():
            if path != HOUSEKEEPING:
                yield from _walked(base, path)
        elif entry.is_file():
            yield path, entry.stat().st_size, ""
        else:
            yield path, 0, "no file"


def _partition(folders: Iterable[str]) -> dict[str, str] | None:
    """Return the values that folders such as ``year=2024`` tell; None where one is none of these."""
    found = {}
    for folder in folders:
        column, equals, value = folder.partition("=")
        if not column or not equals:
            return None
        found[column] = unquote(value)
    return found
