"""Sending events without harm: a local copy always, a short budget for the backend, a spool for the rest."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbsdk.errors import redact

if TYPE_CHECKING:
    from openlineage.client.transport import Transport

#: Seconds that one run may wait for its lineage backend, in all. The client's own default blocks 9 s for each event.
BUDGET_SECONDS = 1.5
_TIMEOUT_SECONDS = 0.7
_FILE_NAMES = ("openlineage.yml", ".openlineage/openlineage.yml")


def is_configured(environment: Mapping[str, str]) -> bool:
    """Whether the user told the OpenLineage client where events go."""
    if any(
        name == "OPENLINEAGE_URL" or name == "OPENLINEAGE_CONFIG" or name.startswith("OPENLINEAGE__")
        for name in environment
    ):
        return True
    return any((folder / name).exists() for folder, name in zip((Path.cwd(), Path.home()), _FILE_NAMES, strict=True))


def configured_transport() -> Transport:
    """Return the transport that the official client makes of the user's configuration, made impatient."""
    from openlineage.client import OpenLineageClient

    transport = OpenLineageClient().transport
    if transport.kind == "http":
        transport.timeout = min(float(transport.timeout), _TIMEOUT_SECONDS)  # type: ignore[attr-defined]
        transport.config.retry = {"total": 0}  # type: ignore[attr-defined]
        _without_retries(transport)
    return transport


def _without_retries(transport: Any) -> None:
    from requests.adapters import HTTPAdapter

    if transport.session is not None:
        for prefix in ("http://", "https://"):
            transport.session.mount(prefix, HTTPAdapter(max_retries=0))


class Delivery:
    """Takes the events of one run: each goes to ``lineage.jsonl``, then to the backend, else to the spool."""

    def __init__(self, location: Path, transport: Transport | None) -> None:
        self.location = location
        self.transport = transport
        self.spooled = 0
        self.problem: str | None = None
        self._spent = 0.0
        self._spool = location / "lineage-spool"

    def send(self, events: Iterable[Any]) -> None:
        """Deliver events in order; nothing is raised for a backend's sake."""
        from openlineage.client.serde import Serde

        for event in events:
            line = Serde.to_json(event)
            _append(self.location / "lineage.jsonl", line)
            if self.transport is not None and not self._sent(event):
                _append(self._spool / f"{event.run.runId}.jsonl", line)
                self.spooled += 1

    def _sent(self, event: Any) -> bool:
        if self.problem is not None or self._spent >= BUDGET_SECONDS:
            self.problem = self.problem or f"it took more than {BUDGET_SECONDS} s"
            return False
        begun = time.monotonic()
        try:
            assert self.transport is not None
            self.transport.emit(event)
        except Exception as problem:  # any transport may be configured, and none may stop a run
            self.problem = redact(str(problem).splitlines()[0] if str(problem) else type(problem).__name__)
            return False
        finally:
            self._spent += time.monotonic() - begun
        return True


@dataclass(frozen=True)
class Flushed:
    """What a flush did, in events."""

    sent: int
    left: int
    problem: str | None = None


def flush(location: Path, transport: Transport | None = None) -> Flushed:
    """Send spooled events in the order in which they happened; what is not taken stays."""
    files = sorted((location / "lineage-spool").glob("*.jsonl"))
    waiting = [
        (json.loads(line)["eventTime"], number, line) for file in files for number, line in enumerate(_lines(file))
    ]
    if not waiting:
        return Flushed(0, 0)
    transport = transport or configured_transport()
    sent, problem = 0, None
    in_order = [line for _, _, line in sorted(waiting, key=lambda entry: (entry[0], entry[1]))]
    for line in in_order:
        try:
            transport.emit(_event(line))
        except Exception as refused:  # as in Delivery
            problem = redact(str(refused).splitlines()[0] if str(refused) else type(refused).__name__)
            break
        sent += 1
    left = in_order[sent:]
    for file in files:
        file.unlink()
    for line in left:
        _append(location / "lineage-spool" / "left.jsonl", line)
    return Flushed(sent, len(left), problem)


def _event(line: str) -> Any:
    """Return a stored event in a form that transports serialise as it was."""
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


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def _append(file: Path, line: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as out:
        out.write(line + "\n")


def quiet_client() -> None:
    """Keep the client's own warnings out of a person's terminal: what matters of them is in the report."""
    logging.getLogger("openlineage").setLevel(logging.CRITICAL)
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)


def namespace() -> str:
    """Return the namespace of jobs: ``MLBSDK_LINEAGE_NAMESPACE``, or mlbsdk."""
    return os.environ.get("MLBSDK_LINEAGE_NAMESPACE", "mlbsdk")
