"""Sending events without harm: a local copy always; each backend in a thread of its own; a spool for the rest."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mlbsdk.hookspecs import Storage
from mlbsdk.lineage.backends import PATIENCE_SECONDS, Backend
from mlbsdk.lineage.journal import Lines, events_newest_first, journal, journal_files, lines_of
from mlbsdk.runtime.addresses import child
from mlbsdk.runtime.storage import LOCAL

#: Seconds that the end of a run waits for its backends, in all. The client's own default blocks 9 s for each event.
BUDGET_SECONDS = 1.5
#: Seconds in all for backends that take events quickly, and the seconds for one event that count as quickly: a server
#: that is well gets all of a run, and one that is slow or down delays nobody.
_LONGEST_SECONDS, _QUICKLY_SECONDS = 5.0, 0.4
#: Seconds after which a backend that failed is asked again, by runs that last: streams.
_PAUSE_SECONDS = 60.0
_SPOOL = "lineage-spool"
_TAKEN = ".taken"


class Delivery:
    """Takes the events of one run: each goes to ``lineage.jsonl``, then to every backend, else to that one's spool.

    ``problem`` says why no backend can be asked; all events are spooled then.
    """

    def __init__(
        self,
        location: str,
        backends: Sequence[Backend] = (),
        problem: str | None = None,
        storage: Storage = LOCAL,
        run_id: str = "",
    ) -> None:
        self.location = location
        self.storage = storage
        self._journal = journal(storage, location)
        nobody = [Backend("", None)] if problem is not None else []  # type: ignore[arg-type]
        self._senders = [_Sender(one, storage, location, run_id, problem) for one in (*nobody, *backends)]

    def send(self, lines: Iterable[str], *, told: Callable[[], None] | None = None, again: bool = False) -> None:
        """Deliver events in order; nothing is waited for, and nothing is raised for a backend's sake.

        Args:
            lines: the events.
            told: called once every backend has them, or its spool.
            again: they are in the journal already.
        """
        given = list(lines)
        if not again:
            for line in given:
                self._journal.add(line)
            self._journal.save()
        left = [len(self._senders)]
        lock = threading.Lock()

        def done() -> None:
            with lock:
                left[0] -= 1
                is_last = left[0] == 0
            if is_last and told is not None:
                told()

        for sender in self._senders:
            sender.put(given, done)
        if not self._senders and told is not None:
            told()

    def close(self) -> list[Undelivered]:
        """Wait a little until all is sent; put the rest into the spool, and say what is there and why."""
        begun = time.monotonic()
        for sender in self._senders:
            sender.end()
        return [found for sender in self._senders if (found := sender.close(begun)) is not None]


@dataclass(frozen=True)
class Undelivered:
    """What a backend did not take of a run."""

    backend: str
    events: int
    problem: str


class _Sender(threading.Thread):
    """Sends to one backend in the background, and spools what it does not take.

    A backend that fails is not asked again by a run that is short; one that lasts tries again after a pause, first what
    it has spooled.
    """

    def __init__(self, backend: Backend, storage: Storage, location: str, run_id: str, problem: str | None) -> None:
        super().__init__(name=f"mlbsdk-lineage-{backend.name}", daemon=True)
        self.backend = backend
        self.storage = storage
        self.problem = problem
        self._can_be_asked = problem is None
        # One file a run, named for it: a flush keeps the order of lines.
        folder = child(location, _SPOOL, backend.name) if backend.name else child(location, _SPOOL)
        self._spool = Lines(storage, child(folder, run_id or f"{time.time_ns()}"))
        self._queue: queue.Queue[str | Callable[[], None] | None] = queue.Queue()
        self._lock = threading.RLock()
        self._is_given_up = False
        self._in_hand: str | None = None
        self._failed_at = 0.0
        self._taken_at = 0.0
        self.spooled = 0

    def put(self, lines: Sequence[str], done: Callable[[], None]) -> None:
        """Take events, and call ``done`` when they are sent or spooled."""
        for line in lines:
            self._queue.put(line)
        self._queue.put(done)
        if not self.is_alive():
            self.start()

    def end(self) -> None:
        """Say that nothing more will come."""
        self._queue.put(None)

    def close(self, begun: float) -> Undelivered | None:
        """Wait for the end, as long as a run may that ended at a moment; spool what is left, and say what was."""
        while self.is_alive() and self._may_wait(time.monotonic(), begun):
            self.join(0.02)
        with self._lock:
            self._is_given_up = True
            rest = [self._in_hand] if self._in_hand is not None else []
        if self.is_alive() or rest:
            self.problem = self.problem or "it took too long"
            self._spool_rest(rest)
        if not self.spooled:
            return None
        return Undelivered(self.backend.name, self.spooled, self.problem or "unknown")

    def _may_wait(self, now: float, begun: float) -> bool:
        if now - begun < BUDGET_SECONDS:
            return True
        return now - begun < _LONGEST_SECONDS and now - self._taken_at < _QUICKLY_SECONDS

    def _spool_rest(self, rest: list[str]) -> None:
        """Spool the event that is under way, which may still be taken, and those behind it.

        Backends know an event that comes twice by its run and type.
        """
        for line in rest:
            self._keep(line)
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if isinstance(item, str):
                self._keep(item)
            elif item is not None:
                item()
        self._spool.save()

    def run(self) -> None:
        """Send what comes until the end is said."""
        while (item := self._queue.get()) is not None:
            if isinstance(item, str):
                if not self._handle(item):
                    return
            else:
                self._spool.save()
                item()
        self._spool.save()

    def _handle(self, line: str) -> bool:
        """Send or spool one event; false where the sender was given up meanwhile."""
        if not self._hold(line):
            return False
        self._try_again()
        refusal = self.problem or self.backend.refusal(line)
        with self._lock:
            if not self._hold(None):
                return False
            if refusal is not None:
                self._failed_at = self._failed_at if self.problem else time.monotonic()
                self.problem = refusal
                self._keep(line)
            else:
                self._taken_at = time.monotonic()
        return True

    def _hold(self, line: str | None) -> bool:
        """Note the event that is under way; false where the sender was given up."""
        with self._lock:
            if not self._is_given_up:
                self._in_hand = line
            return not self._is_given_up

    def _keep(self, line: str) -> None:
        self._spool.add(line)
        self.spooled += 1

    def _try_again(self) -> None:
        """After a pause, send what this run has spooled; a flush may have taken it meanwhile."""
        due = self.problem is not None and self._can_be_asked and time.monotonic() - self._failed_at > _PAUSE_SECONDS
        if not due or not self.storage.is_local:
            return
        file = f"{self._spool.path}.jsonl"
        lines = lines_of(self.storage, file) if self.storage.exists(file) else []
        for line in lines:
            refusal = self.backend.refusal(line)
            if refusal is not None:
                self._failed_at = time.monotonic()
                self.problem = refusal
                return
        self.storage.delete([file])
        self.spooled, self.problem = 0, None


# What was kept


@dataclass(frozen=True)
class Flushed:
    """What a flush did for one backend, in events."""

    sent: int
    left: int
    problem: str | None = None
    backend: str = ""


def flush(location: str, backends: Sequence[Backend], storage: Storage = LOCAL) -> list[Flushed]:
    """Send each backend its spooled events in the order in which they happened; what is not taken stays.

    Killed at any moment it loses nothing; events may be sent again then. A backend that is down holds up no other.
    """
    spool = child(location, _SPOOL)
    if not storage.files(spool):
        return [Flushed(0, 0, None, one.name) for one in backends]
    with storage.locked(child(location, f"{_SPOOL}.lock")):
        if any(one.name for one in backends):
            _share_out(storage, spool, [one.name for one in backends])
        found = [_flush_one(storage, child(spool, one.name) if one.name else spool, one) for one in backends]
        known = {one.name for one in backends}
        for name in sorted(_folders(storage, spool) - known):
            count = sum(len(lines_of(storage, file)) for file in _ending(storage, child(spool, name), ""))
            if count:
                found.append(Flushed(0, count, "it is not configured any more", name))
    return found


def _share_out(storage: Storage, spool: str, names: Sequence[str]) -> None:
    """Give every backend what was spooled while none had a name, such as with a configuration that was wrong."""
    for file in _ending(storage, spool, ".jsonl") + _ending(storage, spool, _TAKEN):
        with storage.open(file) as stream:
            data = stream.read()
        for name in names:
            storage.write(child(spool, name, file.rpartition("/")[2]), data)
        storage.delete([file])


def _folders(storage: Storage, spool: str) -> set[str]:
    inside = (file.path.removeprefix(f"{spool}/") for file in storage.files(spool))
    # Without a folder of its own only the spool of a backend without a name is.
    return {path.partition("/")[0] for path in inside if "/" in path and not _is_run(path.partition("/")[0])}


def _is_run(name: str) -> bool:
    """Whether a folder is one run's, as object stores have them, and no backend's."""
    return len(name) == 36 and name.count("-") == 4


def _flush_one(storage: Storage, spool: str, backend: Backend) -> Flushed:
    # Set aside, so that a run that goes on writes to a new file meanwhile.
    for path in _ending(storage, spool, ".jsonl"):
        storage.move(path, f"{path.removesuffix('.jsonl')}-{time.time_ns()}{_TAKEN}")
    files = _ending(storage, spool, _TAKEN)
    lines = sorted((line for file in files for line in lines_of(storage, file)), key=_time)
    sent, problem = _sent(backend, lines)
    _leave(storage, spool, files, lines[sent:])
    return Flushed(sent, len(lines) - sent, problem, backend.name)


def _sent(backend: Backend, lines: Iterable[str]) -> tuple[int, str | None]:
    """Send events until one is not taken; return how many were, and why no more."""
    count = 0
    for line in lines:
        problem = _refusal_within(backend, line, PATIENCE_SECONDS)
        if problem is not None:
            return count, problem
        count += 1
    return count, None


def _refusal_within(backend: Backend, line: str, seconds: float) -> str | None:
    """Send an event; return why it was not taken, or None.

    A thread does it, since no timeout of a client bounds the whole of an answer that comes byte by byte.
    """
    found: list[str | None] = [f"it did not answer within {seconds:.0f} s"]

    def emit() -> None:
        found[0] = backend.refusal(line)

    thread = threading.Thread(target=emit, name="mlbsdk-lineage", daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0]


def _ending(storage: Storage, spool: str, ending: str) -> list[str]:
    """Return the files of a spool whose names end so, sorted; those of named backends are below it and not its own."""
    named = tuple(f"{spool}/{name}/" for name in _folders(storage, spool))
    return [
        file.path
        for file in storage.files(spool)
        if file.path.endswith(ending) and not (named and file.path.startswith(named))
    ]


def _leave(storage: Storage, spool: str, files: Iterable[str], lines: Sequence[str]) -> None:
    """Replace files by one with these lines, which is read before later ones."""
    left = child(spool, f"0-left{_TAKEN}")
    if lines:
        storage.write(left, "".join(f"{line}\n" for line in lines).encode())
    storage.delete([file for file in files if file != left or not lines])


def replay(
    location: str, backends: Sequence[Backend], run_id: str | None = None, storage: Storage = LOCAL
) -> list[Flushed]:
    """Send events of the journal once more, such as to a backend that is new; what is not taken goes to its spool.

    Args:
        location: the folder of the journal.
        backends: who gets them.
        run_id: only those of this run and its tables; None for all.
        storage: what keeps the folder.
    """
    lines = [line for file in journal_files(storage, location) for line in lines_of(storage, file)]
    if run_id is not None:
        lines = [line for line in lines if run_id in _runs_of(json.loads(line))]
    found = []
    for backend in backends:
        sent, problem = _sent(backend, lines)
        folder = child(location, _SPOOL, backend.name) if backend.name else child(location, _SPOOL)
        spool = Lines(storage, child(folder, f"replay-{time.time_ns()}"))
        for line in lines[sent:]:
            spool.add(line)
        spool.save()
        found.append(Flushed(sent, len(lines) - sent, problem, backend.name))
    return found


def _runs_of(event: dict[str, Any]) -> tuple[str, ...]:
    run = event["run"]
    parent = run.get("facets", {}).get("parent")
    return (run["runId"],) if parent is None else (run["runId"], parent["run"]["runId"])


def last_run(location: str, storage: Storage = LOCAL) -> list[dict[str, Any]]:
    """Return the newest event of each job of the last run, in the order of the run's jobs; none where nothing ran.

    Runs that were started together, such as those of an export, are one.
    """
    latest: dict[str, dict[str, Any]] = {}
    oldest: dict[str, int] = {}
    first = ""
    runs: set[str] = set()
    for number, (_, event) in enumerate(events_newest_first(storage, location)):
        own, *above = _runs_of(event)
        if not runs:
            # A run ends after its parts; while it goes on, the newest event may be a part's.
            first = above[0] if above and _is_part(event) else own
            runs = {first}
        if own not in runs and not runs.intersection(above):
            continue
        runs.add(own)
        latest.setdefault(event["job"]["name"], event)
        oldest[event["job"]["name"]] = number
        if own == first and event["eventType"] == "START":
            break
    return sorted(latest.values(), key=lambda event: -oldest[event["job"]["name"]])


def _is_part(event: dict[str, Any]) -> bool:
    """Whether a job is a part of its parent, as tables are of their transform, and not only started by it."""
    above = event["run"]["facets"]["parent"]["job"]["name"]
    return bool(event["job"]["name"].startswith(f"{above}."))


def _time(line: str) -> str:
    return str(json.loads(line)["eventTime"])
