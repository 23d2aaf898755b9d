"""The documentation says what the code does: generated pages are current, and examples work. Starts no Spark."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml

from mlbsdk import errors
from mlbsdk.hookspecs import Hooks
from mlbsdk.mapping.avro import avro_schema
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.coverage import CoverageCounter
from mlbsdk.mapping.load import LoadedMapping, load_file, load_text
from mlbsdk.mapping.model import (
    CoverageSpec,
    DriftSpec,
    FieldSpec,
    IndexSpec,
    Mapping,
    RelationshipSpec,
    RuleSpec,
    Source,
    TargetSpec,
)
from mlbsdk.mapping.plan import Table
from mlbsdk.plugins import Plugins
from mlbsdk.report import RunReport, TableReport
from mlbsdk.runtime.run import load_mapping
from mlbsdk.settings import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
_BLOCK = re.compile(r"^```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$", re.M | re.S)
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    return [match["text"] for match in _BLOCK.finditer(page(name)) if match["language"] == language]


def titled(name: str) -> dict[str, str]:
    return {match["title"]: match["text"] for match in _BLOCK.finditer(page(name)) if match["title"]}


# Generated pages


def test_generated_pages_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "tools" / "docs" / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_hook_is_in_its_page() -> None:
    hooks = [name for name in vars(Hooks) if name.startswith("mlbsdk_")]
    assert hooks
    assert [name for name in hooks if f"## `{name}`" not in page("hooks.md")] == []


def test_every_method_of_what_plugins_make_is_in_the_hook_page() -> None:
    from mlbsdk import plugin

    protocols = [kind for kind in map(plugin.__dict__.get, plugin.__all__) if getattr(kind, "_is_protocol", False)]
    assert plugin.RangeSource in protocols
    methods = [name for protocol in protocols for name in vars(protocol) if not name.startswith("_")]
    assert len(methods) > 8
    assert [name for name in methods if f"def {name}(self" not in page("hooks.md")] == []


def test_every_field_of_every_record_is_in_the_hook_page() -> None:
    from mlbsdk import hookspecs

    records = [kind for name, kind in vars(hookspecs).items() if name.endswith(("Decl", "SparkRequirements"))]
    assert len(records) >= 7
    text = page("hooks.md")
    for record in records:
        section = text.partition(f"### `{record.__name__}`\n")[2].partition("\n## ")[0]
        assert [field for field in record.__dataclass_fields__ if f"| `{field}` |" not in section] == []


def test_every_error_code_is_in_its_page() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.MlbsdkError)]
    assert len(kinds) > 10
    assert [kind.code for kind in kinds if f"`{kind.code}` | `{kind.__name__}`" not in page("errors.md")] == []


def test_every_error_code_that_a_page_names_exists() -> None:
    known = {kind.code for kind in vars(errors).values() if getattr(kind, "code", None)}
    named = {(path.name, code) for path in PAGES for code in re.findall(r"MLBSDK\d{3}", path.read_text("utf-8"))}
    assert {entry for entry in named if entry[1] not in known} == set()


def test_every_command_is_in_its_page() -> None:
    """Those of our plugins too; but not hidden ones, which are steps of workflows."""
    from mlbsdk.cli.main import build

    def commands(command: click.Command, path: str) -> Iterator[str]:
        for name, child in getattr(command, "commands", {}).items():
            if not child.hidden:
                yield f"{path} {name}"
                yield from commands(child, f"{path} {name}")

    found = [*commands(typer.main.get_command(build()), "mlbsdk")]
    assert {"mlbsdk lineage flush", "mlbsdk fetch season", "mlbsdk workflow run-local"} <= set(found)
    assert "mlbsdk workflow tell" not in found
    assert [path for path in found if f"# `{path}`\n" not in page("cli.md")] == []


@pytest.mark.parametrize(
    "part", [Mapping, Source, CoverageSpec, DriftSpec, TargetSpec, FieldSpec, RelationshipSpec, IndexSpec, RuleSpec]
)
def test_every_key_of_a_mapping_is_in_its_reference(part: type[Mapping]) -> None:
    text = page("mapping-language.md")
    assert [key for key in part.model_fields if f"`{key}`" not in text] == []


def test_every_setting_is_in_the_configuration_page() -> None:
    assert [name for name in Settings.model_fields if f"| `{name}` |" not in page("configuration.md")] == []


# Pages and links


def test_every_page_is_in_the_nav() -> None:
    def entries(nav: Any) -> Iterator[str]:
        if isinstance(nav, str):
            yield nav
        for entry in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
            yield from entries(entry)

    found = [*entries(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])]
    folders = tuple(entry for entry in found if entry.endswith("/"))
    names = [path.relative_to(DOCS).as_posix() for path in PAGES]
    assert [name for name in names if name not in found and not name.startswith(folders)] == []
    assert [name for name in found if not (DOCS / name).exists()] == []


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md", *(str(p.relative_to(ROOT)) for p in PAGES)])
def test_relative_links_lead_somewhere(file: str) -> None:
    text = _BLOCK.sub("", (ROOT / file).read_text(encoding="utf-8"))
    targets = [match["target"] for match in _LINK.finditer(text)]
    paths = [target.partition("#")[0] for target in targets if "://" not in target and not target.startswith("#")]
    assert [path for path in paths if path and not (ROOT / file).parent.joinpath(path).exists()] == []


@pytest.mark.parametrize("name", [path.relative_to(DOCS).as_posix() for path in PAGES])
def test_python_in_pages_compiles(name: str) -> None:
    for text in blocks(name, "python"):
        # The hook reference shows signatures without bodies.
        compile(re.sub(r"(?m)^(def .*[^:\n])$", r"\1: ...", text), name, "exec")


def test_decisions_are_numbered_without_gaps() -> None:
    found = sorted((DOCS / "decisions").glob("*.md"))
    numbers = [int(path.name[:4]) for path in found]
    assert numbers == [*range(1, len(numbers) + 1)]
    assert [path.name for path in found if not path.read_text("utf-8").startswith(f"# {path.name[:4]}: ")] == []


# The example of the mapping language


def example() -> tuple[LoadedMapping, Any]:
    files = titled("mapping-language.md")
    return load_text(files["game.yaml"], "game.yaml"), json.loads(files["game.json"])


def test_the_mapping_example_compiles_and_fits_its_document() -> None:
    loaded, document = example()
    plan = compile_mapping(loaded)
    counter = CoverageCounter(plan, loaded.mapping.coverage)
    counter.add(document)
    found = counter.result()
    assert (found.accounted, found.dead, found.misfitting, found.unmapped) == (100.0, (), (), ())


def test_the_example_of_captures_that_are_no_documents_compiles() -> None:
    plan = compile_mapping(load_text(titled("mapping-language.md")["people.yaml"], "people.yaml"))
    assert (plan.key, [table.on_missing for table in plan.tables]) == ((), ["keep"])


def test_the_rows_shown_have_the_columns_of_the_mapping() -> None:
    plan = compile_mapping(example()[0])
    for table in plan.tables:
        columns = [column.name for column in table.columns][:-2]
        shown = f"`{table.name}`:\n\n| " + " | ".join(f"`{name}`" for name in columns) + " |"
        assert shown in page("mapping-language.md")


# The examples of the plugin guide


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plugins:
    """Return the installed plugins and those of the guide, installed as pip would leave them."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("MLBSDK_LOAD_PLUGINS", raising=False)
    monkeypatch.delenv("MLBSDK_DISABLED_PLUGINS", raising=False)
    for title, text in titled("plugins.md").items():
        _, _, inside = title.partition("/")
        if inside == "pyproject.toml":
            _install(tmp_path, tomllib.loads(text))
            continue
        path = tmp_path / inside
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        monkeypatch.delitem(sys.modules, path.parent.name, raising=False)
    importlib.invalidate_caches()
    return Plugins.load()


