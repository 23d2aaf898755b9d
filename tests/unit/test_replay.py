"""The replay server of mlbsdk.testing, over real sockets."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone
from http.client import IncompleteRead, RemoteDisconnected
from pathlib import Path
from typing import Any

import pytest

from mlbsdk.errors import ConfigurationError
from mlbsdk.testing import ReplayServer

BEGIN = datetime(2024, 7, 1, 20, tzinfo=timezone.utc)


def save(folder: Path, name: str, url: str, response: str, at: int | None = None) -> None:
    time = f', "captured_at": "{(BEGIN + timedelta(minutes=at)).isoformat()}"' if at is not None else ""
    text = f'{{"url": "https://api.example.org{url}"{time}, "response": {response}, "status_code": 200}}'
    (folder / name).write_text(text, encoding="utf-8")


def get(server: ReplayServer, path: str, **headers: str) -> tuple[int, bytes, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with opener.open(urllib.request.Request(server.url + path, headers=named), timeout=10) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as problem:
        return problem.code, problem.read(), problem.headers


def test_a_request_gets_the_capture_of_its_path_and_query_as_it_stands_in_the_file(tmp_path: Path) -> None:
    save(tmp_path, "a.json", "/v1/x?b=2&a=1", '{"n":  95.0, "s": "\\u00e9"}')
    save(tmp_path, "b.json", "/v1/x", "{}")
    saved = {"metadata": {"request": {"url": "https://h/v1/saved"}, "response": {}}, "data": {"x": 1}}
    (tmp_path / "c.json.gz").write_bytes(gzip.compress(json.dumps(saved).encode()))
    (tmp_path / "bare.json").write_text('{"gamePk": 1}', encoding="utf-8")
    with ReplayServer(tmp_path) as server:
        assert get(server, "/v1/x?a=1&b=2")[:2] == (200, b'{"n":  95.0, "s": "\\u00e9"}')
        assert get(server, "/v1/x")[1] == b"{}"
        assert get(server, "/v1/x?fields=n&hydrate=y")[1] == b"{}"  # they shape a document, and are none of their own
        assert get(server, "/v1/x?a=1")[0] == 404
        assert get(server, "/v1/saved")[1] == b'{"x": 1}'
        assert gzip.decompress(get(server, "/v1/x", Accept_Encoding="gzip")[1]) == b"{}"
        assert (server.count(), server.count("/v1/x")) == (6, 5)
        assert [one.status for one in server.requests] == [200, 200, 200, 404, 200, 200]
        assert [Path(name).name for name in server.skipped] == ["bare.json"]


def test_captures_of_one_request_are_replayed_by_the_clock_or_by_requests(tmp_path: Path) -> None:
    for minutes in (0, 10, 20):
        save(tmp_path, f"{minutes}.json", "/g", str({"n": minutes}).replace("'", '"'), minutes)
    passed = 0.0
    with ReplayServer(tmp_path, speed=60, begin=BEGIN - timedelta(minutes=1), clock=lambda: passed) as server:
        assert get(server, "/g")[0] == 404
        seen = []
        for passed in (1.0, 10.9, 11.0, 999.0):  # noqa: B007 - the server's clock reads it
            seen.append(json.loads(get(server, "/g")[1])["n"])
        assert seen == [0, 0, 10, 20]
        assert server.now() == BEGIN + timedelta(minutes=998)
    with ReplayServer(tmp_path, by_requests=True) as server:
        assert [json.loads(get(server, "/g")[1])["n"] for _ in range(4)] == [0, 10, 20, 20]
    with ReplayServer(tmp_path) as server:
        assert json.loads(get(server, "/g")[1])["n"] == 20


def test_unchanged_answers_are_told_as_http_has_it(tmp_path: Path) -> None:
    save(tmp_path, "a.json", "/g", "{}", 5)
    with ReplayServer(tmp_path) as server:
        _, _, headers = get(server, "/g")
        assert headers["Last-Modified"] == "Mon, 01 Jul 2024 20:05:00 GMT"
        assert get(server, "/g", If_None_Match=headers["ETag"])[:2] == (304, b"")
        assert get(server, "/g", If_None_Match='"other"', If_Modified_Since=headers["Last-Modified"])[0] == 200
        assert get(server, "/g", If_Modified_Since=headers["Last-Modified"])[0] == 304
    with ReplayServer(tmp_path, validators=False) as server:
        assert get(server, "/g")[2]["ETag"] is None


def test_faults_are_injected_for_the_next_requests_and_end(tmp_path: Path) -> None:
    save(tmp_path, "a.json", "/g", '{"a": 1}')
    save(tmp_path, "b.json", "/h", '{"a": 1}')
    with ReplayServer(tmp_path) as server:
        server.fail(429, times=2, path="/g", retry_after=3)
        server.garble(path="/h")
        status, _, headers = get(server, "/g")
        assert (status, headers["Retry-After"]) == (429, "3")
        assert get(server, "/h")[1].startswith(b"<html>")
        assert [get(server, "/g")[0] for _ in range(2)] == [429, 200]
        server.truncate()
        with pytest.raises(IncompleteRead):
            get(server, "/g")
        server.hang_up()
        with pytest.raises((RemoteDisconnected, ConnectionResetError, urllib.error.URLError)):
            get(server, "/g")
        server.delay(0.01)
        assert get(server, "/g")[0] == 200


def test_answers_can_be_made(tmp_path: Path) -> None:
    save(tmp_path, "a.json", "/g", "{}")
    made = {"/day": '{"made": true}'}
    with ReplayServer(
        tmp_path, answers=lambda path, query: made.get(path) if query.get("d") == "1" else None
    ) as server:
        assert get(server, "/day?d=1")[1] == b'{"made": true}'
        assert get(server, "/day?d=2")[0] == 404
        assert get(server, "/g")[0] == 200


def test_what_can_not_be_replayed_is_told(tmp_path: Path) -> None:
    (tmp_path / "bare.json").write_text('{"gamePk": 1}', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="none of the captures can be served"):
        ReplayServer(tmp_path)
    save(tmp_path, "a.json", "/g", "{}")
    with pytest.raises(ConfigurationError, match="by the clock"):
        ReplayServer(tmp_path, speed=2, by_requests=True)
    with pytest.raises(ConfigurationError, match="not running"):
        _ = ReplayServer(tmp_path).url


def test_people_can_start_it_from_the_command_line(tmp_path: Path) -> None:
    save(tmp_path, "a.json", "/g", '{"a": 1}')
    command = [sys.executable, "-m", "mlbsdk.testing.replay", str(tmp_path), "--speed", "60"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        assert opener.open(f"{url}/g", timeout=10).read() == b'{"a": 1}'
    finally:
        process.kill()
        process.wait()
    nothing = subprocess.run([*command[:3], str(tmp_path / "no")], capture_output=True, text=True, check=False)
    assert nothing.returncode == 2
    assert "does not exist" in nothing.stderr
