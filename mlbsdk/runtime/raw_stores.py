"""Raw stores by address: ``captures/``, ``delta:PATH``, ``avro:PATH``, ``postgresql://...``."""

from __future__ import annotations

from collections.abc import Mapping

from mlbsdk.hookspecs import RawStore
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.addresses import is_local, split_address
from mlbsdk.runtime.storage import storage_of
from mlbsdk.settings import load_settings


def open_raw_store(
    address: str, plugins: Plugins | None = None, storage: Mapping[str, object] | None = None
) -> RawStore:
    """Return the raw store at an address, prepared to be written.

    Args:
        address: a folder, or a scheme that a plugin declares and what it says.
        plugins: the loaded plugins; by default those installed.
        storage: how an object store is reached, where the address is in one; by default ``storage:`` of mlbsdk.yaml.

    Raises:
        UnknownNameError: no plugin declares such a raw store, or such a storage.
        StorageError: the object store can't be reached, or refuses.
        TargetUnwritableError: nothing can be written there.
    """
    plugins = plugins or Plugins.load()
    scheme, rest = split_address(address, "file")
    declared = plugins.raw_store(scheme)
    options: dict[str, object] = {}
    if not is_local(rest):
        settings = storage if storage is not None else load_settings(None, {}).storage
        options["storage"] = storage_of(rest, settings, plugins)
    store = plugins.call(declared, declared.make, rest, options)
    with plugins.running(declared, "preparing the raw store"):
        store.prepare()
    return store
