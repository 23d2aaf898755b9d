"""Captures of files into raw tables: by COPY, without Spark, all of a call in one transaction."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from mlbsdk.plugin import (
    Place,
    RawSchemaError,
    SourceError,
    TargetUnwritableError,
    TransformMapping,
    comparable,
    document_key,
    envelope_of,
    response_of,
    row_places,
    texts,
)
from mlbsdk_plugin_postgres import raw_table
from mlbsdk_plugin_postgres.connection import Database, explained, reason
from mlbsdk_plugin_postgres.raw_table import RawTable

_STAGING = """
    CREATE TEMPORARY TABLE mlbsdk_captures (
        number int PRIMARY KEY, name text, target text, transform text, captured_at timestamptz, is_stated boolean,
        endpoint text, method text, params text, url text, status_code int,
        fetched text, response_key text, capture text
    ) ON COMMIT DROP;
    ALTER TABLE mlbsdk_captures ALTER capture SET STORAGE EXTERNAL -- compressing what is read once takes longer
"""
#: What a raw table may have, from a row of ``captures``. Two captures are the same where all but the time at which
#: the file was written is.
_VALUES = {
    "captured_at": "captured_at",
    "endpoint": "endpoint",
    "method": "method",
    "params": "params::jsonb",
    "url": "url",
    "status_code": "status_code",
    "fetched": "fetched::jsonb",
    "data": "document",
    "digest": (
        "sha256(convert_to(concat_ws(chr(31), transform, coalesce(params::jsonb::text, ''), "
        "coalesce(status_code::text, ''), CASE WHEN is_stated THEN extract(epoch FROM captured_at)::text ELSE '' END, "
        "document::text), 'UTF8'))"
    ),
}
_PATTERN = re.compile(r"'(?P<text>[^']*)'|(?P<letters>(?P<letter>[A-Za-z])(?P=letter)*)|(?P<other>.)", re.DOTALL)
_STRPTIME = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S", "SSS": "%f", "SSSSSS": "%f"}


@dataclass(frozen=True)
class Rejected:
    """A capture that was not loaded."""

    capture: str
    reason: str


@dataclass
class TableLoaded:
    """What became of the captures for one raw table."""

    loaded: int = 0
    already_there: int = 0


@dataclass
class LoadReport:
    """What a call loaded."""

    to: str
    tables: dict[str, TableLoaded] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the report as the ``--json`` object, format version 1."""
        return {
            "version": 1,
            "to": self.to,
            "tables": {name: asdict(table) for name, table in self.tables.items()},
            "rejected": [asdict(one) for one in self.rejected],
            "notes": self.notes,
        }


@dataclass(frozen=True)
class Capture:
    """One row of a raw table, and which one."""

    name: str
    mapping: TransformMapping
    captured_at: datetime | None
    captured_from: str
    """envelope, document, file; unknown where only a run can tell."""
    endpoint: str
    method: str
    params: str | None
    url: str | None
    status_code: int | None
    fetched: str | None
    """What only ``mlbsdk fetch`` needs to know, as JSON."""
    response_key: str | None
    """The key of the response in an envelope; None for a bare response."""
    text: str


class _Refused(Exception):
    """Why a text is no capture for a raw table."""


