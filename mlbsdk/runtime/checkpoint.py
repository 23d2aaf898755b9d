"""The checkpoint of a stream: how far it has read, and which stream it belongs to.

Spark keeps its own files in the folder. Beside them are ``mlbsdk.json``, which binds the checkpoint to one source,
target, transform and mapping, and ``mlbsdk.lock``, which one process at a time holds. For a source that is followed in
ranges the folders ``offsets`` and ``commits`` are ours, laid out as Spark's: ``offsets/N`` is written before batch N is
read, ``commits/N`` when it is in the store.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from mlbsdk.errors import ConfigurationError
from mlbsdk.runtime.addresses import is_local, local_path, split_address
from mlbsdk.settings import home

FORMAT = 1
MARKER = "mlbsdk.json"
LOCK = "mlbsdk.lock"
_HASH_DIGITS = 12
#: Batches whose offsets and commits are kept, as Spark does.
_BATCHES_KEPT = 100
_SECRET_PARAMETERS = ("password", "sslpassword")


@dataclass
class Marker:
    """What a checkpoint belongs to: the content of ``mlbsdk.json``."""

    transform: str
    source: str
    """Without any password."""
    target: str
    """Without any password."""
    fingerprint: str
    """Of the mapping in use: :attr:`mlbsdk.mapping.plan.Plan.fingerprint`."""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    """Of this checkpoint: another one for the same stream has another id."""
    created_at: str = field(default_factory=lambda: _now())
    accepted: list[dict[str, str]] = field(default_factory=list)
    """Changes of the mapping that were accepted, each with ``fingerprint`` (the new one), ``before`` and ``at``."""

    def to_json(self) -> dict[str, Any]:
        """Return the file's content."""
        return {"version": FORMAT} | asdict(self)


