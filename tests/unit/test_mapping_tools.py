"""``mlbsdk mapping infer``, ``diff`` and ``docs``: what they print, write and refuse. Starts no Spark."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import fastavro
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from typer.testing import CliRunner, Result

from mlbsdk.cli.main import build
from mlbsdk.errors import ConfigurationError, SourceError
from mlbsdk.mapping.avro import avro_schema
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.ddl import script
from mlbsdk.mapping.load import load_file
from mlbsdk.mapping.plan import Plan
from mlbsdk.runtime.arrow import arrow_schema
from tests.conftest import DATA, REPOSITORY
from tests.unit.test_docs import titled

MINI = str(DATA / "mini.yaml")
ENDPOINTS = DATA / "captures" / "endpoints"
LIVE_GAMES = DATA / "captures"


def mapping(*arguments: str) -> Result:
    return CliRunner().invoke(build(), ["mapping", *arguments])


def inferred(tmp_path: Path, name: str, source: Path) -> Plan:
    file = tmp_path / "draft.yaml"
    done = mapping("infer", "--name", name, "--source", str(source), "--output", str(file))
    assert done.exit_code == 0, done.exception
    assert mapping("lint", str(file)).exit_code == 0
    return compile_mapping(load_file(file))


# infer


@pytest.mark.parametrize(
    ("name", "source", "tables"),
    [
        ("schedule.schedule", "schedule", ["schedule", "schedule_dates", "schedule_games", "schedule_teams"]),
        ("person.person", "person", ["person", "person_people"]),
        ("person.person", "bare/person", ["person", "person_people"]),
        ("team.roster", "team", ["roster", "roster_roster"]),
        ("team.roster", "bare/roster", ["roster", "roster_roster"]),
    ],
)
def test_real_captures_give_a_mapping_that_lints(tmp_path: Path, name: str, source: str, tables: list[str]) -> None:
    plan = inferred(tmp_path, name, ENDPOINTS / source)
    schema = name.partition(".")[0]
    assert [table.name for table in plan.tables] == [f"{schema}.{table}" for table in tables]


def test_the_draft_of_a_schedule(tmp_path: Path) -> None:
    plan = inferred(tmp_path, "schedule.schedule", ENDPOINTS / "bare" / "schedule")
    games = plan.table("schedule.schedule_games")
    assert games.primary_key == ("capture_id", "game_pk")
    types = {column.name: str(column.type) for column in games.columns}
    assert (types["game_pk"], types["game_date"], types["official_date"]) == ("INT", "TIMESTAMPTZ", "DATE")
    assert (types["game_number"], types["season"], types["status_start_time_tbd"]) == ("INT", "VARCHAR(20)", "BOOLEAN")
    teams = plan.table("schedule.schedule_teams")
    assert [level.branches for level in teams.levels] == [(), (), ("away", "home")]
    assert teams.relationships[0].to_table == "schedule.schedule_games"


def test_the_draft_of_live_games_lints(tmp_path: Path) -> None:
    plan = inferred(tmp_path, "game.live_game_v1", LIVE_GAMES / "*.json.gz")
    assert (plan.key, plan.captured_at is not None) == (("game_pk",), True)
    names = {table.name.removeprefix("game.live_game_v1_"): table for table in plan.tables}
    assert names["play_events"].primary_key == ("game_pk", "all_play_index", "play_event_index")
    assert [level.kind for level in names["players"].levels] == ["map"]
    assert [level.kind for level in names["teams_players"].levels] == ["branches", "map"]
    speed = names["play_events"].column("pitch_data_start_speed")
    assert str(speed.type) == "NUMERIC(6,2)"


def test_the_name_comes_from_the_envelopes(tmp_path: Path) -> None:
    done = mapping("infer", "--source", str(ENDPOINTS / "person"))
    assert done.exit_code == 0
    assert done.stdout.startswith("# A draft of person.person, inferred from 3 captures.")
    assert "3 captures: 2 tables" in done.stderr
    both = mapping("infer", "--source", str(ENDPOINTS / "person"), "--source", str(ENDPOINTS / "team"))
    assert isinstance(both.exception, ConfigurationError)
    assert "person.person, team.roster" in str(both.exception)
    bare = mapping("infer", "--source", str(ENDPOINTS / "bare" / "person"))
    assert "no envelope that tells" in str(bare.exception)


def test_captures_of_others_are_left_out_and_counted(tmp_path: Path) -> None:
    sources = ["--source", str(ENDPOINTS / "person"), "--source", str(ENDPOINTS / "team")]
    lines = tmp_path / "more.jsonl"
    lines.write_text('{"endpoint": "team", "method": "roster", "status_code": 404, "response": {"message": "no"}}\n')
    done = mapping("infer", "--name", "team.roster", *sources, "--source", str(lines))
    assert "3 captures left out: of person.person" in done.stderr
    assert "1 captures left out: an answer with status 404" in done.stderr
    none = mapping("infer", "--name", "team.teams", *sources)
    assert isinstance(none.exception, ConfigurationError)
    assert "none of the captures is of team.teams" in str(none.exception)


def test_a_file_that_exists_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "draft.yaml"
    file.write_text("edited")
    arguments = ["infer", "--source", str(ENDPOINTS / "person"), "--output", str(file)]
    assert isinstance(mapping(*arguments).exception, ConfigurationError)
    assert file.read_text() == "edited"
    assert mapping(*arguments, "--force").exit_code == 0
    assert file.read_text() != "edited"


@pytest.mark.parametrize("content", ["[1]", "{", "7"])
def test_what_is_no_capture_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "odd.json").write_text(content)
    done = mapping("infer", "--name", "a.b", "--source", str(tmp_path / "odd.json"))
    assert isinstance(done.exception, SourceError | ConfigurationError)
    assert "odd.json" in str(done.exception)


# diff


@pytest.fixture
def newer(tmp_path: Path) -> str:
    file = tmp_path / "newer.yaml"
    text = Path(MINI).read_text(encoding="utf-8")
    file.write_text(text.replace("type: VARCHAR(10)", "type: VARCHAR(5)"))
    return str(file)


def test_diff_tells_changes_and_what_to_do(newer: str) -> None:
    done = mapping("diff", MINI, newer)
    assert done.exit_code == 0
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[0] == f"{MINI} -> {newer}: 1 difference, 1 breaking"
    assert lines[2:4] == ["mini.games", "  BREAKING  type state: VARCHAR(10) becomes VARCHAR(5) (narrowing)"]
    assert "Breaks: readers, rows, postgresql." in lines[4]
    assert 'Do: PostgreSQL: ALTER TABLE "mini"."games"' in lines[5]
    assert mapping("diff", MINI, newer, "--fail-on", "breaking").exit_code == 1
    assert mapping("diff", MINI, MINI, "--fail-on", "breaking").exit_code == 0
    assert mapping("diff", MINI, MINI).stdout.rstrip().endswith("no difference")


def test_diff_as_json(newer: str) -> None:
    found = json.loads(mapping("diff", MINI, newer, "--json").stdout)
    assert (found["version"], found["breaking"], len(found["changes"])) == (1, 1, 1)
    (change,) = found["changes"]
    assert (change["breaking"], change["part"], change["table"], change["name"]) == (
        True,
        "type",
        "mini.games",
        "state",
    )
    assert set(change) == {"breaking", "part", "table", "name", "text", "breaks", "why", "fix"}


@pytest.mark.parametrize("format", ["delta", "parquet"])
def test_diff_with_tables_of_a_target(tmp_path: Path, newer: str, format: str) -> None:
    plan = compile_mapping(load_file(MINI))
    for table in plan.tables[:2]:
        folder = tmp_path / "out" / Path(*table.name.split("."))
        schema = arrow_schema(table)
        if table.name == "mini.games":
            schema = schema.remove(schema.get_field_index("state")).append(pa.field("older", pa.string()))
        rows = pa.table({field.name: pa.nulls(1, field.type) for field in schema}, schema=schema)
        if format == "delta":
            write_deltalake(str(folder), rows, partition_by=list(table.partition_by) or None)
        else:
            pq.write_to_dataset(rows, str(folder), partition_cols=list(table.partition_by) or None)
    target = f"{format}:{tmp_path / 'out'}"
    found = json.loads(mapping("diff", MINI, "--target", target, "--json").stdout)["changes"]
    shown = [(each["table"], each["part"], each["name"], each["breaking"]) for each in found]
    assert shown == [
        ("mini.games", "column", "state", False),
        ("mini.games", "column", "older", False),
        ("mini.players", "table", "", False),
    ]
    other = tmp_path / "other.yaml"
    text = Path(MINI).read_text(encoding="utf-8").replace("    partition_by: game_date\n", "")
    other.write_text(text.replace("NUMERIC(5,2)", "DOUBLE"))
    found = json.loads(mapping("diff", str(other), "--target", target, "--json").stdout)["changes"]
    parts = {each["part"] for each in found if each["breaking"]}
    assert parts == {"type", "partition"}
    assert not (tmp_path / "out" / "_mlbsdk").exists()


def test_diff_with_avro_files(tmp_path: Path) -> None:
    table = compile_mapping(load_file(MINI)).table("mini.players")
    folder = tmp_path / "out" / "mini" / "players"
    folder.mkdir(parents=True)
    with (folder / "one.avro").open("wb") as stream:
        fastavro.writer(stream, avro_schema(table), [])
    found = json.loads(mapping("diff", MINI, "--target", f"avro:{tmp_path / 'out'}", "--json").stdout)["changes"]
    assert {each["table"] for each in found} == {"mini.games", "mini.plays"}


@pytest.mark.integration
def test_diff_with_tables_in_postgresql(database: str) -> None:
    plan = compile_mapping(load_file(MINI))
    with psycopg.connect(database) as connection:
        connection.execute(script(plan).encode())
        connection.execute("ALTER TABLE mini.plays DROP COLUMN speed")
        connection.execute("ALTER TABLE mini.games ALTER COLUMN state TYPE text, ALTER COLUMN state SET NOT NULL")
        connection.execute("DROP TABLE mini.players")
    done = mapping("diff", MINI, "--target", database)
    assert done.exit_code == 0, done.exception
    assert "type state: is text, the mapping says character varying(10)" in done.stdout
    assert "nullability state: may not be null, and may in the mapping" in done.stdout
    assert "column speed: not there yet, numeric(5,2)" in done.stdout
    assert "table: not there yet" in done.stdout
    assert "3 differences" not in done.stdout
    assert mapping("diff", MINI, "--target", database, "--fail-on", "breaking").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([MINI], "give one of the two"),
        ([MINI, MINI, "--target", "delta:x"], "give one of the two"),
        ([MINI, MINI, "--fail-on", "all"], "--fail-on is 'breaking'"),
    ],
)
def test_diff_refuses_what_it_can_not_compare(arguments: list[str], text: str) -> None:
    done = mapping("diff", *arguments)
    assert isinstance(done.exception, ConfigurationError)
    assert text in str(done.exception)


# docs


class _Page(HTMLParser):
    """Collects what a page links to and loads."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.loaded: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.ids.add(found.get("id") or "")
        if tag == "a":
            self.links.add(found.get("href") or "")
        self.loaded += [found[key] or "" for key in ("src", "srcset", "data") if key in found]
        self.loaded += [found["href"] or ""] if tag == "link" else []


