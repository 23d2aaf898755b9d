"""The plugin's own tests: the rows of its sample, its store and its check."""

import json

import pytest

import mlbsdk
from mlbsdk.plugin import ConfigurationError
from mlbsdk.testing import MAPPING, Capture, save


def test_the_sample_gives_the_rows_of_the_golden_file(mlbsdk_spark, mlbsdk_warehouse, mlbsdk_golden):
    request = mlbsdk.RunRequest(name="github.release", target=mlbsdk_warehouse.target)
    assert mlbsdk.run(request, spark=mlbsdk_spark).quality == []
    # A response carries no time of its own, so the file's time is taken, which differs from checkout to checkout.
    rows = {name: mlbsdk_warehouse.rows(name) for name in mlbsdk_warehouse.tables()}
    mlbsdk_golden.check("release_1", rows, ignore=("source_captured_at", "transform_timestamp", "lineage_metadata"))


def test_transform_writer_and_check_work_together(mlbsdk_spark, mlbsdk_sample_captures, tmp_path):
    release = json.loads(mlbsdk_sample_captures["github.release"].read_text(encoding="utf-8"))
    release["html_url"] = "http://example.org/not-safe"
    (tmp_path / "release.json").write_text(json.dumps(release), encoding="utf-8")
    request = mlbsdk.RunRequest(
        name="github.release",
        source=str(tmp_path / "release.json"),
        target=f"jsonl:{tmp_path / 'out'}",
        quality=("acme-links",),
    )
    report = mlbsdk.run(request, spark=mlbsdk_spark)
    assert [(rule.table, rule.rule, rule.severity, rule.failed) for rule in report.quality] == [
        ("github.releases", "acme-links:is_https:page_url", "warning", 1)
    ]
    lines = (tmp_path / "out" / "github.assets.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["file_name"] for line in lines] == ["example.zip", "example.zip.sha256"]


def test_a_mapping_that_deletes_is_refused(tmp_path):
    source = save(tmp_path / "captures", [Capture(game=1, minute=0)])
    request = mlbsdk.RunRequest(
        name="mini.game", mapping=MAPPING, source=str(source), target=f"jsonl:{tmp_path / 'out'}"
    )
    with pytest.raises(ConfigurationError, match="'jsonl' does not support delete"):
        mlbsdk.run(request)
