"""The container image's files, as far as they can be checked without building it; the examples beside it."""

from __future__ import annotations

import importlib.util
import os
import re
import stat
import subprocess
import sys
from datetime import date
from pathlib import Path

import yaml
from mlbsdk_plugin_argo.configuration import load_configuration
from mlbsdk_plugin_argo.lint import problems_of
from mlbsdk_plugin_argo.season import season_workflow
from mlbsdk_plugin_argo.steps import SCRATCH, USER

from mlbsdk.plugin import installed_spark

REPOSITORY = Path(__file__).resolve().parents[3]
DOCKER = REPOSITORY / "docker"


def instructions() -> list[tuple[str, str]]:
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"(?m)^\s*#.*\n", "", text).replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in lines if line.strip()]


def test_the_image_is_of_fixed_versions_runs_as_nobody_and_says_nothing_secret() -> None:
    found = instructions()
    assert found[0][0] == "FROM"
    bases = [text.split()[0] for name, text in found if name == "FROM"]
    copied = [match for _, text in found for match in re.findall(r"--from=(\S*/\S+)", text)]
    for image in (*bases, *copied):
        assert re.search(r":\d+\.\d+\.\d+", image), image
    assert [text for name, text in found if name == "USER"] == [f"{USER}:{USER}"]
    last = [name for name, _ in found]
    assert last.index("USER") > max(at for at, name in enumerate(last) if name in ("RUN", "COPY"))
    assert "ADD" not in last
    for name, text in found:
        if name in ("ENTRYPOINT", "CMD"):
            assert isinstance(yaml.safe_load(text), list)  # no shell
        if name in ("ARG", "ENV"):
            assert not re.search(r"(?i)password|secret|token", text)
    assert dict(found)["WORKDIR"] == SCRATCH


def test_all_that_is_copied_is_there_and_in_the_context() -> None:
    allowed = [line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for name in allowed:
        assert (REPOSITORY / name).exists(), name
    for name, text in instructions():
        if name == "COPY" and "--from" not in text and not text.startswith(". "):
            assert (REPOSITORY / text.split()[0]).exists()
    plugins = next(text for name, text in instructions() if name == "ARG").split('"')[1].split()
    for plugin in plugins:
        assert (REPOSITORY / f"plugins/mlbsdk-plugin-{plugin}/pyproject.toml").exists()


def test_the_entry_point_starts_executors_as_spark_asks_for_them(tmp_path: Path) -> None:
    java = tmp_path / "bin/java"
    java.parent.mkdir()
    java.write_text(f"#!{sys.executable}\nimport sys\nprint('\\n'.join(sys.argv[1:]))\n")
    java.chmod(java.stat().st_mode | stat.S_IXUSR)
    asked = {
        "JAVA_HOME": str(tmp_path),
        "SPARK_HOME": "/opt/spark",
        "SPARK_JAVA_OPT_10": "-Dlast=a b",
        "SPARK_JAVA_OPT_2": "-Dfirst=1",
        "SPARK_EXECUTOR_MEMORY": "4g",
        "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@10.0.0.7:7078",
        "SPARK_EXECUTOR_ID": "3",
        "SPARK_EXECUTOR_CORES": "2",
        "SPARK_APPLICATION_ID": "spark-1",
        "SPARK_EXECUTOR_POD_IP": "10.0.0.8",
        "SPARK_RESOURCE_PROFILE_ID": "0",
        "SPARK_EXECUTOR_POD_NAME": "mlbsdk-exec-3",
    }
    entry = [sys.executable, str(DOCKER / "entrypoint.py")]
    done = subprocess.run([*entry, "executor"], env={**os.environ, **asked}, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[:6] == ["-Dfirst=1", "-Dlast=a b", "-Xms4g", "-Xmx4g", "-cp", "/opt/spark/jars/*"]
    assert lines[6].endswith("KubernetesExecutorBackend")
    assert lines[lines.index("--driver-url") + 1] == asked["SPARK_DRIVER_URL"]
    assert lines[-2:] == ["--podName", "mlbsdk-exec-3"]
    other = subprocess.run([*entry, sys.executable, "-c", "print('$HOME')"], capture_output=True, text=True, check=True)
    assert other.stdout == "$HOME\n"


def test_the_jars_of_all_plugins_are_baked() -> None:
    spec = importlib.util.spec_from_file_location("bake_jars", DOCKER / "bake_jars.py")
    assert spec is not None
    assert spec.loader is not None
    bake = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bake)
    assert {installed_spark().delta, "org.postgresql:postgresql:42.7.14"} <= {
        package for one in bake.wanted() for package in one.packages
    }


def test_the_example_makes_a_workflow_of_what_the_cluster_has() -> None:
    configuration = load_configuration(REPOSITORY / "examples/workflow.yaml", {})
    assert problems_of(season_workflow("2024", date(2024, 3, 20), date(2024, 10, 30), configuration)) == []
    there = {
        (one["kind"], one["metadata"]["name"])
        for one in yaml.safe_load_all((DOCKER / "kubernetes.yaml").read_text(encoding="utf-8"))
    }
    assert configuration.volume is not None
    assert configuration.api_semaphore is not None
    assert ("PersistentVolumeClaim", configuration.volume.claim) in there
    assert ("ConfigMap", configuration.api_semaphore.config_map) in there
    assert ("ServiceAccount", configuration.service_account) in there


def test_the_settings_of_spark_on_kubernetes_are_settings() -> None:
    from mlbsdk_plugin_argo.configuration import WorkflowConfiguration

    found = yaml.safe_load((REPOSITORY / "examples/spark-on-kubernetes.yaml").read_text(encoding="utf-8"))
    assert found.keys() <= {"target", "spark"}
    assert WorkflowConfiguration(spark=found["spark"]).runs_executors
