"""The graph from a capture to each column, and what shows it: page, terminal, JSON. No Spark."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import replace
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from mlbsdk.cli.main import build
from mlbsdk.errors import ConfigurationError
from mlbsdk.lineage.delivery import last_run
from mlbsdk.lineage.graph import (
    ColumnLineage,
    LineageGraph,
    RuleLineage,
    RunLineage,
    TableLineage,
    graph_of_plan,
    graph_of_run,
    table_name,
)
from mlbsdk.lineage.listener import OpenLineageListener
from mlbsdk.lineage.look import lineage_graph, plan_of
from mlbsdk.lineage.page import page_of
from mlbsdk.lineage.recorded import recorded_run
from mlbsdk.lineage.terminal import tree_of
from mlbsdk.mapping.plan import FromJson
from mlbsdk.plugins import Plugins
from mlbsdk.quality.page.saved import SavedRun
from mlbsdk.report import RuleReport, RunReport, TableReport
from mlbsdk.testing.running import new_report, run_listeners
from tests.mini import MAPPING

PLUGINS = Plugins.load()
LIVE_GAME = plan_of("game.live_game_v1", PLUGINS)
HOSTILE = """</script><script>alert('x')</script><img src=x onerror=y>"' onload=y {{ 7*7 }} \ud800 \x1b[31m"""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def mini_report() -> RunReport:
    """Return the report of a run that wrote all tables."""
    report = new_report("parquet:/warehouse", "0195f3c4-0000-7000-8000-000000000009")
    report.status = "completed"
    report.documents.read = 3
    report.tables = {"mini.plays": TableReport(rows=5, inserted=3, updated=1, unchanged=1)}
    report.quality = [RuleReport("mini.plays", "speed_usual", "warning", 2)]
    return report


def events(report: RunReport, error: BaseException | None = None) -> list[dict[str, Any]]:
    """Return the last event of each job, as a run leaves them."""
    with tempfile.TemporaryDirectory() as folder:
        report.location = folder
        listener = OpenLineageListener({})
        listener.run_started(report)
        if error is None:
            listener.run_completed(report)
        else:
            listener.run_failed(report, error)
        report.location = None
        return last_run(folder)


def table(graph: LineageGraph, name: str) -> TableLineage:
    """Return a table of a graph that has it."""
    found = graph.table(name)
    assert found is not None
    return found


def column(graph: LineageGraph, name: str, of: str) -> ColumnLineage:
    """Return a column of a table."""
    return next(one for one in table(graph, of).columns if one.name == name)


def fates(of: TableLineage) -> dict[str, bool]:
    """Return whether the mapping's own rules failed, by name."""
    return {rule.name: bool(rule.failed) for rule in of.rules if rule.name.startswith("speed")}


# The graph


def test_a_mapping_that_never_ran_has_every_column_and_every_path() -> None:
    graph = graph_of_plan(LIVE_GAME)
    assert [one.name for one in graph.tables] == [one.name for one in LIVE_GAME.tables]
    assert graph.column_count == sum(len(one.columns) for one in LIVE_GAME.tables) == 836
    for planned, shown in zip(LIVE_GAME.tables, graph.tables, strict=True):
        for wanted, found in zip(planned.columns, shown.columns, strict=True):
            assert (found.name, found.type) == (wanted.name, str(wanted.type))
            if isinstance(wanted.origin, FromJson):
                assert (found.kind, found.paths) == ("value", (wanted.source_path,))
            assert found.kind != "unknown"


def test_an_expression_leads_to_the_capture_through_the_columns_it_uses() -> None:
    found = column(graph_of_plan(LIVE_GAME), "game_date", "game.live_game_plays")
    assert found.kind == "expression"
    assert found.uses == ("official_date", "original_date", "game_datetime", "game_id")
    assert found.paths == (
        "gameData.datetime.officialDate",
        "gameData.datetime.originalDate",
        "gameData.datetime.dateTime",
        "gameData.game.id",
    )
    assert found.text.startswith("coalesce(")


def test_a_table_says_of_what_each_item_gives_a_row() -> None:
    places = {one.name.partition(".")[2]: one.place for one in graph_of_plan(LIVE_GAME).tables}
    assert places["live_game_metadata"] == ""
    assert places["live_game_pitch_events"] == "liveData.plays.allPlays[*].playEvents[*]"
    assert places["live_game_linescore_innings"] == "liveData.linescore.innings[*]['away','home']"


def test_a_run_has_the_graph_of_its_mapping_with_states_figures_and_rules() -> None:
    report = mini_report()
    assert report.plan is not None
    graph = graph_of_run(events(report), SavedRun.of(report), report.plan)
    assert graph.run is not None
    assert (graph.run.run_id, graph.run.state, graph.run.documents["read"]) == (report.run_id, "COMPLETE", 3)
    plays, planned = table(graph, "mini.plays"), table(graph_of_plan(report.plan), "mini.plays")
    assert plays.columns == planned.columns
    assert (plays.state, plays.figures["inserted"], plays.failed) == ("COMPLETE", 3, 1)
    assert {rule.name: rule.failed for rule in plays.rules} == {"speed_plausible": 0, "speed_usual": 2}
    assert plays.dataset == ("file", "/warehouse/mini.plays")


