from __future__ import annotations

import fcntl
from pathlib import Path

from mlbsdk.runtime.jars import are_fetched, fetched_by_one, not_baked

PACKAGE = "io.delta:delta-spark_2.12:3.3.2"
JAR = "io.delta_delta-spark_2.12-3.3.2.jar"


def is_locked(ivy: Path) -> bool:
    with (ivy / "mlbsdk.lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_jars_are_found_by_their_coordinates(tmp_path: Path) -> None:
    assert not are_fetched([PACKAGE], tmp_path)
    (tmp_path / JAR).touch()
    assert are_fetched([PACKAGE], tmp_path)
    assert not are_fetched([PACKAGE, "org.postgresql:postgresql:42.7.14"], tmp_path)


def test_one_process_at_a_time_starts_spark_while_jars_are_missing(tmp_path: Path) -> None:
    ivy = tmp_path / "ivy"
    with fetched_by_one({"spark.jars.packages": PACKAGE, "spark.jars.ivy": str(ivy)}):
        assert is_locked(ivy)
    assert not is_locked(ivy)


def test_nothing_waits_once_jars_are_there(tmp_path: Path) -> None:
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / JAR).touch()
    with fetched_by_one({"spark.jars.packages": PACKAGE, "spark.jars.ivy": str(tmp_path)}), fetched_by_one({}):
        assert not (tmp_path / "mlbsdk.lock").exists()


def test_jars_that_an_image_holds_are_not_asked_of_maven(tmp_path: Path) -> None:
    (tmp_path / "io.delta_delta-spark_2.12-3.3.2.jar").touch()
    packages = ["io.delta:delta-spark_2.12:3.3.2", "org.postgresql:postgresql:42.7.14"]
    assert not_baked(packages, tmp_path) == ["org.postgresql:postgresql:42.7.14"]
    assert not_baked(packages, tmp_path / "none") == packages