def test_docs_print_markdown_with_a_diagram() -> None:
    text = mapping("docs", "game.linescore").stdout
    assert text.startswith("# game.linescore\n")
    assert "```mermaid\nerDiagram\n" in text
    assert '    "game.linescore" ||--o{ "game.linescore_innings" : "game_pk"' in text
    assert "| `balls` | `INT` | yes | Current count. | `balls` |" in text
    assert "[`game.linescore`](#gamelinescore)" in text


def test_docs_write_html_that_loads_nothing(tmp_path: Path) -> None:
    done = mapping("docs", "game.live_game_v1", "--output", str(tmp_path / "live.html"))
    assert done.stdout == f"18 tables written to {tmp_path / 'live.html'}\n"
    text = (tmp_path / "live.html").read_text(encoding="utf-8")
    page = _Page()
    page.feed(text)
    assert page.loaded == []
    assert "@import" not in text
    assert {link.removeprefix("#") for link in page.links} <= page.ids
    assert sum(tag == "section" for tag in page.tags) == 19
    assert "svg" in page.tags
    assert "start_speed" in text


def test_docs_write_into_a_folder(tmp_path: Path) -> None:
    assert mapping("docs", MINI, "--output", str(tmp_path / "docs"), "--format", "html").exit_code == 0
    assert mapping("docs", MINI, "--output", str(tmp_path / "docs")).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "docs").iterdir()) == ["mini.game.html", "mini.game.md"]
    (tmp_path / "file").write_text("")
    failed = mapping("docs", MINI, "--output", str(tmp_path / "file" / "x.md"))
    assert isinstance(failed.exception, ConfigurationError)


