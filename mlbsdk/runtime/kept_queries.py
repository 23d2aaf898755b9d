"""Standing queries that a session keeps for runs of small batches one after another, as in a notebook or a season."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlbsdk.runtime.standing import StandingQueries

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mlbsdk.mapping.plan import Plan

#: So many mappings have their queries kept; the one that was used longest ago is let go.
MOST_KEPT = 4


@dataclass(frozen=True)
class _Key:
    """What the queries were made for: the session with all its settings, and the mapping with its tables."""

    session: str
    settings: int
    fingerprint: str
    tables: tuple[str, ...]


@dataclass
class _Kept:
    """The queries that are in no run now, the last used at the end."""

    free: dict[_Key, StandingQueries] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


_KEPT = _Kept()


@contextlib.contextmanager
def kept_queries(spark: SparkSession, plan: Plan) -> Iterator[StandingQueries]:
    """Give queries of a mapping that this session has run before, or new ones, to one run at a time.

    They are kept for the next run, unless this one fails: then nobody knows in which state they are.
    """
    with _KEPT.lock:
        queries = _KEPT.free.pop(_key(spark, plan), None)
    if queries is None:
        queries = StandingQueries(spark, plan)
    try:
        yield queries
    except BaseException:
        queries.close()
        raise
    # Its settings are looked up anew: Delta changes some for good when it is used at first.
    _put_back(_key(spark, plan), queries)


def _put_back(key: _Key, queries: StandingQueries) -> None:
    with _KEPT.lock:
        beside = _KEPT.free.pop(key, None)
        _KEPT.free[key] = queries
        too_many = list(_KEPT.free)[:-MOST_KEPT]
        gone = [beside, *(_KEPT.free.pop(old) for old in too_many)]
    for one in gone:
        if one is not None:
            one.close()


def _key(spark: SparkSession, plan: Plan) -> _Key:
    session: Any = spark._jsparkSession
    return _Key(
        session.sessionUUID(),
        session.conf().getAll().hashCode(),
        plan.fingerprint,
        tuple(table.name for table in plan.tables),
    )
