"""Captures of persons, teams and rosters: the real ones, altered ones, and how they are saved for a run."""

from __future__ import annotations

import copy
import gzip
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from tests.conftest import DATA, REPOSITORY
from tests.oracle.compare import Tables
from tests.oracle.values import Row

REAL = DATA / "people"
PLUGINS = REPOSITORY / "plugins"
SAMPLE_PERSON = PLUGINS / "mlbsdk-plugin-person/mlbsdk_plugin_person/samples/person_545361.json.gz"
SAMPLE_TEAMS = PLUGINS / "mlbsdk-plugin-team/mlbsdk_plugin_team/samples/teams_2024.json.gz"
SAMPLE_ROSTER = PLUGINS / "mlbsdk-plugin-team/mlbsdk_plugin_team/samples/roster_147_2024.json.gz"
START = datetime(2025, 10, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Capture:
    """A response and its request; saved bare, with its time as the file's, where there is no request."""

    name: str
    response: dict[str, Any]
    minute: int
    request: Mapping[str, Any] | None = None
    params: dict[str, str] = field(default_factory=dict)

    @property
    def captured_at(self) -> datetime:
        """Minutes after a day of 2025."""
        return START + timedelta(minutes=self.minute)

    def save(self, folder: Path) -> None:
        """Save it as a file of its name."""
        folder.mkdir(exist_ok=True)
        path = folder / f"{self.name}.json"
        stated = {"captured_at": self.captured_at.isoformat(), "query_params": self.params, "response": self.response}
        held = self.response if self.request is None else dict(self.request) | stated
        path.write_text(json.dumps(held, ensure_ascii=False), encoding="utf-8")
        os.utime(path, (self.captured_at.timestamp(),) * 2)


def real(path: Path, minute: int) -> Capture:
    """Return a real capture, saved as it was published, with a time of its file."""
    with gzip.open(path) as stream:
        found = json.load(stream)
    if "response" not in found:
        return Capture(path.name.removesuffix(".json.gz"), found, minute)
    params = found["path_params"] | found["query_params"]
    request = {key: found[key] for key in ("endpoint", "method", "url", "status_code")}
    return Capture(path.name.removesuffix(".json.gz"), found["response"], minute, request, params)


def altered(response: dict[str, Any], alter: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Return a copy of a response that was altered."""
    found = copy.deepcopy(response)
    alter(found)
    return found


def newest(
    captures: Iterable[Capture], read: Callable[[Capture], Tables], keys: Mapping[str, tuple[str, ...]]
) -> Tables:
    """Return what tables hold after captures: for each key the row of the newest capture that has it."""
    found: dict[str, dict[Any, Row]] = {name: {} for name in keys}
    for capture in sorted(captures, key=lambda one: (one.minute, one.name)):
        for name, rows in read(capture).items():
            found[name] |= {tuple(row[part] for part in keys[name]): row for row in rows}
    return {name: list(rows.values()) for name, rows in found.items()}
