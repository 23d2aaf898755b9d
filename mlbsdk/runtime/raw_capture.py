"""Captures on their way into a raw store: a response as it came, and what is known of its request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

#: The key of an envelope, and column of a raw table, that holds what only fetching needs.
FETCHED = "fetched"


@dataclass(frozen=True)
class RawRequest:
    """A request of an API: the same one whenever endpoint, method and parameters are."""

    endpoint: str
    method: str
    path_params: Mapping[str, str] = field(default_factory=dict)
    query_params: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """Identifies the request, in every store alike."""
        return f"{self.endpoint}.{self.method}?{self.params}"

    @cached_property
    def params(self) -> str:
        """Path and query parameters as one JSON object; path parameters win, they identify the document."""
        return json.dumps({**self.query_params, **self.path_params}, sort_keys=True)

    def __str__(self) -> str:
        given = {**self.path_params, **self.query_params}
        return " ".join([f"{self.endpoint}.{self.method}", *(f"{name}={value}" for name, value in given.items())])


@dataclass(frozen=True)
class StoredCapture:
    """What a raw store knows of a capture without reading the response."""

    captured_at: datetime
    digest: str
    """Of what the response says; a fetcher decides which parts count."""
    etag: str | None = None
    last_modified: str | None = None
    is_final: bool = False
    """Whether the document will not change any more, as far as its fetcher could tell."""

    @classmethod
    def of(cls, captured_at: datetime, known: Any) -> StoredCapture | None:
        """Read :attr:`RawCapture.fetched`; None where it is not ours."""
        if not isinstance(known, dict) or not isinstance(known.get("digest"), str):
            return None
        etag, modified = known.get("etag"), known.get("last_modified")
        return cls(
            captured_at=captured_at,
            digest=known["digest"],
            etag=etag if isinstance(etag, str) else None,
            last_modified=modified if isinstance(modified, str) else None,
            is_final=known.get("is_final") is True,
        )


@dataclass(frozen=True)
class RawCapture:
    """A response as it came. ``body`` is its JSON text, unchanged; ``captured_at`` when it came, UTC."""

    request: RawRequest
    captured_at: datetime
    url: str
    status_code: int
    body: str
    digest: str
    etag: str | None = None
    last_modified: str | None = None
    is_final: bool = False
    elapsed_ms: int | None = None

    @property
    def stored(self) -> StoredCapture:
        """What a store will know of it."""
        return StoredCapture(self.captured_at, self.digest, self.etag, self.last_modified, self.is_final)

    @property
    def fetched(self) -> dict[str, Any]:
        """What a later fetch needs to know of it, as JSON data; ``request`` is the request's key."""
        known = {
            "request": self.request.key,
            "digest": self.digest,
            "etag": self.etag,
            "last_modified": self.last_modified,
            "is_final": self.is_final or None,
            "elapsed_ms": self.elapsed_ms,
        }
        return {name: value for name, value in known.items() if value is not None}

    def envelope(self) -> str:
        """Return the capture as the text of an envelope, which :func:`head_of` and every file source read."""
        head = {
            "endpoint": self.request.endpoint,
            "method": self.request.method,
            "path_params": dict(self.request.path_params),
            "query_params": dict(self.request.query_params),
            "url": self.url,
            "status_code": self.status_code,
            "captured_at": iso(self.captured_at),
            FETCHED: self.fetched,
        }
        # The body is set in as it came: parsing and writing it again would change numbers and order.
        return f"{json.dumps(head)[:-1]}{_RESPONSE}{self.body}}}\n"


_RESPONSE = ', "response": '


def head_of(text: str) -> dict[str, Any] | None:
    """Return what an envelope of :meth:`RawCapture.envelope` says before the response; None for any other text.

    Args:
        text: the envelope, or its beginning.
    """
    # In a JSON text a quote inside is escaped, so this can only be the key.
    head, found, _ = text.partition(_RESPONSE)
    try:
        known = json.loads(head + "}") if found else None
    except (ValueError, RecursionError):
        return None
    return known if isinstance(known, dict) else None


def body_of(text: str) -> str:
    """Return the response in the text of an envelope of :meth:`RawCapture.envelope`, as it came."""
    return text.partition(_RESPONSE)[2].rstrip()[:-1]


def iso(moment: datetime) -> str:
    """Return a moment in UTC as text that sorts by time."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment_of(text: object) -> datetime | None:
    """Read a moment as ISO 8601 writes it, without a zone in UTC; None for anything else."""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00")) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc) if moment else None


def file_stamp(moment: datetime) -> str:
    """Return a moment as the beginning of a file's name: by name is by time."""
    return moment.astimezone(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
