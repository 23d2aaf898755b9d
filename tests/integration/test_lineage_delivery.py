"""A lineage backend gets every event once, in order; one that is slow or down costs a run little, and no event."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mlbsdk.cli.main import build
from mlbsdk.errors import ConfigurationError, LineageError
from mlbsdk.lineage import backends, delivery, journal
from mlbsdk.lineage.listener import OpenLineageListener
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file
from mlbsdk.report import BatchReport, DocumentsReport, RunReport, StreamReport, TableReport
from mlbsdk.runtime.transformation import new_report
from tests.mini import MAPPING, TABLES
from tests.openlineage_schemas import require_valid

pytestmark = pytest.mark.integration

PARENTS = ("OPENLINEAGE_CONTEXT", "OPENLINEAGE_PARENT_ID", "OPENLINEAGE_ROOT_PARENT_ID")
SECRET = "key-that-nobody-may-see"
#: START and COMPLETE, each for the run, its three tables and its checks.
EVENTS = 10
#: The design allows 2 s; a busy machine gets twice that.
MOST_SECONDS = 4.0


class Backend:
    """An HTTP server on this machine that answers ``status`` and keeps what it accepted; it can be told otherwise."""

    def __init__(self) -> None:
        self.answers: Callable[[int], int] = lambda number: 201
        self.asked = 0
        self.taken: list[dict[str, Any]] = []
        self.paths: set[str] = set()
        self.keys: set[str | None] = set()
        self.drips = False
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = backend.answers(backend.asked)
                backend.asked += 1
                backend.paths.add(self.path)
                backend.keys.add(self.headers["Authorization"])
                if status < 300:
                    backend.taken.append(json.loads(body))
                if backend.drips:
                    self.drip()
                    return
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", "30")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def drip(self) -> None:
                """Answer a byte at a time, so that no single read ever waits long."""
                try:
                    for byte in b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nX-Slow: " + b"." * 40:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        time.sleep(0.08)
                except OSError:
                    pass

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """Run a backend that events are configured to go to."""
    made = Backend()
    monkeypatch.setenv("OPENLINEAGE_URL", made.url)
    yield made
    made.close()


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Accept connections and never answer."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        monkeypatch.setenv("OPENLINEAGE_URL", f"http://127.0.0.1:{listening.getsockname()[1]}")
        yield


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hold a port that nobody listens on."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OPENLINEAGE_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        yield


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this machine's own configuration out, and have a key that must not be seen."""
    for name in ("OPENLINEAGE_CONFIG", "OPENLINEAGE_DISABLED", "OPENLINEAGE_ENDPOINT", "OPENLINEAGE_URL", *PARENTS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENLINEAGE_API_KEY", SECRET)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def location(tmp_path: Path) -> Path:
    """Return the housekeeping folder of a target."""
    return tmp_path / "out" / "_mlbsdk"


def report(location: Path, mode: str = "batch") -> RunReport:
    made = new_report(compile_mapping(load_file(MAPPING)), "captures", "delta:out", mode)
    made.source_dataset = ("file", "/captures")
    made.datasets = {name: ("file", f"/out/{name}") for name in TABLES}
    made.location = str(location)
    return made


def whole_run(location: Path) -> tuple[RunReport, float]:
    """Tell the listener of a run from start to end; return the report and the seconds that it took."""
    run = report(location)
    begun = time.monotonic()
    listener = OpenLineageListener({})
    listener.run_started(run)
    run.status = "completed"
    listener.run_completed(run)
    return run, time.monotonic() - begun


def events_in(*files: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def kept(location: Path) -> list[dict[str, Any]]:
    """Return the events of lineage.jsonl."""
    return events_in(location / "lineage.jsonl")


def spool(location: Path) -> list[dict[str, Any]]:
    """Return the events that wait to be sent."""
    return events_in(*sorted((location / "lineage-spool").glob("*")))


def names(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["eventType"], event["job"]["name"]) for event in events]


def command(*arguments: str) -> Result:
    return CliRunner().invoke(build(), list(arguments))


def eventually(holds: Callable[[], bool]) -> None:
    """Wait for what a thread does in the background."""
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


WHOLE_RUN = [
    ("START", "mini.game"),
    ("START", "mini.game.games"),
    ("START", "mini.game.plays"),
    ("START", "mini.game.players"),
    ("START", "mini.game.quality"),
    ("COMPLETE", "mini.game.games"),
    ("COMPLETE", "mini.game.plays"),
    ("COMPLETE", "mini.game.players"),
    ("COMPLETE", "mini.game.quality"),
    ("COMPLETE", "mini.game"),
]


def test_a_backend_gets_all_events_in_order_and_once(backend: Backend, location: Path) -> None:
    run, _ = whole_run(location)
    assert names(backend.taken) == WHOLE_RUN
    assert backend.paths == {"/api/v1/lineage"}
    assert backend.taken == kept(location)
    assert backend.keys == {f"Bearer {SECRET}"}
    assert not (location / "lineage-spool").exists()
    assert run.notes == []


def test_without_a_backend_events_are_kept_and_nothing_is_spooled(location: Path) -> None:
    run, _ = whole_run(location)
    assert names(kept(location)) == WHOLE_RUN
    assert not (location / "lineage-spool").exists()
    assert run.notes == []


def failing_backends() -> list[Any]:
    return [pytest.param(status, id=str(status)) for status in (503, 429, 401)] + ["hanging", "refusing", "dripping"]


@pytest.fixture
def failing(request: pytest.FixtureRequest) -> str:
    """Run one kind of backend that takes nothing."""
    if request.param in ("hanging", "refusing"):
        request.getfixturevalue(request.param)
        return str(request.param)
    backend: Backend = request.getfixturevalue("backend")
    backend.drips = request.param == "dripping"
    backend.answers = lambda number: 500 if backend.drips else request.param
    return str(request.param)


@pytest.mark.parametrize("failing", failing_backends(), indirect=True)
def test_a_failing_backend_costs_little_and_loses_nothing(
    failing: str, location: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(delivery, "PATIENCE_SECONDS", 1.0)
    run, seconds = whole_run(location)
    assert seconds < MOST_SECONDS
    assert names(kept(location)) == WHOLE_RUN
    assert spool(location) == kept(location)
    (note,) = run.notes
    assert f"did not take {EVENTS} events" in note
    assert f"mlbsdk lineage flush --location {location}" in note
    refused = command("lineage", "flush", "--location", str(location))
    assert isinstance(refused.exception, LineageError)
    assert refused.exception.exit_code == 1
    assert spool(location) == kept(location)
    assert f"0 events sent, {EVENTS} left" in refused.stdout
    seen = "".join([*capfd.readouterr(), refused.output, str(refused.exception), note])
    assert SECRET not in seen
    assert "Traceback" not in seen
    later = Backend()
    monkeypatch.setenv("OPENLINEAGE_URL", later.url)
    try:
        sent = command("lineage", "flush", "--location", str(location))
    finally:
        later.close()
    assert (sent.exit_code, sent.stdout) == (0, f"{EVENTS} events sent, 0 left\n")
    assert later.taken == kept(location)
    assert spool(location) == []
    assert SECRET not in (location / "lineage.jsonl").read_text(encoding="utf-8")


def test_a_backend_that_fails_in_the_middle_is_asked_no_more(backend: Backend, location: Path) -> None:
    backend.answers = lambda number: 201 if number < 3 else 503
    run, _ = whole_run(location)
    assert backend.asked == 4
    assert names(spool(location)) == WHOLE_RUN[3:]
    assert "did not take 7 events" in run.notes[0]
    backend.answers = lambda number: 201
    assert command("lineage", "flush", "--location", str(location)).stdout == "7 events sent, 0 left\n"
    assert backend.taken == kept(location)


def test_a_flush_that_stops_in_the_middle_keeps_the_rest_in_order(backend: Backend, location: Path) -> None:
    backend.answers = lambda number: 503
    for _ in range(2):
        whole_run(location)
    both = kept(location)
    begun = backend.asked
    backend.answers = lambda number: 201 if number < begun + 5 else 503
    stopped = command("lineage", "flush", "--location", str(location))
    assert "5 events sent, 15 left" in stopped.stdout
    assert spool(location) == both[5:]
    backend.answers = lambda number: 201
    assert command("lineage", "flush", "--location", str(location)).stdout == "15 events sent, 0 left\n"
    assert backend.taken == both


def test_a_killed_flush_loses_nothing(backend: Backend, location: Path) -> None:
    backend.answers = lambda number: 503
    whole_run(location)
    reached, over = threading.Event(), threading.Event()
    third = backend.asked + 2

    def hold(number: int) -> int:
        if number < third:
            return 201
        reached.set()
        over.wait(30)
        return 503

    backend.answers = hold
    arguments = ["lineage", "flush", "--location", str(location)]
    flushing = subprocess.Popen([sys.executable, "-m", "mlbsdk.cli.main", *arguments], env=dict(os.environ))
    assert reached.wait(30)
    flushing.kill()
    flushing.wait(30)
    over.set()
    backend.answers = lambda number: 201
    assert command(*arguments).exit_code == 0
    assert names(backend.taken) == [*WHOLE_RUN[:2], *WHOLE_RUN]
    assert spool(location) == []


def test_a_half_written_last_line_stops_no_flush(backend: Backend, location: Path) -> None:
    backend.answers = lambda number: 503
    whole_run(location)
    (file,) = (location / "lineage-spool").glob("*.jsonl")
    with file.open("a", encoding="utf-8") as out:
        out.write('{"eventTime": "2024')
    backend.answers = lambda number: 201
    assert command("lineage", "flush", "--location", str(location)).stdout == f"{EVENTS} events sent, 0 left\n"


def test_events_of_a_run_that_goes_on_during_a_flush_stay(backend: Backend, location: Path) -> None:
    backend.answers = lambda number: 503
    going_on = report(location)
    listener = OpenLineageListener({})
    listener.run_started(going_on)

    def while_flushing(number: int) -> int:
        if going_on.status == "running":
            going_on.status = "completed"
            listener.run_completed(going_on)
        return 201

    eventually(lambda: len(spool(location)) == 5)
    backend.answers = while_flushing
    assert command("lineage", "flush", "--location", str(location)).stdout == "5 events sent, 0 left\n"
    assert names(spool(location)) == WHOLE_RUN[5:]
    assert command("lineage", "flush", "--location", str(location)).stdout == "5 events sent, 0 left\n"
    assert backend.taken == kept(location)


def test_a_flush_of_nothing_says_so_and_asks_nobody(backend: Backend, location: Path) -> None:
    done = command("lineage", "flush", "--location", str(location))
    assert (done.exit_code, done.stdout) == (0, "0 events sent, 0 left\n")
    assert backend.asked == 0


def test_a_flush_without_a_backend_says_what_to_set(location: Path) -> None:
    done = command("lineage", "flush", "--location", str(location))
    assert isinstance(done.exception, ConfigurationError)
    assert "OPENLINEAGE_URL" in str(done.exception)
    assert done.exception.exit_code == 2


def test_openlineage_yml_names_the_backend(
    backend: Backend, tmp_path: Path, location: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENLINEAGE_URL")
    (tmp_path / "openlineage.yml").write_text(
        f"transport:\n  type: http\n  url: {backend.url}\n  endpoint: api/v2/here\n", encoding="utf-8"
    )
    whole_run(location)
    assert names(backend.taken) == WHOLE_RUN
    assert backend.paths == {"/api/v2/here"}


def test_openlineage_yml_may_name_a_file(tmp_path: Path, location: Path) -> None:
    (tmp_path / "openlineage.yml").write_text(
        f"transport:\n  type: file\n  log_file_path: {tmp_path / 'mine.jsonl'}\n  append: true\n", encoding="utf-8"
    )
    whole_run(location)
    assert names(events_in(tmp_path / "mine.jsonl")) == WHOLE_RUN


@pytest.mark.parametrize("text", ["transport: {type: carrier-pigeon}", "transport: [", "transport: {type: http}"])
def test_a_wrong_configuration_harms_no_run_and_loses_nothing(tmp_path: Path, location: Path, text: str) -> None:
    (tmp_path / "openlineage.yml").write_text(text, encoding="utf-8")
    run, _ = whole_run(location)
    assert names(kept(location)) == WHOLE_RUN
    assert spool(location) == kept(location)
    assert "OpenLineage" in run.notes[0]
    refused = command("lineage", "flush", "--location", str(location))
    assert isinstance(refused.exception, ConfigurationError)
    assert spool(location) == kept(location)


def test_the_clients_own_variables_do_not_outlive_a_run(backend: Backend, location: Path) -> None:
    before = dict(os.environ)
    whole_run(location)
    assert dict(os.environ) == before


def test_a_disabled_client_sends_nothing(backend: Backend, location: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    whole_run(location)
    assert (backend.asked, names(kept(location))) == (0, WHOLE_RUN)
    assert not (location / "lineage-spool").exists()


def test_a_failed_run_ends_with_fail_events(backend: Backend, location: Path) -> None:
    run = report(location)
    listener = OpenLineageListener({})
    listener.run_started(run)
    listener.run_failed(run, LineageError("no luck"))
    assert names(backend.taken)[5:] == [("FAIL", name) for _, name in WHOLE_RUN[5:]]
    assert all(event["run"]["facets"]["errorMessage"] for event in backend.taken[5:])


def test_a_run_that_a_person_stopped_ends_with_abort(backend: Backend, location: Path) -> None:
    run = report(location)
    listener = OpenLineageListener({})
    listener.run_started(run)
    listener.run_failed(run, KeyboardInterrupt())
    assert {event["eventType"] for event in backend.taken[5:]} == {"ABORT"}


def test_show_tells_of_the_last_run_only(location: Path) -> None:
    whole_run(location)
    last, _ = whole_run(location)
    lines = command("lineage", "show", "--location", str(location)).stdout.splitlines()
    assert lines[0] == "raw file /captures"
    assert [line.split()[1] for line in lines if " COMPLETE " in line] == [
        "mini.game",
        "mini.games",
        "mini.plays",
        "mini.players",
    ]
    assert f"run {last.run_id}" in lines[1]
    assert any(line.endswith(" file /out/mini.plays") for line in lines)
    found = json.loads(command("lineage", "show", "--json", "--location", str(location)).stdout)
    assert found["version"] == 1
    assert len(found["events"]) == 5
    assert last.run_id in {event["run"]["runId"] for event in found["events"]}


def test_show_without_any_run_says_where_it_looked(location: Path) -> None:
    done = command("lineage", "show", "--location", str(location))
    assert isinstance(done.exception, ConfigurationError)
    assert str(location) in str(done.exception)


def test_a_backend_that_is_well_gets_all_even_where_it_takes_a_while(backend: Backend, location: Path) -> None:
    backend.answers = lambda number: time.sleep(0.2) or 201  # type: ignore[func-returns-value]
    run, seconds = whole_run(location)
    assert seconds > delivery.BUDGET_SECONDS
    assert backend.taken == kept(location)
    assert run.notes == []
    backend.answers = lambda number: time.sleep(1.0) or 201  # type: ignore[func-returns-value]
    run, seconds = whole_run(location)
    assert seconds < MOST_SECONDS
    assert "it took too long" in run.notes[0]


# Several backends


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, Backend]]:
    """Run two backends that a composite transport names."""
    made = {"marquez": Backend(), "datahub": Backend()}
    transports = {name: {"type": "http", "url": one.url} for name, one in made.items()}
    config = {"transport": {"type": "composite", "transports": transports}}
    (tmp_path / "openlineage.yml").write_text(json.dumps(config), encoding="utf-8")
    yield made
    for one in made.values():
        one.close()


def spool_of(location: Path, name: str) -> list[dict[str, Any]]:
    return events_in(*sorted((location / "lineage-spool" / name).glob("*")))


def test_each_of_several_backends_gets_all_events_once(several: dict[str, Backend], location: Path) -> None:
    run, _ = whole_run(location)
    for one in several.values():
        assert names(one.taken) == WHOLE_RUN
    assert run.notes == []


def test_a_backend_that_is_down_hides_nothing_from_another(several: dict[str, Backend], location: Path) -> None:
    several["datahub"].answers = lambda number: 503
    run, seconds = whole_run(location)
    assert seconds < MOST_SECONDS
    assert names(several["marquez"].taken) == WHOLE_RUN
    assert spool_of(location, "datahub") == kept(location)
    assert not (location / "lineage-spool" / "marquez").exists()
    (note,) = run.notes
    assert "the lineage backend 'datahub' did not take 10 events" in note
    several["datahub"].answers = lambda number: 201
    done = command("lineage", "flush", "--location", str(location))
    assert done.stdout.splitlines() == ["marquez: 0 events sent, 0 left", "datahub: 10 events sent, 0 left"]
    assert several["datahub"].taken == kept(location)
    assert names(several["marquez"].taken) == WHOLE_RUN


def test_backends_that_all_hang_cost_as_much_as_one(
    several: dict[str, Backend], location: Path, tmp_path: Path
) -> None:
    for one in several.values():
        one.drips = True
    _, seconds = whole_run(location)
    assert seconds < MOST_SECONDS
    assert spool_of(location, "marquez") == spool_of(location, "datahub") == kept(location)


def test_a_flush_goes_on_with_the_next_backend_where_one_is_down(several: dict[str, Backend], location: Path) -> None:
    for one in several.values():
        one.answers = lambda number: 503
    whole_run(location)
    several["datahub"].answers = lambda number: 201
    done = command("lineage", "flush", "--location", str(location))
    assert done.stdout.splitlines() == ["marquez: 0 events sent, 10 left", "datahub: 10 events sent, 0 left"]
    assert isinstance(done.exception, LineageError)
    assert "'marquez'" in str(done.exception)
    assert spool_of(location, "marquez") == kept(location)


def test_what_was_spooled_without_names_goes_to_all(
    several: dict[str, Backend], location: Path, tmp_path: Path
) -> None:
    config = (tmp_path / "openlineage.yml").read_text(encoding="utf-8")
    (tmp_path / "openlineage.yml").write_text("transport: [", encoding="utf-8")
    whole_run(location)
    (tmp_path / "openlineage.yml").write_text(config, encoding="utf-8")
    several["marquez"].answers = lambda number: 201 if number < 4 else 503
    command("lineage", "flush", "--location", str(location))
    assert several["datahub"].taken == kept(location)
    assert spool_of(location, "marquez") == kept(location)[4:]
    several["marquez"].answers = lambda number: 201
    assert command("lineage", "flush", "--location", str(location)).exit_code == 0
    assert several["marquez"].taken == kept(location)
    assert names(several["datahub"].taken) == WHOLE_RUN


def test_a_backend_that_is_not_configured_any_more_is_told(
    several: dict[str, Backend], location: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    several["datahub"].answers = lambda number: 503
    whole_run(location)
    (tmp_path / "openlineage.yml").unlink()
    monkeypatch.setenv("OPENLINEAGE_URL", several["marquez"].url)
    done = command("lineage", "flush", "--location", str(location))
    assert "datahub: 0 events sent, 10 left" in done.stdout
    assert "not configured" in str(done.exception)
    assert spool_of(location, "datahub") == kept(location)


def test_an_asynchronous_transport_loses_nothing(
    backend: Backend, tmp_path: Path, location: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENLINEAGE_URL")
    config = {"transport": {"type": "async_http", "url": backend.url}}
    (tmp_path / "openlineage.yml").write_text(json.dumps(config), encoding="utf-8")
    whole_run(location)
    assert names(backend.taken) == WHOLE_RUN


# Once more


def test_a_new_backend_gets_the_past(location: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        last, _ = whole_run(location)
    new = Backend()
    monkeypatch.setenv("OPENLINEAGE_URL", new.url)
    try:
        done = command("lineage", "replay", "--location", str(location), "--run", last.run_id)
        assert (done.exit_code, done.stdout) == (0, "10 events sent, 0 left\n")
        assert new.taken == kept(location)[10:]
        new.taken.clear()
        assert command("lineage", "replay", "--location", str(location)).stdout == "20 events sent, 0 left\n"
        assert new.taken == kept(location)
        new.taken.clear()
        begun = new.asked
        new.answers = lambda number: 201 if number < begun + 4 else 503
        stopped = command("lineage", "replay", "--location", str(location))
        assert isinstance(stopped.exception, LineageError)
        new.answers = lambda number: 201
        assert command("lineage", "flush", "--location", str(location)).stdout == "16 events sent, 0 left\n"
        assert new.taken == kept(location)
        unknown = command("lineage", "replay", "--location", str(location), "--run", "no-such-run")
        assert isinstance(unknown.exception, ConfigurationError)
    finally:
        new.close()


# Runs that are killed, and streams that last


def crashed(location: Path, *, after: str) -> str:
    """Have a process begin a run and kill itself; return the run's id."""
    code = f"""
import os, sys, time
from tests.integration.test_lineage_delivery import report, OpenLineageListener
from pathlib import Path
run = report(Path({str(location)!r}))
listener = OpenLineageListener({{}})
listener.run_started(run)
time.sleep({1.0 if after == "told" else 0.0})
print(run.run_id, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == -9, done.stderr
    return done.stdout.strip()


def environment() -> dict[str, str]:
    return dict(os.environ) | {"PYTHONPATH": str(Path(__file__).parents[2])}


def test_a_run_that_was_killed_is_closed_by_the_next_one(backend: Backend, location: Path) -> None:
    killed = crashed(location, after="told")
    assert names(backend.taken) == WHOLE_RUN[:5]
    whole_run(location)
    closed = backend.taken[5:10]
    assert names(closed) == [("FAIL", name) for _, name in WHOLE_RUN[5:]]
    assert closed[-1]["run"]["runId"] == killed
    for event, begun in zip(closed, [*backend.taken[1:5], backend.taken[0]], strict=True):
        require_valid(event)
        assert "killed" in event["run"]["facets"]["errorMessage"]["message"]
        assert (event["inputs"], event["outputs"]) == (begun["inputs"], begun["outputs"])
    assert names(backend.taken[10:]) == WHOLE_RUN
    assert not list((location / "lineage-open").glob("*.json"))
    whole_run(location)
    assert len(backend.taken) == 30


def test_a_start_that_nobody_got_is_sent_before_the_end(backend: Backend, location: Path) -> None:
    backend.answers = lambda number: time.sleep(30) or 201  # type: ignore[func-returns-value]
    killed = crashed(location, after="at once")
    backend.answers = lambda number: 201
    whole_run(location)
    of_it = [event for event in backend.taken if killed in (event["run"]["runId"], parent_of(event))]
    assert names(of_it) == [*WHOLE_RUN[:5], *(("FAIL", name) for _, name in WHOLE_RUN[5:])]


def parent_of(event: dict[str, Any]) -> str | None:
    parent = event["run"]["facets"].get("parent")
    return None if parent is None else str(parent["run"]["runId"])


def test_a_run_that_still_goes_on_is_not_closed(backend: Backend, location: Path) -> None:
    going_on = report(location)
    listener = OpenLineageListener({})
    listener.run_started(going_on)
    whole_run(location)
    assert "FAIL" not in {event["eventType"] for event in backend.taken}
    listener.run_completed(going_on)
    assert not list((location / "lineage-open").glob("*.json"))


@pytest.mark.parametrize(
    ("changed", "is_closed"),
    [({"boot": "another"}, True), ({"host": "another"}, False), ({"begun": "1"}, True), ({"pid": 2**22 + 1}, True)],
)
def test_a_process_is_known_by_machine_start_and_number(
    backend: Backend, location: Path, changed: dict[str, Any], is_closed: bool
) -> None:
    OpenLineageListener({}).run_started(report(location))
    (file,) = (location / "lineage-open").glob("*.json")
    eventually(lambda: bool(json.loads(file.read_text(encoding="utf-8"))["told"]))
    data = json.loads(file.read_text(encoding="utf-8"))
    data["process"] |= changed
    file.write_text(json.dumps(data), encoding="utf-8")
    whole_run(location)
    assert ("FAIL" in {event["eventType"] for event in backend.taken}) == is_closed
    if not is_closed:  # a machine that gave no sign for a day is gone
        long_ago = time.time() - 90_000
        os.utime(file, (long_ago, long_ago))
        whole_run(location)
        assert "FAIL" in {event["eventType"] for event in backend.taken}


def test_the_journal_is_bounded_and_keeps_the_newest(location: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MOST_BYTES", 50_000)
    for _ in range(12):
        last, _ = whole_run(location)
    sizes = [file.stat().st_size for file in location.glob("lineage*.jsonl")]
    assert len(sizes) == 2
    assert sum(sizes) < 200_000
    found = json.loads(command("lineage", "show", "--json", "--location", str(location)).stdout)
    assert last.run_id in {event["run"]["runId"] for event in found["events"]}


def test_a_stream_asks_a_backend_again_after_a_while(
    backend: Backend, location: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_PAUSE_SECONDS", 0.2)
    backend.answers = lambda number: 503
    run = report(location, "streaming")
    run.stream = StreamReport("checkpoint")
    listener = OpenLineageListener({})
    listener.run_started(run)
    eventually(lambda: len(spool(location)) == 5)
    backend.answers = lambda number: 201
    time.sleep(0.3)
    tables = {"mini.plays": TableReport(rows=1, inserted=1), "mini.games": TableReport(rows=1, unchanged=1)}
    run.stream.last = BatchReport(1, DocumentsReport(1, 1), 2, 0.1, None, tables)
    run.tables = tables
    listener.batch_written(run, 1)
    run.stream.ended_by = "stop"
    listener.run_completed(run)
    told = names(backend.taken)
    assert told[:5] == WHOLE_RUN[:5]
    running = [("RUNNING", name) for name in ("mini.game.plays", "mini.game.quality", "mini.game")]
    assert told[5:] == [*running, *(("ABORT", name) for _, name in WHOLE_RUN[5:])]
    assert backend.taken == kept(location)
    assert spool(location) == []
    assert run.notes == []
    for event in backend.taken:
        require_valid(event)
