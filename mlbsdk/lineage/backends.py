"""The backends that the user's OpenLineage configuration names."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbsdk.errors import redact

if TYPE_CHECKING:
    from openlineage.client.transport import Transport

_FILE_NAMES = ("openlineage.yml", ".openlineage/openlineage.yml")
#: Seconds that a backend has for one event. Nobody waits so long: runs send in the background, and are over before.
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Backend:
    """One place that events go to."""

    name: str
    """Its name in a composite transport; empty where there is only one backend, without a name."""
    transport: Transport

    def refusal(self, line: str) -> str | None:
        """Send an event; return why it was not taken, or None."""
        try:
            self.transport.emit(as_run_event(line))
        except Exception as problem:  # any transport may be configured, and none may stop a run
            return redact(str(problem).splitlines()[0] if str(problem) else type(problem).__name__)
        return None


@dataclass(frozen=True)
class Configuration:
    """What the user told the OpenLineage client."""

    backends: tuple[Backend, ...]
    environment_variables: tuple[str, ...] = ()
    """Those that events may tell."""


def is_configured(environment: Mapping[str, str]) -> bool:
    """Whether the user told the OpenLineage client where events go."""
    if any(
        name == "OPENLINEAGE_URL" or name == "OPENLINEAGE_CONFIG" or name.startswith("OPENLINEAGE__")
        for name in environment
    ):
        return True
    return any((folder / name).exists() for folder, name in zip((Path.cwd(), Path.home()), _FILE_NAMES, strict=True))


def configuration() -> Configuration:
    """Return the backends that the official client makes of the user's configuration.

    A composite transport is taken apart, so that one of its backends that is down harms no other. Nothing is tried
    twice.

    Raises:
        Exception: whatever the client raises for a configuration that is wrong.
    """
    from openlineage.client import OpenLineageClient

    with _environment_kept():
        client = OpenLineageClient()
    transport = client.transport
    if transport.kind == "console" and (client.config.transport or {}).get("type") != "console":
        raise ValueError("the OpenLineage configuration names no transport, or can't be read")
    composite = getattr(transport, "transports", None) if transport.kind == "composite" else None
    made = (
        [Backend(_name(one, number), _prepared(one)) for number, one in enumerate(composite, 1)]
        if composite
        else [Backend("", _prepared(transport))]
    )
    names = [one.name for one in made]
    if len(set(names)) < len(names):
        raise ValueError(f"two backends have one name: {', '.join(names)}")
    return Configuration(tuple(made), tuple(client.config.facets.environment_variables))


def _name(transport: Transport, number: int) -> str:
    """Return a name that can be that of a folder."""
    given = transport.name or f"{transport.kind or 'backend'}-{number}"
    return re.sub(r"[^A-Za-z0-9_-]", "_", given)


def _prepared(transport: Transport) -> Transport:
    if transport.kind == "async_http":
        # It answers before anything is sent and drops what is left at the end; a thread of ours sends anyway.
        transport = _synchronous(transport.config)  # type: ignore[attr-defined]
    if transport.kind == "http":
        transport.config.retry = {"total": 0}  # type: ignore[attr-defined]
        transport.timeout = PATIENCE_SECONDS  # type: ignore[attr-defined]
        _without_retries(transport)
    return transport


def _synchronous(config: Any) -> Transport:
    from openlineage.client.transport.http import HttpConfig, HttpTransport

    shared = ("url", "endpoint", "timeout", "verify", "auth", "compression", "custom_headers")
    return HttpTransport(HttpConfig(**{name: getattr(config, name) for name in shared}))


def _without_retries(transport: Any) -> None:
    from requests.adapters import HTTPAdapter

    if transport.session is not None:
        for prefix in ("http://", "https://"):
            transport.session.mount(prefix, HTTPAdapter(max_retries=0))


@contextlib.contextmanager
def _environment_kept() -> Iterator[None]:
    """Take back the variables that the client sets: they hold the key, and a later run would follow them."""
    before = set(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - before:
            del os.environ[name]


def as_run_event(line: str) -> Any:
    """Return an event in a form that transports serialise as it is."""
    import json

    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState

    data = json.loads(line)
    return RunEvent(
        eventType=RunState(data["eventType"]),
        eventTime=data["eventTime"],
        run=Run(runId=data["run"]["runId"], facets=data["run"].get("facets", {})),
        job=Job(namespace=data["job"]["namespace"], name=data["job"]["name"], facets=data["job"].get("facets", {})),
        inputs=data.get("inputs", []),
        outputs=data.get("outputs", []),
        producer=data["producer"],
    )


def quiet_client() -> None:
    """Keep the client's own warnings out of a person's terminal: what matters of them is in the report."""
    logging.getLogger("openlineage").setLevel(logging.CRITICAL)
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)


def namespace() -> str:
    """Return the namespace of jobs: ``MLBSDK_LINEAGE_NAMESPACE``, or mlbsdk."""
    return os.environ.get("MLBSDK_LINEAGE_NAMESPACE", "mlbsdk")