def test_without_report_and_mapping_the_events_alone_tell_of_paths_types_and_rules() -> None:
    graph = graph_of_run(events(mini_report()))
    speed = column(graph, "speed", "mini.plays")
    assert (speed.kind, speed.type, speed.paths) == ("value", "NUMERIC(5,2)", ("plays[*].speed",))
    assert column(graph, "play_index", "mini.plays").kind == "position"
    assert column(graph, "source_captured_at", "mini.plays").kind == "unknown"
    plays = table(graph, "mini.plays")
    assert (plays.place, plays.figures) == ("plays[*]", {"written": 4})
    assert fates(plays) == {"speed_plausible": False, "speed_usual": True}


def test_rules_are_found_where_a_job_of_their_own_has_the_table_as_its_input() -> None:
    found = events(mini_report())
    job = next(one for one in found if one["job"]["name"] == "mini.game.plays")
    output = job["outputs"][0]
    assertions = output["facets"].pop("dataQualityAssertions")
    for one in found:
        for each in one["outputs"]:
            each["facets"].pop("dataQualityAssertions", None)
    checked = {key: output[key] for key in ("namespace", "name")} | {
        "inputFacets": {"dataQualityAssertions": assertions}
    }
    quality = job | {"job": job["job"] | {"name": "mini.game.plays.quality"}, "inputs": [checked], "outputs": []}
    graph = graph_of_run([*found, quality])
    assert fates(table(graph, "mini.plays")) == {"speed_plausible": False, "speed_usual": True}


def test_of_transforms_that_ran_together_the_last_one_is_shown() -> None:
    found = events(mini_report())
    other = [
        json.loads(json.dumps(one).replace("mini.game", "a.b")) | {"eventTime": "2024-01-01T00:00:00.000Z"}
        for one in found
    ]
    graph = graph_of_run([*found, *other])
    assert (graph.transform, len(graph.tables)) == ("mini.game", 3)


def test_where_the_mapping_has_changed_since_a_run_its_events_count() -> None:
    report = mini_report()
    assert report.plan is not None
    plays = report.plan.table("mini.plays")
    changed = replace(
        plays,
        columns=tuple(
            replace(one, source_path="plays[*].other") if one.name == "speed" else one for one in plays.columns
        ),
    )
    now = replace(report.plan, tables=tuple(changed if one.name == plays.name else one for one in report.plan.tables))
    assert column(graph_of_run(events(report), None, now), "speed", "mini.plays").paths == ("plays[*].speed",)


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        (("file", "/data/warehouse/game/live_game_plays"), "game.live_game_plays"),
        (("s3://bucket", "warehouse/game/plays/"), "game.plays"),
        (("postgres://host:5432", "baseball.game.plays"), "game.plays"),
    ],
)
def test_a_table_is_known_by_its_dataset(dataset: tuple[str, str], name: str) -> None:
    assert table_name(dataset) == name


# What a target keeps


def test_a_run_is_found_by_its_id_also_among_set_aside_journals(tmp_path: Path) -> None:
    location = tmp_path / "_mlbsdk"
    first = run_listeners([OpenLineageListener({})], tmp_path)
    (location / "lineage.jsonl").rename(location / "lineage-1.jsonl")
    second = new_report("parquet:x", "0195f3c4-0000-7000-8000-00000000000b")
    second.location = str(location)
    listener = OpenLineageListener({})
    listener.run_started(second)
    with (location / "lineage.jsonl").open("a") as journal:
        journal.write('{"half": ')
    found = recorded_run(str(location), first.run_id)
    assert {one["eventType"] for one in found.events} == {"COMPLETE"}
    assert found.saved is not None
    assert found.saved.run_id == first.run_id
    assert {one["eventType"] for one in recorded_run(str(location)).events} == {"START"}
    with pytest.raises(ConfigurationError, match="2 runs start with '0195'"):
        recorded_run(str(location), "0195")
    with pytest.raises(ConfigurationError, match="no run 'abcd'"):
        recorded_run(str(location), "abcd")


# What shows it


