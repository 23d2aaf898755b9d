"""How large a season's workflow is for Argo, which keeps manifest and status in one object of Kubernetes.

That object may have 1 MB, a parameter 256 KB (it goes into an annotation). Argo packs a larger status, to some tenth;
seasons are planned to do without.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlbsdk_plugin_argo.chunks import Chunk
from mlbsdk_plugin_argo.manifest import calls_of, templates_of

LARGEST_OBJECT = 1_000_000
LARGEST_PARAMETER = 256_000
#: Bytes of a node in the status besides its names and inputs: identifiers, times, conditions, resources.
_NODE = 700


@dataclass(frozen=True)
class Sizes:
    """Bytes: of the manifest, of the list of chunks, and of the status when every step was tried as often as it may."""

    manifest: int
    chunks: int
    status: int


def season_sizes(document: Mapping[str, Any], chunks: Sequence[Chunk]) -> Sizes:
    """Return the sizes of a season's workflow, the status estimated from above."""
    items = [chunk.to_json() for chunk in chunks]
    templates = templates_of(document)
    longest = max((len(json.dumps(item)) for item in items), default=0)
    nodes = sum(
        _nodes(templates, call["template"]) * (len(items) if call.get("withParam") else 1)
        for call in calls_of(templates[document["spec"]["entrypoint"]])
    )
    return Sizes(
        manifest=len(json.dumps(document)),
        chunks=len(json.dumps(items)),
        # Names of nodes hold the whole item, and names of what is below a node hold its own.
        status=nodes * (_NODE + 3 * longest) + 2 * len(json.dumps(items)),
    )


def _nodes(templates: Mapping[str, Mapping[str, Any]], name: str) -> int:
    template = templates[name]
    calls = list(calls_of(template))
    if calls:
        return 1 + sum(_nodes(templates, call["template"]) for call in calls)
    limit = (template.get("retryStrategy") or {}).get("limit")
    return 1 if limit is None else 2 + int(limit)  # the node of the retries, and one for each attempt
