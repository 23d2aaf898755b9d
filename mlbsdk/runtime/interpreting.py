"""Have Spark interpret expressions while few rows are computed, where making code for them would take longer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlbsdk.runtime.spark_conf import setting

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Up to this much JSON text, some five thousand games: what Java's compiler costs then, it never gives back.
FEW_BYTES = 4 * 1024 * 1024 * 1024
#: Up to this many bytes of stored tables, some thousand games.
FEW_STORED_BYTES = 64 * 1024 * 1024
#: Spark setting -> (its default, its value for few rows).
_SETTINGS = {
    "spark.sql.codegen.factoryMode": ("FALLBACK", "NO_CODEGEN"),
    "spark.sql.codegen.wholeStage": ("true", "false"),
    # Interpreted, it looks each value up in a cache, which takes longer than most values take to compute.
    "spark.sql.subexpressionElimination.enabled": ("true", "false"),
}


@contextlib.contextmanager
def interpreting(spark: SparkSession, size: int | None) -> Iterator[None]:
    """Interpret expressions inside, if so many bytes of JSON text are few; None is not known, and taken for many.

    A mapping of a thousand columns means a hundred classes to generate and compile. What a user has set stays.
    """
    few = size is not None and size <= FEW_BYTES
    free = [name for name, (default, _) in _SETTINGS.items() if few and spark.conf.get(name, default) == default]
    with contextlib.ExitStack() as stack:
        for name in free:
            stack.enter_context(setting(spark, name, _SETTINGS[name][1]))
        yield
