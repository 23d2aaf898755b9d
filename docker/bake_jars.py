"""Put the jars of all installed plugins into Spark's own folder, so that no run asks Maven for them.

python docker/bake_jars.py [FOLDER]     by default pyspark's folder of jars
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from mlbsdk.plugin import Plugins, SparkRequirements
from mlbsdk.runtime.jars import own_folder
from mlbsdk.runtime.session import session


def wanted() -> list[SparkRequirements]:
    """Return what sources, writers and quality engines need of Spark."""
    plugins = Plugins.load()
    return [declared.spark for declared in (*plugins.sources(), *plugins.writers(), *plugins.qualities())]


def main(arguments: list[str]) -> int:
    """Fetch the jars with what they need in turn, as a run would, and copy them; return the exit code."""
    folder = Path(arguments[0]) if arguments else own_folder()
    with tempfile.TemporaryDirectory() as fetched:
        session(wanted(), {"spark.master": "local[1]", "spark.jars.ivy": fetched}).stop()
        jars = sorted(Path(fetched, "jars").glob("*.jar"))
        if not jars:
            sys.stderr.write(f"no jar was fetched: those of all plugins are in {own_folder()}\n")
        folder.mkdir(parents=True, exist_ok=True)
        for jar in jars:
            shutil.copy(jar, folder)
            sys.stdout.write(f"{jar.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