class Checkpoint:
    """A checkpoint's folder on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def at(cls, address: str) -> Checkpoint:
        """Return the checkpoint at a path that was given.

        Raises:
            ConfigurationError: it is on another machine.
        """
        if not is_local(address):
            raise ConfigurationError(
                f"the checkpoint '{address}' is not on this machine's file system",
                fix="Give a local path, such as a mounted volume: a lock there keeps two streams apart.",
            )
        return cls(local_path(address))

    @classmethod
    def default(cls, transform: str, source: str, target: str, location: str | None) -> Checkpoint:
        """Return the checkpoint of a stream that names none: with the target, or where it has no folder, with the user.

        Args:
            transform: the transform's name.
            source: the source's :func:`canonical` address.
            target: the target's.
            location: the folder of the target's housekeeping; None where it has none.
        """
        if location is not None and is_local(location):
            return cls(Path(location) / "checkpoints" / f"{transform}-{_short_hash(source)}")
        return cls(home() / "checkpoints" / f"{transform}-{_short_hash(source, target)}")

    def __str__(self) -> str:
        return str(self.folder)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the checkpoint alone; a killed process lets go by itself.

        Raises:
            ConfigurationError: another stream holds it, or the folder can't be made.
        """
        import fcntl

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = (self.folder / LOCK).open("a+", encoding="utf-8")
        except OSError as problem:
            raise ConfigurationError(
                f"the checkpoint '{self}' can't be written: {problem.strerror or problem}", fix="Choose another one."
            ) from problem
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as problem:
                handle.seek(0)
                raise ConfigurationError(
                    f"process {handle.read().strip() or '?'} streams with the checkpoint '{self}'",
                    fix="Stop it first, or give this stream a --checkpoint of its own.",
                ) from problem
            handle.truncate(0)
            handle.write(f"{os.getpid()}\n")
            handle.flush()
            yield

    def claim(self, wanted: Marker, accept_mapping_change: bool) -> Marker:
        """Bind the checkpoint to a stream, or find that it is bound to it already; return what is bound.

        Args:
            wanted: the stream that begins.
            accept_mapping_change: whether it may go on with another mapping than it began with.

        Raises:
            ConfigurationError: it belongs to another stream, the mapping has changed, or its marker can't be read.
        """
        marker = self._marker()
        if marker is None:
            self._save(wanted)
            return wanted
        for what in ("transform", "source", "target"):
            held, asked = getattr(marker, what), getattr(wanted, what)
            if held != asked:
                raise ConfigurationError(
                    f"the checkpoint '{self}' is of the {what} '{held}', not '{asked}'",
                    fix="Give this stream a --checkpoint of its own.",
                )
        if marker.fingerprint == wanted.fingerprint:
            return marker
        if not accept_mapping_change:
            raise ConfigurationError(
                f"the mapping of {marker.transform} is not the one that the checkpoint '{self}' was written with",
                fix="Add --accept-mapping-change to go on from here with the new mapping (captures that were read "
                "before keep the tables of the old one), or give an empty --checkpoint to read all captures again.",
            )
        marker.accepted.append({"before": marker.fingerprint, "fingerprint": wanted.fingerprint, "at": _now()})
        marker.fingerprint = wanted.fingerprint
        self._save(marker)
        return marker

    def read(self, name: str) -> Any:
        """Return the content of a JSON file of ours; None where there is none.

        Raises:
            ConfigurationError: it can't be read.
        """
        path = self.folder / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as problem:
            raise self._damaged(name, str(problem)) from problem

    def write(self, name: str, content: Any) -> None:
        """Write a JSON file of ours so that it is there whole, or as it was before, whenever the machine stops."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        with draft.open("w", encoding="utf-8") as handle:
            json.dump(content, handle, indent=2)
            handle.write("\n")
            handle.flush()
            os.fsync(handle.fileno())
        draft.replace(path)
        _sync_folder(path.parent)

    # The marker

    def _marker(self) -> Marker | None:
        found = self.read(MARKER)
        if found is None:
            if any((self.folder / name).exists() for name in ("offsets", "commits", "metadata")):
                raise self._damaged(MARKER, "it is missing, and the folder holds a checkpoint")
            return None
        try:
            version = found.pop("version")
            marker = Marker(**found) if version == FORMAT else None
        except (AttributeError, KeyError, TypeError) as problem:
            raise self._damaged(MARKER, "it is not what mlbsdk writes") from problem
        if marker is None:
            raise ConfigurationError(
                f"the checkpoint '{self}' has format {version}; this mlbsdk knows format {FORMAT}",
                fix="Use the mlbsdk that wrote it, or give an empty --checkpoint to read all captures again.",
            )
        return marker

    def _save(self, marker: Marker) -> None:
        self.write(MARKER, marker.to_json())

    def _damaged(self, name: str, reason: str) -> ConfigurationError:
        return ConfigurationError(
            f"the checkpoint '{self}' is damaged: {name} can't be used: {reason}",
            fix="Restore the file, or give an empty --checkpoint to read all captures again: "
            "what is stored already stays as it is.",
        )

    # Ranges, written ahead

    def last_range(self) -> tuple[int, str, bool] | None:
        """Return the newest batch that was begun, its range, and whether it is in the store; None for a new checkpoint.

        Raises:
            ConfigurationError: its file can't be read.
        """
        begun = _numbers(self.folder / "offsets")
        if not begun:
            return None
        batch_id = begun[-1]
        found = self.read(f"offsets/{batch_id}")
        try:
            return batch_id, str(found["range"]), (self.folder / "commits" / str(batch_id)).exists()
        except (KeyError, TypeError) as problem:
            raise self._damaged(f"offsets/{batch_id}", "it has no range") from problem

    def begin_range(self, batch_id: int, range: str) -> None:
        """Write down which range a batch reads, before it reads it."""
        self.write(f"offsets/{batch_id}", {"version": FORMAT, "range": range, "begun_at": _now()})

    def commit_range(self, batch_id: int) -> None:
        """Write down that a batch is in the store, and forget those of long ago."""
        self.write(f"commits/{batch_id}", {"version": FORMAT, "committed_at": _now()})
        for folder in ("commits", "offsets"):
            for number in _numbers(self.folder / folder)[:-_BATCHES_KEPT]:
                (self.folder / folder / str(number)).unlink()


def canonical(address: str, default: str) -> str:
    """Return an address as checkpoints keep it: with its scheme, absolute where it is a path, without passwords."""
    scheme, rest = split_address(address, default)
    if "://" in rest:
        return without_passwords(rest if is_local(rest) else f"{scheme}:{rest}")
    return f"{scheme}:{local_path(rest)}"


def without_passwords(address: str) -> str:
    """Return an address without the password of its user and without parameters that hold one."""
    parts = urlsplit(address)
    user, at, host = parts.netloc.rpartition("@")
    query = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in query if name.lower() not in _SECRET_PARAMETERS]
    changed = urlencode(kept) if len(kept) < len(query) else parts.query
    return urlunsplit(parts._replace(netloc=user.partition(":")[0] + at + host, query=changed))


def _short_hash(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:_HASH_DIGITS]


def _numbers(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit()) if folder.exists() else []


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def _sync_folder(folder: Path) -> None:
    """Have the folder's new entry survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
