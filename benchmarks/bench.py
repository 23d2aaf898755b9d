"""One benchmark: the session, the mapping, the workloads, and the text of it all."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from pathlib import Path

import machine
from captured_mapping import loaded
from criteria import criteria
from measures import Output
from spark_work import SparkWork
from workload import Workload

from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.session import session
from tests.postgres import Server, running


class Bench:
    """One benchmark.

    Args:
        given: what the command line says.
        work: a folder for all that is made on the way.
    """

    def __init__(self, given: argparse.Namespace, work: Path) -> None:
        self.given = given
        self.work = work
        self.out = Output()
        self.failures = 0
        self.plugins = Plugins.load()
        self.mapping_file, self.loaded = loaded(given.mapping, self.plugins)
        self.plan = compile_mapping(self.loaded)
        self.settings: dict[str, str] = dict(setting.split("=", 1) for setting in given.spark)
        if given.without_arrow:
            self.settings["spark.mlbsdk.arrow"] = "false"
        needs = [self.plugins.writer(format).spark for format in ("delta", "parquet")]
        self.spark = session(needs, self.settings, work / "spark.log")
        self.spark_work = SparkWork(self.spark)
        self.java = int(self.spark._jvm.java.lang.ProcessHandle.current().pid())  # type: ignore[union-attr]
        self.processes = (os.getpid(), self.java)
        self._server: Server | None = None
        self._exits = ExitStack()

    def measure(self) -> None:
        """Measure everything and print it."""
        self._say_machine()
        workloads = [Workload(self, games) for games in sorted(set(self.given.games))]
        for workload in workloads:
            workload.generate()
            workload.measure()
            shutil.rmtree(workload.folder)
        self.out()
        self.out(f"load of the machine at the end: {machine.load()}")
        self.out()
        self.out("criteria")
        for criterion in criteria(workloads):
            self.out(criterion.line())
        if self.failures:
            self.out(f"{self.failures} sections FAILED; see above")

    @contextmanager
    def fresh(self) -> Iterator[Path]:
        """Give a new folder, and remove it after use."""
        folder = Path(tempfile.mkdtemp(prefix="target-", dir=self.work))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def target(self, format: str) -> Iterator[str]:
        """Give the address of an empty target."""
        if format == "postgresql":
            self._server = self._server or self._exits.enter_context(running())
            with self._server.database() as address:
                yield address
            return
        with self.fresh() as folder:
            yield f"{format}:{folder}"

    def close(self) -> None:
        """End what was started."""
        self.spark.stop()
        self._exits.close()

    def _say_machine(self) -> None:
        java = self.spark._jvm.System.getProperty("java.version")  # type: ignore[union-attr]
        settings = self.settings or "settings as the engine makes them"
        master, memory = self.spark.sparkContext.master, self.spark.conf.get("spark.driver.memory")
        columns = sum(len(table.columns) for table in self.plan.tables)
        self.out(f"mlbsdk benchmark, {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, commit {machine.commit()}")
        self.out(f"machine: {machine.described()}")
        self.out(f"versions: {machine.versions(java)}")
        self.out(f"session: {master}, driver memory {memory}, {settings}")
        self.out(f"mapping: {self.mapping_file or 'of the plugin'}, {len(self.plan.tables)} tables, {columns} columns")
        self.out("each measure: the fastest run, all runs beside it in their order; processor seconds of the run that")
        self.out("took fewest; jobs, stages and tasks of Spark of the run that had most")
