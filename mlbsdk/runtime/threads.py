"""Work in a few threads: what waits for Spark waits side by side."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")

#: More threads than this gain nothing on two cores, and drivers rarely have many more.
THREADS = 4


def in_threads(work: Callable[[_T], _R], items: list[_T]) -> list[_R]:
    """Do the work for all items, a few at a time, and return the results in order; the first error is raised."""
    from pyspark import inheritable_thread_target

    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        # One wrapper an item: each holds a Java object of local properties, where Spark keeps what is running. Threads
        # that share one lose each other's: "NumberFormatException: Cannot parse null string", now and then.
        return list(pool.map(lambda call, item: call(item), [inheritable_thread_target(work) for _ in items], items))
