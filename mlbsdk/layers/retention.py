"""Retention: partitions wholly older than a layer keeps are removed, or only told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from mlbsdk.errors import ConfigurationError, WriteError, did_you_mean
from mlbsdk.hookspecs import Storage
from mlbsdk.layers.dates import last_day, oldest_kept, today
from mlbsdk.layers.load import load_exports
from mlbsdk.layers.places import LayerPlace, places_of, storages_of
from mlbsdk.layers.stored import remove, stored_files
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.storage import Storages
from mlbsdk.writers.delta_care import DeltaTarget
from mlbsdk.writers.files import FileWriter
from mlbsdk.writers.lakehouse import Lakehouse, sql_literal

_NULL = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class RemovedTable:
    """What is, or would be, removed of one table."""

    table: str
    partitions: tuple[str, ...]
    """Such as ``year=2024/month=07/day=12``."""
    files: int
    bytes: int
    vacuumed: int = 0
    """Of a Delta table: files of earlier removals and rewrites that no version of the last week needs."""


@dataclass(frozen=True)
class LayerRetention:
    """What retention finds in one layer."""

    layer: str
    folder: str
    retention_days: int
    oldest_kept: date | None
    """Partitions whose last day is before it go; None: all are kept for ever."""
    tables: tuple[RemovedTable, ...] = ()
    undated: tuple[str, ...] = ()
    """Tables and partitions that tell no date; they are kept."""
    left: tuple[tuple[str, str], ...] = ()
    """(path, what it is): what is none of the layer's files; it is left alone."""


@dataclass
class RetentionReport:
    """What retention removed, or would remove."""

    removed: bool
    """False for a dry run."""
    layers: list[LayerRetention] = field(default_factory=list)

    @property
    def files(self) -> int:
        """Files in all."""
        return sum(table.files for layer in self.layers for table in layer.tables)

    @property
    def bytes(self) -> int:
        """Bytes in all."""
        return sum(table.bytes for layer in self.layers for table in layer.tables)

    def to_json(self) -> dict[str, Any]:
        """Return the ``--json`` object, format version 1."""
        layers = [
            asdict(layer)
            | {
                "oldest_kept": None if layer.oldest_kept is None else layer.oldest_kept.isoformat(),
                "left": [{"path": path, "is": what} for path, what in layer.left],
            }
            for layer in self.layers
        ]
        return {"version": 1, "removed": self.removed, "files": self.files, "bytes": self.bytes, "layers": layers}


def retention(
    config: str | Path,
    *,
    layers: tuple[str, ...] = (),
    apply: bool = False,
    on: date | None = None,
    storage: Mapping[str, object] | None = None,
    plugins: Plugins | None = None,
) -> RetentionReport:
    """Find the partitions that are wholly older than their layer keeps; with ``apply`` remove them.

    Nothing outside of the layers' own folders is touched, and nothing in them that is not a data file of a partition
    with a date. It starts no Java.

    Args:
        config: the configuration of exports.
        layers: only these; none for all that the configuration has.
        apply: remove them.
        on: the day to count from; by default today, in UTC.
        storage: what the object store is told besides the configuration's region and endpoint.
        plugins: the loaded plugins; by default those installed.

    Raises:
        ConfigurationError: the configuration is wrong, a layer is not in it, or a layer's folder is a symbolic link.
        StorageError: the object store can't be reached, or refuses.
        WriteError: something can't be removed; what was removed before stays so, and running again goes on.
    """
    exports = load_exports(config)
    places = chosen_places(places_of(exports), layers)
    storages = storages_of(exports, plugins, storage)
    for place in places:
        place.require_own()
        storages.of(place.own).check(place.own)
    report = RetentionReport(removed=apply)
    for place in places:
        oldest = oldest_kept(place.layer.retention_days, on or today())
        looked = LayerRetention(place.name, place.own, place.layer.retention_days, oldest)
        if oldest is not None and storages.of(place.own).exists(place.own):
            look = _in_delta if place.layer.format == "delta" else _in_files
            looked = look(place, oldest, apply, storages)
        report.layers.append(looked)
    return report


def chosen_places(places: dict[str, LayerPlace], layers: tuple[str, ...]) -> list[LayerPlace]:
    """Return the places of layers that are asked for; all where none is.

    Raises:
        ConfigurationError: the configuration has no such layer.
    """
    for name in layers:
        if name not in places:
            raise ConfigurationError(
                f"the configuration has no layer '{name}'.{did_you_mean(name, places)}",
                fix=f"It has {', '.join(places)}.",
            )
    return [place for name, place in places.items() if not layers or name in layers]


