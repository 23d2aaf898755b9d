"""A web server on loopback that is made of captures: it answers a request with the capture of that request.

In a test::

    with ReplayServer("captures/") as server:
        fetch(server.url)
        assert server.count("/api/v1/schedule") == 1

For people: ``python -m mlbsdk.testing.replay captures/ --port 8080 --speed 60``.

It knows addresses and times, and nothing of what responses say. Only envelopes with a ``url`` can be served.
"""

from __future__ import annotations

import argparse
import contextlib
import email.utils
import gzip
import hashlib
import json
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from mlbsdk.errors import ConfigurationError
from mlbsdk.runtime.captures import capture_files, envelope_of, is_envelope, texts
from mlbsdk.runtime.raw_capture import moment_of

#: Parameters that say how much of a document is told, and not which one.
SHAPING = ("fields", "hydrate", "language")
_KEPT_BODIES = 64

Query = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Request:
    """A request that the server got."""

    path: str
    query: Query
    status: int
    headers: Mapping[str, str]


@dataclass
class _Fault:
    """What goes wrong with the next requests."""

    kind: Literal["status", "delay", "truncate", "garble", "hang_up"]
    left: int
    path: str | None
    status: int = 500
    retry_after: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class _Capture:
    """Where a capture is, and when it was made."""

    name: str
    file: str
    key: str
    """The key of the response in the envelope."""
    captured_at: datetime


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class ReplayServer:
    """Serves captures by path and query. A context: it starts when entered and stops when left.

    Which of several captures of one request is served depends on the mode:

    - by itself the newest;
    - with ``speed`` the newest of those made until now, on a clock that begins at ``begin`` when the server starts and
      runs so many times faster than real time; 404 before the first one;
    - with ``by_requests`` the first for the first request, then the next one each time; the last one stays.

    Args:
        captures: files, folders or globs of captures.
        speed: how many times faster than real time.
        begin: where the clock begins; by default with the first capture of all.
        by_requests: step from capture to capture with each request.
        shaping: parameters that are ignored where no capture was made with them.
        validators: whether answers have ETag and Last-Modified, and unchanged ones the status 304.
        answers: asked first: (path, query) -> the JSON text of a body, or None; for what is made and not captured.
        host: the address to listen on.
        port: the port; 0 for any that is free.
        clock: gives seconds that never go back.

    Raises:
        ConfigurationError: no capture can be served, or the modes contradict each other.
        SourceError: a capture can't be read.
    """

    def __init__(
        self,
        *captures: str | Path,
        speed: float | None = None,
        begin: datetime | None = None,
        by_requests: bool = False,
        shaping: Collection[str] = SHAPING,
        validators: bool = True,
        answers: Callable[[str, Mapping[str, str]], str | None] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if speed is not None and (by_requests or speed <= 0):
            raise ConfigurationError("a replay goes by the clock, faster than nothing, or by requests")
        self.skipped: list[str] = []
        """Captures without an address, which can't be served."""
        self.requests: list[Request] = []
        """What was asked for, in order."""
        self._captures = self._index([str(each) for each in captures])
        if not self._captures and answers is None:
            raise ConfigurationError(
                "none of the captures can be served", fix="Only envelopes with a 'url' say what they are answers to."
            )
        self._speed, self._by_requests = speed, by_requests
        every = [one.captured_at for found in self._captures.values() for one in found]
        self._begin = begin or min(every, default=datetime.now(timezone.utc))
        self._shaping, self._validators, self._answers = tuple(shaping), validators, answers
        self._clock, self._started = clock, clock()
        self._served: Counter[tuple[str, Query]] = Counter()
        self._faults: deque[_Fault] = deque()
        self._lock = threading.Lock()
        self._body = lru_cache(_KEPT_BODIES)(_response_text)
        self._address = (host, port)
        self._server: ThreadingHTTPServer | None = None

    # Running

    def start(self) -> ReplayServer:
        """Begin to listen; the replay's clock begins too."""
        replay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 64 * 1024  # head and body go together: apart, the second waits for the first to be confirmed
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                replay._handle(self)

            def log_message(self, format: str, *args: object) -> None:
                """Be silent."""

        self._server = ThreadingHTTPServer(self._address, Handler)
        self._server.daemon_threads = True
        self._started = self._clock()
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> ReplayServer:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address before the path, such as ``http://127.0.0.1:41327``."""
        if self._server is None:
            raise ConfigurationError("the replay server is not running", fix="Use it as a context, or call start().")
        return f"http://{self._server.server_address[0]!s}:{self._server.server_address[1]}"

    def now(self) -> datetime:
        """Return the moment that is replayed; without ``speed`` there is none, and it stays at the beginning."""
        passed = (self._clock() - self._started) * (self._speed or 0.0)
        return self._begin + timedelta(seconds=passed)

    # What was asked

    def count(self, path: str | None = None) -> int:
        """Return how many requests there were, of a path if one is given; failed ones are counted too."""
        return sum(path is None or one.path == path for one in self.requests)

    # What goes wrong

    def fail(
        self, status: int = 500, *, times: int = 1, path: str | None = None, retry_after: str | int | None = None
    ) -> None:
        """Answer the next requests with a status, and a Retry-After if one is given.

        Args:
            status: the status.
            times: how many requests.
            path: only requests of this path.
            retry_after: seconds, or a date as HTTP writes it.
        """
        text = None if retry_after is None else str(retry_after)
        self._faults.append(_Fault("status", times, path, status=status, retry_after=text))

    def delay(self, seconds: float, *, times: int = 1, path: str | None = None) -> None:
        """Answer the next requests late."""
        self._faults.append(_Fault("delay", times, path, seconds=seconds))

    def truncate(self, *, times: int = 1, path: str | None = None) -> None:
        """Send half of the next bodies, and hang up."""
        self._faults.append(_Fault("truncate", times, path))

    def garble(self, *, times: int = 1, path: str | None = None) -> None:
        """Send a page of HTML with status 200 in the place of the next bodies."""
        self._faults.append(_Fault("garble", times, path))

    def hang_up(self, *, times: int = 1, path: str | None = None) -> None:
        """Close the next connections without a word."""
        self._faults.append(_Fault("hang_up", times, path))

    # Answering

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        query = _query(parts.query)
        with self._lock:
            fault = self._fault(parts.path)
        if fault is not None and fault.kind == "delay":
            time.sleep(fault.seconds)
        if fault is not None and fault.kind == "hang_up":
            self._note(parts.path, query, 0, handler)
            handler.close_connection = True
            return
        answer = self._answer(parts.path, query, handler, fault)
        self._note(parts.path, query, answer.status, handler)
        # Who asked may have gone away.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._send(handler, answer, cut=fault is not None and fault.kind == "truncate")

    def _answer(self, path: str, query: Query, handler: BaseHTTPRequestHandler, fault: _Fault | None) -> _Answer:
        if fault is not None and fault.kind == "status":
            wait = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
            return _Answer(fault.status, b'{"message": "a fault of the replay"}', wait)
        if fault is not None and fault.kind == "garble":
            return _Answer(200, b"<html><body>We'll be right back</body></html>")
        made = self._answers(path, dict(query)) if self._answers is not None else None
        if made is not None:
            return self._validated(handler, made.encode(), None)
        with self._lock:
            capture = self._current(path, query)
        if capture is None:
            return _Answer(404, b'{"messageNumber": 10, "message": "Object not found"}')
        body = self._body(capture.file, capture.name, capture.key)
        return self._validated(handler, body, capture.captured_at)

    def _validated(self, handler: BaseHTTPRequestHandler, body: bytes, modified: datetime | None) -> _Answer:
        if not self._validators:
            return _Answer(200, body)
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        headers = {"ETag": etag}
        if modified is not None:
            headers["Last-Modified"] = email.utils.format_datetime(modified.astimezone(timezone.utc), usegmt=True)
        known, since = handler.headers.get("If-None-Match"), handler.headers.get("If-Modified-Since")
        # As HTTP has it: where the ETag is asked for, the time does not count.
        same = known == etag if known is not None else since is not None and since == headers.get("Last-Modified")
        return _Answer(304, b"", headers) if same else _Answer(200, body, headers)

    def _current(self, path: str, query: Query) -> _Capture | None:
        """Return the capture of a request that is served now."""
        shaped = tuple((name, value) for name, value in query if name not in self._shaping)
        key = (path, query) if (path, query) in self._captures else (path, shaped)
        captures = self._captures.get(key, [])
        if self._by_requests:
            self._served[key] += 1
            return captures[min(self._served[key], len(captures)) - 1] if captures else None
        if self._speed is not None:
            captures = [capture for capture in captures if capture.captured_at <= self.now()]
        return captures[-1] if captures else None

    @staticmethod
    def _send(handler: BaseHTTPRequestHandler, answer: _Answer, *, cut: bool) -> None:
        body = answer.body
        handler.send_response(answer.status)
        handler.send_header("Content-Type", "application/json;charset=UTF-8")
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        if "gzip" in handler.headers.get("Accept-Encoding", "") and body:
            body = gzip.compress(body, 1)
            handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            handler.close_connection = True

    def _fault(self, path: str) -> _Fault | None:
        for fault in self._faults:
            if fault.path in (None, path):
                fault.left -= 1
                if fault.left <= 0:
                    self._faults.remove(fault)
                return fault
        return None

    def _note(self, path: str, query: Query, status: int, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append(Request(path, query, status, dict(handler.headers.items())))

    # The captures

    def _index(self, addresses: Iterable[str]) -> dict[tuple[str, Query], list[_Capture]]:
        found: dict[tuple[str, Query], list[_Capture]] = {}
        for file in (file for address in addresses for file in capture_files(address)):
            for name, text in texts(file):
                capture = json.loads(text)
                envelope = envelope_of(capture)
                url = envelope.get("url")
                if not is_envelope(capture) or not isinstance(url, str):
                    self.skipped.append(name)
                    continue
                parts = urlsplit(url)
                modified = datetime.fromtimestamp(Path(file).stat().st_mtime, timezone.utc)
                moment = moment_of(envelope.get("captured_at")) or modified
                key = "response" if isinstance(capture.get("response"), dict) else "data"
                place = (parts.path, _query(parts.query))
                found.setdefault(place, []).append(_Capture(name, file, key, moment))
        for captures in found.values():
            captures.sort(key=lambda one: (one.captured_at, one.name))
        return found


def _query(text: str) -> Query:
    """Return the parameters of a query, whatever their order."""
    return tuple(sorted(parse_qsl(text, keep_blank_values=True)))


def _response_text(file: str, name: str, key: str) -> bytes:
    """Return the response of a capture, byte for byte as it stands in the envelope."""
    text = next(text for found, text in texts(file) if found == name)
    decoder = json.JSONDecoder()
    end = text.index("{") + 1
    while True:
        member, end = decoder.raw_decode(text, _next(text, end))
        begin = _next(text, end)
        _, end = decoder.raw_decode(text, begin)
        if member == key:
            return text[begin:end].encode()


def _next(text: str, position: int) -> int:
    """Return where the next key or value begins: after white space, a colon or a comma."""
    while text[position] in " \t\r\n:,":
        position += 1
    return position


def main(arguments: list[str] | None = None) -> int:
    """Serve captures until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m mlbsdk.testing.replay", description=__doc__.splitlines()[0])
    parser.add_argument("captures", nargs="+", help="files, folders or globs of captures in envelopes")
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--speed", type=float, help="replay in time, so many times faster than it was")
    parser.add_argument("--begin", type=moment_of, help="where the clock begins, such as 2024-07-13T01:30:00Z")
    parser.add_argument("--by-requests", action="store_true", help="the next capture with each request")
    given = parser.parse_args(arguments)
    from mlbsdk.errors import MlbsdkError

    try:
        server = ReplayServer(
            *given.captures,
            speed=given.speed,
            begin=given.begin,
            by_requests=given.by_requests,
            host=given.host,
            port=given.port,
        )
        with server:
            sys.stdout.write(f"{server.url}\n")
            sys.stdout.flush()
            for name in server.skipped:
                sys.stderr.write(f"note: {name} says no address, and is not served\n")
            threading.Event().wait()
    except MlbsdkError as problem:
        sys.stderr.write(f"error: {problem}\n")
        return problem.exit_code
    except OSError as problem:
        sys.stderr.write(f"error: can't listen on port {given.port}: {problem.strerror}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