def _install(site: Path, project: dict[str, Any]) -> None:
    name, version = project["project"]["name"], project["project"]["version"]
    entries = project["project"]["entry-points"]["mlbsdk"]
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[mlbsdk]\n" + "".join(f"{k} = {v}\n" for k, v in entries.items()))


def test_the_plugins_of_the_guide_are_ready(plugins: Plugins) -> None:
    found = {each.distribution: each for each in plugins.records() if each.distribution.startswith("acme-")}
    states = {name: (each.version, each.status, each.reason) for name, each in found.items()}
    assert states == dict.fromkeys(("acme-jsonl", "acme-runlog", "acme-venues"), ("1.0", "ready", None))
    declared = {(each.kind, each.name) for record in found.values() for each in record.declarations}
    assert declared == {("writer", "jsonl"), ("listener", "runlog"), ("transform", "venue.venue")}


def test_the_transform_of_the_guide_fits_its_sample(plugins: Plugins, tmp_path: Path) -> None:
    transform = plugins.transform("venue.venue")
    loaded = load_mapping(transform)
    counter = CoverageCounter(compile_mapping(loaded), loaded.mapping.coverage)
    assert transform.sample is not None
    counter.add(json.loads(tmp_path.joinpath(*transform.sample).read_text()))
    assert counter.result().accounted == 100.0


