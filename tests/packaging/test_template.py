"""Each kind of the template is made, built, installed from its wheel, and passes its own tests and its contract suite.

The example of a third-party plugin goes the same way. All are installed into one fresh environment, side by side.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlbsdk.templates import KINDS
from tests.conftest import REPOSITORY
from tests.packaging.test_wheels import clean_environment, uv

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(900)]

EXAMPLE = REPOSITORY / "examples" / "third-party-plugin"
PROJECTS = [*KINDS, "example"]


@dataclass(frozen=True)
class Environment:
    """A fresh environment with the core's wheel and, beside it, the projects with theirs."""

    folder: Path

    def program(self, name: str) -> Path:
        return self.folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / name

    def project(self, kind: str) -> Path:
        return self.folder / "projects" / kind

    def install(self, *what: str | Path) -> None:
        target = ("--python", self.program("python"), "--constraint", self.folder / "constraints.txt")
        uv("pip", "install", "--quiet", *target, *what)

    def run(self, *command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        environment = clean_environment() | {"MLBSDK_HOME": str(self.folder / "home"), "PATH": os.defpath}
        return subprocess.run(
            [*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=600, check=False
        )


def with_core(folder: Path) -> Environment:
    """Return a fresh environment in a folder, with the core's wheel and what authors need."""
    made = Environment(folder)
    locked = folder / "constraints.txt"  # versions as locked, so that uv's cache has them
    export = ("--frozen", "--all-packages", "--all-extras", "--no-dev", "--no-emit-workspace", "--no-hashes")
    uv("export", "--quiet", *export, "-o", locked)
    uv("build", "--quiet", "--wheel", "--out-dir", folder / "core", REPOSITORY)
    uv("venv", "--quiet", "--python", sys.executable, folder / "venv")
    (core,) = (folder / "core").glob("*.whl")
    made.install(f"mlbsdk[authoring] @ {core.as_uri()}")
    return made


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("authoring")
    made = with_core(folder)
    for kind in KINDS:
        done = made.run(
            made.program("mlbsdk"), "plugin", "new", "--kind", kind, "--name", f"my-{kind}", made.project(kind),
            cwd=folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    shutil.copytree(EXAMPLE, made.project("example"), ignore=shutil.ignore_patterns("__pycache__", ".*", "dist"))
    for name in PROJECTS:
        uv("build", "--quiet", "--wheel", "--out-dir", folder / "wheels", made.project(name))
    made.install(*sorted((folder / "wheels").glob("*.whl")))
    return made


@pytest.mark.slow
def test_all_are_ready_side_by_side(environment: Environment) -> None:
    done = environment.run(environment.program("mlbsdk"), "plugins", "list", "--json", cwd=environment.folder)
    assert done.returncode == 0, done.stderr
    found = {each["distribution"]: each for each in json.loads(done.stdout)["plugins"]}
    assert len(found) == len(PROJECTS) + 1
    assert {name: each["reason"] for name, each in found.items() if each["status"] != "ready"} == {}
    assert [name for name, each in found.items() if not each["declarations"]] == []


@pytest.mark.parametrize(
    "kind", [kind if kind == "transform" else pytest.param(kind, marks=pytest.mark.slow) for kind in PROJECTS]
)
def test_its_own_tests_and_its_contract_pass(environment: Environment, kind: str) -> None:
    project = environment.project(kind)
    # The installed wheel is tested, not the sources beside the tests.
    for package in project.glob("*/__init__.py"):
        shutil.rmtree(package.parent)
    done = environment.run(environment.program("python"), "-m", "pytest", "-v", "--mlbsdk-contract", cwd=project)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = [line for line in done.stdout.splitlines() if " PASSED" in line]
    assert [test for test in SUITES[kind] if not any(test in line for line in passed)] == []


#: A test of each suite that must have been run for a project, with the name that it declares.
SUITES = {
    "transform": ["test_the_sample_runs_and_running_again_changes_nothing[my_transform.branch]"],
    "writer": [
        "test_rows_that_the_newest_capture_lacks_are_deleted_and_stay_so[arrow-mywriter]",
        "test_rows_that_the_newest_capture_lacks_are_deleted_and_stay_so[spark-mywriter]",
    ],
    "source": ["test_every_capture_is_a_row_of_its_own_with_its_text[mysource]"],
    "quality": ["test_it_judges_every_table_with_true_counts[my-quality]"],
    "lineage": ["test_a_run_that_fails_is_watched_without_a_fault[my-lineage]"],
    "example": [
        "test_the_sample_is_accounted_for[github.release]",
        "test_a_newer_capture_replaces_and_an_older_one_does_not[spark-jsonl]",
        "test_it_judges_every_table_with_true_counts[acme-links]",
        "test_listing_the_plugin_imports_nothing_heavy[acme-github]",
    ],
}
