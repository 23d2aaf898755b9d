"""``mlbsdk mapping``: what it prints and how it ends."""

from __future__ import annotations

import gzip
import json
from html.parser import HTMLParser
from pathlib import Path

import fastavro
import pytest
from typer.testing import CliRunner, Result

from mlbsdk.cli.coverage_text import percent
from mlbsdk.cli.main import build
from mlbsdk.errors import ConfigurationError, MappingError, SourceError, UnknownNameError
from tests.conftest import DATA, SAMPLES

MINI = str(DATA / "mini.yaml")
SEED = str(DATA / "design_document_sample.yaml")
LIVE_GAME = str(SAMPLES / "live_game_747175.json.gz")


def mapping(*arguments: str) -> Result:
    return CliRunner().invoke(build(), ["mapping", *arguments])


def test_lint_checks_all_installed_mappings() -> None:
    done = mapping("lint")
    assert done.exit_code == 0
    assert "ok: game.live_game_v1: 18 tables" in done.stdout


def test_lint_tells_every_mistake_of_every_file(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    text = Path(MINI).read_text(encoding="utf-8")
    wrong.write_text(
        text.replace("json_path: $.state", "json_pth: $.state").replace("type: INT, item", "type: INTT, item")
    )
    done = mapping("lint", MINI, str(wrong))
    assert done.exit_code == 2
    assert f"ok: {MINI}: 3 tables" in done.stdout
    lines = done.stderr.splitlines()
    assert [line for line in lines if "unknown key 'json_pth'. Did you mean 'json_path'?" in line]
    assert [line for line in lines if "'INTT' is not a type" in line]
    assert all(line.startswith(f"{wrong}:") for line in lines[:-1])
    assert lines[-1].endswith("in 1 of 2 mappings")


def test_lint_as_json(tmp_path: Path) -> None:
    done = mapping("lint", "--json", MINI, str(tmp_path / "none.yaml"))
    assert done.exit_code == 2
    found = json.loads(done.stdout)
    assert (found["version"], found["ok"], [each["ok"] for each in found["mappings"]]) == (1, False, [True, False])
    assert "can't be read" in found["mappings"][1]["problems"][0]


def test_show_says_where_columns_come_from() -> None:
    done = mapping("show", MINI, "--table", "mini.plays")
    assert done.exit_code == 0
    assert "mini.games" not in done.stdout
    assert "primary key game_pk, play_index; partitioned by game_date" in done.stdout
    assert ["speed", "NUMERIC(5,2)", "$.plays[*].speed"] in [line.split() for line in done.stdout.splitlines()]


def test_show_as_json() -> None:
    found = json.loads(mapping("show", MINI, "--json").stdout)
    assert (found["transform"], found["key"]) == ("mini.game", ["game_pk"])
    games = found["tables"][0]
    assert (games["name"], games["primary_key"], games["on_missing"]) == ("mini.games", ["game_pk"], "delete")
    state = next(column for column in games["columns"] if column["name"] == "state")
    assert (state["type"], state["source"]) == ("VARCHAR(10)", ["$.state"])
    assert games["rules"][0]["name"] == "game_pk_positive"


def test_a_table_that_is_not_there_names_the_nearest() -> None:
    done = mapping("show", MINI, "--table", "mini.play")
    assert isinstance(done.exception, ConfigurationError)
    assert "Did you mean 'mini.plays'?" in str(done.exception)


def test_avro_prints_schemas_that_fastavro_takes() -> None:
    schemas = json.loads(mapping("avro", "game.live_game_v1").stdout)
    assert len(schemas) == 18
    for schema in schemas:
        fastavro.parse_schema(schema)
    one = json.loads(mapping("avro", MINI, "--table", "mini.plays").stdout)
    assert (one["namespace"], one["name"]) == ("mini", "plays")


def test_avro_writes_a_file_a_table(tmp_path: Path) -> None:
    done = mapping("avro", MINI, "--output", str(tmp_path / "schemas"))
    assert done.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "schemas").iterdir()) == [
        "mini.games.avsc",
        "mini.players.avsc",
        "mini.plays.avsc",
    ]
    (tmp_path / "file").write_text("")
    assert isinstance(mapping("avro", MINI, "--output", str(tmp_path / "file")).exception, ConfigurationError)


def test_schema_is_json() -> None:
    assert json.loads(mapping("schema").stdout)["title"] == "mlbsdk mapping, version 1.0"


def test_coverage_takes_the_plugins_sample() -> None:
    done = mapping("coverage", "game.live_game_v1", "--fail-under", "100")
    assert done.exit_code == 0
    assert done.stdout.startswith("game.live_game_v1 over 1 documents: 100.0 % of paths accounted for")
    assert "One value in all" in done.stdout