class Loader:
    """Loads captures into the raw tables of a database.

    Args:
        database: where to.
        mappings: the mappings whose captures are known, by name.
        only: the name of the mapping that all captures are of; None: their envelopes say.
    """

    def __init__(self, database: Database, mappings: Mapping[str, TransformMapping], only: str | None) -> None:
        self._database = database
        self._mappings = mappings
        self._only = only
        self._by_request = {
            (mapping.source.endpoint.lower(), comparable(method)): mapping
            for mapping in mappings.values()
            for method in mapping.methods
        }

    def load(self, files: Sequence[str]) -> LoadReport:
        """Load the captures of files, those that are not in their table already.

        Raises:
            TargetUnwritableError: the database can't be reached or written; nothing was loaded.
            RawSchemaError: a table that is there can't take captures; nothing was loaded.
        """
        report = LoadReport(self._database.shown)
        what = f"can't load captures into {self._database.shown}"
        with explained(what, TargetUnwritableError), self._database.connect() as connection:
            self._stage(connection, files, report)
            try:
                with connection.transaction():
                    report.tables = insert_all(connection)
            except psycopg.DataError:
                _refuse_what_is_no_json(connection, report)
                report.tables = insert_all(connection)
        return report

    def _stage(self, connection: psycopg.Connection, files: Sequence[str], report: LoadReport) -> None:
        captured_from: Counter[str] = Counter()

        def counted() -> Iterator[Capture]:
            for capture in self._captures(files, report):
                captured_from[capture.captured_from] += 1
                yield capture

        stage(connection, counted(), self._database.parameters.get("table"))
        if captured_from["file"]:
            report.notes.append(
                f"{captured_from['file']} of {captured_from.total()} captures carry no capture time: "
                "their file's modification time was taken"
            )

    def _captures(self, files: Sequence[str], report: LoadReport) -> Iterator[Capture]:
        for file in files:
            try:
                for name, text in texts(file):
                    try:
                        yield self._capture(file, name, text)
                    except _Refused as problem:
                        report.rejected.append(Rejected(name, str(problem)))
            except SourceError as problem:
                report.rejected.append(Rejected(file, problem.message))

    def _capture(self, file: str, name: str, text: str) -> Capture:
        try:
            found = json.loads(text, parse_float=str)
        except (ValueError, RecursionError) as problem:
            raise _Refused(f"it is not JSON, or is cut off: {problem}") from problem
        if not isinstance(found, dict):
            raise _Refused("it is JSON, but no object")
        if "\x00" in text:
            raise _Refused("it holds the character U+0000, which PostgreSQL can't store")
        envelope = envelope_of(found)
        mapping = self._mapping_of(envelope)
        status = _status(envelope)
        params = _params(envelope)
        _check_key(mapping, response_of(found), params or {})
        captured_at, captured_from = _captured_at(file, envelope, response_of(found), mapping)
        return Capture(
            name=name,
            mapping=mapping,
            captured_at=captured_at,
            captured_from=captured_from,
            endpoint=_text(envelope.get("endpoint")) or mapping.source.endpoint,
            method=_text(envelope.get("method")) or mapping.source.method,
            params=None if params is None else json.dumps(params),
            url=_text(envelope.get("url")),
            status_code=status,
            fetched=json.dumps(envelope["fetched"]) if isinstance(envelope.get("fetched"), dict) else None,
            response_key=("response" if isinstance(found.get("response"), dict) else "data") if envelope else None,
            text=text,
        )

    def _mapping_of(self, envelope: Mapping[str, Any]) -> TransformMapping:
        endpoint, method = _text(envelope.get("endpoint")), _text(envelope.get("method"))
        only = self._mappings[self._only] if self._only else None
        if endpoint is None or method is None:
            if only is None:
                raise _Refused("it is a bare response, which does not say of what: load it with --name ENDPOINT.METHOD")
            return only
        found = self._by_request.get((endpoint.lower(), comparable(method)))
        if only is not None and found is not only:
            raise _Refused(f"it is a response of {endpoint}.{method}, not of {only.name}")
        if found is None:
            raise _Refused(f"it is a response of {endpoint}.{method}, of which no plugin has a mapping")
        return found


def stage(connection: psycopg.Connection, captures: Iterable[Capture], table: str | None) -> None:
    """Copy captures into a temporary table, for :func:`insert_all`.

    Args:
        connection: in a transaction.
        captures: the captures.
        table: the raw table of all; None: their mappings name it.
    """
    connection.execute(_STAGING)
    with connection.cursor() as cursor, cursor.copy("COPY mlbsdk_captures FROM STDIN") as copy:
        for number, capture in enumerate(captures):
            copy.write_row(
                (
                    number,
                    capture.name,
                    table or capture.mapping.source.raw_table,
                    capture.mapping.name,
                    capture.captured_at,
                    capture.captured_from == "envelope",
                    capture.endpoint,
                    capture.method,
                    capture.params,
                    capture.url,
                    capture.status_code,
                    capture.fetched,
                    capture.response_key,
                    capture.text,
                )
            )


def insert_all(connection: psycopg.Connection) -> dict[str, TableLoaded]:
    """Move staged captures into their tables, those that are not there already.

    Raises:
        RawSchemaError: a table that is there can't take them.
        psycopg.DataError: a capture is no JSON that PostgreSQL can store.
    """
    targets = connection.execute("SELECT target, count(*) FROM mlbsdk_captures GROUP BY target ORDER BY target")
    found = {}
    for target, count in targets.fetchall():
        loaded = _insert(connection, target)
        found[target] = TableLoaded(loaded, count - loaded)
    return found


def _insert(connection: psycopg.Connection, target: str) -> int:
    """Move staged captures into their table; return how many were new to it."""
    raw_table.create(connection, target)
    table = raw_table.find(connection, target)
    if "digest" not in table.columns:
        raise RawSchemaError(
            f"'{table}' has no column 'digest', so loading a capture again would double it",
            fix=f"ALTER TABLE {table} ADD COLUMN digest bytea UNIQUE; nothing was loaded.",
        )
    return connection.execute(_insert_query(table), (target,)).rowcount


