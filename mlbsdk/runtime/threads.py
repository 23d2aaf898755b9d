"""Work in a few threads: what waits for Spark waits side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from mlbsdk.mapping.plan import Table, longest_first
from mlbsdk.runtime.spark_lines import installed_spark

_T = TypeVar("_T")
_R = TypeVar("_R")

#: More threads than this gain nothing on two cores, and drivers rarely have many more.
THREADS = 4


def in_threads(work: Callable[[_T], _R], items: list[_T]) -> list[_R]:
    """Do the work for all items, a few at a time, and return the results in order; the first error is raised."""
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        # One wrapper an item: each holds a Java object of local properties, where Spark keeps what is running. Threads
        # that share one lose each other's: "NumberFormatException: Cannot parse null string", now and then.
        return list(pool.map(lambda call, item: call(item), [_inheriting(work) for _ in items], items))


def for_each_table(work: Callable[[Table], _R], tables: Iterable[Table]) -> dict[str, _R]:
    """Do the work for all tables, those first that may take longest, and return the results by name in given order."""
    given = list(tables)
    made = dict(in_threads(lambda table: (table.name, work(table)), longest_first(given)))
    return {table.name: made[table.name] for table in given}


def _inheriting(work: Callable[[_T], _R]) -> Callable[[_T], _R]:
    """Return the work for another thread, with this one's properties of Spark."""
    from pyspark import inheritable_thread_target
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession

    wrapped: Any = inheritable_thread_target
    if installed_spark().name == "3.5":
        return wrapped(work)  # type: ignore[no-any-return]
    try:
        session = SparkSession.active()  # Spark 4 warns where it gets no session
    except PySparkRuntimeError:
        return work  # no Spark runs here: nothing to take along
    return wrapped(session)(work)  # type: ignore[no-any-return]
