"""Make the tables by one of the references, some times in this one process, and print what each time cost.

Usage::

    python benchmarks/references/make.py duckdb|python CAPTURES TARGET RUNS [MAPPING]

Prints one JSON object: ``seconds`` and ``processor`` of each run, ``rows`` by table, ``version``, ``peak_mb`` and
``left_out``. The tables of the last run stay in TARGET.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Protocol

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from captured_mapping import plan_of
from processes import peak_mb

from references.duckdb_tables import DuckdbTables
from references.python_tables import PythonTables, left_out


class Reference(Protocol):
    """Something that makes all tables."""

    def write(self, captures: Path, target: Path) -> dict[str, int]:
        """Write every table, and return their rows."""
        ...


def main() -> None:
    """Make them."""
    kind, captures, target, runs, *mapping = sys.argv[1:]
    plan = plan_of(Path(mapping[0]) if mapping else None)
    reference: Reference = DuckdbTables(plan) if kind == "duckdb" else PythonTables(plan)
    seconds, processor, rows = [], [], {}
    for _ in range(int(runs)):
        shutil.rmtree(target, ignore_errors=True)
        begun, used = time.perf_counter(), time.process_time()
        rows = reference.write(Path(captures), Path(target))
        seconds.append(time.perf_counter() - begun)
        processor.append(time.process_time() - used)
    package = "duckdb" if kind == "duckdb" else "orjson"
    found = {
        "seconds": seconds,
        "processor": processor,
        "rows": rows,
        "version": f"{package} {importlib.metadata.version(package)}",
        "peak_mb": peak_mb(os.getpid()),
        "left_out": [] if kind == "duckdb" else left_out(plan),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
