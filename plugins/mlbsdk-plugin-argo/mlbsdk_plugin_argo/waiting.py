"""How long a game's workflow waits."""

from __future__ import annotations

from datetime import datetime, timedelta

from mlbsdk.plugin import ConfigurationError
from mlbsdk_plugin_argo.names import seconds


def moment(text: str) -> datetime:
    """Return a time that says its offset, such as 2024-07-12T23:10:00Z or 2024-07-12T19:10-04:00.

    Raises:
        ConfigurationError: it is none, or says no offset.
    """
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00") if text.endswith("Z") else text)
    except ValueError as problem:
        raise ConfigurationError(f"--start-time is a time such as 2024-07-12T23:10:00Z, not '{text}'") from problem
    if found.tzinfo is None:
        raise ConfigurationError(f"'{text}' does not say its offset", fix=f"In UTC it is written {text}Z.")
    return found


def wait_for(start_time: datetime, before: str, now: datetime) -> str:
    """Return how long to wait until ``before`` the start, as Argo's durations are written; ``0s`` where it is past."""
    left = start_time - timedelta(seconds=require_duration(before, "--before")) - now
    return f"{max(0, round(left.total_seconds()))}s"


def require_duration(text: str, option: str) -> float:
    """Return the seconds of a duration.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        return seconds(text)
    except ValueError as problem:
        raise ConfigurationError(f"{option}: {problem}") from problem
