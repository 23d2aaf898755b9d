"""The statements that take staged rows into a table: rows of a capture never replace those of a newer one.

The caller holds the locks of all tables, so that nobody else's run changes them in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from mlbsdk.plugin import CAPTURED_AT, PostgresTable, Table, TableWritten, postgres_names, postgres_quoted
from mlbsdk_plugin_postgres.staging import Staged


@dataclass(frozen=True)
class Documents:
    """The documents of a batch, staged with what the ledger says of them."""

    relation: str
    key: tuple[str, ...]
    has_replacing: bool
    has_stale: bool


def take(
    connection: psycopg.Connection,
    staged: Staged,
    documents: Documents | None,
    dropped: Sequence[str],
    *,
    joins: bool = False,
) -> TableWritten:
    """Take staged rows into their table.

    Args:
        connection: inside the batch's transaction.
        staged: the rows.
        documents: all documents of the batch, for a table that holds the rows of the newest capture only.
        dropped: columns that the mapping no longer has: null in what replaces a row, not the older capture's value.
        joins: whether the rows join those that are stored of their documents instead of replacing them.

    Returns:
        The rows inserted, updated, unchanged and deleted, as the database counts them.
    """
    statements = _Statements(staged, dropped)
    deleted = 0
    if documents is not None and joins:
        connection.execute(statements.forget_strange(documents))
    elif documents is not None:
        if documents.has_stale:
            connection.execute(statements.forget_stale(documents))
        if documents.has_replacing:
            deleted = connection.execute(statements.delete_vanished(documents)).rowcount
    updated = connection.execute(statements.update()).rowcount
    inserted = connection.execute(statements.insert()).rowcount
    return TableWritten(inserted, updated, staged.rows - inserted - updated, deleted)


class _Statements:
    """The SQL for one table; ``t`` is the table, ``s`` what is staged, ``d`` the documents."""

    def __init__(self, staged: Staged, dropped: Sequence[str]) -> None:
        self.table: Table = staged.table
        self.name = PostgresTable(staged.table).name
        self.columns = list(PostgresTable(staged.table).types())
        self.staging = staged.relation
        self.dropped = dropped
        self.on_key = _equal("t", "s", staged.table.primary_key)

    def forget_stale(self, documents: Documents) -> str:
        """Forget the rows of captures that are older than the newest one stored for their document."""
        of_document = _equal("s", "d", documents.key)
        return f"DELETE FROM {self.staging} s USING {documents.relation} d WHERE {of_document} AND d.__is_stale"

    def forget_strange(self, documents: Documents) -> str:
        """Forget the rows of documents that the store has not seen, or has seen a newer capture of."""
        of_document = _equal("s", "d", documents.key)
        return (
            f"DELETE FROM {self.staging} s USING {documents.relation} d "
            f"WHERE {of_document} AND (d.__is_stale OR d.__is_new)"
        )

    def delete_vanished(self, documents: Documents) -> str:
        """Delete what the newest capture of a document no longer holds."""
        of_document = _equal("t", "d", documents.key)
        return (
            f"DELETE FROM {self.name} t USING {documents.relation} d "
            f"WHERE {of_document} AND NOT d.__is_new AND NOT d.__is_stale "
            f"AND NOT EXISTS (SELECT FROM {self.staging} s WHERE {self.on_key})"
        )

    def update(self) -> str:
        """Update rows that differ, where the incoming capture is not older; a refused one may have no time."""
        changing = [name for name in self.columns if name not in self.table.primary_key]
        assignments = [f"{postgres_quoted(name)} = s.{postgres_quoted(name)}" for name in changing]
        assignments += [f"{postgres_quoted(name)} = NULL" for name in self.dropped]
        compared = [name for name in self.table.compared_columns if name not in self.table.primary_key]
        captured = postgres_quoted(CAPTURED_AT)
        return (
            f"UPDATE {self.name} t SET {', '.join(assignments)} FROM {self.staging} s "
            f"WHERE {self.on_key} AND (s.{captured} >= t.{captured} OR t.{captured} IS NULL) "
            f"AND ROW({postgres_names(compared, 't.')}) IS DISTINCT FROM ROW({postgres_names(compared, 's.')})"
        )

    def insert(self) -> str:
        """Insert the rows whose key is not there."""
        return (
            f"INSERT INTO {self.name} ({postgres_names(self.columns)}) SELECT {postgres_names(self.columns, 's.')} "
            f"FROM {self.staging} s WHERE NOT EXISTS (SELECT FROM {self.name} t WHERE {self.on_key})"
        )


def _equal(one: str, other: str, columns: Sequence[str]) -> str:
    return " AND ".join(f"{one}.{postgres_quoted(name)} = {other}.{postgres_quoted(name)}" for name in columns)
