"""Which jars, Java and folder go with the Spark that is installed, and what is said where a Spark can't serve."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import mlbsdk_plugin_deequ
import pytest

from mlbsdk.errors import EnvironmentProblem
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.jars import own_folder
from mlbsdk.runtime.reduced_java import lacks_vectors, without_vectors
from mlbsdk.runtime.spark_lines import SPARK_LINES, SparkLine, installed_spark, line_of, refuse_other_spark

OPTION = "--add-modules=jdk.incubator.vector"


def test_the_line_is_that_of_the_installed_pyspark() -> None:
    assert metadata.version("pyspark").startswith(f"{installed_spark().name}.")
    assert {line.name for line in SPARK_LINES} == {"3.5", "4.1"}
    assert (line_of("3.5.9"), line_of("4.1.4")) == SPARK_LINES


def test_it_says_what_pyspark_ships() -> None:
    jars = {path.name for path in own_folder().glob("*.jar")}
    line = installed_spark()
    assert f"hadoop-client-api-{line.hadoop}.jar" in jars
    assert any(name.startswith(f"scala-library-{line.scala}.") for name in jars)


@pytest.mark.parametrize("line", SPARK_LINES, ids=lambda line: line.name)
def test_jars_are_built_for_the_scala_of_their_spark(line: SparkLine) -> None:
    for package in (line.delta, line.avro):
        _, artifact, version = package.split(":")
        assert artifact.endswith(f"_{line.scala}")
        assert version


@pytest.mark.parametrize("version", ["3.4.4", "4.0.3", "4.2.0", "3.50.1"])
def test_another_spark_is_refused(version: str) -> None:
    with pytest.raises(EnvironmentProblem, match=rf"runs on Spark 3\.5 or 4\.1, and this is {version}.*pip install"):
        refuse_other_spark(version)


def test_plugins_take_what_goes_with_it() -> None:
    plugins, line = Plugins.load(), installed_spark()
    assert plugins.writer("delta").spark.packages == (line.delta,)
    assert plugins.source("avro").spark.packages == (line.avro,)
    assert plugins.storage("s3a").spark.packages == (f"org.apache.hadoop:hadoop-aws:{line.hadoop}",)


@pytest.mark.parametrize("line", SPARK_LINES, ids=lambda line: line.name)
def test_deequ_serves_spark_3_and_says_so(line: SparkLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlbsdk_plugin_deequ, "installed_spark", lambda: line)
    (declared,) = mlbsdk_plugin_deequ.mlbsdk_quality()
    if line.name == "3.5":
        assert declared.spark.packages == ("com.amazon.deequ:deequ:2.0.7-spark-3.5",)
        assert declared.make({}) is not None
        return
    assert declared.spark.packages == ()
    with pytest.raises(EnvironmentProblem, match=r"Deequ has no build for Spark 4\.1.*'pyspark>=3\.5\.3,<3\.6'"):
        declared.make({})


def java(folder: Path, modules: str) -> Path:
    """Make a Java that prints its arguments."""
    (folder / "bin").mkdir(parents=True)
    (folder / "release").write_text(f'JAVA_VERSION="17.0.9"\n{modules}')
    program = folder / "bin" / "java"
    program.write_text(f"#!{sys.executable}\nimport sys\nprint(sys.argv[1:])\n")
    program.chmod(0o755)
    return folder


def test_a_reduced_java_is_started_without_the_module_that_it_lacks(tmp_path: Path) -> None:
    reduced = java(tmp_path / "it's $HOME", 'MODULES="java.base java.sql"\n')
    assert lacks_vectors(reduced)
    made = without_vectors(reduced, tmp_path / "home")
    assert made == without_vectors(reduced, tmp_path / "home")
    arguments = ["-cp", "a b:*", OPTION, "-Dx='y' \"z\"", "", f"{OPTION}s"]
    done = subprocess.run([made / "bin" / "java", *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([one for one in arguments if one != OPTION])
    assert not lacks_vectors(made)


def test_a_whole_java_is_left_as_it_is(tmp_path: Path) -> None:
    assert not lacks_vectors(java(tmp_path / "whole", 'MODULES="java.base jdk.incubator.vector"\n'))
    assert not lacks_vectors(java(tmp_path / "silent", ""))
