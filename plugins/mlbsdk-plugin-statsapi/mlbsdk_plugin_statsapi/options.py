"""How to fetch: where from and where to, how fast, how patiently."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from mlbsdk.plugin import ConfigurationError
from mlbsdk_plugin_statsapi.clock import Clock

BASE_URL = "https://statsapi.mlb.com"
VARIABLE = "MLBSDK_STATSAPI_URL"
DEFAULT_RATE = "5/s"
_RATE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?:/\s*(?P<unit>s|m|h))?")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, kw_only=True)
class FetchOptions:
    """What every fetch can be told."""

    to: str = "captures"
    """The raw store: a folder, ``delta:PATH``, ``avro:PATH``, ``postgresql://...``."""
    base_url: str | None = None
    """The API; None: the variable ``MLBSDK_STATSAPI_URL``, else the real one."""
    rate: str = DEFAULT_RATE
    """Requests at most: ``5/s``, ``30/m``."""
    timeout_s: float = 30.0
    """Seconds that the API may keep silent."""
    attempts: int = 5
    """How often a request is tried, the first time included."""
    again: bool = False
    """Ask also for documents that are stored and will not change any more."""
    clock: Clock = field(default_factory=Clock)
    """Where time comes from; tests have one of their own."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigurationError: one is wrong.
        """
        _ = self.per_second
        if self.timeout_s <= 0:
            raise ConfigurationError(f"a timeout of {self.timeout_s:g} s leaves the API no time to answer")
        if self.attempts < 1:
            raise ConfigurationError(f"{self.attempts} attempts ask nothing", fix="Give 1 or more.")

    @property
    def per_second(self) -> float:
        """Requests a second, at most.

        Raises:
            ConfigurationError: the rate is written otherwise.
        """
        match = _RATE.fullmatch(self.rate.strip())
        if match is None or float(match["number"]) == 0:
            raise ConfigurationError(f"--rate is '{self.rate}', which is no rate", fix="Write 5/s, 0.5/s or 30/m.")
        return float(match["number"]) / _SECONDS[match["unit"] or "s"]

    @property
    def api(self) -> str:
        """The address before ``/v1/...``, without a slash at its end.

        Raises:
            ConfigurationError: it is no address of a web server.
        """
        given = (self.base_url or os.environ.get(VARIABLE) or BASE_URL).strip().rstrip("/")
        where = "--base-url" if self.base_url else VARIABLE
        try:
            parts = urlsplit(given)
            is_fine = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
            _ = parts.port
        except ValueError:
            is_fine = False
        if not is_fine:
            raise ConfigurationError(f"{where} is '{given}', which is no address", fix=f"Write it as {BASE_URL}.")
        return given if parts.path else f"{given}/api"
