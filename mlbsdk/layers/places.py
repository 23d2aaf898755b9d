"""Where the layers of a configuration are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlbsdk.errors import ConfigurationError
from mlbsdk.layers.model import AnalyticsLayer, Exports, NormalizedLayer, RawLayer, Storage
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.addresses import child, is_local, local_path
from mlbsdk.runtime.storage import Storages


@dataclass(frozen=True)
class LayerPlace:
    """One layer in its storage."""

    name: str
    layer: RawLayer | NormalizedLayer | AnalyticsLayer
    own: str
    """The folder that holds the layer and nothing else."""
    target: str
    """The folder that writers lay tables out in: ``own``, or for ``analytics/{table}`` the one above it."""

    @property
    def address(self) -> str:
        """The target as ``--target`` takes it."""
        return f"{self.layer.format}:{self.target}"

    @property
    def schema(self) -> str | None:
        """The only schema whose tables the layer can hold; None where its path has ``{schema}``."""
        return None if self.own == self.target else self.own.rpartition("/")[2]

    def require_own(self) -> None:
        """Check that the layer's folder leads nowhere else.

        Raises:
            ConfigurationError: it, or a folder above it in the storage, is a symbolic link.
        """
        if is_local(self.own) and str(Path(self.own).resolve()) != self.own:
            raise ConfigurationError(
                f"the folder of layer {self.name}, '{self.own}', is a symbolic link",
                fix="Name the folder that it leads to as storage.path.",
            )


def root_of(storage: Storage) -> str:
    """Return the folder or bucket that holds all layers."""
    if storage.backend == "local":
        return str(local_path(storage.path or storage.bucket or ""))
    return f"s3a://{storage.bucket}"


def places_of(exports: Exports) -> dict[str, LayerPlace]:
    """Return where the layers of a configuration are, by name, each after those it is made from."""
    root = root_of(exports.storage)
    found = {}
    for name, layer in exports.layers.chosen.items():
        own = child(root, layer.prefix)
        is_flat = layer.path == f"{layer.prefix}/{{table}}"
        found[name] = LayerPlace(name, layer, own, own.rpartition("/")[0] if is_flat else own)
    return found


def storages_of(exports: Exports, plugins: Plugins | None, settings: Mapping[str, object] | None = None) -> Storages:
    """Return the storages of an export: what the configuration says of its object store, before what settings say."""
    own = {"region": exports.storage.region, "endpoint": exports.storage.endpoint}
    given = {name: value for name, value in own.items() if value is not None}
    return Storages(plugins or Plugins.load(), {**(settings or {}), **given})