class _Frame:
    """What the writer of the guide asks of a DataFrame, from rows that are here."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def selectExpr(self, expression: str) -> _Frame:
        assert expression == "to_json(struct(*))"
        return self

    def toLocalIterator(self) -> Iterator[tuple[str]]:
        return iter([(json.dumps(row),) for row in self.rows])


class _Rows:
    def __init__(self, table: Table, *rows: dict[str, Any]) -> None:
        self.table = table
        self.frame = _Frame(list(rows))


class _Batch:
    def __init__(self, rows: _Rows) -> None:
        self.tables = {rows.table.name: rows}


def test_the_writer_of_the_guide_keeps_the_newest_capture(plugins: Plugins, tmp_path: Path) -> None:
    table = compile_mapping(load_mapping(plugins.transform("venue.venue"))).tables[0]

    def row(name: str, year: int) -> dict[str, Any]:
        moment = f"{year}-01-01T00:00:00.000Z"
        return {"venue_id": 15, "name": name, "source_captured_at": moment, "transform_timestamp": name}

    def write(*rows: dict[str, Any]) -> tuple[int, int, int]:
        declared = plugins.writer("jsonl")
        writer: Any = plugins.call(declared, declared.make, str(tmp_path / "out"), {})
        writer.prepare()
        change = writer.write(_Batch(_Rows(table, *rows)))["venue.venue"]
        return change.inserted, change.updated, change.unchanged

    assert write(row("Bank One Ballpark", 2001)) == (1, 0, 0)
    assert write(row("Bank One Ballpark", 2001)) == (0, 0, 1)
    assert write(row("Chase Field", 2024)) == (0, 1, 0)
    assert write(row("Bank One Ballpark", 2001)) == (0, 0, 1)
    (stored,) = (tmp_path / "out" / "venue.venue.jsonl").read_text().splitlines()
    assert json.loads(stored)["name"] == "Chase Field"


def test_the_writer_of_the_guide_says_where_its_tables_are(plugins: Plugins, tmp_path: Path) -> None:
    writer = plugins.writer("jsonl").make(str(tmp_path), {})
    assert writer.address_of("venue.venue") == ("file", str(tmp_path.resolve() / "venue.venue.jsonl"))


def test_the_listener_of_the_guide_notes_each_run(
    plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUN_LOG", str(tmp_path / "run.log"))
    listener = plugins.listener("runlog").make({})
    report = RunReport("run-1", "venue.venue", "in", "out", datetime.now(timezone.utc))
    report.tables["venue.venue"] = TableReport(rows=3, inserted=2, updated=1)
    for act in (listener.run_started, listener.run_completed):
        act(report)
    listener.phase_changed(report, "read")
    listener.batch_written(report, 0)
    listener.run_failed(report, ValueError("no"))
    assert (tmp_path / "run.log").read_text() == textwrap.dedent(
        """\
        run-1 venue.venue completed: 3 rows
        run-1 venue.venue failed: no
        """
    )


# Facts that pages repeat


@pytest.mark.parametrize("name", ["lineage.md", "tables/index.md"])
def test_the_fields_of_lineage_metadata_are_listed(name: str) -> None:
    table = compile_mapping(load_file(ROOT / "tests" / "data" / "mini.yaml")).tables[0]
    fields = [field["name"] for field in avro_schema(table)["fields"][-1]["type"]["fields"]]
    assert re.findall(r"(?m)^\| `(\w+)` \|", page(name))[: len(fields)] == fields