def _in_files(place: LayerPlace, oldest: date, apply: bool, storages: Storages) -> LayerRetention:
    storage = storages.of(place.own)
    house = Lakehouse(place.target, storage)
    if apply:
        FileWriter(
            place.layer.format, place.target, storages.options(place.target)
        ).prepare()  # what a killed export has decided is done first
        with house.locked():
            found = _look(place, oldest, storage)
            try:
                remove(storage, place.own, found.paths)
            except OSError as problem:
                raise WriteError(
                    f"'{problem.filename}' can't be removed: {problem.strerror or problem}",
                    fix="What was removed before it is gone; run again to go on.",
                ) from problem
        return found.layer
    return _look(place, oldest, storage).layer


@dataclass(frozen=True)
class _Found:
    layer: LayerRetention
    paths: tuple[str, ...]


def _look(place: LayerPlace, oldest: date, storage: Storage) -> _Found:
    stored = stored_files(storage, place.own, place.layer.format)
    removed: dict[str, _Removal] = {}
    undated: dict[str, None] = {}
    paths = []
    for file in stored.files:
        last = last_day(file.partition)
        name = "/".join(file.path.split("/")[2:-1])
        if last is None:
            undated[f"{file.table} {name}".rstrip()] = None
        elif last < oldest:
            removed.setdefault(file.table, _Removal()).add(name, 1, file.size)
            paths.append(file.path)
    layer = LayerRetention(
        place.name,
        place.own,
        place.layer.retention_days,
        oldest,
        tuple(removal.of(table) for table, removal in sorted(removed.items())),
        tuple(undated),
        tuple(stored.odd),
    )
    return _Found(layer, tuple(paths))


@dataclass
class _Removal:
    partitions: dict[str, None] = field(default_factory=dict)
    files: int = 0
    bytes: int = 0

    def add(self, partition: str, files: int, bytes: int) -> None:
        self.partitions[partition] = None
        self.files += files
        self.bytes += bytes

    def of(self, table: str, vacuumed: int = 0) -> RemovedTable:
        return RemovedTable(table, tuple(self.partitions), self.files, self.bytes, vacuumed)


def _in_delta(place: LayerPlace, oldest: date, apply: bool, storages: Storages) -> LayerRetention:
    """Look at Delta tables: rows are deleted as Delta does, and files go with its vacuum, a week later."""
    target = DeltaTarget(f"delta:{place.target}", storages.settings)
    names = [name for name in target.house.table_names("delta") if place.schema in (None, name.partition(".")[0])]
    tables, undated = [], []
    for name in names:
        expired, kept = _delta_partitions(target, name, oldest)
        undated += kept
        removal = _Removal()
        for partition in expired:
            removal.add(partition.name, partition.files, partition.bytes)
        if apply and expired:
            target.delete(name, " OR ".join(f"({partition.predicate})" for partition in expired))
        vacuumed = len(target.vacuum(name, dry_run=not apply).files)
        if expired or vacuumed:
            tables.append(removal.of(name, vacuumed))
    return LayerRetention(place.name, place.own, place.layer.retention_days, oldest, tuple(tables), tuple(undated))


@dataclass
class _DeltaPartition:
    name: str
    predicate: str
    files: int = 0
    bytes: int = 0


def _delta_partitions(target: DeltaTarget, table: str, oldest: date) -> tuple[list[_DeltaPartition], list[str]]:
    """Return the partitions that are wholly older, and the names of those without a date."""
    found: dict[str, _DeltaPartition] = {}
    undated: dict[str, None] = {}
    for values, size in target.files_of(table):
        told = {column: _NULL if value is None else str(value) for column, value in values.items()}
        name = "/".join(f"{column}={value}" for column, value in told.items())
        last = last_day(told)
        if last is None:
            undated[f"{table} {name}".rstrip()] = None
        elif last < oldest:
            one = found.setdefault(name, _DeltaPartition(name, _predicate(values)))
            one.files += 1
            one.bytes += size
    return list(found.values()), list(undated)


def _predicate(values: dict[str, Any]) -> str:
    quote: Callable[[str], str] = lambda name: '"' + name.replace('"', '""') + '"'  # noqa: E731
    return " AND ".join(
        f"{quote(column)} IS NULL" if value is None else f"{quote(column)} = {sql_literal(value, chr(34))}"
        for column, value in values.items()
    )
