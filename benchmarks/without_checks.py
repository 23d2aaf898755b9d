"""The engine without its quality rules and its lineage: what the two cost is the difference.

Without means: no row is judged by a type, a length, a NOT NULL or a rule; ``lineage_metadata`` is the same constant in
every row; no listener and no reporter is told of the run. The columns, the rows, the report and the check of primary
keys (which a store needs in any case) stay. All else is the same code.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mlbsdk.mapping.plan import LINEAGE, LINEAGE_FIELDS, TRANSFORMED_AT, Table
from mlbsdk.plugins import Plugins
from mlbsdk.runtime import cut
from mlbsdk.runtime.cut import Place, RunStamp
from mlbsdk.runtime.sql import literal, name, select


@contextmanager
def without_checks() -> Iterator[Plugins]:
    """Let runs inside do without, with the plugins that this gives.

    Raises:
        RuntimeError: no table was cut in this way: the engine has changed, and the figure would be of a whole run.
    """
    original = cut.query
    calls = 0

    def unjudged(table: Table, parsed: str, stamp: RunStamp, place: Place = cut.in_document) -> str:
        nonlocal calls
        calls += 1
        # What is not selected Spark does not compute: neither the checks nor the lineage of the query inside.
        columns = [name(column.name) for column in table.columns]
        return select([*columns, f"{_CONSTANT} AS {LINEAGE}"], original(table, parsed, stamp, place))

    holders = [module for module in list(sys.modules.values()) if getattr(module, "query", None) is original]
    for module in holders:
        module.query = unjudged  # type: ignore[attr-defined]
    try:
        yield _without_listeners()
    finally:
        for module in holders:
            module.query = original  # type: ignore[attr-defined]
    if not calls:
        raise RuntimeError("no table was cut without its checks: mlbsdk.runtime.cut.query is not what cuts them now")


def _without_listeners() -> Plugins:
    plugins = Plugins.load()
    plugins.listeners = lambda: ()  # type: ignore[method-assign]
    plugins.reporters = lambda: ()  # type: ignore[method-assign]
    return plugins


def _constant_of(kind: str) -> str:
    return {"string": "''", "boolean": "true", "array<string>": "cast(array() AS array<string>)"}.get(kind, "NULL")


_VALUES = {
    field: TRANSFORMED_AT if field == TRANSFORMED_AT else _constant_of(kind) for field, kind in LINEAGE_FIELDS.items()
}
_CONSTANT = f"named_struct({', '.join(f'{literal(field)}, {value}' for field, value in _VALUES.items())})"
