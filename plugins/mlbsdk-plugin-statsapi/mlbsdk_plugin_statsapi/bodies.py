"""What a response says, apart from what says nothing: when two are the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

#: Places that change while nothing else does, or say nothing of the game: by method, in order from the root.
#: ``copyright`` is in every response.
VOLATILE: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "game.liveGameV1": (("metaData", "timeStamp"), ("metaData", "wait")),
}
_EVERYWHERE = (("copyright",),)


def digest(method: str, parsed: Any) -> str:
    """Return the digest of a response without its volatile parts, whatever the order of its keys.

    Args:
        method: such as ``game.liveGameV1``.
        parsed: the response's JSON.
    """
    kept = parsed
    for place in (*_EVERYWHERE, *VOLATILE.get(method, ())):
        kept = _without(kept, place)
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _without(value: Any, place: tuple[str, ...]) -> Any:
    """Return a copy of the objects on the way to a place, without it; all else is shared."""
    if not isinstance(value, dict) or place[0] not in value:
        return value
    if len(place) == 1:
        return {key: part for key, part in value.items() if key != place[0]}
    return {**value, place[0]: _without(value[place[0]], place[1:])}
