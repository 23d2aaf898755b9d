"""Rows of a large batch that leave Spark as Arrow: in a file that is mapped into memory, so that they fill none."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mlbsdk.errors import EnvironmentProblem
from mlbsdk.runtime.arrow import arrow_schema, as_stored

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from mlbsdk.mapping.plan import Table

#: What Spark gives at last: the order in which the batches before it belong.
_Order = list[int]


def mapped_rows(frame: DataFrame, table: Table) -> pa.Table:
    """Return a table's rows with the table's exact schema, as :func:`mlbsdk.runtime.arrow.table_rows` does.

    They are in a file of Spark's local folder, which has no name any more, so it is gone with the rows. Read them
    piece by piece: what is read lies in memory as long as nobody else needs it.

    Raises:
        EnvironmentProblem: the folder can't hold them.
    """
    schema = arrow_schema(table)
    folder = _local_folder(frame.sparkSession)
    try:
        with _nameless_file(folder) as path:
            order = _spilled(frame, path, schema)
            with pa.memory_map(str(path)) as file:
                reader = pa.ipc.open_file(file)
                return pa.Table.from_batches([reader.get_batch(number) for number in order], schema)
    except ConnectionError:  # Java's end, not the folder's
        raise
    except OSError as problem:
        raise EnvironmentProblem(
            f"the rows of '{table.name}' can't be kept in {folder}: {problem.strerror or problem}",
            fix="Make room there, or name another folder in the Spark setting spark.local.dir.",
        ) from problem


def _spilled(frame: DataFrame, path: Path, schema: pa.Schema) -> _Order:
    """Write a DataFrame's rows into a file as its tasks end, in one Spark job; return the order of its batches."""
    batches, result = _from_spark(frame)
    try:
        order: _Order = []
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
            for one in batches:
                if isinstance(one, pa.RecordBatch):
                    rows = as_stored(pa.Table.from_batches([one]), schema)
                    columns = [column.combine_chunks() for column in rows.columns]
                    writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
                else:
                    order = one
    except OSError:
        # Spark would wait for somebody who reads on; what it says of a closed connection tells nothing.
        batches.close()
        raise
    except Exception:
        result()
        raise
    result()
    return order


def _from_spark(frame: DataFrame) -> tuple[Generator[pa.RecordBatch | _Order, None, None], Callable[[], None]]:
    """Run a DataFrame; return its batches as they come, then their order, and what raises Spark's error if it has one.

    ``DataFrame.toArrow`` and what it is made of give all batches at once.
    """
    from pyspark.errors.exceptions.captured import unwrap_spark_exception
    from pyspark.sql.pandas import conversion

    private: Any = conversion
    port, secret, server = frame._jdf.collectAsArrowToPython()

    def result() -> None:
        with unwrap_spark_exception():
            server.getResult()

    return private._load_from_socket((port, secret), private.ArrowCollectSerializer()), result


@contextlib.contextmanager
def _nameless_file(folder: Path) -> Iterator[Path]:
    """Give the path of a new file that loses its name at the end: who has it open keeps it."""
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(".arrow", "mlbsdk-rows-", folder)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink()


def _local_folder(spark: SparkSession) -> Path:
    """Return the first of the folders where Spark keeps what does not fit into memory."""
    folders = os.environ.get("SPARK_LOCAL_DIRS") or spark.conf.get("spark.local.dir", tempfile.gettempdir())
    return Path(str(folders).split(",")[0])
