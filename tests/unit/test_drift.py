"""Drift without Spark: which captures are looked at, what is found, and what a report keeps of it."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from mlbsdk.cli.run_command import drift_lines
from mlbsdk.errors import DriftError, MappingError
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_text
from mlbsdk.report import MOST_DRIFT, DriftReport, RunReport
from mlbsdk.runtime import drift
from mlbsdk.runtime.parse import ParsedDocument
from tests.mini import MAPPING

GAME = {"gamePk": 1, "date": "2024-07-01", "state": "x", "plays": [{"event": "a"}, {"event": "b"}], "fresh": 1}


def parsed(number: int, size: int = 1) -> ParsedDocument:
    return ParsedDocument(number, f"row {number}", None, (number,), None, "raw", None, size)


def found(policies: str, *captures: str, is_stream: bool = False) -> list[DriftReport]:
    loaded = load_text(f"{MAPPING.read_text(encoding='utf-8')}\ndrift: {policies}\n", "m.yaml")
    return drift.drift_of(captures, compile_mapping(loaded), loaded.mapping, is_stream=is_stream)


def test_the_newest_captures_are_looked_at() -> None:
    captures = [parsed(number) for number in range(5)]
    assert [one.document_id for one in drift.sampled(captures, 2)] == [4, 3]
    assert len(drift.sampled(captures, 99)) == 5


def test_captures_that_are_looked_at_are_bounded_in_bytes() -> None:
    big = [parsed(number, drift.SAMPLE_BYTES // 2) for number in range(5)]
    assert [one.document_id for one in drift.sampled(big, 5)] == [4, 3]
    assert len(drift.sampled([parsed(0, drift.SAMPLE_BYTES * 2)] * 2, 5)) == 1


def test_policies_are_each_for_themselves() -> None:
    text = json.dumps(GAME)
    new = ("new_path", "$.fresh", 1, "report")
    vanished = ("vanished_path", "$.plays[*].speed", 2, "fail")
    for policies, expected in (
        ("{new_paths: report}", [new]),
        ("{vanished_paths: fail}", [vanished]),
        ("{new_paths: report, vanished_paths: fail}", [new, vanished]),
    ):
        assert [(one.kind, one.path, one.count, one.policy) for one in found(policies, text)] == expected
    assert not found("{vanished_paths: fail}", text, is_stream=True)


def test_a_table_without_items_has_lost_nothing() -> None:
    assert not found("{vanished_paths: fail}", json.dumps(GAME | {"plays": []}))


def test_what_has_a_reason_is_no_drift() -> None:
    loaded = load_text(
        MAPPING.read_text(encoding="utf-8")
        + "drift: {new_paths: fail, vanished_paths: fail}\n"
        + "coverage: {ignore: [{path: $.fresh, reason: x}], may_be_absent: [{path: '$.plays[*].speed', reason: y}]}\n",
        "m.yaml",
    )
    assert not drift.drift_of([json.dumps(GAME)], compile_mapping(loaded), loaded.mapping, is_stream=False)


def test_a_capture_that_only_spark_can_parse_is_passed_over() -> None:
    (one,) = found("{new_paths: report}", "{'gamePk': 1, 'other': 2}", "[" * 10**5, json.dumps(GAME))
    assert (one.path, one.sampled) == ("$.fresh", 1)


def test_the_gate_closes_for_fail_alone() -> None:
    drift.close_gate([DriftReport("new_path", "$.a", None, 1, 1, "report")])
    with pytest.raises(DriftError, match=r"2 new paths: \$\.0, \$\.1; 1 vanished paths: \$\.b \(a\.b\.c\)") as caught:
        drift.close_gate(
            [
                *(DriftReport("new_path", f"$.{number}", None, 1, 1, "fail") for number in range(2)),
                DriftReport("vanished_path", "$.b", "a.b.c", 1, 1, "fail"),
            ]
        )
    assert (caught.value.code, caught.value.exit_code) == ("MLBSDK404", 3)


def test_a_report_adds_up_drift_and_keeps_a_bounded_number() -> None:
    total = RunReport("r", "mini.game", "in", "out", datetime.now(timezone.utc))
    for _ in range(2):
        part = RunReport("r", "mini.game", "in", "out", datetime.now(timezone.utc))
        part.found_drift([DriftReport("new_path", "$.a", None, 3, 2, "report")])
        total.add(part)
    assert total.drift == [DriftReport("new_path", "$.a", None, 6, 4, "report")]
    total.found_drift([DriftReport("new_path", f"$.x{number}", None, 1, 1, "report") for number in range(1000)])
    assert len(total.drift) == MOST_DRIFT
    assert total.notes == [f"more than {MOST_DRIFT} paths have drifted: mlbsdk mapping coverage lists them all"]


def test_drift_is_told_in_a_line_each() -> None:
    many = [DriftReport("new_path", f"$.x{number}", None, 1, 2, "report") for number in range(11)]
    many[0] = DriftReport("vanished_path", "$.plays[*].speed", "mini.plays.speed", 7, 2, "report")
    lines = drift_lines(many)
    assert lines[0] == (
        "drift: vanished path $.plays[*].speed: in none of 7 items, mini.plays.speed (captures looked at: 2)"
    )
    assert lines[1] == "drift: new path $.x1: 1 values (captures looked at: 2)"
    assert lines[-1] == "drift: and 1 more paths: --json and the saved report list them"


@pytest.mark.parametrize(
    ("policies", "told"),
    [
        ("{new_path: fail}", "unknown key 'new_path'. Did you mean 'new_paths'?"),
        ("{new_paths: stop}", "drift.new_paths"),
        ("{sample: 0}", "drift.sample"),
    ],
)
def test_a_wrong_policy_is_told_with_its_place(policies: str, told: str) -> None:
    with pytest.raises(MappingError) as caught:
        found(policies)
    assert told in str(caught.value)
