"""Durations as people write them: 30s, 10m, 2h."""

from __future__ import annotations

import re

from mlbsdk.errors import ConfigurationError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h|d)")


def seconds_of(text: str, what: str) -> float:
    """Return the seconds of a duration such as ``90s``, ``10m`` or ``1.5h``.

    Args:
        text: a number and one of ms, s, m, h, d.
        what: how errors name it, such as ``--idle-timeout``.

    Raises:
        ConfigurationError: it is written otherwise, or is zero.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ConfigurationError(
            f"{what} is '{text}', which is no duration", fix="Write a number and a unit: 30s, 10m or 2h."
        )
    seconds = float(match["number"]) * _UNITS[match["unit"]]
    if seconds < _UNITS["ms"]:
        raise ConfigurationError(f"{what} is '{text}'; it must be longer than nothing")
    return seconds
