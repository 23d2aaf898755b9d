"""Sending events without harm: a local copy always, a short budget for the backend, a spool for the rest."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbsdk.errors import redact

if TYPE_CHECKING:
    from openlineage.client.transport import Transport

#: Seconds that one run may wait for its lineage backend, in all. The client's own default blocks 9 s for each event.
BUDGET_SECONDS = 1.5
_TIMEOUT_SECONDS = 0.7
#: Seconds that a flush, which nobody's run waits for, gives the backend for one event.
_PATIENCE_SECONDS = 30.0
_SPOOL = "lineage-spool"
_TAKEN = ".taken"
_FILE_NAMES = ("openlineage.yml", ".openlineage/openlineage.yml")


def is_configured(environment: Mapping[str, str]) -> bool:
    """Whether the user told the OpenLineage client where events go."""
    if any(
        name == "OPENLINEAGE_URL" or name == "OPENLINEAGE_CONFIG" or name.startswith("OPENLINEAGE__")
        for name in environment
    ):
        return True
    return any((folder / name).exists() for folder, name in zip((Path.cwd(), Path.home()), _FILE_NAMES, strict=True))


def configured_transport(patient: bool = False) -> Transport:
    """Return the transport that the official client makes of the user's configuration.

    It never tries twice; unless ``patient``, it does not wait long either.

    Raises:
        Exception: whatever the client raises for a configuration that is wrong.
    """
    from openlineage.client import OpenLineageClient

    with _environment_kept():
        client = OpenLineageClient()
    transport = client.transport
    if transport.kind == "console" and (client.config.transport or {}).get("type") != "console":
        raise ValueError("the OpenLineage configuration names no transport, or can't be read")
    if transport.kind == "http":
        if not patient:
            transport.timeout = min(float(transport.timeout), _TIMEOUT_SECONDS)  # type: ignore[attr-defined]
        transport.config.retry = {"total": 0}  # type: ignore[attr-defined]
        _without_retries(transport)
    return transport


@contextlib.contextmanager
def _environment_kept() -> Iterator[None]:
    """Take back the variables that the client sets: they hold the key, and a later run would follow them."""
    before = set(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - before:
            del os.environ[name]


def _without_retries(transport: Any) -> None:
    from requests.adapters import HTTPAdapter

    if transport.session is not None:
        for prefix in ("http://", "https://"):
            transport.session.mount(prefix, HTTPAdapter(max_retries=0))


class Delivery:
    """Takes the events of one run: each goes to ``lineage.jsonl``, then to the backend, else to the spool.

    ``problem`` says why the backend is not asked, or no more; with one from the start all events are spooled.
    """

    def __init__(self, location: Path, transport: Transport | None, problem: str | None = None) -> None:
        self.location = location
        self.transport = transport
        self.spooled = 0
        self.problem = problem
        self._is_wanted = transport is not None or problem is not None
        self._spent = 0.0
        self._spool: Path | None = None

    def send(self, events: Iterable[Any]) -> None:
        """Deliver events in order; nothing is raised for a backend's sake."""
        datasets: dict[int, Any] = {}
        for event in events:
            line = event_line(event, datasets)
            _append(self.location / "lineage.jsonl", line)
            # One file a run, named for its first event: a flush keeps the order of lines.
            self._spool = self._spool or self.location / _SPOOL / f"{event.run.runId}.jsonl"
            if self._is_wanted and not self._sent(event):
                _append(self._spool, line)
                self.spooled += 1

    def _sent(self, event: Any) -> bool:
        left = BUDGET_SECONDS - self._spent
        if self.problem is None and left <= 0:
            self.problem = f"it took more than {BUDGET_SECONDS} s"
        if self.problem is not None:
            return False
        assert self.transport is not None
        begun = time.monotonic()
        self.problem = _refusal(self.transport, event, left)
        self._spent += time.monotonic() - begun
        return self.problem is None


def event_line(event: Any, datasets: dict[int, Any]) -> str:
    """Return an event as JSON; datasets that events share are converted once."""
    import attr
    from openlineage.client.serde import Serde

    def converted(dataset: Any) -> Any:
        if id(dataset) not in datasets:
            datasets[id(dataset)] = Serde.to_dict(dataset)
        return datasets[id(dataset)]

    found = Serde.to_dict(attr.evolve(event, inputs=[], outputs=[]))
    found |= {"inputs": list(map(converted, event.inputs)), "outputs": list(map(converted, event.outputs))}
    return json.dumps(found, sort_keys=True)


def _refusal(transport: Transport, event: Any, seconds: float) -> str | None:
    """Send an event; return why it was not taken, or None.

    A thread does it, since no timeout of a client bounds the whole of an answer that comes byte by byte. One that is
    given up may still succeed: backends know an event that comes twice by its run and type.
    """
    found = [f"it did not answer within {seconds:.1f} s"]

    def emit() -> None:
        try:
            transport.emit(event)
        except Exception as problem:  # any transport may be configured, and none may stop a run
            found[0] = redact(str(problem).splitlines()[0] if str(problem) else type(problem).__name__)
        else:
            found.clear()

    thread = threading.Thread(target=emit, name="mlbsdk-lineage", daemon=True)
    thread.start()
    thread.join(seconds)
    return next(iter(found), None)


@dataclass(frozen=True)
class Flushed:
    """What a flush did, in events."""

    sent: int
    left: int
    problem: str | None = None


def flush(location: Path, transport: Transport) -> Flushed:
    """Send spooled events in the order in which they happened; what is not taken stays.

    Killed at any moment it loses nothing; events may be sent again then.
    """
    spool = location / _SPOOL
    if not spool.exists():
        return Flushed(0, 0)
    with _alone(spool):
        # Set aside, so that a run that goes on writes to a new file meanwhile.
        for file in spool.glob("*.jsonl"):
            file.replace(file.with_name(f"{file.stem}-{time.time_ns()}{_TAKEN}"))
        files = sorted(spool.glob(f"*{_TAKEN}"))
        lines = sorted((line for file in files for line in _lines(file)), key=_time)
        sent, problem = 0, None
        for line in lines:
            problem = _refusal(transport, _event(line), _PATIENCE_SECONDS)
            if problem is not None:
                break
            sent += 1
        _keep(spool, files, lines[sent:])
    return Flushed(sent, len(lines) - sent, problem)


def _keep(spool: Path, files: Iterable[Path], lines: Iterable[str]) -> None:
    """Replace files by one with these lines, which is read before later ones."""
    left = spool / f"0-left{_TAKEN}"
    draft = left.with_suffix(".draft")
    draft.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    draft.replace(left)
    for file in files:
        if file != left:
            file.unlink()
    if not left.stat().st_size:
        left.unlink()


@contextlib.contextmanager
def _alone(spool: Path) -> Iterator[None]:
    """Hold the spool alone among the flushes of this machine; a killed process lets go by itself."""
    import fcntl

    with (spool / "lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


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


def _time(line: str) -> str:
    return str(json.loads(line)["eventTime"])


def _lines(file: Path) -> list[str]:
    """Return the events of a file; the last line of a killed run may be half written."""
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line.endswith("}") and _is_json(line)]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


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
