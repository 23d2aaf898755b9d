"""Raw tables as a store of captures, for ``mlbsdk fetch``: the mapping's ``raw_table``, inserted into."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

import psycopg
from psycopg import sql

from mlbsdk.plugin import (
    ConfigurationError,
    Plugins,
    RawCapture,
    RawRequest,
    SourceError,
    StoredCapture,
    TargetUnwritableError,
    TransformMapping,
    WriteError,
    comparable,
    load_mapping,
)
from mlbsdk_plugin_postgres import raw_table
from mlbsdk_plugin_postgres.connection import Database, explained
from mlbsdk_plugin_postgres.raw_load import Capture, insert_all, stage

_NEWEST = """
    SELECT DISTINCT ON (fetched ->> 'request') fetched ->> 'request', captured_at, fetched FROM {table}
    WHERE fetched ->> 'request' = ANY (%s) ORDER BY fetched ->> 'request', captured_at DESC, id DESC
"""
_BODY = "SELECT data::text FROM {table} WHERE fetched ->> 'request' = %s ORDER BY captured_at DESC, id DESC LIMIT 1"


class PostgresRawStore:
    """Raw tables of a database. A row has in its column ``fetched`` what only fetching needs.

    PostgreSQL keeps the JSON of a response, not its text: numbers and order may be written otherwise.

    Args:
        address: ``postgresql://user@host/database``, with ``?table=schema.name`` for one table for all captures.
    """

    batch = 10

    def __init__(self, address: str) -> None:
        self._database = Database.parse(address)
        self._mappings: dict[tuple[str, str], TransformMapping] | None = None
        self._with_fetched: set[str] = set()

    def prepare(self) -> None:
        """Check that the database can be reached.

        Raises:
            TargetUnwritableError: it can't.
        """
        with explained(f"can't store captures in {self._database.shown}", TargetUnwritableError):
            self._database.connect().close()

    def append(self, captures: Sequence[RawCapture]) -> None:
        """Insert captures in one transaction; tables are made where they are missing.

        Raises:
            ConfigurationError: no plugin has a mapping that names the raw table of a capture.
            RawSchemaError: a table that is there can't take captures.
            WriteError: they can't be inserted; none of them is there.
        """
        rows = [self._row(capture) for capture in captures]
        what = f"can't store captures in {self._database.shown}"
        with explained(what, WriteError), self._database.connect() as connection:
            for table in dict.fromkeys(self._table(capture.request) for capture in captures):
                self._ensure_fetched(connection, table)
            stage(connection, rows, self._database.parameters.get("table"))
            insert_all(connection)

    def newest(self, requests: Collection[RawRequest]) -> Mapping[str, StoredCapture]:
        """Return what is known of the newest capture of each request, by the request's key.

        Raises:
            ConfigurationError: as :meth:`append`.
            SourceError: the table can't be read.
        """
        by_table: dict[str, list[str]] = {}
        for request in requests:
            by_table.setdefault(self._table(request), []).append(request.key)
        found = {}
        with explained(f"can't read {self._database.shown}", SourceError), self._database.connect() as connection:
            for table, keys in by_table.items():
                query = self._query(connection, table, _NEWEST)
                rows = connection.execute(query, (keys,)).fetchall() if query else []
                for key, captured_at, known in rows:
                    stored = StoredCapture.of(captured_at, known) if captured_at else None
                    if stored is not None:
                        found[str(key)] = stored
        return found

    def body(self, request: RawRequest) -> str | None:
        """Return the response of the newest capture of a request; raises as :meth:`newest`."""
        with explained(f"can't read {self._database.shown}", SourceError), self._database.connect() as connection:
            query = self._query(connection, self._table(request), _BODY)
            row = connection.execute(query, (request.key,)).fetchone() if query else None
            return str(row[0]) if row else None

    def _row(self, capture: RawCapture) -> Capture:
        request = capture.request
        return Capture(
            name=str(request),
            mapping=self._mapping(request),
            captured_at=capture.captured_at,
            captured_from="envelope",
            endpoint=request.endpoint,
            method=request.method,
            params=request.params,
            url=capture.url,
            status_code=capture.status_code,
            fetched=json.dumps(capture.fetched),
            response_key=None,
            text=capture.body,
        )

    def _table(self, request: RawRequest) -> str:
        return self._database.parameters.get("table") or self._mapping(request).source.raw_table

    def _mapping(self, request: RawRequest) -> TransformMapping:
        if self._mappings is None:
            found = [load_mapping(declared).mapping for declared in Plugins.load().transforms()]
            self._mappings = {
                (mapping.source.endpoint.lower(), comparable(method)): mapping
                for mapping in found
                for method in mapping.methods
            }
        mapping = self._mappings.get((request.endpoint.lower(), comparable(request.method)))
        if mapping is None:
            raise ConfigurationError(
                f"no plugin has a mapping of {request.endpoint}.{request.method}, which would name its raw table",
                fix="Fetch it into a folder, delta: or avro: instead.",
            )
        return mapping

    def _query(self, connection: psycopg.Connection, table: str, template: str) -> sql.Composed | None:
        """Return a query of a raw table; None where nothing was fetched into it yet."""
        schema, name = raw_table.split_name(table)
        row = connection.execute(
            "SELECT FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'fetched' AND NOT attisdropped",
            (sql.Identifier(schema, name).as_string(connection),),
        ).fetchone()
        return sql.SQL(template).format(table=sql.Identifier(schema, name)) if row is not None else None

    def _ensure_fetched(self, connection: psycopg.Connection, table: str) -> None:
        """Have a raw table with the column ``fetched``, which tables of mlbsdk 0.1 lack."""
        if table in self._with_fetched:
            return
        raw_table.create(connection, table)
        found = raw_table.find(connection, table)
        if "fetched" not in found.columns:
            connection.execute(sql.SQL("ALTER TABLE {} ADD COLUMN fetched jsonb").format(found.identifier))
        index = sql.Identifier(f"{found.name[:40]}_fetched_request")
        template = "CREATE INDEX IF NOT EXISTS {} ON {} ((fetched ->> 'request'))"
        connection.execute(sql.SQL(template).format(index, found.identifier))
        self._with_fetched.add(table)