def test_coverage_names_dead_and_unmapped_paths() -> None:
    done = mapping("coverage", SEED, "--source", LIVE_GAME, "--fail-under", "50")
    assert done.exit_code == 1
    assert "Never resolves (2):" in done.stdout
    assert "$.liveData.plays.allPlays[*].playId" in done.stdout
    assert "more: --all lists them" in done.stdout
    assert done.stderr.strip().endswith("of paths are accounted for, less than 50 %")
    assert len(mapping("coverage", SEED, "--source", LIVE_GAME, "--all").stdout.splitlines()) > 1000


def test_coverage_as_json() -> None:
    found = json.loads(mapping("coverage", SEED, "--source", LIVE_GAME, "--json").stdout)
    assert (found["version"], found["documents"]) == (1, 1)
    dead = [each for each in found["fields"] if each["status"] == "never"]
    assert [(each["table"], each["items"]) for each in dead] == [
        ("game.live_game_plays", 75),
        ("game.live_game_pitch_events", 290),
    ]
    assert {"path", "count", "documents", "example", "reason", "change"} == set(found["unmapped"][0])
    assert found["changes"] is None


def test_coverage_reads_json_lines_and_several_sources(tmp_path: Path) -> None:
    lines = tmp_path / "games.jsonl"
    lines.write_text('{"gamePk": 1}\n\n{"endpoint": "mini", "response": {"gamePk": 2, "state": "Final"}}\n')
    found = json.loads(mapping("coverage", MINI, "--source", str(lines), "--source", str(lines), "--json").stdout)
    state = next(each for each in found["fields"] if each["field"] == "state")
    assert (found["documents"], state["resolved"], state["absent"]) == (4, 2, 2)


def test_coverage_takes_json_lines_that_hold_line_separators(tmp_path: Path) -> None:
    lines = tmp_path / "games.jsonl.gz"
    text = '{"gamePk": 1, "state": "a\u2028b"}\r\n{"gamePk": 2, "state": "a\x85"}\n'
    lines.write_bytes(gzip.compress(("\ufeff" + text).encode()))
    found = json.loads(mapping("coverage", MINI, "--source", str(lines), "--json").stdout)
    state = next(each for each in found["fields"] if each["field"] == "state")
    assert (found["documents"], state["resolved"], state["misfits"]) == (2, 2, 0)


def test_a_long_percentage_is_never_rounded_up_to_100() -> None:
    assert [percent(value) for value in (100.0, 99.96, 0.0, 33.333)] == ["100.0", "99.9", "0.0", "33.3"]


# Baseline


