"""Names of endpoints' methods, which the API and mappings write differently."""

from __future__ import annotations


def comparable(method: str) -> str:
    """Return a method's name without case and separators: liveGameV1 and live_game_v1 are one."""
    return "".join(char for char in method.lower() if char.isalnum())
