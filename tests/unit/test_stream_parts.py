"""What a stream is made of, without Spark: when it ends, its condition, its report, what it asks of a request."""

from __future__ import annotations

import signal
import threading
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import mlbsdk
from mlbsdk.errors import ConfigurationError
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file
from mlbsdk.mapping.plan import Plan
from mlbsdk.report import MOST_MESSAGES, BatchReport, DocumentsReport, RuleReport, StreamReport, TableReport
from mlbsdk.runtime.checkpoint import Checkpoint
from mlbsdk.runtime.ending import Ending
from mlbsdk.runtime.sources import FileSource, TableSource
from mlbsdk.runtime.transformation import new_report
from mlbsdk.runtime.until import Until
from tests.mini import MAPPING

MOMENT = datetime(2024, 7, 1, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return compile_mapping(load_file(MAPPING))


# The condition


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stat = 'Final'", "no column 'stat'. Did you mean 'state'?"),
        ("event = 'x'", "no column 'event'"),
        ("state", "must be true or false"),
        ("java_method('java.lang.System', 'getenv', 'HOME') = 'x'", "function 'java_method' is not on the list"),
        ("state = 'a'; DROP TABLE x", "without ';'"),
        ("state = (SELECT 1)", "a subquery"),
        ("state =", "is not a SQL expression"),
        ("state = '${env:HOME}'", "which Spark would replace"),
    ],
)
def test_a_condition_is_checked_as_those_of_mappings_are(plan: Plan, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Until(text, plan)
    assert told in str(caught.value)
    assert "a condition over the columns of mini.games" in str(caught.value)


def test_a_condition_needs_a_table_with_a_row_a_document(plan: Plan) -> None:
    with pytest.raises(ConfigurationError, match="needs a table with a row a document"):
        Until("true", replace(plan, tables=plan.tables[1:]))


def test_it_is_met_when_every_document_that_was_seen_satisfies_it(plan: Plan) -> None:
    until = Until("state = 'Final'", plan)
    assert not until.is_met
    until.take({"[1]": (MOMENT, True)})
    assert until.is_met
    until.take({"[2]": (MOMENT, False)})
    assert not until.is_met
    until.take({"[2]": (MOMENT, True)})
    assert until.is_met


def test_an_older_capture_says_nothing(plan: Plan) -> None:
    until = Until("state = 'Final'", plan)
    until.take({"[1]": (MOMENT, True)})
    until.take({"[1]": (MOMENT - timedelta(minutes=1), False)})
    assert until.is_met
    until.take({"[1]": (MOMENT + timedelta(minutes=1), False)})
    assert not until.is_met


def test_what_was_seen_outlives_the_process_for_the_same_condition(plan: Plan, tmp_path: Path) -> None:
    checkpoint = Checkpoint(str(tmp_path))
    until = Until("state = 'Final'", plan)
    until.take({"[1]": (MOMENT, True)})
    until.save(checkpoint)
    same, other = Until("STATE  = 'Final'", plan), Until("state = 'Over'", plan)
    same.load(checkpoint)
    other.load(checkpoint)
    assert same.is_met
    assert other.seen == {}


# When it ends


def test_a_condition_met_before_ends_the_stream_only_after_a_look_for_newer_captures(plan: Plan) -> None:
    until = Until("true", plan)
    until.take({"[1]": (MOMENT, True)})
    ending = Ending(threading.Event(), until, None)
    assert ending.reason() is None
    ending.looked()
    assert ending.reason() == "until"


def test_neither_the_first_look_nor_a_running_batch_is_idle() -> None:
    ending = Ending(threading.Event(), None, -1.0)
    assert ending.reason() is None
    ending.looked()
    assert ending.reason() == "idle"
    with ending.busy():
        assert ending.reason() is None
    assert ending.reason() == "idle"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_and_the_second_interrupts(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    ending = Ending(threading.Event(), None, None)
    with ending.on_signals():
        signal.raise_signal(number)
        assert ending.reason() == "stop"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[Any] = []

    def other() -> None:
        with Ending(threading.Event(), None, None).on_signals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen == [before]


# The report


def test_batches_add_up(plan: Plan) -> None:
    report = new_report(plan, "in", "out", "streaming")
    report.stream = StreamReport("checkpoint")
    for number in range(3):
        part = new_report(plan, "in", "out", "streaming", report.run_id)
        part.documents = DocumentsReport(read=2, newest=1, rejected=1)
        part.tables = {"mini.games": TableReport(rows=1, inserted=1, quarantined=number)}
        part.quality = [RuleReport("mini.games", "rule", "error", 2)]
        report.add(part)
    assert report.documents == DocumentsReport(read=6, newest=3, rejected=3)
    assert report.tables == {"mini.games": TableReport(rows=3, inserted=3, quarantined=3)}
    assert report.quality == [RuleReport("mini.games", "rule", "error", 6)]


def test_a_long_stream_keeps_its_newest_messages(plan: Plan) -> None:
    report = new_report(plan, "in", "out", "streaming")
    for number in range(1000):
        part = new_report(plan, "in", "out", "streaming")
        part.errors = [f"capture {number}", "the same"]
        part.notes = ["the same"]
        report.add(part)
        report.note(f"note {number}")
    assert len(report.errors) == MOST_MESSAGES
    assert report.errors[-1] == "capture 999"
    assert report.notes[-1] == "note 999"
    assert len(report.notes) == MOST_MESSAGES


def test_the_report_as_json_says_what_the_stream_did(plan: Plan) -> None:
    report = new_report(plan, "in", "out", "streaming")
    assert "stream" not in report.to_json()
    last = BatchReport(7, DocumentsReport(2, 1, 0), 10, 1.23456, None, {"mini.games": TableReport(rows=1)})
    report.stream = StreamReport("folder", 3, last, "until")
    found = report.to_json()
    assert (found["version"], found["mode"]) == (1, "streaming")
    expected = {"checkpoint": "folder", "batches": 3, "ended_by": "until", "last": last.to_json(), "history": []}
    assert found["stream"] == expected
    assert (found["stream"]["last"]["batch"], found["stream"]["last"]["seconds"]) == (7, 1.235)


# What can be followed


@pytest.mark.parametrize("format", ["avro", "parquet"])
def test_a_raw_table_that_cannot_be_followed_is_refused_before_spark_starts(tmp_path: Path, format: str) -> None:
    request = mlbsdk.StreamRequest(
        name="mini.game", mapping=MAPPING, source=f"{format}:{tmp_path}", target=str(tmp_path / "out")
    )
    with pytest.raises(ConfigurationError) as caught:
        mlbsdk.stream(request)
    assert f"a stream can't follow the source '{format}'" in str(caught.value)
    assert all(name in str(caught.value) for name in ("folder or glob", "delta:PATH", "postgresql://"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"trigger": "often"}, "--trigger is 'often'"),
        ({"idle_timeout": "10"}, "--idle-timeout is '10'"),
        ({"until": "nothing = 1"}, "--until"),
        ({"checkpoint": "gs://bucket/x"}, "no plugin provides the storage 'gs'"),
    ],
)
def test_a_wrong_request_is_refused_before_spark_starts(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    wanted: dict[str, Any] = {"name": "mini.game", "mapping": MAPPING, "source": str(tmp_path), "target": str(tmp_path)}
    with pytest.raises(mlbsdk.MlbsdkError) as caught:
        mlbsdk.stream(mlbsdk.StreamRequest(**wanted, **change))
    assert told in str(caught.value)


def test_only_delta_tables_and_files_can_be_followed() -> None:
    from mlbsdk.hookspecs import StreamSource

    assert isinstance(FileSource("in", {}), StreamSource)
    assert isinstance(TableSource("delta", "in", {}), StreamSource)
    assert not isinstance(TableSource("avro", "in", {}), StreamSource)


@pytest.mark.parametrize(
    ("address", "followed"),
    [
        ("in", ("{here}/in", "")),
        ("in/one.json", ("{here}/in/one.json", "")),
        ("odd [1]", ("{here}/odd \\[1\\]", "")),
        ("in/2024-*", ("{here}/in/2024-*", "")),
        ("in/{{a}}*", ("{here}/in/\\{{a\\}}*", "")),
        ("in/**", ("{here}/in", "")),
        ("in/2024*/**/*.json.gz", ("{here}/in/2024*", "*.json.gz")),
        ("not/*", None),
        ("not", None),
        ("in/**/a/*.json", None),
    ],
)
def test_what_spark_is_told_to_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, followed: tuple[str, str] | None
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("odd [1]").mkdir()
    Path("in").mkdir()
    Path("in/one.json").write_text("{}")
    source = FileSource(address.format(), {})
    if followed is None:
        with pytest.raises(mlbsdk.MlbsdkError):
            source._followed()
        return
    assert source._followed() == tuple(part.format(here=tmp_path) for part in followed)
