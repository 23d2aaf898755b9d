"""Where files are kept: the disk of this machine, or an object store that a plugin declares."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit

from mlbsdk.errors import ConfigurationError
from mlbsdk.hookspecs import SparkRequirements, Storage, StoredFile
from mlbsdk.runtime.addresses import is_local

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem
    from pyspark.sql import SparkSession

    from mlbsdk.plugins import Plugins

DRAFT = ".draft"
#: Older names of what Hadoop calls s3a.
_OTHER_NAMES = {"s3": "s3a", "s3n": "s3a"}


def storage_of(path: str, settings: Mapping[str, object] | None = None, plugins: Plugins | None = None) -> Storage:
    """Return the storage that keeps a path. Nothing is asked of it yet.

    Args:
        path: on this machine, or with a scheme that a plugin declares: ``s3a://bucket/folder``.
        settings: the settings under ``storage:``.
        plugins: the loaded plugins; by default those installed.

    Raises:
        UnknownNameError: no plugin declares such a storage.
        ConfigurationError: a setting is wrong, or the scheme is an older name.
    """
    if is_local(path):
        return LOCAL
    scheme = urlsplit(path).scheme
    if scheme in _OTHER_NAMES:
        wanted = _OTHER_NAMES[scheme]
        raise ConfigurationError(
            f"'{path}' has the scheme '{scheme}'", fix=f"Write it as {wanted}://{path.partition('://')[2]}."
        )
    if plugins is None:
        from mlbsdk.plugins import Plugins

        plugins = Plugins.load()
    declared = plugins.storage(scheme)
    return plugins.call(declared, declared.make, path, dict(settings or {}))


class Storages:
    """The storages that one run or stream uses: one for each bucket, made when it is first asked for.

    Args:
        plugins: the loaded plugins.
        settings: the settings under ``storage:``.
    """

    def __init__(self, plugins: Plugins, settings: Mapping[str, object] | None = None) -> None:
        self.plugins = plugins
        self.settings = dict(settings or {})
        self._made: dict[tuple[str, str], tuple[Storage, str]] = {}

    def of(self, path: str) -> Storage:
        """Return the storage that keeps a path; raises as :func:`storage_of`."""
        if is_local(path):
            return LOCAL
        parts = urlsplit(path)
        place = (parts.scheme, parts.netloc)
        if place not in self._made:
            self._made[place] = (storage_of(path, self.settings, self.plugins), path)
        return self._made[place][0]

    def options(self, path: str) -> dict[str, object]:
        """Return the option of sources and writers that names a path's storage; none for local paths."""
        return {} if is_local(path) else {"storage": self.of(path)}

    def needs(self, path: str) -> list[SparkRequirements]:
        """Return what Spark needs to read and write a path."""
        return [] if is_local(path) else [self.plugins.storage(urlsplit(path).scheme).spark]

    @property
    def needed(self) -> list[SparkRequirements]:
        """What Spark needs to read and write all paths that were asked for."""
        return [need for _, path in self._made.values() for need in self.needs(path)]

    def check(self) -> None:
        """Check that all that were asked for can be reached and listed; raises as :meth:`Storage.check`."""
        for storage, path in self._made.values():
            storage.check(path)

    def use_in(self, spark: SparkSession) -> None:
        """Have a session find the paths that were asked for.

        Set in the running session, so that no secret is in a command line, as settings that Java starts with are.
        """
        for storage, path in self._made.values():
            for name, value in storage.spark_settings(path).items():
                spark.conf.set(name, value)


def storage_in(options: Mapping[str, object]) -> Storage:
    """Return the storage among the options of a source, writer or raw store; this machine's disk where none is."""
    return cast("Storage", options.get("storage", LOCAL))


def read_text(storage: Storage, path: str) -> str:
    """Return the text of a file.

    Raises:
        FileNotFoundError: there is none.
    """
    with storage.open(path) as stream:
        return stream.read().decode("utf-8")


def path_of_uri(uri: str) -> str:
    """Return the path that Spark gives as a URI, with every other character as ``%XX``."""
    return unquote(urlsplit(uri).path) if uri.startswith("file:") else unquote(uri)


class LocalStorage:
    """The disk of this machine."""

    is_local = True

    def check(self, path: str) -> None:
        """Nothing: who opens a path is told what is wrong."""

    def exists(self, path: str) -> bool:
        """Return whether there is a file or folder."""
        return Path(path).exists()

    def files(self, path: str) -> list[StoredFile]:
        """Return the file of this path, or all files below the folder, sorted."""
        place = Path(path)
        if place.is_file():
            return [_stored_file(place)]
        return sorted((_stored_file(file) for file in place.rglob("*") if file.is_file()), key=lambda file: file.path)

    def open(self, path: str) -> IO[bytes]:
        """Open a file to be read."""
        return Path(path).open("rb")

    def write(self, path: str, data: bytes) -> None:
        """Write a file whole, and durably."""
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}-{os.getpid()}{DRAFT}")
        try:
            with draft.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)  # of a full disk
        _sync_folder(file.parent)

    def move(self, path: str, to: str) -> None:
        """Rename a file; the folder is made."""
        target = Path(to)
        target.parent.mkdir(parents=True, exist_ok=True)
        Path(path).replace(target)

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files."""
        for path in paths:
            Path(path).unlink(missing_ok=True)

    def delete_folder(self, path: str) -> None:
        """Delete a folder with all that is in it."""
        shutil.rmtree(path, ignore_errors=True)

    @contextlib.contextmanager
    def locked(self, path: str, *, wait: bool = True) -> Iterator[Callable[[], None]]:
        """Hold a lock among the processes of this machine; it can't be lost."""
        import fcntl

        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a+", encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError as problem:
                handle.seek(0)
                raise BlockingIOError(f"process {handle.read().strip() or '?'}") from problem
            handle.truncate(0)
            handle.write(f"{os.getpid()}\n")
            handle.flush()
            yield lambda: None

    def arrow(self, path: str) -> tuple[FileSystem, str]:
        """Return pyarrow's own local file system."""
        from pyarrow.fs import LocalFileSystem

        return LocalFileSystem(), path

    def address_of(self, name: str) -> str:
        """Return the same path."""
        return name

    def delta_options(self, path: str) -> dict[str, str]:
        """Nothing: delta-rs opens local paths by itself."""
        return {}

    def spark_settings(self, path: str) -> dict[str, str]:
        """Nothing: Spark reads local paths by itself."""
        return {}


LOCAL = cast("Storage", LocalStorage())


def _stored_file(file: Path) -> StoredFile:
    found = file.stat()
    return StoredFile(str(file), found.st_size, datetime.fromtimestamp(found.st_mtime, timezone.utc))


def _sync_folder(folder: Path) -> None:
    """Have the folder's new entry survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