class Page(HTMLParser):
    """Reads a page as a browser would."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self._is_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag == "script":
            self.scripts.append("")
            self._is_script = True

    def handle_endtag(self, tag: str) -> None:
        self._is_script = self._is_script and tag != "script"

    def handle_data(self, data: str) -> None:
        if self._is_script:
            self.scripts[-1] += data


def hostile_graph() -> LineageGraph:
    """Return a graph of which every text is hostile."""
    bad = HOSTILE
    columns = (
        ColumnLineage(bad, bad, "value", (bad, "a.b"), "", (), bad, True, False, (bad,)),
        ColumnLineage(f"{bad}2", bad, "expression", (bad,), bad, (bad,), bad),
    )
    rule = RuleLineage(bad, bad, bad, bad, (bad,), 3)
    run = RunLineage(bad, bad, bad, bad, bad, 1.5, bad, bad, {"read": 1, "newest": 1, "rejected": 1}, bad)
    one = TableLineage(bad, bad, bad, columns, (rule,), (bad, bad), f"{bad}x", {"rows": 1, "inserted": 1})
    return LineageGraph(bad, bad, (bad, bad), (one,), run)


def test_nothing_of_a_hostile_graph_becomes_markup() -> None:
    page = Page(page_of(hostile_graph()))
    assert len(page.scripts) == 2
    assert "img" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("src", "href")]
    data = json.loads(page.scripts[0])
    assert data["tables"][0]["columns"][0]["name"].encode("utf-8", "backslashreplace").decode().startswith("</script>")
    assert "7*7" in page.scripts[0]
    assert "innerHTML" not in page.scripts[1]


def test_the_page_of_eighteen_tables_loads_nothing_and_is_no_burden() -> None:
    text = page_of(graph_of_plan(LIVE_GAME))
    assert len(text.encode()) < 700_000
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text
    assert text.count('<li class="card table"') == 18
    assert "default-src 'none'" in text


@pytest.mark.integration
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_browser_draws_the_column_that_the_address_names(tmp_path: Path) -> None:
    page = tmp_path / "lineage.html"
    page.write_text(page_of(graph_of_plan(LIVE_GAME)), encoding="utf-8")
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --virtual-time-budget=3000 --dump-dom"
    assert CHROMIUM is not None
    address = f"{page.as_uri()}#game.live_game_plays.game_date"
    dom = subprocess.run(
        [CHROMIUM, *flags.split(), f"--user-data-dir={tmp_path / 'browser'}", address],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    assert dom.count("<path d=") > 50  # a line for each column of the table that is open
    lit = dom.split('id="panel"')[1]
    assert "gameData.datetime.officialDate" in lit
    assert "coalesce(" in lit
    assert dom.count('class="k-expression on"') == 4 + 1  # the lines of its four paths, and the column


def test_the_terminal_shows_tables_and_of_one_its_columns() -> None:
    graph = graph_of_plan(LIVE_GAME)

    def shown(one: TableLineage | None, of: LineageGraph = graph) -> str:
        console = Console(width=4000, highlight=False)
        with console.capture() as capture:
            console.print(tree_of(of, one))
        return capture.get().encode("utf-8", "replace").decode()

    hostile = hostile_graph()
    assert "\x1b" not in shown(None, hostile) + shown(hostile.tables[0], hostile)
    assert "game.live_game_plays  54 columns from liveData.plays.allPlays[*]" in shown(None)
    assert "half_inning VARCHAR(10) <- liveData.plays.allPlays[*].about.halfInning" in shown(
        table(graph, "live_game_plays")
    )


def command(*arguments: str) -> Any:
    """Run the command line."""
    return CliRunner().invoke(build(), arguments)


def test_show_of_a_mapping_needs_no_run(tmp_path: Path) -> None:
    out = tmp_path / "a" / "lineage.html"
    done = command("lineage", "show", str(MAPPING), "--html", str(out))
    assert done.exit_code == 0
    assert "mini.plays" in out.read_text(encoding="utf-8")
    found = json.loads(command("lineage", "show", str(MAPPING), "--json").stdout)
    assert (found["version"], found["events"]) == (1, [])
    assert [one["name"] for one in found["graph"]["tables"]] == ["mini.games", "mini.plays", "mini.players"]
    wrong = command("lineage", "show", str(MAPPING), "--table", "mini.play")
    assert isinstance(wrong.exception, ConfigurationError)
    assert "Did you mean 'mini.plays'?" in str(wrong.exception)


def test_events_of_no_transform_are_told_in_a_sentence(tmp_path: Path) -> None:
    event = {"eventType": "START", "eventTime": "2024-07-01T00:00:00Z", "job": {"name": "x"}}
    (tmp_path / "lineage.jsonl").write_text(json.dumps(event | {"run": {"runId": "1", "facets": {}}}) + "\n")
    with pytest.raises(ConfigurationError, match="are not those of a transform"):
        lineage_graph(None, str(tmp_path), plugins=PLUGINS)


def test_a_failed_run_shows_its_error() -> None:
    report = mini_report()
    report.started_at = datetime(2024, 7, 1, tzinfo=timezone.utc)
    graph = graph_of_run(events(report, OSError("no more disk")))
    assert graph.run is not None
    assert (graph.run.state, graph.run.error) == ("FAIL", "no more disk")
    assert "no more disk" in page_of(graph)