def _insert_query(table: RawTable) -> sql.Composed:
    known = {key: expression for key, expression in _VALUES.items() if key in table.columns}
    values = [
        sql.SQL("({})::{}").format(sql.SQL(expression), sql.SQL(table.columns[key]))  # type names are the catalog's
        for key, expression in known.items()
    ]
    return sql.SQL(
        "INSERT INTO {table} ({columns}) SELECT {values} FROM ("
        "SELECT *, CASE WHEN response_key IS NULL THEN capture::jsonb ELSE capture::jsonb -> response_key END "
        "AS document "
        # OFFSET keeps PostgreSQL from parsing the text once for each use of it.
        "FROM mlbsdk_captures WHERE target = %s ORDER BY number OFFSET 0) AS captures ON CONFLICT (digest) DO NOTHING"
    ).format(
        table=table.identifier,
        columns=sql.SQL(", ").join(sql.Identifier(table.names[key]) for key in known),
        values=sql.SQL(", ").join(values),
    )


def _refuse_what_is_no_json(connection: psycopg.Connection, report: LoadReport) -> None:
    """Take out what PostgreSQL's jsonb does not take, such as a lone surrogate: it tells only of the first."""
    rows = connection.execute("SELECT number, name FROM mlbsdk_captures ORDER BY number").fetchall()
    for number, name in rows:
        try:
            with connection.transaction():
                query = "SELECT pg_column_size(capture::jsonb) FROM mlbsdk_captures WHERE number = %s"
                connection.execute(query, (number,))
        except psycopg.DataError as problem:
            report.rejected.append(Rejected(name, f"PostgreSQL can't store it: {reason(problem)}"))
            connection.execute("DELETE FROM mlbsdk_captures WHERE number = %s", (number,))


def _status(envelope: Mapping[str, Any]) -> int | None:
    try:
        status = int(envelope["status_code"])
    except (KeyError, TypeError, ValueError):
        return None
    if not 200 <= status <= 299:
        raise _Refused(f"the API answered with status {status}")
    return status


def _params(envelope: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return path and query parameters as one; path parameters win, they identify the document."""
    parts = [envelope.get(part) for part in ("query_params", "path_params")]
    found = [part for part in parts if isinstance(part, dict)]
    return {name: value for part in found for name, value in part.items()} if found else None


def _check_key(mapping: TransformMapping, response: Any, params: Mapping[str, Any]) -> None:
    """Refuse a document without its key, or where it has none without what rows are cut from: so would every run."""
    places = row_places(mapping) if mapping.source.capture_is == "list" else ()
    if places and all(_follow(response, place.path) is None for place in places):
        shown = " or ".join(place.in_response for place in places)
        raise _Refused(f"it has no {shown}: is it a response of {mapping.name}?")
    for key, place in document_key(mapping).items():
        if place is None or _value(place, response, params) is not None:
            continue
        if place.parameter is not None:
            raise _Refused(f"it has no request parameter {place.parameter}, which only an envelope carries")
        raise _Refused(f"it has no {key} at {place.in_response}: is it a response of {mapping.name}?")


def _value(place: Place, response: Any, params: Mapping[str, Any]) -> Any:
    return params.get(place.parameter) if place.parameter is not None else _follow(response, place.path)


def _follow(value: Any, path: Iterable[str | int]) -> Any:
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def _captured_at(
    file: str, envelope: Mapping[str, Any], response: Any, mapping: TransformMapping
) -> tuple[datetime | None, str]:
    """Return when a capture was made, and who says so."""
    stated = _iso(_text(envelope.get("captured_at")))
    if stated is not None:
        return stated, "envelope"
    spec = mapping.source.captured_at
    if spec is not None:
        from mlbsdk.plugin import parse_path

        text = _text(_follow(response, parse_path(spec.path).plain_steps))
        pattern = _strptime(spec.format)
        if text is not None and pattern is None:
            return None, "unknown"
        moment = _parsed(text, pattern) if text is not None and pattern is not None else None
        if moment is not None:
            return moment, "document"
    return datetime.fromtimestamp(Path(file).stat().st_mtime, timezone.utc), "file"


def _iso(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc) if moment else None


def _strptime(pattern: str) -> str | None:
    """Return a Spark datetime pattern as Python's; None where it has letters that have no equal."""
    found = ""
    for match in _PATTERN.finditer(pattern):
        if match["letters"]:
            if match["letters"] not in _STRPTIME:
                return None
            found += _STRPTIME[match["letters"]]
        else:
            found += (match["text"] or match["other"] or "'").replace("%", "%%")
    return found


def _parsed(text: str, pattern: str) -> datetime | None:
    try:
        return datetime.strptime(text, pattern).replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
