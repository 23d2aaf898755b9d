"""Runs that start from nothing: what a user waits for who types a command."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from captured_mapping import NAME
from measures import Measure, megabytes
from processes import Finished, run_program

from mlbsdk.mapping.plan import Plan
from mlbsdk.runtime.envelopes import envelope_ddl
from mlbsdk.runtime.session import java_for_spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HELP = "mlbsdk --help"
_BARE = Path(__file__).resolve().parent / "references/bare_pyspark.py"
_PROGRAM = Path(sys.executable).parent / "mlbsdk"


class ColdRuns:
    """Starts programs and keeps what they cost, by the name of each."""

    def __init__(self) -> None:
        self.measures: dict[str, Measure] = {}
        self.peaks: dict[str, list[Finished]] = {}

    def mlbsdk_run(self, name: str, captures: Path, target: str, mapping: Path | None) -> None:
        """Run ``mlbsdk run`` in a process of its own."""
        given = ["--source", str(captures), "--target", target, "--on-error", "quarantine"]
        given += ["--mapping", str(mapping)] if mapping else []
        self._take(name, [str(_PROGRAM), "run", NAME, *given])

    def bare_pyspark(self, name: str, captures: Path, target: Path, plan: Plan, spark: SparkSession) -> None:
        """Run the bare PySpark program: the same captures, one from_json of the mapped paths, one Delta table."""
        schema = target.parent / "schema.ddl"
        schema.write_text(envelope_ddl(plan.document), encoding="utf-8")
        jars = spark.sparkContext.getConf().get("spark.jars", "")
        command = [sys.executable, str(_BARE), str(captures), str(target), str(schema), jars or ""]
        self._take(name, command, {"JAVA_HOME": str(java_for_spark(os.environ))})

    def help(self) -> None:
        """Run ``mlbsdk --help``."""
        self._take(HELP, [str(_PROGRAM), "--help"])

    def lines(self, name: str) -> list[str]:
        """Return what one program cost as lines of text."""
        if name not in self.measures:
            return []
        peaks = self.peaks[name]
        python, java = (megabytes([one.python_mb for one in peaks]), megabytes([one.java_mb or None for one in peaks]))
        return [self.measures[name].line(), f"      peak memory: Python {python}, Java {java}"]

    def java_mb(self, name: str) -> float | None:
        """Return the most memory that a program's Java held."""
        return max((one.java_mb for one in self.peaks.get(name, [])), default=None)

    def _take(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> None:
        finished = run_program(command, environment=environment)
        measure = self.measures.setdefault(name, Measure(name))
        measure.seconds.append(finished.seconds)
        measure.processor.append(finished.processor)
        self.peaks.setdefault(name, []).append(finished)
