"""Sending events without harm: a local copy always, a short budget for the backend, a spool for the rest."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbsdk.errors import redact
from mlbsdk.hookspecs import Storage
from mlbsdk.runtime.addresses import child
from mlbsdk.runtime.storage import LOCAL, read_text

if TYPE_CHECKING:
    from openlineage.client.transport import Transport

#: Seconds that one run may wait for its lineage backend, in all. The client's own default blocks 9 s for each event.
BUDGET_SECONDS = 1.5
_TIMEOUT_SECONDS = 0.7
#: Seconds that a flush, which nobody's run waits for, gives the backend for one event.
_PATIENCE_SECONDS = 30.0
_JOURNAL = "lineage"
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

    def __init__(
        self, location: str, transport: Transport | None, problem: str | None = None, storage: Storage = LOCAL
    ) -> None:
        self.location = location
        self.storage = storage
        self._journal = _Journal(storage, child(location, _JOURNAL))
        self.transport = transport
        self.spooled = 0
        self.problem = problem
        self._is_wanted = transport is not None or problem is not None
        self._spent = 0.0
        self._spool: _Journal | None = None

    def send(self, events: Iterable[Any]) -> None:
        """Deliver events in order; nothing is raised for a backend's sake."""
        datasets: dict[int, Any] = {}
        for event in events:
            line = event_line(event, datasets)
            self._journal.add(line)
            # One file a run, named for its first event: a flush keeps the order of lines.
            self._spool = self._spool or _Journal(self.storage, child(self.location, _SPOOL, event.run.runId))
            if self._is_wanted and not self._sent(event):
                self._spool.add(line)
                self.spooled += 1
        self._journal.save()
        if self._spool is not None:
            self._spool.save()

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


def flush(location: str, transport: Transport, storage: Storage = LOCAL) -> Flushed:
    """Send spooled events in the order in which they happened; what is not taken stays.

    Killed at any moment it loses nothing; events may be sent again then.
    """
    spool = child(location, _SPOOL)
    if not storage.files(spool):
        return Flushed(0, 0)
    with storage.locked(child(location, f"{_SPOOL}.lock")):
        # Set aside, so that a run that goes on writes to a new file meanwhile.
        for path in _ending(storage, spool, ".jsonl"):
            storage.move(path, f"{path.removesuffix('.jsonl')}-{time.time_ns()}{_TAKEN}")
        files = _ending(storage, spool, _TAKEN)
        lines = sorted((line for file in files for line in _lines(storage, file)), key=_time)
        sent, problem = 0, None
        for line in lines:
            problem = _refusal(transport, _event(line), _PATIENCE_SECONDS)
            if problem is not None:
                break
            sent += 1
        _keep(storage, spool, files, lines[sent:])
    return Flushed(sent, len(lines) - sent, problem)


def _ending(storage: Storage, folder: str, ending: str) -> list[str]:
    """Return the files of a folder whose names end so, sorted."""
    return [file.path for file in storage.files(folder) if file.path.endswith(ending)]


def _keep(storage: Storage, spool: str, files: Iterable[str], lines: Sequence[str]) -> None:
    """Replace files by one with these lines, which is read before later ones."""
    left = child(spool, f"0-left{_TAKEN}")
    if lines:
        storage.write(left, "".join(f"{line}\n" for line in lines).encode())
    storage.delete([file for file in files if file != left or not lines])


def last_run(location: str, storage: Storage = LOCAL) -> list[dict[str, Any]]:
    """Return the newest event of each job of the last run, in the order of the run's jobs; none where nothing ran."""
    journals = storage.files(child(location, _JOURNAL)) or storage.files(child(location, f"{_JOURNAL}.jsonl"))
    events: list[dict[str, Any]] = []
    for journal in reversed(journals):
        before = [json.loads(line) for line in _lines(storage, journal.path)]
        if events and before and _root(before[-1]) != _root(events[-1]):
            break
        events = before + events
    latest: dict[str, dict[str, Any]] = {}
    for event in events:
        if _root(event) == _root(events[-1]):
            latest[event["job"]["name"]] = event
    return list(latest.values())


def _root(event: dict[str, Any]) -> str:
    run = event["run"]
    return str(run["facets"]["parent"]["run"]["runId"] if "parent" in run["facets"] else run["runId"])


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


def _lines(storage: Storage, file: str) -> list[str]:
    """Return the events of a file; the last line of a killed run may be half written."""
    return [line for line in read_text(storage, file).splitlines() if line.endswith("}") and _is_json(line)]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


class _Journal:
    """Lines that are added one by one: to the file ``PATH.jsonl``, or where no file can grow to objects below PATH."""

    def __init__(self, storage: Storage, path: str) -> None:
        self.storage = storage
        self.path = path
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        """Add a line; on this machine's disk it is there at once."""
        if not self.storage.is_local:
            self._lines.append(line)
            return
        file = Path(f"{self.path}.jsonl")
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as out:
            out.write(line + "\n")

    def save(self) -> None:
        """Put the lines that were added since the last time into an object of their own; names sort by time."""
        if self._lines:
            text = "".join(f"{line}\n" for line in self._lines)
            self.storage.write(child(self.path, f"{time.time_ns()}.jsonl"), text.encode())
            self._lines.clear()


def quiet_client() -> None:
    """Keep the client's own warnings out of a person's terminal: what matters of them is in the report."""
    logging.getLogger("openlineage").setLevel(logging.CRITICAL)
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)


def namespace() -> str:
    """Return the namespace of jobs: ``MLBSDK_LINEAGE_NAMESPACE``, or mlbsdk."""
    return os.environ.get("MLBSDK_LINEAGE_NAMESPACE", "mlbsdk")
