"""The page "Your first plugin": each command is run in a fresh environment and prints what the page shows.

After a change that is meant, write the outputs anew: pytest tests/packaging/test_first_plugin.py --mlbsdk-update-golden
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.packaging.test_template import Environment, with_core
from tests.packaging.test_wheels import uv

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(900)]

PAGE = REPOSITORY / "docs" / "first-plugin.md"
_BLOCK = re.compile(r"^```(?P<kind>diff|) ?(?:title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$", re.M | re.S)
#: What differs from run to run: times and places.
_VARYING = [
    (re.compile(r"\d+\.\d+s( \(\d+:\d\d:\d\d\))?"), "12.3s"),
    (re.compile(r"^(.* in) \d+\.\d s .*$", re.M), r"\1 4.1 s"),
]


@dataclass
class Shell:
    """Runs the page's commands, one after the other, in the folder where a reader would be."""

    environment: Environment
    folder: Path
    ran: list[str] = field(default_factory=list)

    def run(self, line: str) -> str:
        """Run a command and return what it printed: results, or what went wrong."""
        self.ran.append(line)
        program, *arguments = shlex.split(line)
        if program == "cd":
            self.folder = self.folder / arguments[0]
            return ""
        if program == "pip":
            return self._install(arguments[1:])
        done = self.environment.run(self.environment.program(program), *arguments, cwd=self.folder)
        assert done.returncode in (0, 2), done.stdout + done.stderr
        return self._normal(done.stdout if done.returncode == 0 else done.stdout + done.stderr)

    def _install(self, arguments: list[str]) -> str:
        if "--editable" in arguments:  # the core is there already, as a wheel
            target = ("--quiet", "--python", self.environment.program("python"))
            uv("pip", "install", *target, "--constraint", self.environment.folder / "constraints.txt", *arguments,
               cwd=self.folder)  # fmt: skip
        return ""

    def _normal(self, text: str) -> str:
        text = text.replace(f"{self.folder}{os.sep}", "")
        for pattern, replacement in _VARYING:
            text = pattern.sub(replacement, text)
        return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


@pytest.mark.slow
def test_every_step_of_the_page_does_what_it_shows(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    shell = Shell(with_core(tmp_path_factory.mktemp("first")), tmp_path)

    def done(block: re.Match[str]) -> str:
        if block["kind"] == "diff":
            change(shell.folder / block["title"], block["text"])
            return block[0]
        commands = [line[2:] for line in block["text"].splitlines() if line.startswith("$ ")]
        return "```\n" + "".join(f"$ {command}\n{shell.run(command)}" for command in commands) + "```"

    page = PAGE.read_text(encoding="utf-8")
    found = _BLOCK.sub(done, page)
    if request.config.getoption("mlbsdk_update_golden"):
        PAGE.write_text(found, encoding="utf-8")
        page = found
    assert len(shell.ran) > 10
    assert found.splitlines() == page.splitlines()


def change(path: Path, diff: str) -> None:
    """Apply a change as the page shows it: lines that stay, go and come, in one place of the file."""
    lines = diff.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] in " -")
    new = "".join(line[1:] for line in lines if line[0] in " +")
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path} does not have once:\n{old}"
    path.write_text(text.replace(old, new), encoding="utf-8")
