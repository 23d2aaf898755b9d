"""Apache Atlas as a lineage backend: told of every run where ``ATLAS_ENDPOINT`` says where it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mlbsdk import ReporterDecl, hookimpl

if TYPE_CHECKING:
    from mlbsdk.plugin import LineageReporter

MLBSDK_PLUGIN_API = 1


@hookimpl
def mlbsdk_reporters() -> Iterable[ReporterDecl]:
    """Apache Atlas."""
    return [
        ReporterDecl(
            name="atlas",
            summary="Apache Atlas 2: a process for each transform, its tables and column lineage (ATLAS_ENDPOINT).",
            make=_atlas,
        )
    ]


def _atlas(options: Mapping[str, object]) -> LineageReporter | None:
    import os

    if not os.environ.get("ATLAS_ENDPOINT"):
        return None
    from mlbsdk_plugin_atlas.reporter import AtlasReporter
    from mlbsdk_plugin_atlas.server import AtlasServer, AtlasSettings

    settings = AtlasSettings.of(os.environ)
    return AtlasReporter(AtlasServer(settings, float(str(options.get("timeout_s", 10.0)))), settings.metadata_namespace)
