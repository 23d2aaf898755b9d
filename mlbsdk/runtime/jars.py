"""Fetching of jars: Spark keeps them in a folder that all processes of a user share, and does not lock it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mlbsdk.runtime.spark_lines import installed_spark


@contextlib.contextmanager
def fetched_by_one(settings: Mapping[str, str]) -> Iterator[None]:
    """Let one process at a time start Spark while jars are still to be fetched: two would spoil each other's files."""
    packages = [name for name in settings.get("spark.jars.packages", "").split(",") if name]
    own = settings.get("spark.jars.ivy")
    shared = Path(own) if own is not None else _home_of_java() / installed_spark().jar_folder
    if are_fetched(packages, shared / "jars"):
        yield
        return
    import fcntl

    shared.mkdir(parents=True, exist_ok=True)
    with (shared / "mlbsdk.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _home_of_java() -> Path:
    """Return the home folder that Java goes by: the user's own, whatever HOME says."""
    import pwd

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # a container may run as a user that has no entry
        return Path.home()


def are_fetched(packages: Iterable[str], folder: Path) -> bool:
    """Return whether the jars of Maven coordinates, ``group:artifact:version``, lie in Spark's folder of jars."""
    return all((folder / f"{group}_{artifact}-{version}.jar").exists() for group, artifact, version in _parts(packages))


def not_baked(packages: Iterable[str], folder: Path) -> list[str]:
    """Return the Maven coordinates whose jars are not in Spark's own folder, where a container image may hold them.

    Nothing is asked of Maven for those that are; what they need in turn is taken to lie beside them.
    """
    return [package for package in packages if not are_fetched([package], folder)]


def own_folder() -> Path:
    """Return the folder whose jars Spark always loads."""
    import pyspark

    return Path(os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent) / "jars"


def _parts(packages: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    for package in packages:
        group, artifact, version, *_ = [*package.split(":"), "", "", ""]
        yield group, artifact, version
