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
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from mlbsdk.errors import ConfigurationError
from mlbsdk.hookspecs import Storage
from mlbsdk.runtime.addresses import child, is_local, local_path, split_address
from mlbsdk.runtime.storage import LOCAL, Storages, read_text
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
    """A checkpoint's folder, on this machine or in an object store."""

    def __init__(self, folder: str, storage: Storage = LOCAL) -> None:
        self.folder = folder
        self.storage = storage

    @classmethod
    def at(cls, address: str, storages: Storages) -> Checkpoint:
        """Return the checkpoint at a path that was given.

        Raises:
            UnknownNameError: no plugin declares a storage of its scheme.
            StorageError: its object store can't be reached, or refuses.
        """
        storage = storages.of(address)
        storage.check(address)
        return cls(str(local_path(address)) if storage.is_local else address.rstrip("/"), storage)

    @classmethod
    def default(
        cls, transform: str, source: str, target: str, location: str | None, storage: Storage = LOCAL
    ) -> Checkpoint:
        """Return the checkpoint of a stream that names none: with the target, or where it has no folder, with the user.

        Args:
            transform: the transform's name.
            source: the source's :func:`canonical` address.
            target: the target's.
            location: the folder of the target's housekeeping; None where it has none.
            storage: what keeps that folder.
        """
        if location is not None:
            return cls(child(location, "checkpoints", f"{transform}-{_short_hash(source)}"), storage)
        return cls(str(home() / "checkpoints" / f"{transform}-{_short_hash(source, target)}"))

    def __str__(self) -> str:
        return self.folder

    @property
    def for_spark(self) -> str:
        """The folder as Spark is told of it."""
        return f"file://{self.folder}" if self.storage.is_local else self.folder

    def has(self, *names: str) -> bool:
        """Return whether there is a file or folder."""
        return self.storage.exists(child(self.folder, *names))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the checkpoint alone; a killed process lets go by itself.

        Raises:
            ConfigurationError: another stream holds it, or the folder can't be made.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self.storage.locked(child(self.folder, LOCK), wait=False))
            except BlockingIOError as problem:
                raise ConfigurationError(
                    f"{problem} streams with the checkpoint '{self}'",
                    fix="Stop it first, or give this stream a --checkpoint of its own.",
                ) from problem
            except OSError as problem:
                raise ConfigurationError(
                    f"the checkpoint '{self}' can't be written: {problem.strerror or problem}",
                    fix="Choose another one.",
                ) from problem
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
        try:
            return json.loads(read_text(self.storage, child(self.folder, name)))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as problem:
            raise self._damaged(name, str(problem)) from problem

    def write(self, name: str, content: Any) -> None:
        """Write a JSON file of ours so that it is there whole, or as it was before, whenever the machine stops."""
        text = json.dumps(content, indent=2) + "\n"
        self.storage.write(child(self.folder, name), text.encode())

    # The marker

    def _marker(self) -> Marker | None:
        found = self.read(MARKER)
        if found is None:
            if any(self.has(name) for name in ("offsets", "commits", "metadata")):
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
        begun = self._numbers("offsets")
        if not begun:
            return None
        batch_id = begun[-1]
        found = self.read(f"offsets/{batch_id}")
        try:
            return batch_id, str(found["range"]), self.has("commits", str(batch_id))
        except (KeyError, TypeError) as problem:
            raise self._damaged(f"offsets/{batch_id}", "it has no range") from problem

    def begin_range(self, batch_id: int, range: str) -> None:
        """Write down which range a batch reads, before it reads it."""
        self.write(f"offsets/{batch_id}", {"version": FORMAT, "range": range, "begun_at": _now()})

    def commit_range(self, batch_id: int) -> None:
        """Write down that a batch is in the store, and forget those of long ago."""
        self.write(f"commits/{batch_id}", {"version": FORMAT, "committed_at": _now()})
        for folder in ("commits", "offsets"):
            old = self._numbers(folder)[:-_BATCHES_KEPT]
            self.storage.delete([child(self.folder, folder, str(number)) for number in old])

    def _numbers(self, folder: str) -> list[int]:
        names = (file.path.rpartition("/")[2] for file in self.storage.files(child(self.folder, folder)))
        return sorted(int(name) for name in names if name.isdigit())


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


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