def games(tmp_path: Path, name: str, *documents: dict[str, object]) -> str:
    file = tmp_path / name
    file.write_text("".join(json.dumps(document) + "\n" for document in documents), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_coverage_against_a_baseline(tmp_path: Path, suffix: str) -> None:
    baseline = tmp_path / "kept" / f"baseline.{suffix}"
    full = games(tmp_path, "full.jsonl", {"gamePk": 1, "date": "2024-07-01", "state": "Final", "old key": 1})
    arguments = ["coverage", MINI, "--baseline", str(baseline)]
    made = mapping(*arguments, "--source", full, "--update-baseline")
    assert (made.exit_code, "updated" in made.stderr) == (0, True)
    text = baseline.read_text(encoding="utf-8")
    again = mapping(*arguments, "--source", full, "--update-baseline", "--fail-on-change")
    assert (again.exit_code, "says so already" in again.stderr) == (0, True)
    assert baseline.read_text(encoding="utf-8") == text

    other = games(tmp_path, "other.jsonl", {"gamePk": 2, "state": "a state that is too long", "new": {"key": None}})
    done = mapping(*arguments, "--source", other, "--json", "--fail-on-change")
    assert done.exit_code == 1
    assert "3 paths are new or vanished" in done.stderr
    found = json.loads(done.stdout)
    assert [tuple(change.values()) for change in found["changes"]] == [
        ("vanished", "$.date", "mini.games.game_date"),
        ("vanished", "$['old key']", None),
        ("new", "$.new.key", None),
    ]
    statuses = {each["field"]: each["status"] for each in found["fields"] if each["table"] == "mini.games"}
    assert statuses == {"game_pk": "resolves", "game_date": "earlier", "state": "misfits"}
    # Only --update-baseline writes it.
    assert baseline.read_text(encoding="utf-8") == text
    assert "vanished  mini.games.game_date  $.date" in mapping(*arguments, "--source", other).stdout


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("none.yaml", None, "add --update-baseline"),
        ("b.yaml", "version: 1\ntransform: other.game\n", "is the baseline of other.game, not of mini.game"),
        ("b.yaml", "version: 2\ntransform: mini.game\n", "is no baseline: version"),
        ("b.yaml", "transform: mini.game\nfields: {a.b.c: {path: $, type: INT, items: -1}}\n", "fields.a.b.c.items"),
        ("b.yaml", "transform: mini.game\nmore: 1\n", "is no baseline: more"),
        ("b.yaml", "a: &a [1]\nb: *a\n", "has no aliases"),
        ("b.yaml", "a: [", "is no baseline"),
        ("b.yaml", "", "is no baseline: the file"),
        ("b.json", "{", "is no baseline"),
        ("b.json", '{"transform": "mini.game", "unmapped": {"$.a b": {"count": 1, "documents": 1}}}', "no step at"),
        ("b.json", '{"transform": "mini.game", "unmapped": {"x": {"count": 1, "documents": 1}}}', "does not start"),
    ],
)
def test_what_is_no_baseline_of_the_mapping_is_one_clear_error(
    tmp_path: Path, name: str, content: str | None, told: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_text(content)
    done = mapping("coverage", MINI, "--source", games(tmp_path, "g.jsonl", {"gamePk": 1}), "--baseline", str(file))
    assert isinstance(done.exception, ConfigurationError)
    assert told in str(done.exception)


@pytest.mark.parametrize("flag", ["--update-baseline", "--fail-on-change"])
def test_flags_of_a_baseline_need_one(flag: str) -> None:
    assert isinstance(mapping("coverage", MINI, flag).exception, ConfigurationError)


# The page


class Page(HTMLParser):
    """What stands in a page: elements by name, and text outside of style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside not in ("style", "script"):
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


HOSTILE = "<img src=x onerror=alert(1)>\"'&</script>"


def test_the_page_escapes_what_captures_and_mappings_say(tmp_path: Path) -> None:
    file = tmp_path / "hostile.yaml"
    text = Path(MINI).read_text(encoding="utf-8").replace('"One row a game"', json.dumps(HOSTILE))
    ignored = json.dumps({"ignore": [{"path": "$.notes.**", "reason": HOSTILE}]})
    file.write_text(f"description: {json.dumps(HOSTILE)}\n{text}coverage: {ignored}\n", encoding="utf-8")
    documents = [{"gamePk": n, "state": HOSTILE + "\ud800", HOSTILE: HOSTILE, "notes": {HOSTILE: 1}} for n in range(2)]
    source = games(tmp_path, "g.jsonl", *documents)
    done = mapping("coverage", str(file), "--source", source, "--format", "html", "--output", str(tmp_path / "p.html"))
    assert (done.exit_code, done.stdout) == (0, "")
    written = (tmp_path / "p.html").read_text(encoding="utf-8")
    page = Page(written)
    assert not [tag for tag, _ in page.elements if tag in ("img", "link", "iframe", "object")]
    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on")]
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert page.text.count("<img src=x onerror=alert(1)>") >= 5
    assert "http" not in written.replace("http-equiv", "")


def test_the_page_shows_every_state(tmp_path: Path) -> None:
    baseline = tmp_path / "b.yaml"
    arguments = ["coverage", SEED, "--baseline", str(baseline), "--format", "html"]
    first = mapping(*arguments, "--source", LIVE_GAME, "--update-baseline").stdout
    assert "Against the baseline" not in first
    page = Page(mapping(*arguments, "--source", games(tmp_path, "g.jsonl", {"gamePk": 1, "more": 1})).stdout)
    rows = [attributes for tag, attributes in page.elements if tag == "tr" and "data-state" in attributes]
    assert {row["data-state"] for row in rows} == {"resolves", "earlier", "never"}
    assert len(rows) == 31
    paths = [attributes["data-name"] for tag, attributes in page.elements if tag == "tr" and "data-count" in attributes]
    assert "$.more" in paths
    assert "Against the baseline" in page.text


def test_an_output_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    source = games(tmp_path, "g.jsonl", {"gamePk": 1})
    done = mapping("coverage", MINI, "--source", source, "--output", str(tmp_path / "file" / "page.html"))
    assert isinstance(done.exception, ConfigurationError)
    assert mapping("coverage", MINI, "--source", source, "--format", "yaml").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (["coverage", MINI], ConfigurationError, "has no sample capture"),
        (["coverage", MINI, "--source", "nowhere"], SourceError, "does not exist"),
        (["show", "game.live_gme_v1"], UnknownNameError, "game.live_game_v1"),
        (["show", "nowhere.yaml"], MappingError, "can't be read"),
    ],
)
def test_what_is_not_there_is_one_clear_error(arguments: list[str], error: type[Exception], text: str) -> None:
    done = mapping(*arguments)
    assert isinstance(done.exception, error)
    assert text in str(done.exception)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", b"{"), ("a.json.gz", b"\x1f\x8b\x08broken"), ("a.json", b"\xff\xfe"), ("a.json", b"[1]")],
)
def test_coverage_of_what_is_no_capture_names_the_file(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    done = mapping("coverage", MINI, "--source", str(tmp_path / name))
    assert isinstance(done.exception, SourceError | ConfigurationError)
    assert name in str(done.exception)
