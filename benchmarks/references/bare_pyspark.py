"""A bare PySpark program: start, parse captures with one from_json, write one Delta table. It knows nothing of mlbsdk.

Usage::

    python benchmarks/references/bare_pyspark.py CAPTURES TARGET SCHEMA_FILE JARS

``SCHEMA_FILE`` holds the schema of the mapped paths, ``JARS`` the jars of Delta Lake, separated by commas: they are not
looked for, which a program that names packages would pay for besides.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F


def main() -> None:
    """Run it."""
    captures, target, schema, jars = sys.argv[1:]
    spark = (
        SparkSession.builder.master("local[*]")
        .config("spark.jars", jars)
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .getOrCreate()
    )
    parsed = F.from_json("value", Path(schema).read_text(encoding="utf-8")).alias("parsed")
    documents = spark.read.text(captures, wholetext=True).select(parsed).select("parsed.response")
    documents.write.format("delta").save(target)
    spark.stop()


if __name__ == "__main__":
    main()
