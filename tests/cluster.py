"""Spark clusters for tests: a standalone one of real processes on loopback, and what its event logs tell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MLBSDK = Path(sys.executable).with_name("mlbsdk")
MASTER = "org.apache.spark.deploy.master.Master"
WORKER = "org.apache.spark.deploy.worker.Worker"
#: Master and two workers in Spark's own process, executors in processes of their own: 1 core and 1 GB each.
LOCAL_CLUSTER = "local-cluster[2,1,1024]"
#: An event log as one file of text; Spark 4 would roll and compress it.
EVENT_LOG = {
    "spark.eventLog.enabled": "true",
    "spark.eventLog.rolling.enabled": "false",
    "spark.eventLog.compress": "false",
}
_ADDRESS = re.compile(r"spark://127\.0\.0\.1:\d+")
_REGISTERED = "Successfully registered with master"


class Cluster:
    """A standalone cluster: a master and workers, each a Java process of its own, with a folder of its own.

    Args:
        folder: where logs and the folders of executors go.
        workers: how many.
        memory: what each worker has to give to executors.
    """

    def __init__(self, folder: Path, workers: int = 2, memory: str = "1g") -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        folder.mkdir(parents=True, exist_ok=True)
        try:
            master = self._start("master", MASTER, "--port", "0")
            self.master = self._told(master, _ADDRESS)
            logs = [
                self._start(
                    f"worker-{number}",
                    WORKER,
                    *("--port", "0", "--cores", "1", "--memory", memory),
                    *("--work-dir", str(folder / f"work-{number}")),
                    self.master,
                )
                for number in range(workers)
            ]
            for log in logs:
                self._told(log, re.compile(_REGISTERED))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End what was started; workers end their executors."""
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def workers(self) -> dict[str, int]:
        """The processes of workers, by name: executors are their children."""
        return {f"worker {number}": process.pid for number, process in enumerate(self.processes[1:])}

    def executor_logs(self) -> list[Path]:
        """Return the logs of all executors so far: ``work-N/app-.../EXECUTOR/stderr``."""
        return sorted(self.folder.glob("work-*/app-*/*/stderr"))

    def _start(self, name: str, kind: str, *arguments: str) -> Path:
        import pyspark

        from mlbsdk.runtime.session import java_for_spark

        home = Path(pyspark.__file__).parent
        java = java_for_spark(os.environ)
        # Workers build the command of an executor, and look for Scala's version in a checkout of Spark otherwise.
        scala = next((home / "jars").glob("spark-core_*.jar")).name.removeprefix("spark-core_").partition("-")[0]
        own = {"JAVA_HOME": str(java), "SPARK_HOME": str(home), "SPARK_SCALA_VERSION": scala}
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            self.processes.append(
                subprocess.Popen(
                    [
                        *(str(java / "bin" / "java"), "-Xmx256m", "-cp", f"{home / 'jars'}/*", kind),
                        *("--host", "127.0.0.1", "--webui-port", "0", *arguments),
                    ],
                    env=os.environ | own | {"SPARK_LOCAL_IP": "127.0.0.1"},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                )
            )
        return log

    def _told(self, log: Path, wanted: re.Pattern[str]) -> str:
        """Wait until a process has written what is wanted to its log, and return it."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = wanted.search(log.read_text(encoding="utf-8", errors="replace"))
            if found:
                return found[0]
            if any(process.poll() is not None for process in self.processes):
                break
            time.sleep(0.1)
        raise TimeoutError(f"the cluster does not start:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")


@contextmanager
def running(workers: int = 2, memory: str = "1g") -> Iterator[Cluster]:
    """Give a cluster that runs, in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="mlbsdk-cluster-", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(Path(folder), workers, memory)
        try:
            yield cluster
        finally:
            cluster.stop()


def spark_of(master: str, events: Path | None = None) -> dict[str, str]:
    """Return the Spark settings with which a command runs on a cluster; ``events`` is a folder for its event log.

    Results that a job may send to the driver are few: a job that collects rows fails.
    """
    settings = {
        "spark.master": master,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.executor.memory": "1g",
        "spark.driver.maxResultSize": "4m",
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "1",
    }
    if events is not None:
        events.mkdir(parents=True, exist_ok=True)
        settings |= EVENT_LOG | {"spark.eventLog.dir": events.as_uri()}
    return settings


