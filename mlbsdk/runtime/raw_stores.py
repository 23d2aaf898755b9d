"""Raw stores by address: ``captures/``, ``delta:PATH``, ``avro:PATH``, ``postgresql://...``."""

from __future__ import annotations

from mlbsdk.hookspecs import RawStore
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.addresses import split_address


def open_raw_store(address: str, plugins: Plugins | None = None) -> RawStore:
    """Return the raw store at an address, prepared to be written.

    Args:
        address: a folder, or a scheme that a plugin declares and what it says.
        plugins: the loaded plugins; by default those installed.

    Raises:
        UnknownNameError: no plugin declares such a raw store.
        TargetUnwritableError: nothing can be written there.
    """
    plugins = plugins or Plugins.load()
    scheme, rest = split_address(address, "file")
    declared = plugins.raw_store(scheme)
    store = plugins.call(declared, declared.make, rest, {})
    with plugins.running(declared, "preparing the raw store"):
        store.prepare()
    return store
