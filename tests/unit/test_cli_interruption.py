"""What py4j logs about an interruption is not shown; all else that it logs is."""

from __future__ import annotations

import logging

from mlbsdk.cli.main import _is_no_interruption


def record(message: str, problem: BaseException | None = None) -> logging.LogRecord:
    told = (type(problem), problem, None) if problem else None
    return logging.LogRecord("py4j.clientserver", logging.ERROR, __file__, 1, message, None, told)


def test_a_connection_lost_after_an_interruption_is_not_told() -> None:
    lost = ConnectionResetError("Connection reset by peer")
    lost.__context__ = KeyboardInterrupt()
    assert not _is_no_interruption(record("Exception occurred while shutting down connection", lost))
    assert not _is_no_interruption(record("KeyboardInterrupt while sending command."))


def test_a_connection_lost_of_itself_is_told() -> None:
    assert _is_no_interruption(record("Exception while sending command.", ConnectionResetError()))
    assert _is_no_interruption(record("Error while receiving."))
