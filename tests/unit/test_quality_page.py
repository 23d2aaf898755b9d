"""The quality report of a run: what stands on it, for whatever a report and a store hold. No Spark."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from typer.testing import CliRunner

from mlbsdk.cli.main import build
from mlbsdk.errors import ConfigurationError
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_file
from mlbsdk.plugins import Plugins
from mlbsdk.quality.examples import examples_in_arrow
from mlbsdk.quality.page.html import page_of, quality_report
from mlbsdk.quality.page.profiles import given_profile, stored_profiles
from mlbsdk.quality.page.saved import SavedRun, SavedRuns, housekeeping_of
from mlbsdk.quality.quarantine import NAME, QuarantineQuery, quarantine_rows
from mlbsdk.report import (
    EXAMPLES_OF_A_CHECK,
    BatchFigures,
    BatchReport,
    DocumentsReport,
    DriftReport,
    ExampleReport,
    RuleReport,
    RunReport,
    StreamReport,
    TableReport,
)
from mlbsdk.runtime.arrow import arrow_schema
from mlbsdk.runtime.watchers import save_report
from mlbsdk.writers.delta import DeltaWriter
from mlbsdk.writers.files import FileWriter
from tests.mini import MAPPING

PLAN = compile_mapping(load_file(MAPPING))
START = datetime(2024, 7, 1, 12, tzinfo=timezone.utc)
HOSTILE = "<script>alert('x')</script>\"' onload=y ${env:HOME} {{ 7*7 }} \ud800"
PLUGINS = Plugins.load()


class Page(HTMLParser):
    """Reads a page as a browser would, and notes what must not be in it."""

    VOID = frozenset({"meta", "br", "wbr", "link", "input", "img", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.stack: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        self.text = " ".join(self.text.split())
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag
        self.text += " "

    def handle_data(self, data: str) -> None:
        if "style" not in self.stack:
            self.text += data


def run_report(target: Path, number: int = 0, **changes: Any) -> RunReport:
    report = RunReport(
        run_id=f"0195f3c4-0000-7000-8000-{number:012d}",
        transform="mini.game",
        source="captures",
        target=f"delta:{target}",
        started_at=START + timedelta(hours=number),
        status="completed",
        duration_s=1.5 + number,
        phases={"read": 1.0, "write": 0.5},
        documents=DocumentsReport(3, 2, 1),
        tables={
            "mini.games": TableReport(rows=2, inserted=2),
            NAME: TableReport(inserted=1),
            "mini.plays": TableReport(rows=7, inserted=4, updated=2, unchanged=1, deleted=3, quarantined=1),
        },
        quality=[
            RuleReport("mini.plays", "speed_plausible", "error", 1),
            RuleReport("mini.plays", "speed_usual", "warning", 2),
        ],
        plan=PLAN,
        location=str(target / "_mlbsdk"),
    )
    for name, value in changes.items():
        setattr(report, name, value)
    return report


def test_every_check_is_told_with_what_it_asks_and_what_came_of_it(tmp_path: Path) -> None:
    report = run_report(tmp_path)
    example = ExampleReport("mini.plays", ("speed_plausible",), {"game_pk": "7", "speed": "130.00"}, "file:///a", None)
    report.show_examples([example])
    page = Page(page_of(report, report.target, PLUGINS))
    for text in (
        "Published, without 1 row and 1 capture that were refused.",
        "speed BETWEEN 0 AND 120",
        "no pitch is faster",
        "10 rows checked in 2 tables",
        "1 of 8 rows failed",
        "2 of 8 rows failed",
        "130.00",
        "game_pk > 0",
        "✓ held",
        "the primary key is unique",
        "values fit their type",
    ):
        assert text in page.text
    assert "trend" not in [value for name, value in page.attributes if name == "id"]


def test_the_page_is_one_file_that_asks_for_nothing_and_runs_nothing(tmp_path: Path) -> None:
    text = page_of(run_report(tmp_path), "delta:x", PLUGINS)
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(page.tags)
    assert all(value.startswith("#") for name, value in page.attributes if name in ("href", "src", "xlink:href"))
    assert not re.search(r"url\(|@import|https?:", text)
    assert "default-src 'none'" in text
    for needed in ("prefers-color-scheme: dark", "@media print", 'lang="en"'):
        assert needed in text
    # Every picture says in words what it shows.
    pictures = [value for name, value in page.attributes if name == "aria-label"]
    assert page.tags.count("svg") <= len(pictures)
    assert "mini.plays: 4 inserted, 2 updated, 1 unchanged, 3 deleted, 1 quarantined" in pictures


def test_nothing_that_a_report_or_a_store_holds_becomes_markup(tmp_path: Path) -> None:
    plain = run_report(tmp_path)
    rule = replace(PLAN.table("mini.plays").rules[0], name=HOSTILE, text=HOSTILE, reason=HOSTILE)
    table = replace(PLAN.table("mini.plays"), name=HOSTILE, rules=(rule,))
    report = run_report(
        tmp_path,
        run_id=HOSTILE,
        transform=HOSTILE,
        source=HOSTILE,
        status=HOSTILE,
        phases={HOSTILE: 1.0},
        tables={HOSTILE: TableReport(rows=1, quarantined=1)},
        quality=[RuleReport(HOSTILE, HOSTILE, HOSTILE, 1)],
        drift=[DriftReport("new_path", HOSTILE, HOSTILE, 1, 1, "report")],
        examples=[ExampleReport(HOSTILE, (HOSTILE,), {HOSTILE: HOSTILE}, HOSTILE, HOSTILE)],
        notes=[HOSTILE],
        errors=[HOSTILE],
        plan=replace(PLAN, tables=(table,)),
        location=None,
        stream=StreamReport(HOSTILE, 1, ended_by=HOSTILE, history=[figures(1)]),
    )
    target = "postgresql://nobody@127.0.0.1:1/none"
    page = Page(page_of(report, target, PLUGINS))
    harmless = Page(page_of(replace(plain, location=None), target, PLUGINS))
    assert set(page.tags) <= {*harmless.tags, "figure", "figcaption", "line", "caption"}
    assert "script" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "alert('x')" in page.text
    assert "{{ 7*7 }}" in page.text
    assert "\\ud800" in page.text


def figures(number: int, quarantined: int = 0) -> BatchFigures:
    tables = {"mini.plays": TableReport(rows=10 + number, inserted=10 + number, quarantined=quarantined)}
    lag = None if number == 2 else 3.25
    return BatchFigures.of(BatchReport(number, DocumentsReport(1, 1), 10 + number, 0.5, lag, tables))


def test_a_stream_shows_its_batches(tmp_path: Path) -> None:
    report = run_report(tmp_path, mode="streaming")
    report.stream = StreamReport("checkpoint", 3, history=[figures(0), figures(1, quarantined=4), figures(2)])
    page = Page(page_of(report, report.target, PLUGINS))
    labels = [value for name, value in page.attributes if name == "aria-label"]
    assert "Lag behind the newest capture, 3 batches, the last not known" in labels
    assert "batch 1: 4" in page.text
    assert "3.2" in page.text


def test_a_run_that_is_asked_for_is_found_and_the_trend_goes_back_from_it(tmp_path: Path) -> None:
    for number in range(4):
        save_report(run_report(tmp_path, number))
    save_report(run_report(tmp_path, 9, transform="mini.other", status="failed", errors=["[MLBSDK401] gate"]))
    (tmp_path / "_mlbsdk" / "runs" / "20240101T000000Z-broken.json").write_text("{", encoding="utf-8")
    runs = SavedRuns(str(tmp_path / "_mlbsdk"))
    assert runs.find(None).transform == "mini.other"
    third = runs.find("0195f3c4-0000-7000-8000-000000000002")
    assert [run.duration_s for run in runs.until(third, 30)] == [1.5, 2.5, 3.5]
    assert [run.duration_s for run in runs.until(third, 2)] == [2.5, 3.5]
    page = Page(quality_report(third.run_id, f"delta:{tmp_path}", plugins=PLUGINS))
    assert "3 runs" in page.text
    assert "2024-07-01 14:00:00 UTC" in page.text
    last = Page(quality_report(None, str(tmp_path / "_mlbsdk"), plugins=PLUGINS))
    assert "The quality gate is closed: nothing was published." in last.text
    with pytest.raises(ConfigurationError, match="no run 'f' in"):
        runs.find("f")
    with pytest.raises(ConfigurationError, match="5 runs start with '0195'"):
        runs.find("0195")
    with pytest.raises(ConfigurationError, match="no reports of runs"):
        quality_report(None, f"delta:{tmp_path / 'nowhere'}", plugins=PLUGINS)
    with pytest.raises(ConfigurationError, match="keeps no reports of runs"):
        housekeeping_of("postgresql://host/database")


def test_reports_of_earlier_versions_and_of_files_have_a_page(tmp_path: Path) -> None:
    old = run_report(tmp_path).to_json()
    for key in ("checks", "examples", "drift", "notes", "mode"):
        del old[key]
    file = tmp_path / "report.json"
    file.write_text(json.dumps(old | {"added_later": 1}), encoding="utf-8")
    page = Page(quality_report(file, f"delta:{tmp_path}", plugins=PLUGINS))
    assert "speed_plausible" in page.text
    for text in ("[]", "no json", '{"run_id": 3}', json.dumps(old | {"tables": {"t": {"rows": "x"}}})):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigurationError, match="is no report of a run"):
            quality_report(str(file), f"delta:{tmp_path}", plugins=PLUGINS)


def test_a_report_keeps_a_few_failed_rows_with_what_their_checks_looked_at() -> None:
    table = PLAN.table("mini.plays")
    lineage = {"source_row_id": "file:///a", "data_quality_passed": False, "quality_checks_run": []}
    rows = [
        {
            "game_pk": 1,
            "play_index": n // 2,
            "event": "x" * 500,
            "speed": Decimal("130.00"),
            "source_captured_at": START,
            "lineage_metadata": lineage | {"quality_checks_failed": ["speed_plausible"] if n % 2 else []},
        }
        for n in range(20)
    ]
    arrow = pa.Table.from_pylist(rows, schema=arrow_schema(table))
    found = examples_in_arrow(table, arrow, ["speed_plausible", "unique:primary_key"])
    shown = [one for one in found if "speed_plausible" in one.checks]
    assert len(shown) == EXAMPLES_OF_A_CHECK
    assert shown[0].values == {"game_pk": "1", "play_index": "0", "speed": "130.00"}
    assert shown[0].source_row_id == "file:///a"
    assert shown[0].source_captured_at == START.isoformat()
    assert [one.values for one in found if one.checks == ("unique:primary_key",)][:2] == [
        {"game_pk": "1", "play_index": "0"}
    ] * 2
    report = run_report(Path())
    report.show_examples(found)
    report.show_examples([replace(one, source_row_id="file:///b") for one in found])
    assert len([one for one in report.examples if "speed_plausible" in one.checks]) == EXAMPLES_OF_A_CHECK


ENTRY = {
    "quarantine_id": "1",
    "table_name": "mini.plays",
    "transform": "mini.game",
    "run_id": "0195f3c4-0000-7000-8000-000000000000",
    "checks": "speed_plausible",
    "reason": "no pitch is faster",
    "row_json": '{"game_pk":1,"play_index":3,"speed":130.5,"event":"<b>"}',
    "source_row_id": "file:///a.json",
    "source_captured_at": START,
    "transform_timestamp": START,
}


@pytest.mark.parametrize("format", ["delta", "parquet"])
def test_refused_rows_come_from_the_store_where_the_report_has_none(tmp_path: Path, format: str) -> None:
    settled = {"quarantine_id": "2", "resolution": "published", "checks": "type:speed", "row_json": "no json"}
    entries = quarantine_rows([ENTRY, ENTRY | settled])
    folder = tmp_path.joinpath(*NAME.split("."))
    if format == "delta":
        # As it was stored before it said what became of its entries.
        write_deltalake(str(folder), entries.select([name for name in ENTRY if name in entries.column_names]))
        write_deltalake(str(folder), entries.slice(1), mode="append", schema_mode="merge")
        store: DeltaWriter | FileWriter = DeltaWriter(str(tmp_path), {})
        expected = 2
    else:
        folder.mkdir(parents=True)
        pq.write_table(entries, folder / "part.parquet")
        store, expected = FileWriter("parquet", str(tmp_path), {}), 1
    report = run_report(tmp_path)
    save_report(report)
    (tmp_path / "_mlbsdk" / "format").write_text(f"{format}\n", encoding="utf-8")
    page = Page(quality_report(None, f"{format}:{tmp_path}", plugins=PLUGINS))
    assert "130.5" in page.text
    assert "a.json" in page.text
    assert f"{expected} open, 1 published" in page.text
    assert store.quarantined(QuarantineQuery(is_open=True)).num_rows == expected
    assert store.quarantined(QuarantineQuery(run_id="other")).num_rows == 0
    assert store.quarantined(QuarantineQuery(transform="mini.game", table="mini.plays", limit=1)).num_rows == 1


def test_profiles_come_from_the_stored_files(tmp_path: Path) -> None:
    rows = pa.table({"a": [1, 2, None, 4], "day": ["2024-07-01", "2024-07-01", None, "2024-07-02"], "n": pa.nulls(4)})
    rows = rows.set_column(2, "n", rows["n"].cast(pa.string()))
    write_deltalake(str(tmp_path / "x=1" / "mini" / "plays"), rows, partition_by=["day"])
    write_deltalake(
        str(tmp_path / "x=1" / "mini" / "plays"),
        pa.table({"a": [9], "day": ["2024-07-03"]}),
        mode="append",
        schema_mode="merge",
    )
    folder = tmp_path / "x=1" / "mini" / "games"
    folder.mkdir()
    pq.write_table(pa.table({"s": ["<b>", "y" * 500]}), folder / "part.parquet")
    plays, games = stored_profiles(str(tmp_path / "x=1" / "_mlbsdk"), ["mini.plays", "mini.games", "mini.none"])
    found = {one.name: one for one in plays.columns}
    assert plays.rows == 5
    assert set(found) == {"a", "day", "n"}
    assert (found["a"].completeness, found["a"].least, found["a"].greatest) == (0.8, "1", "9")
    assert (found["day"].completeness, found["day"].least, found["day"].greatest) == (0.8, "2024-07-01", "2024-07-03")
    assert found["n"].completeness == 0.0
    assert games.columns[0].completeness == 1.0
    assert len(games.columns[0].greatest or "") == 80


def test_a_profile_made_elsewhere_is_shown(tmp_path: Path) -> None:
    column = {
        "name": "speed",
        "type": "decimal(5,2)",
        "completeness": 0.5,
        "distinct": 3,
        "minimum": 60,
        "mean": 91.25,
        "histogram": [{"value": None, "rows": 4}],
    }
    given = {"version": 1, "table": "mini.plays", "rows": 8, "columns": [column]}
    save_report(run_report(tmp_path))
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(given), encoding="utf-8")
    page = Page(quality_report(None, f"delta:{tmp_path}", profiles=[file], plugins=PLUGINS))
    for text in ("50.0 %", "91.25", "null (4)", "decimal(5,2)"):
        assert text in page.text
    with pytest.raises(ConfigurationError, match="is no profile of a table"):
        given_profile({"tables": []}, "profile.json")


def test_the_command_writes_the_page_and_says_where(tmp_path: Path) -> None:
    save_report(run_report(tmp_path))
    out = tmp_path / "pages" / "page.html"
    done = CliRunner().invoke(build(), ["quality", "report", "--location", f"delta:{tmp_path}", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert Page(out.read_text(encoding="utf-8")).tags
    failed = CliRunner().invoke(build(), ["quality", "report", "nobody", "--location", f"delta:{tmp_path}"])
    assert isinstance(failed.exception, ConfigurationError)
    assert "no run 'nobody'" in str(failed.exception)


def test_a_report_says_what_was_asked_in_a_form_that_earlier_readers_pass_over(tmp_path: Path) -> None:
    found = run_report(tmp_path).to_json()
    assert found["version"] == 1
    asked = found["checks"]["mini.plays"]
    assert asked["unique"] == ["game_pk", "play_index"]
    assert "speed" in asked["type"]
    assert asked["rules"][0] == {
        "rule": "speed_plausible",
        "severity": "error",
        "asks": "speed BETWEEN 0 AND 120",
        "reason": "no pitch is faster",
    }
    assert SavedRun.model_validate(json.loads(json.dumps(found))).checks["mini.plays"].rules[1].severity == "warning"
