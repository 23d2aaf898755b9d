"""Addresses of sources and targets: ``delta:PATH``, ``postgresql://...``, or a plain path."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

_SCHEME = re.compile(r"(?P<scheme>[a-z][a-z0-9+]*):(?P<rest>.*)", re.DOTALL)
_PATTERN = {ord(char): f"\\{char}" for char in "[]{}*?\\"}
_REMOTE = re.compile(r"(s3a?|s3n|gs|hdfs|abfss?)://")


def split_address(address: str, default: str) -> tuple[str, str]:
    """Split an address into (scheme, rest); a plain or remote path gets the ``default`` scheme.

    ``delta:warehouse`` gives ``("delta", "warehouse")``; ``postgresql://host/db`` keeps its whole text as rest.
    """
    if _REMOTE.match(address):
        return default, address
    match = _SCHEME.match(address)
    if match is None or len(match["scheme"]) == 1:
        return default, address
    if match["rest"].startswith("//") and match["scheme"] != "file":
        return match["scheme"], address
    return match["scheme"], match["rest"]


def is_local(path: str) -> bool:
    """Whether a path is on this machine's file system."""
    return _REMOTE.match(path) is None


def local_path(path: str) -> Path:
    """Return a local path, absolute; ``file:`` URLs are understood."""
    if path.startswith("file:"):
        path = unquote(urlsplit(path).path)
    return Path(path).expanduser().resolve()


def child(path: str, *parts: str) -> str:
    """Return a path below ``path``, local or remote."""
    return "/".join([path.rstrip("/"), *parts])


def escaped(path: str) -> str:
    """Return a path that Spark does not take for a pattern."""
    return path.translate(_PATTERN)


def dataset_of(path: str) -> tuple[str, str]:
    """Return the OpenLineage (namespace, name) of a path."""
    if is_local(path):
        return "file", str(local_path(path))
    parts = urlsplit(path)
    scheme = "s3" if parts.scheme in ("s3a", "s3n") else parts.scheme
    return f"{scheme}://{parts.hostname or ''}", parts.path.strip("/")