def mlbsdk(
    *arguments: str, cwd: Path, spark: Mapping[str, str], check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run mlbsdk in a process of its own with these Spark settings."""
    own = {"MLBSDK_HOME": str(cwd / "home"), "MLBSDK_SPARK": json.dumps(dict(spark))}
    return _run([str(MLBSDK), *arguments], own, cwd, check)


def submit(application: Path, *arguments: str, spark: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a Python file by spark-submit with these Spark settings."""
    import pyspark

    from mlbsdk.runtime.session import java_for_spark

    home = Path(pyspark.__file__).parent
    given = [text for name, value in spark.items() for text in ("--conf", f"{name}={value}")]
    own = {"JAVA_HOME": str(java_for_spark(os.environ)), "SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable}
    own["MLBSDK_HOME"] = str(application.parent / "home")
    command = [str(home / "bin" / "spark-submit"), *given, str(application), *arguments]
    return _run(command, own, application.parent, check=True)


def _run(command: list[str], variables: Mapping[str, str], cwd: Path, check: bool) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLBSDK_", "SPARK_"))}
    environment = {**kept, "SPARK_LOCAL_IP": "127.0.0.1", **variables}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=1200, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


@dataclass
class Events:
    """What event logs tell of applications.

    Stages are named by their application and number.

    Args:
        executors: tasks by executor; the driver's own, if it ran any, are under ``driver``.
        results: bytes of results that came to the driver, by stage.
        largest_result: the most bytes of one task.
        run_times: milliseconds of each task, by stage.
        stages: their names.
        rows_parsed: rows of parsed captures that were made, to be held; of a large batch those of tables as well.
        bytes_read: of files, of each task, by stage.
        jobs: how many.
    """

    executors: Counter[str] = field(default_factory=Counter)
    results: dict[tuple[str, int], int] = field(default_factory=dict)
    largest_result: int = 0
    run_times: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    stages: dict[tuple[str, int], str] = field(default_factory=dict)
    rows_parsed: int = 0
    bytes_read: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    jobs: int = 0


#: The metric of Spark's scan of the rows that are held.
_ROWS = "number of output rows"


def events_of(folder: Path) -> Events:
    """Return what all event logs of a folder tell."""
    found = Events()
    for log in sorted(folder.iterdir()):
        with log.open(encoding="utf-8") as lines:
            _add(found, log.name, (json.loads(line) for line in lines))
    return found


def _add(found: Events, application: str, events: Iterable[dict[str, Any]]) -> None:
    held: set[int] = set()
    for event in events:
        kind = event["Event"].rpartition(".")[2]
        if kind == "SparkListenerJobStart":
            found.jobs += 1
        elif kind == "SparkListenerStageCompleted":
            stage = event["Stage Info"]
            found.stages[application, stage["Stage ID"]] = stage["Stage Name"]
        elif kind in ("SparkListenerSQLExecutionStart", "SparkListenerSQLAdaptiveExecutionUpdate"):
            held |= set(_rows_held(event["sparkPlanInfo"]))
        elif kind == "SparkListenerTaskEnd":
            stage_key = (application, event["Stage ID"])
            task = event["Task Info"]
            found.executors[task["Executor ID"]] += 1
            figures = event.get("Task Metrics") or {}
            size = figures.get("Result Size", 0)
            read = figures.get("Input Metrics", {}).get("Bytes Read", 0)
            found.bytes_read.setdefault(stage_key, []).append(read)
            found.results[stage_key] = found.results.get(stage_key, 0) + size
            found.largest_result = max(found.largest_result, size)
            found.run_times.setdefault(stage_key, []).append(task["Finish Time"] - task["Launch Time"])
            for one in task["Accumulables"]:
                if one["ID"] in held:
                    found.rows_parsed += int(one.get("Update", 0))


def _rows_held(plan: dict[str, Any], below: bool = False) -> Iterator[int]:
    """Return the ids of the counters of rows that queries read from what is held; each counts when they are made."""
    if below and plan["nodeName"].startswith("Scan ExistingRDD"):
        yield from (metric["accumulatorId"] for metric in plan["metrics"] if metric["name"] == _ROWS)
    below = below or plan["nodeName"].startswith("InMemoryTableScan")
    for child in plan["children"]:
        yield from _rows_held(child, below)
