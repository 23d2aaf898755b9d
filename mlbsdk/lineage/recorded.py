"""What a target keeps of its runs, read back: their events and their reports. The one place that reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlbsdk.errors import ConfigurationError
from mlbsdk.hookspecs import Storage
from mlbsdk.lineage.delivery import last_run
from mlbsdk.lineage.journal import events_oldest_first
from mlbsdk.quality.page.saved import SavedRun
from mlbsdk.runtime.addresses import child
from mlbsdk.runtime.storage import LOCAL, read_text


@dataclass(frozen=True)
class RecordedRun:
    """A run as a target keeps it: the last event of each of its jobs, and its report where it was saved."""

    events: list[dict[str, Any]]
    saved: SavedRun | None


def recorded_run(location: str, run_id: str | None = None, storage: Storage = LOCAL) -> RecordedRun:
    """Return a run of a target.

    Args:
        location: the target's ``_mlbsdk`` folder.
        run_id: the run's id or its first letters; None is the last run.
        storage: what keeps the folder.

    Raises:
        ConfigurationError: there is no such run, or there are several.
    """
    events = last_run(location, storage) if run_id is None else _events_of(location, run_id, storage)
    if not events:
        raise ConfigurationError(
            f"no lineage at '{location}'", fix="Run a transform first, or name its target's folder with --location."
        )
    return RecordedRun(events, _saved(location, [event["run"]["runId"] for event in events], storage))


def saved_run(location: str, run_id: str, storage: Storage = LOCAL) -> SavedRun | None:
    """Return the report of a run; None where none was saved."""
    return _saved(location, [run_id], storage)


def _events_of(location: str, run_id: str, storage: Storage) -> list[dict[str, Any]]:
    """Return the last event of each job of a run: of its own event, and of those whose parent it is."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    known: list[str] = []
    for event in events_oldest_first(storage, location):
        own = str(event["run"]["runId"])
        parent = str(event["run"].get("facets", {}).get("parent", {}).get("run", {}).get("runId", own))
        for whole in {own, parent}:
            known.append(whole)
            if whole.startswith(run_id):
                found.setdefault(whole, {})[str(event["job"]["name"])] = event
    if len(found) > 1 and run_id not in found:
        raise ConfigurationError(f"{len(found)} runs start with '{run_id}'", fix="Give more of the id.")
    if not found and known:
        raise ConfigurationError(f"no run '{run_id}' at '{location}'", fix=f"The last run is {known[-1]}.")
    return list((found.get(run_id) or next(iter(found.values()), {})).values())


def _saved(location: str, run_ids: list[str], storage: Storage) -> SavedRun | None:
    for file in storage.files(child(location, "runs")):
        if file.path.endswith(tuple(f"-{run_id}.json" for run_id in run_ids)):
            return SavedRun.from_json(read_text(storage, file.path), file.path)
    return None
