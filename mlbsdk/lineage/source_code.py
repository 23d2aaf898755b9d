"""Where the mapping of a run is kept: the commit of its git repository, else the distribution that ships it.

``.git`` is read and no program is started, so a run pays nothing for it and needs no git.
"""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from urllib.parse import quote, urlsplit

from mlbsdk.lineage.context import CodeLocation

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?\Z")
_SSH = re.compile(r"(?:ssh://)?(?:[\w.-]+@)(?P<host>[\w.-]+)(?::\d+/|[:/])(?P<path>.+?)(?:\.git)?/?\Z")


def code_location(mapping: Path | None, resource: str, distribution: str) -> CodeLocation:
    """Return where a mapping is kept.

    Args:
        mapping: its file; None where it is only in a package.
        resource: its path in the package.
        distribution: name and version of what ships it, such as ``mlbsdk-plugin-game 0.1.0``.
    """
    found = _in_git(mapping.resolve()) if mapping is not None else None
    if found is not None:
        return found
    name, _, version = distribution.rpartition(" ")
    if not name or resource == "":
        place = mapping.resolve().as_uri() if mapping is not None else Path("/").as_uri()
        return CodeLocation("file", place, path=str(mapping) if mapping is not None else None)
    return CodeLocation("python", f"https://pypi.org/project/{quote(name)}/{quote(version)}/", None, resource, version)


def _in_git(file: Path) -> CodeLocation | None:
    for folder in file.parents:
        place = folder / ".git"
        if place.exists():
            try:
                return _location(file.relative_to(folder).as_posix(), _git_folder(place))
            except (OSError, ValueError, configparser.Error):  # a repository that can't be read tells nothing
                return None
    return None


def _git_folder(place: Path) -> Path:
    """Return the git folder: in a linked worktree or submodule ``.git`` is a file that names it."""
    if place.is_dir():
        return place
    return place.parent / place.read_text(encoding="utf-8").strip().removeprefix("gitdir: ")


def _location(path: str, git: Path) -> CodeLocation | None:
    head = (git / "HEAD").read_text(encoding="utf-8").strip()
    ref = head.removeprefix("ref: ") if head.startswith("ref: ") else None
    shared = git / "commondir"
    common = git / shared.read_text(encoding="utf-8").strip() if shared.exists() else git
    commit = head if ref is None else _commit_of(ref, git, common)
    if commit is None or not _COMMIT.match(commit):
        return None
    branch = ref.removeprefix("refs/heads/") if ref is not None else None
    origin = _origin(common)
    page = _page(origin) if origin else None
    # Without a remote there is no page of it; the path inside says the rest.
    url = f"{page}/blob/{commit}/{quote(path)}" if page else f"git:{commit}:{quote(path)}"
    return CodeLocation("git", url, origin, path, commit, branch)


def _commit_of(ref: str, git: Path, common: Path) -> str | None:
    for folder in (git, common):
        if (folder / ref).is_file():
            return (folder / ref).read_text(encoding="utf-8").strip()
    packed = common / "packed-refs"
    lines = packed.read_text(encoding="utf-8").splitlines() if packed.exists() else []
    return next((line.partition(" ")[0] for line in lines if line.endswith(f" {ref}")), None)


def _origin(common: Path) -> str | None:
    """Return the address of the remote ``origin``, without user and password."""
    config = configparser.RawConfigParser(strict=False, allow_no_value=True)
    config.read(common / "config", encoding="utf-8")
    url = config.get('remote "origin"', "url", fallback=None)
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme in ("http", "https"):
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"
    # Of an address of ssh the user is the service's own, such as git@; a path of this machine tells nobody anything.
    return url if _SSH.match(url) and parts.password is None else None


def _page(origin: str) -> str | None:
    if origin.startswith("http"):
        return origin.removesuffix("/").removesuffix(".git")
    match = _SSH.match(origin)
    return f"https://{match['host']}/{match['path']}" if match else None
