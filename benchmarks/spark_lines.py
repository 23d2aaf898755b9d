"""What Spark 4.1 offers against 3.5: JSON by from_json and by VARIANT, rows of PostgreSQL by JDBC and by Python.

    .venv/bin/python benchmarks/spark_lines.py            Spark 3.5
    .venv-spark4/bin/python benchmarks/spark_lines.py     Spark 4.1 (python3 dev.py test-spark4 makes it)

Figures are the best of some runs in a warm process: seconds by the clock, and CPU seconds of Java and Python together,
which other work on the machine disturbs less.
"""

from __future__ import annotations

import gzip
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import psycopg
import pyspark
from mlbsdk_plugin_postgres import jdbc

from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.plan import Node
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.envelopes import envelope_ddl
from mlbsdk.runtime.preparation import load_mapping
from mlbsdk.runtime.session import session
from mlbsdk.runtime.spark_lines import installed_spark

GAMES = 16
RUNS = 3
EXACT = "spark.sql.json.enableExactStringParsing"
ODD = '{"a": 1.10, "b": 12345678901234567890123456789012345678901, "c": 1e3, "d": 0.1e-7, "e": -0.0, "f": 1.0}'


def main() -> None:
    plugins = Plugins.load()
    needs = [plugins.writer("delta").spark, plugins.source("postgresql").spark]
    with TemporaryDirectory() as folder:
        spark = session(needs, {"spark.master": "local[2]"}, Path(folder, "spark.log"))
        print(f"Spark {pyspark.__version__}, {GAMES} games, {RUNS} runs")
        game = gzip.decompress(
            resources.files("mlbsdk_plugin_game").joinpath("samples/live_game_747175.json.gz").read_bytes()
        ).decode()
        parsing(spark, game, folder)
        reading(spark, game)
        spark.stop()


def parsing(spark: Any, game: str, folder: str) -> None:
    """Measure what reads the mapped paths of games, and those of one table: a pitch or other event of a play."""
    document = compile_mapping(load_mapping(Plugins.load().transform("game.live_game_v1"))).document
    raw = spark.createDataFrame([(game,)], "data string").selectExpr("data", f"explode(sequence(1, {GAMES})) AS n")
    raw.repartition(4).write.parquet(f"{folder}/raw")
    raw = spark.read.parquet(f"{folder}/raw")
    whole = raw.selectExpr(f"from_json(data, '{envelope_ddl(document)}')")
    measure("from_json, mapped paths", lambda: drop(whole))
    if installed_spark().name != "3.5":
        spark.conf.set(EXACT, "false")
        measure("from_json, mapped paths, inexact", lambda: drop(whole))
        spark.conf.unset(EXACT)
    play = document.fields["liveData"].fields["plays"].fields["allPlays"].item
    assert play is not None
    event = play.fields["playEvents"].item
    assert event is not None
    paths = list(scalars(event))
    events = f"array<struct<playEvents:array<{only_scalars(event)}>>>"
    schema = f"liveData struct<plays:struct<allPlays:{events}>>"
    table = (
        raw.selectExpr(f"from_json(data, '{schema}') AS d")
        .selectExpr("inline(d.liveData.plays.allPlays)")
        .selectExpr("inline(playEvents)")
    )
    measure(f"from_json, {len(paths)} columns of an event", lambda: drop(table))
    print(f"from_json of odd numbers   {odd(spark, 'from_json')}")
    if installed_spark().name == "3.5":
        return
    measure("parse_json", lambda: drop(raw.selectExpr("parse_json(data)")))
    name = f"{len(paths)} columns of an event"
    measure(f"parse_json, {name}", lambda: drop(variant_table(raw.selectExpr("parse_json(data) AS d"), paths)))
    raw.selectExpr("n", "parse_json(data) AS d").write.parquet(f"{folder}/variant")
    stored = spark.read.parquet(f"{folder}/variant")
    measure(f"stored VARIANT, {name}", lambda: drop(variant_table(stored, paths)))
    print(f"variant of odd numbers     {odd(spark, 'variant')}")


def variant_table(frame: Any, paths: list[str]) -> Any:
    """Return the events of plays, cut from a column of VARIANT."""
    plays = frame.selectExpr("explode(variant_get(d, '$.liveData.plays.allPlays', 'array<variant>')) AS p")
    events = plays.selectExpr("explode(variant_get(p, '$.playEvents', 'array<variant>')) AS v")
    return events.selectExpr(*(f"variant_get(v, '$.{path}', 'string') AS `{path}`" for path in paths))


