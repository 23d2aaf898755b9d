"""Asks the API: paced, patient, and only for what is new."""

from __future__ import annotations

import contextlib
import email.utils
import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from mlbsdk.plugin import FetchError, StoredCapture
from mlbsdk_plugin_statsapi.clock import Pace
from mlbsdk_plugin_statsapi.endpoints import Request
from mlbsdk_plugin_statsapi.options import FetchOptions
from mlbsdk_plugin_statsapi.report import FetchReport

_CONNECT_S = 10.0
#: Longer than this nobody waits because an answer says so.
_LONGEST_WAIT_S = 300.0
_UNCHANGED = 304
#: Statuses that may pass: the API is slow, asked too often, or out of order.
_PASSING = (408, 425, 429)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Answer:
    """A response; ``body`` and ``parsed`` are None where the API says that nothing has changed."""

    status_code: int
    url: str
    captured_at: datetime
    """When it came, UTC."""
    elapsed_ms: int
    body: str | None
    parsed: Any
    etag: str | None
    last_modified: str | None


class NotThereError(FetchError):
    """The API has no such document (status 404 or 410)."""


class _MayPass(Exception):
    """Why a try failed, and how long the API wants to be left alone."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = wait_s


class Client:
    """A session with the API.

    Args:
        options: address, rate, patience.
        report: what is counted: requests, retries, bytes.
    """

    def __init__(self, options: FetchOptions, report: FetchReport) -> None:
        self._api = options.api
        self._options = options
        self._report = report
        self._clock = options.clock
        self._pace = Pace(options.per_second, options.clock)
        self._session = requests.Session()
        # Answers that are not asked for, such as a login page behind a redirect, are no JSON and told as such.
        self._session.headers["User-Agent"] = "mlbsdk-plugin-statsapi"
        self._session.headers["Accept"] = "application/json"
        if urlsplit(self._api).hostname in _LOOPBACK:
            self._session.trust_env = False  # a proxy of the environment does not know this machine's own servers
        self._backoff = wait_exponential_jitter(initial=1, max=30)

    def close(self) -> None:
        """Close connections."""
        self._session.close()

    def get(self, request: Request, known: StoredCapture | None) -> Answer:
        """Ask for a document.

        Args:
            request: the request.
            known: the newest capture that is stored; its ETag and time are sent, so that the API may say "unchanged".

        Raises:
            NotThereError: there is no such document.
            FetchError: the API refused, or did not answer rightly however often it was asked.
        """
        retrying = Retrying(
            stop=stop_after_attempt(self._options.attempts),
            retry=retry_if_exception_type(_MayPass),
            wait=self._wait,
            sleep=self._clock.sleep,
            before_sleep=self._count_retry,
            reraise=True,
        )
        try:
            return retrying(self._try, request, known)
        except _MayPass as problem:
            tries = "once" if self._options.attempts == 1 else f"{self._options.attempts} times"
            raise FetchError(
                f"{request.raw} failed: {problem.reason} (tried {tries})",
                where=self._shown(self._api + request.path),
                fix="Fetch again later: it goes on where it was.",
            ) from problem

    def _try(self, request: Request, known: StoredCapture | None) -> Answer:
        self._pace.wait()
        self._report.requests += 1
        headers = {}
        if known is not None and known.etag:
            headers["If-None-Match"] = known.etag
        if known is not None and known.last_modified:
            headers["If-Modified-Since"] = known.last_modified
        started = self._clock.monotonic()
        try:
            response = self._session.get(
                self._api + request.path, headers=headers, timeout=(_CONNECT_S, self._options.timeout_s)
            )
        except (requests.Timeout, requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as problem:
            raise _MayPass(_reason(problem)) from problem
        except requests.exceptions.ContentDecodingError as problem:
            raise _MayPass("the body could not be decompressed") from problem
        except requests.RequestException as problem:
            raise FetchError(f"{request.raw} can't be asked for: {_reason(problem)}") from problem
        captured_at = self._clock.now()
        elapsed_ms = round((self._clock.monotonic() - started) * 1000)
        self._report.bytes += len(response.content)
        body, parsed = self._judged(request, response, may_be_unchanged=bool(headers))
        return Answer(
            status_code=response.status_code,
            url=self._shown(response.url),
            captured_at=captured_at,
            elapsed_ms=elapsed_ms,
            body=body,
            parsed=parsed,
            etag=response.headers.get("ETag"),
            last_modified=response.headers.get("Last-Modified"),
        )

    def _judged(
        self, request: Request, response: requests.Response, *, may_be_unchanged: bool
    ) -> tuple[str | None, Any]:
        """Return the body as text and as JSON; both None for one that has not changed."""
        status = response.status_code
        if status == _UNCHANGED and may_be_unchanged:
            return None, None
        if status in _PASSING or status >= 500:
            raise self._passing(status, response.headers.get("Retry-After"))
        if status in (404, 410):
            raise NotThereError(f"the API has no {request.raw} (status {status})", where=self._shown(response.url))
        if not 200 <= status <= 299:
            raise FetchError(
                f"the API refused {request.raw} with status {status}{_told(response)}", where=self._shown(response.url)
            )
        try:
            body = response.content.decode("utf-8-sig")
            parsed = json.loads(body)
        except (ValueError, RecursionError) as problem:
            raise _MayPass(f"the body is no JSON, or is cut off: {problem}") from problem
        if not isinstance(parsed, dict | list):
            raise _MayPass("the body is JSON, but neither object nor array")
        return body, parsed

    def _passing(self, status: int, retry_after: str | None) -> _MayPass | FetchError:
        wait_s = self._seconds(retry_after)
        if wait_s > _LONGEST_WAIT_S:
            return FetchError(
                f"the API answered with status {status} and wants to be left alone for {wait_s:.0f} s",
                fix="Fetch again then: it goes on where it was. A lower --rate keeps this from happening.",
            )
        return _MayPass(f"the API answered with status {status}", wait_s)

    def _seconds(self, retry_after: str | None) -> float:
        """Return how long an answer asks to wait: in seconds, or until a moment."""
        if not retry_after:
            return 0.0
        if retry_after.strip().isdigit():
            return float(retry_after)
        with contextlib.suppress(TypeError, ValueError):
            moment = email.utils.parsedate_to_datetime(retry_after)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
            return max(0.0, (moment - self._clock.now()).total_seconds())
        return 0.0

    def _wait(self, state: RetryCallState) -> float:
        problem = state.outcome.exception() if state.outcome else None
        return max(float(self._backoff(state)), problem.wait_s if isinstance(problem, _MayPass) else 0.0)

    def _count_retry(self, state: RetryCallState) -> None:
        self._report.retries += 1

    @staticmethod
    def _shown(url: str) -> str:
        """Return an address without user and password: it is stored and shown."""
        parts = urlsplit(url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _reason(problem: BaseException) -> str:
    if isinstance(problem, requests.ConnectTimeout):
        return f"no connection within {_CONNECT_S:.0f} s"
    if isinstance(problem, requests.Timeout):
        return "no answer in time"
    text = str(problem)
    if "IncompleteRead" in text or isinstance(problem, requests.exceptions.ChunkedEncodingError):
        return "the body was cut off"
    if "refused" in text:
        return "the connection was refused"
    if "resolve" in text or "Name or service" in text:
        return "the host's name is not known"
    return type(problem).__name__


def _told(response: requests.Response) -> str:
    """Return what an error's body says, where it says it in the API's usual form."""
    try:
        message = response.json().get("message")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return f": {message[:200]}" if isinstance(message, str) else ""
