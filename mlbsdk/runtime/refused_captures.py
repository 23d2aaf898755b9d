"""Where the captures of refused rows can be read again: files that they name, a given source, what the run read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mlbsdk.errors import MlbsdkError
from mlbsdk.hookspecs import SourceDecl, StoredFile
from mlbsdk.plugins import Plugins
from mlbsdk.quality.outcomes import Entry, plain
from mlbsdk.runtime.addresses import child
from mlbsdk.runtime.preparation import location_of, make_source
from mlbsdk.runtime.raw import RawBatch
from mlbsdk.runtime.sources import JSON_LINES, WHOLE_DOCUMENTS, FileSource
from mlbsdk.runtime.storage import LOCAL, Storages, read_text

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mlbsdk.hookspecs import Source
    from mlbsdk.mapping.model import Mapping as TransformMapping
    from mlbsdk.mapping.plan import Plan

T = TypeVar("T")
#: Captures that are read, cut and written together.
_CAPTURES_A_BATCH = 200
_NO_PLACE = "nothing says where its capture is: --source does"


class Files(FileSource):
    """Some files of captures."""

    def __init__(self, files: Iterable[str]) -> None:
        self._files = sorted(files)
        folder = os.path.commonpath([os.path.dirname(file) for file in self._files])  # noqa: PTH120
        super().__init__(folder, {})

    def found(self) -> list[StoredFile]:
        """Return them; one that is gone by now is left out."""
        return [found for file in self._files if self.storage.exists(file) for found in self.storage.files(file)]


@dataclass(frozen=True)
class Portion:
    """Some captures of one source, and what is refused of them."""

    declared: SourceDecl
    source: Source
    row_ids: frozenset[str]
    """The raw rows that are wanted; none for all that the source has."""
    entries: tuple[Entry, ...]
    size: int | None
    """Bytes of JSON text, roughly; None where only reading tells."""

    def read(self, spark: SparkSession, mapping: TransformMapping) -> RawBatch:
        """Return their raw rows."""
        from pyspark.sql import functions as F

        raw = self.source.read(spark, mapping)
        frame = raw.frame
        if self.row_ids:
            # Spark plans long lists of literals slowly, a join of a small table at once.
            wanted = spark.createDataFrame([(row_id,) for row_id in self.row_ids], "row_id string")
            frame = frame.join(F.broadcast(wanted), "row_id", "left_semi").select(*raw.frame.columns)
        return RawBatch(frame, raw.dataset, files=() if self.row_ids else raw.files, size=self.size)


@dataclass(frozen=True)
class Located:
    """Where captures are, and the entries whose captures are nowhere, each with the reason."""

    portions: tuple[Portion, ...]
    missing: tuple[tuple[Entry, str], ...]


def located(
    entries: Iterable[Entry], given: str | None, target: str, plan: Plan, plugins: Plugins, storages: Storages
) -> Located:
    """Find where the captures of entries can be read again.

    Args:
        entries: of one transform.
        given: the address of a source that is to be read whatever the entries say.
        target: the target's address, for the reports of its runs.
        plan: of the mapping.
        plugins: the loaded plugins.
        storages: of the replay.

    Raises:
        MlbsdkError: the source that is given can't be read.
    """
    reports = _Reports(target, storages)
    by_address: dict[str, list[Entry]] = {}
    files: list[Entry] = []
    missing: list[tuple[Entry, str]] = []
    for entry in entries:
        if given is not None:
            by_address.setdefault(given, []).append(entry)
        elif _is_file(entry.row_id):
            files.append(entry)
        elif _names_a_file(entry.row_id):
            missing.append((entry, f"its file is gone: {plain(entry.row_id)}"))
        else:
            address = entry.source or reports.source_of(entry.run_id)
            if address:
                by_address.setdefault(address, []).append(entry)
            else:
                missing.append((entry, _NO_PLACE))
    portions = list(_of_files(files, plugins))
    for address, wanted in by_address.items():
        try:
            declared, source = make_source(plugins, address, plan, storages=storages)
            plugins.call(declared, source.prepare)
        except MlbsdkError as problem:
            if given is not None:
                raise
            missing += [(entry, f"what its run read can't be read: {problem}") for entry in wanted]
            continue
        portions += _of_rows(declared, source, wanted)
    return Located(tuple(portions), tuple(missing))


def _of_files(entries: list[Entry], plugins: Plugins) -> Iterator[Portion]:
    """Give portions of files. A refused capture in a file of many is not told apart, so such a file is read whole."""
    declared = plugins.source("file")
    by_file: dict[str, list[Entry]] = {}
    for entry in entries:
        by_file.setdefault(plain(entry.row_id), []).append(entry)
    whole: dict[str, list[Entry]] = {}
    lines: dict[str, list[Entry]] = {}
    for file, found in by_file.items():
        is_whole = file.lower().endswith(WHOLE_DOCUMENTS) or any(entry.is_capture for entry in found)
        (whole if is_whole else lines)[file] = found
    for part in _portions(list(whole.items())):
        of_part = tuple(entry for _, found in part for entry in found)
        files = Files(file for file, _ in part)
        yield Portion(declared, files, frozenset(), of_part, files.prepare())
    for part in _portions(list(lines.items())):
        of_part = tuple(entry for _, found in part for entry in found)
        names = [file for file, _ in part]
        yield Portion(declared, Files(names), frozenset(entry.row_id for entry in of_part), of_part, None)


def _of_rows(declared: SourceDecl, source: Source, entries: list[Entry]) -> Iterator[Portion]:
    by_row: dict[str, list[Entry]] = {}
    for entry in entries:
        by_row.setdefault(entry.row_id, []).append(entry)
    for part in _portions(list(by_row.items())):
        of_part = tuple(entry for _, found in part for entry in found)
        yield Portion(declared, source, frozenset(row_id for row_id, _ in part), of_part, None)


def _portions(items: list[T]) -> Iterator[list[T]]:
    ahead = iter(items)
    while part := list(islice(ahead, _CAPTURES_A_BATCH)):
        yield part


def _names_a_file(row_id: str) -> bool:
    return row_id.startswith(("file:", "/"))


def _is_file(row_id: str) -> bool:
    path = plain(row_id)
    return _names_a_file(row_id) and path.lower().endswith((*WHOLE_DOCUMENTS, *JSON_LINES)) and Path(path).is_file()


class _Reports:
    """What the reports of a target's runs say of their sources, for entries from before they said it themselves."""

    def __init__(self, target: str, storages: Storages) -> None:
        location = location_of(target)
        self._folder = None if location is None else child(location, "runs")
        self._storage = LOCAL if location is None else storages.of(location)
        self._known: dict[str, str | None] = {}

    def source_of(self, run_id: str) -> str | None:
        if run_id not in self._known:
            self._known[run_id] = self._read(run_id)
        return self._known[run_id]

    def _read(self, run_id: str) -> str | None:
        if self._folder is None or not run_id.replace("-", "").isalnum():
            return None
        for file in self._storage.files(self._folder):
            if not file.path.endswith(f"-{run_id}.json"):
                continue
            try:
                found: Mapping[str, object] = json.loads(read_text(self._storage, file.path))
            except (OSError, ValueError):
                continue
            source = found.get("source")
            return source if isinstance(source, str) else None
        return None
