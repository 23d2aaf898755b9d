"""``mlbsdk plugin new``: what it makes and what it refuses. That the projects pass their tests is tests/packaging."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlbsdk.cli.main import build
from mlbsdk.errors import ConfigurationError, EnvironmentProblem
from mlbsdk.hookspecs import HOOKSPEC_VERSION
from mlbsdk.templates import KINDS, NewPlugin

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_whole_project(tmp_path: Path, kind: str) -> None:
    author = 'Ann "A" \\ <é>'
    files = NewPlugin(kind, "my-thing2", author).make(tmp_path / "made")
    assert {"LICENSE", "README.md", "pyproject.toml", "my_thing2/__init__.py", "my_thing2/py.typed"} <= set(files)
    assert [name for name in files if name.startswith("tests/test_")]
    texts = {name: (tmp_path / "made" / name).read_text(encoding="utf-8") for name in files}
    assert [name for name, text in texts.items() if "{{" in text or "{%" in text] == []
    for name, text in texts.items():
        if name.endswith(".py"):
            ast.parse(text)
            assert max(map(len, text.splitlines())) <= 120
    project = tomllib.loads(texts["pyproject.toml"])["project"]
    assert project["entry-points"] == {"mlbsdk": {"my-thing2": "my_thing2"}}
    assert project["authors"] == [{"name": author}]
    assert author in texts["LICENSE"]
    assert f"MLBSDK_PLUGIN_API = {HOOKSPEC_VERSION}" in texts["my_thing2/__init__.py"]


@pytest.mark.parametrize(
    ("kind", "name", "complaint"),
    [
        ("writers", "my-store", "no kind of plugin 'writers'. Did you mean 'writer'?"),
        ("writer", "My-Store", "'My-Store' can't be the name"),
        ("writer", "my--store", "'my--store' can't be the name"),
        ("writer", "../x", "'../x' can't be the name"),
        ("writer", "my-store\n", "can't be the name"),
        ("writer", "csv", "Python has that name already"),
        ("writer", "mlbsdk", "Python has that name already"),
        ("writer", "a" * 51, "can't be the name"),
    ],
)
def test_what_can_not_be_is_refused_before_anything_is_made(
    tmp_path: Path, kind: str, name: str, complaint: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        NewPlugin(kind, name).make(tmp_path / "made")
    assert complaint in str(raised.value)
    assert not (tmp_path / "made").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(ConfigurationError, match="is not empty"):
        NewPlugin("writer", "my-store").make(tmp_path)
    with pytest.raises(ConfigurationError, match="is no folder"):
        NewPlugin("writer", "my-store").make(tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_without_copier_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "copier", None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'mlbsdk\[authoring\]'"):
        NewPlugin("writer", "my-store").make(tmp_path / "made")


def test_the_command_prints_what_it_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(build(), ["plugin", "new", "--kind", "lineage", "--name", "my-log"])
    assert done.exit_code == 0, done.output
    assert "my-log/my_log/listener.py" in done.stdout.splitlines()
    assert "pytest --mlbsdk-contract" in done.stderr
    assert (tmp_path / "my-log" / "pyproject.toml").exists()


def test_without_a_terminal_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(build(), ["plugin", "new", "--kind", "writer"])
    assert isinstance(done.exception, ConfigurationError)
    assert "--name is missing" in str(done.exception)


def test_in_a_terminal_what_is_missing_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mlbsdk.cli.plugin_command._is_terminal", lambda: True)
    done = CliRunner().invoke(build(), ["plugin", "new"], input="quality\n\n")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "my-quality" / "my_quality" / "engine.py").exists()