def scalars(node: Node, above: str = "") -> Iterator[str]:
    """Yield the mapped scalars below an object, without those of arrays."""
    for name, child in node.fields.items():
        if child.kind == "leaf":
            yield above + name
        elif child.kind == "object":
            yield from scalars(child, f"{above}{name}.")


def only_scalars(node: Node) -> str:
    """Return the type that reads them."""
    fields = {
        name: "string" if child.kind == "leaf" else only_scalars(child)
        for name, child in node.fields.items()
        if child.kind in ("leaf", "object")
    }
    return f"struct<{','.join(f'`{name}`:{kind}' for name, kind in fields.items())}>"


def odd(spark: Any, way: str) -> str:
    """Return what becomes of numbers that a float can't hold as they are written."""
    frame = spark.createDataFrame([(ODD,)], "t string")
    if way == "from_json":
        values = frame.selectExpr(
            "from_json(t, 'a string, b string, c string, d string, e string, f string') AS j"
        ).selectExpr("j.*")
    else:
        values = frame.selectExpr(*(f"variant_get(parse_json(t), '$.{k}', 'string') AS {k}" for k in "abcdef"))
    return ", ".join(values.collect()[0])


def reading(spark: Any, game: str) -> None:
    """Measure raw rows of a PostgreSQL, by JDBC as the source reads them, and by a Python data source."""
    from tests.postgres import running

    with running() as server, server.database() as address, psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE raw (id bigint PRIMARY KEY, data text)")
        connection.execute(f"INSERT INTO raw SELECT n, %s FROM generate_series(1, {GAMES}) n", (game,))
        connection.commit()
        parts = [f"id <= {GAMES // 2}", f"id > {GAMES // 2}"]

        def by_jdbc() -> None:
            frame = spark.read.jdbc(
                jdbc.url(connection),
                "(SELECT id, data FROM raw) AS r",
                predicates=parts,
                properties={**jdbc.properties(connection), "fetchsize": "16"},
            )
            drop(frame.selectExpr("octet_length(data)"))

        measure("PostgreSQL by JDBC", by_jdbc)
        if installed_spark().name == "3.5":
            return
        spark.dataSource.register(python_source())

        def by_python() -> None:
            frame = spark.read.format("raw_rows").option("address", address).option("half", str(GAMES // 2)).load()
            drop(frame.selectExpr("octet_length(data)"))

        measure("PostgreSQL by a Python data source", by_python)


def python_source() -> type:
    """Return a Python data source that reads the two halves of the table, as Arrow."""
    from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition

    class Reader(DataSourceReader):  # type: ignore[misc,unused-ignore]  # Spark 3.5 has none
        def __init__(self, options: dict[str, str]) -> None:
            self.options = options

        def partitions(self) -> list[InputPartition]:
            half = self.options["half"]
            return [InputPartition(f"id <= {half}"), InputPartition(f"id > {half}")]

        def read(self, partition: InputPartition) -> Iterator[Any]:
            import psycopg
            import pyarrow as pa

            with psycopg.connect(self.options["address"]) as connection, connection.cursor("rows") as cursor:
                cursor.itersize = 16
                cursor.execute(f"SELECT id, data FROM raw WHERE {partition.value}".encode())
                while rows := cursor.fetchmany(16):
                    ids, texts = zip(*rows, strict=True)
                    yield pa.RecordBatch.from_arrays([pa.array(ids, pa.int64()), pa.array(texts)], ["id", "data"])

    class Source(DataSource):  # type: ignore[misc,unused-ignore]
        @classmethod
        def name(cls) -> str:
            return "raw_rows"

        def schema(self) -> str:
            return "id bigint, data string"

        def reader(self, schema: Any) -> DataSourceReader:
            return Reader(self.options)

    return Source


def drop(frame: Any) -> None:
    """Compute all rows and keep none."""
    frame.write.format("noop").mode("overwrite").save()


def measure(name: str, work: Callable[[], None]) -> None:
    """Print the best of some runs."""
    clock, cpu = [], []
    for _ in range(RUNS):
        begin, before = time.perf_counter(), cpu_seconds()
        work()
        clock.append(time.perf_counter() - begin)
        cpu.append(cpu_seconds() - before)
    print(f"{name:<45}{min(clock):6.2f} s   {min(cpu):6.2f} s of CPU", flush=True)


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of all below it so far: Java, and Python that Java starts."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime + sum(_below(os.getpid()))


def _below(parent: int) -> Iterator[float]:
    for path in Path(f"/proc/{parent}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            try:
                fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
                # Also of those of its own that ended: Python workers.
                yield sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
                yield from _below(child)
            except FileNotFoundError:
                continue


if __name__ == "__main__":
    main()
