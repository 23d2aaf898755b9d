"""Where a mapping is kept: the commit of its repository, else the distribution that ships it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mlbsdk.lineage.context import CodeLocation
from mlbsdk.lineage.source_code import code_location

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> str:
    names = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    run = subprocess.run(
        ["git", "-c", "init.defaultBranch=main", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        env=own | names,
    )
    return run.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "mappings").mkdir(parents=True)
    (folder / "mappings" / "my game.yaml").write_text("version: 1", encoding="utf-8")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def located(folder: Path) -> CodeLocation:
    return code_location(folder / "mappings" / "my game.yaml", "", "")


@needs_git
@pytest.mark.parametrize(
    ("remote", "repository_url"),
    [
        ("git@example.org:stats/mlb.git", "git@example.org:stats/mlb.git"),
        ("https://jane:hunter2@example.org/stats/mlb.git", "https://example.org/stats/mlb.git"),
        ("ssh://git@example.org:22/stats/mlb.git", "ssh://git@example.org:22/stats/mlb.git"),
    ],
)
def test_a_repository_gives_commit_branch_and_page(repository: Path, remote: str, repository_url: str) -> None:
    git(repository, "remote", "add", "origin", remote)
    found = located(repository)
    commit = git(repository, "rev-parse", "HEAD")
    assert (found.type, found.version, found.branch) == ("git", commit, "main")
    assert (found.path, found.repository) == ("mappings/my game.yaml", repository_url)
    assert found.url == f"https://example.org/stats/mlb/blob/{commit}/mappings/my%20game.yaml"
    assert "hunter2" not in repr(found)


@needs_git
def test_packed_references_worktrees_and_single_commits_are_read(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    git(repository, "pack-refs", "--all")
    assert located(repository).version == commit
    git(repository, "worktree", "add", "-q", "-b", "other", "../linked")
    linked = located(repository.parent / "linked")
    assert (linked.version, linked.branch) == (commit, "other")
    git(repository, "checkout", "-q", "--detach")
    assert (located(repository).version, located(repository).branch) == (commit, None)


@needs_git
def test_a_remote_on_this_machine_or_none_gives_no_page(repository: Path) -> None:
    assert located(repository).url.startswith("git:")
    git(repository, "remote", "add", "origin", "/srv/secret-place/mlb.git")
    found = located(repository)
    assert found.repository is None
    assert "secret-place" not in repr(found)


def test_a_repository_that_cant_be_read_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    mapping = tmp_path / "game.yaml"
    mapping.write_text("version: 1", encoding="utf-8")
    found = code_location(mapping, "mappings/game.yaml", "mlbsdk-plugin-game 0.1.0")
    assert (found.type, found.version, found.path) == ("python", "0.1.0", "mappings/game.yaml")
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/../../../secret", encoding="utf-8")
    assert code_location(mapping, "", "").type == "file"
