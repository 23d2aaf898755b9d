"""Fetches documents into a raw store: only what is new, and each capture whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any

from mlbsdk.plugin import FetchError, Plugins, RawCapture, RawRequest, StoredCapture, open_raw_store
from mlbsdk_plugin_statsapi import bodies
from mlbsdk_plugin_statsapi.client import Answer, Client, NotThereError
from mlbsdk_plugin_statsapi.endpoints import Request
from mlbsdk_plugin_statsapi.options import FetchOptions
from mlbsdk_plugin_statsapi.progress import Progress
from mlbsdk_plugin_statsapi.report import FetchReport

#: Says of a response's JSON and the moment it came whether the document will not change any more.
IsFinal = Callable[[Any, datetime], bool]
#: So many requests in a row that fail, each after all its tries, and the fetch ends: the API is down.
_FAILURES_IN_A_ROW = 3


class GivenUpError(FetchError):
    """Too many requests failed, one after another."""


@dataclass(frozen=True)
class Found:
    """A document as it is now. ``parsed`` is its JSON, or None where nobody asked for it and it was not read."""

    parsed: Any
    is_new: bool


def never(parsed: Any, captured_at: datetime) -> bool:
    """Say that a document may change at any time."""
    return False


class Fetcher:
    """One fetch: a client, a store and the figures; a context that stores what is pending when it ends, in any way.

    Args:
        name: what is fetched, for people.
        options: from where, to where, how.
        progress: what a person sees.
    """

    def __init__(self, name: str, options: FetchOptions, progress: Progress) -> None:
        self.report = FetchReport(name=name, to=options.to)
        self.clock = options.clock
        self.plugins = Plugins.load()
        self._options = options
        self._progress = progress
        self._client = Client(options, self.report)
        self._store = open_raw_store(options.to, self.plugins)
        self._pending: dict[str, RawCapture] = {}
        self._known: dict[str, StoredCapture | None] = {}
        self._failures = 0
        self._started = options.clock.monotonic()
        progress.begin(self.report)

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        try:
            self.flush()
        finally:
            self._client.close()
            self._progress.stop()
            self.report.duration_s = self.clock.monotonic() - self._started
            stopped = kind is not None and not issubclass(kind, Exception)
            failed = bool(kind or self.report.failed)
            self.report.status = "stopped" if stopped else "failed" if failed else "completed"
        # Whoever gave up has told why in the report.
        return isinstance(error, GivenUpError)

    def show(self, text: str, done: int = 0, total: int | None = None) -> None:
        """Show a person what is being fetched."""
        self._progress.show(text, done, total)

    def prepare(self, requests: Iterable[Request]) -> None:
        """Look up in the store, at once, what is known of documents that will be asked for."""
        unknown = {one.raw.key: one.raw for one in requests if one.raw.key not in self._known}
        if unknown:
            found = self._store.newest(list(unknown.values()))
            self._known |= {key: found.get(key) for key in unknown}

    def document(self, request: Request, is_final: IsFinal = never, *, read: bool = False) -> Found | None:
        """Fetch a document, and count what became of it.

        Args:
            request: what to ask for.
            is_final: says of a response whether it will not change any more; then it is not asked for again.
            read: whether its JSON is wanted also where it did not change.

        Returns:
            None where the API has not got it, or did not answer; the report says why.

        Raises:
            GivenUpError: several requests in a row failed.
            WriteError: the store can't be written.
        """
        try:
            found = self.ask(request, is_final, read=read)
        except NotThereError as problem:
            self.report.missing += 1
            self.report.notes.append(problem.message)
            self._failures = 0
            return None
        except FetchError as problem:
            self.failed(problem)
            self._failures += 1
            if self._failures >= _FAILURES_IN_A_ROW:
                text = f"given up: {self._failures} requests in a row failed"
                self.report.errors.append(text)
                raise GivenUpError(text) from problem
            return None
        self._failures = 0
        return found

    def failed(self, problem: FetchError) -> None:
        """Count a document that could not be had."""
        self.report.failed += 1
        self.report.errors.append(str(problem))

    def ask(self, request: Request, is_final: IsFinal = never, *, read: bool = False) -> Found:
        """Fetch a document; as :meth:`document`, but errors are raised.

        Raises:
            FetchError: the API has not got it (NotThereError), or did not answer.
        """
        self.prepare([request])
        known = self._known[request.raw.key]
        if known is not None and known.is_final and not self._options.again:
            self.report.skipped += 1
            return Found(self._read(request.raw) if read else None, is_new=False)
        answer = self._client.get(request, known)
        if answer.body is None:
            self.report.unchanged += 1
            return Found(self._read(request.raw) if read else None, is_new=False)
        capture = _capture(request.raw, answer, is_final)
        if known is not None and known.digest == capture.digest and known.is_final == capture.is_final:
            self.report.unchanged += 1
            return Found(answer.parsed, is_new=False)
        self._keep(capture)
        return Found(answer.parsed, is_new=True)

    def flush(self) -> None:
        """Store what is pending.

        Raises:
            WriteError: the store can't be written.
        """
        if self._pending:
            captures = list(self._pending.values())
            self._store.append(captures)
            self.report.stored += len(captures)
            self._pending.clear()

    def _keep(self, capture: RawCapture) -> None:
        key = capture.request.key
        if key in self._pending:  # both shall be stored, in their order
            self.flush()
        self._pending[key] = capture
        self._known[key] = capture.stored
        if len(self._pending) >= self._store.batch:
            self.flush()

    def _read(self, request: RawRequest) -> Any:
        pending = self._pending.get(request.key)
        body = pending.body if pending else self._store.body(request)
        return json.loads(body) if body is not None else None


def _capture(request: RawRequest, answer: Answer, is_final: IsFinal) -> RawCapture:
    assert answer.body is not None
    return RawCapture(
        request=request,
        captured_at=answer.captured_at,
        url=answer.url,
        status_code=answer.status_code,
        body=answer.body,
        digest=bodies.digest(f"{request.endpoint}.{request.method}", answer.parsed),
        etag=answer.etag,
        last_modified=answer.last_modified,
        is_final=is_final(answer.parsed, answer.captured_at),
        elapsed_ms=answer.elapsed_ms,
    )
