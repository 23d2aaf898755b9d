"""A few rows of a table, looked up by the values of columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.rows import dict_row

from mlbsdk.plugin import ConfigurationError, SourceError, did_you_mean, shortened
from mlbsdk_plugin_postgres.catalog import read
from mlbsdk_plugin_postgres.connection import Database, reason

_LENGTH = re.compile(r"\(\d+(,-?\d+)?\)")


def rows(
    connection: psycopg.Connection, database: Database, table: str, equal: Mapping[str, str], limit: int
) -> list[dict[str, Any]]:
    """Return the first rows of a table whose columns have these values; see ``mlbsdk.plugin.RowFinder``."""
    stored = read(connection, table)
    if stored is None:
        raise SourceError(
            f"the database {database.shown} has no table '{table}'",
            fix="Name another table, or run its transform first.",
        )
    unknown = next((name for name in equal if name not in stored.columns), None)
    if unknown is not None:
        raise ConfigurationError(
            f"'{table}' has no column '{unknown}'.{did_you_mean(unknown, stored.columns)}",
            fix=f"It has {shortened(list(stored.columns), 12)}.",
        )
    conditions: list[sql.Composable] = [sql.SQL("true")]
    # The catalogue spells the type, so that an index on the column is used.
    conditions += [
        sql.SQL("{} = {}::{}").format(sql.Identifier(name), sql.Placeholder(), _type(stored.columns[name]))
        for name in equal
    ]
    statement = sql.SQL("SELECT * FROM {} WHERE {} LIMIT {}").format(
        sql.Identifier(*table.split(".", 1)), sql.SQL(" AND ").join(conditions), limit
    )
    try:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement, list(equal.values())).fetchall()
    except errors.DataError as problem:
        raise ConfigurationError(f"a value does not fit its column in '{table}': {reason(problem)}") from problem


def _type(spelled: str) -> sql.SQL:
    """Return a column's type without its length, with which a longer value would be cut until it fits.

    The catalogue spells it, with identifiers quoted.
    """
    return sql.SQL(_LENGTH.sub("", spelled))
