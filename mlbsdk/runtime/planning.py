"""Have Spark plan a query on few rows once: adaptive execution makes each exchange in it a job of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlbsdk.runtime.spark_conf import setting

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Up to this much JSON text, some six hundred games.
FEW_BYTES = 512 * 1024 * 1024
#: JSON text whose rows one task may take after an exchange.
_BYTES_A_TASK = 32 * 1024 * 1024
_ADAPTIVE = "spark.sql.adaptive.enabled"
_PARTITIONS = "spark.sql.shuffle.partitions"
_SPARKS_OWN = {_ADAPTIVE: "true", _PARTITIONS: "200"}


@contextlib.contextmanager
def planned_once(spark: SparkSession, size: int | None) -> Iterator[None]:
    """Do without adaptive execution inside, if so many bytes of JSON text are few; None is not known.

    What it would find out is known then: an exchange needs no more tasks than there are cores, or than the rows are
    worth. What a user has set stays.
    """
    is_set = any(spark.conf.get(name, value) != value for name, value in _SPARKS_OWN.items())
    if size is None or size > FEW_BYTES or is_set:
        yield
        return
    tasks = max(spark.sparkContext.defaultParallelism, size // _BYTES_A_TASK + 1)
    with setting(spark, _ADAPTIVE, "false"), setting(spark, _PARTITIONS, str(tasks)):
        yield