def test_what_a_mapping_says_is_text_in_html(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    text = Path(MINI).read_text(encoding="utf-8").replace("One row a game", evil)
    text = text.replace("ids start at 1", evil).replace("game_pk > 0", "game_pk > 0 AND '<b>' <> '&'")
    file = tmp_path / "evil.yaml"
    file.write_text(text, encoding="utf-8")
    mapping("docs", str(file), "--output", str(tmp_path / "evil.html"))
    page = _Page()
    page.feed((tmp_path / "evil.html").read_text(encoding="utf-8"))
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert "b" not in page.tags
    markdown = mapping("docs", str(file)).stdout
    assert "\\<script>" in markdown
    assert "\n<script>" not in markdown


def test_the_pages_of_this_repository_are_made_by_the_same_code() -> None:
    from mlbsdk.mapping.reference.pages import Setting, page

    plan = compile_mapping(load_file(REPOSITORY / "mappings" / "game" / "linescore.yaml"))
    checked_in = (REPOSITORY / "docs" / "tables" / "game.linescore.md").read_text(encoding="utf-8")
    setting = Setting(
        file="mappings/game/linescore.yaml", diagram="game.linescore.svg", lineage="index.md#lineage_metadata"
    )
    made = page(plan, setting).splitlines()
    # But for links to the pages beside it, and the note at its head.
    assert [line for line in made if line.startswith("## ")] == [
        line for line in checked_in.splitlines() if line.startswith("## ")
    ]
    assert len(made) == len(checked_in.splitlines()) - 2


# The page about these tools

_EXAMPLE = re.compile(r"^```\n\$ mlbsdk mapping (?P<command>[^\n]*)\n(?P<shown>.*?)^```$", re.M | re.S)
_NEWER = {
    "type: VARCHAR(50), json_path: $.teams.home.name": "type: VARCHAR(20), json_path: $.teams.home.name",
    "{name: event_before,": "{name: previous_event,",
    "min: 30, max: 110": "min: 30, max: 108",
}


def test_the_examples_of_the_page_are_what_the_commands_print(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = titled("mapping-language.md")
    monkeypatch.chdir(tmp_path)
    for name in ("game.json", "game.yaml"):
        Path(name).write_text(files[name], encoding="utf-8")
    newer = files["game.yaml"]
    for old, new in _NEWER.items():
        assert old in newer
        newer = newer.replace(old, new)
    Path("newer.yaml").write_text(newer, encoding="utf-8")
    text = (REPOSITORY / "docs" / "mapping-tools.md").read_text(encoding="utf-8")
    examples = [*_EXAMPLE.finditer(text)]
    assert [example["command"].split()[0] for example in examples] == ["infer", "diff", "docs"]
    for example in examples:
        done = mapping(*example["command"].split())
        assert done.exit_code == 0, done.exception
        assert done.output == example["shown"]
    draft = Path("draft.yaml").read_text(encoding="utf-8")
    assert draft.startswith(titled("mapping-tools.md")["draft.yaml"])
