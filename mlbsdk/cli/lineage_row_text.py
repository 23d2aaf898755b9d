"""What ``mlbsdk lineage row`` found, as lines for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mlbsdk.cli.columns import aligned
from mlbsdk.lineage.capture import CaptureFound
from mlbsdk.lineage.row import KeysFound, RowLineage, ValueFound
from mlbsdk.lineage.terminal import escaped

#: Characters of a value, and lines of the capture's JSON, that a person is shown.
_WIDTH, _LINES = 48, 40


def lines_of(found: RowLineage | KeysFound) -> list[str]:
    """Return the lines."""
    if isinstance(found, KeysFound):
        more = "" if found.is_all else ", and there are more"
        keys = [",".join(f"{name}={value}" for name, value in key.items()) for key in found.keys]
        return [
            f"{len(keys)} rows of {found.table} have that key{more}; name one:",
            *(f"  {escaped(key)}" for key in keys),
        ]
    return [escaped(line) for line in _row(found)]


def _row(found: RowLineage) -> Iterator[str]:
    yield f"{found.table}  {', '.join(f'{name}={value}' for name, value in found.key.items())}"
    yield f"in      {found.target}"
    yield ""
    yield from _capture(found.capture)
    if found.place is not None:
        yield f"place   {found.place or 'the whole document'}"
    yield ""
    run = found.run
    yield f"run     {run.get('run_id') or 'not recorded'}"
    if "status" in run:
        yield f"        {run['status']}, began {run['started_at']}, {run['duration_s']:.1f} s, read {run['source']}"
    yield f"        {run.get('job')} at {run.get('transformed_at')}"
    yield ""
    failed = [rule for rule in found.rules if not rule.held]
    yield f"rules   {len(found.rules)} asked, {len(failed)} failed"
    for rule in failed:
        yield f"        {rule.severity or 'check'} {rule.name}: {rule.asks}  {rule.reason}".rstrip()
    yield ""
    yield from aligned([("COLUMN", "VALUE", "CAPTURED", "FROM"), *map(_value, found.values)])
    if found.json_text is not None:
        lines = found.json_text.splitlines()
        yield ""
        yield f"{found.place or 'the document'} of the capture:"
        yield from lines[:_LINES]
        if len(lines) > _LINES:
            yield f"... {len(lines) - _LINES} more lines; --json has them"


def _capture(capture: CaptureFound) -> Iterator[str]:
    yield f"capture {capture.row_id or 'not recorded'}"
    if capture.place not in ("", capture.row_id):
        yield f"        in {capture.place}"
    if capture.captured_at:
        yield f"        captured at {capture.captured_at}"
    if capture.url:
        status = f" ({capture.status_code})" if capture.status_code is not None else ""
        yield f"        {capture.url}{status}"
    if capture.endpoint or capture.method:
        params = " ".join(f"{name}={_text(value)}" for name, value in capture.params.items())
        yield f"        {capture.endpoint or '?'}.{capture.method or '?'} {params}".rstrip()
    if capture.problem:
        yield f"        nothing more is known of it: {capture.problem}"


def _value(found: ValueFound) -> tuple[str, str, str, str]:
    if found.kind == "expression":
        source = f"{found.text}  of {', '.join(found.paths)}" if found.paths else found.text
    elif found.kind == "request":
        source = f"raw row: {found.text}"
    elif found.kind in ("position", "key"):
        source = f"{found.kind} in {found.place or ', '.join(found.paths)}"
    else:
        source = found.place or ", ".join(found.paths)
    captured = "" if found.place is None or found.kind != "value" else _text(found.captured)
    # What it comes from is last: expressions are long, and would push the rest out of a terminal.
    return found.column, _text(found.value), "" if captured == _text(found.value) else captured, source


def _text(value: Any) -> str:
    """Return a value on one line, cut where it is long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = escaped(text)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
