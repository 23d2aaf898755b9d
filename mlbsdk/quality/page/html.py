"""The page of a run: :func:`quality_report` from what a target keeps, :func:`page_of` from a report in memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbsdk.errors import ConfigurationError, MlbsdkError
from mlbsdk.hookspecs import QuarantineStore, Storage
from mlbsdk.pages import rendered
from mlbsdk.plugins import Plugins
from mlbsdk.quality.page.charts import share_bar, strip
from mlbsdk.quality.page.content import MOST_RUNS, Settled, content, example_of
from mlbsdk.quality.page.profiles import TableProfile, given_profile, stored_profiles
from mlbsdk.quality.page.saved import Example, SavedRun, SavedRuns, housekeeping_of, read_json
from mlbsdk.quality.quarantine import QuarantineQuery
from mlbsdk.runtime.addresses import child, is_local, split_address
from mlbsdk.runtime.storage import LOCAL, Storages, read_text

if TYPE_CHECKING:
    from markupsafe import Markup

    from mlbsdk.report import RunReport

#: Entries of the quarantine table that are looked through for examples.
_LOOKED_AT = 2_000
#: Columns of a refused row that are shown where the mapping does not say which matter.
_FEW_COLUMNS = 8


def quality_report(
    run: str | Path | None = None,
    location: str = "delta:warehouse",
    *,
    profiles: Sequence[Path] = (),
    storage: Mapping[str, object] | None = None,
    plugins: Plugins | None = None,
) -> str:
    """Return the page of a run, as the target keeps it; no Spark is needed.

    Args:
        run: a run's id or its first letters, or a file with a run's report; by default the last run.
        location: the target, such as ``delta:warehouse``, or its ``_mlbsdk`` folder.
        profiles: JSON files, as ``mlbsdk quality profile TABLE --json`` prints them, to be shown instead of what the
            stored files of these tables say of themselves.
        storage: what the target's object store is told: the settings under ``storage:``.
        plugins: the loaded plugins; by default those installed.

    Raises:
        ConfigurationError: there is no such run, or a file is no report or no profile.
        StorageError: the target's object store can't be reached, or refuses.
    """
    plugins = plugins or Plugins.load()
    storages = Storages(plugins, storage)
    given = [given_profile(read_json(path), str(path)) for path in profiles]
    if run is not None and (isinstance(run, Path) or Path(run).is_file()):
        found = SavedRun.from_json(_text(Path(run)), str(run))
        housekeeping = _housekeeping(location)
        return _page(found, housekeeping, _reached(housekeeping, storages), plugins, given)
    housekeeping = housekeeping_of(location)
    keeps = _reached(housekeeping, storages)
    saved = SavedRuns(housekeeping, keeps).find(None if run is None else str(run))
    return _page(saved, housekeeping, keeps, plugins, given)


def page_of(report: RunReport, target: str, plugins: Plugins | None = None) -> str:
    """Return the page of a run that has just ended.

    Args:
        report: its report, of a run that was completed or failed.
        target: the address that it wrote to, which is asked for refused rows.
        plugins: the loaded plugins; by default those installed.
    """
    plugins = plugins or Plugins.load()
    store = _store(*split_address(target, "delta"), plugins) if report.location is None else None
    return _page(SavedRun.of(report), report.location, report.storage or LOCAL, plugins, store=store)


def _page(
    run: SavedRun,
    housekeeping: str | None,
    storage: Storage,
    plugins: Plugins,
    given: Sequence[TableProfile] = (),
    store: QuarantineStore | None = None,
) -> str:
    runs, profiles = [run], {profile.table: profile for profile in given}
    if housekeeping is not None and storage.exists(housekeeping):
        runs = SavedRuns(housekeeping, storage).until(run, MOST_RUNS)
        store = store or store_of(housekeeping, storage, plugins)
        stored = stored_profiles(housekeeping, [name for name in run.tables if name not in profiles], storage)
        profiles |= {profile.table: profile for profile in stored}
    examples, settled = _quarantined(run, store)
    found = content(run, runs, profiles.values(), examples, settled)
    return rendered(
        "mlbsdk.quality.page",
        "quality.html",
        found,
        {"shorter": _shorter, "share_bar": _completeness_bar, "strip": _completeness_strip},
    )


def store_of(housekeeping: str, storage: Storage, plugins: Plugins) -> QuarantineStore | None:
    """Return the writer of the tables beside a ``_mlbsdk`` folder, to be asked only; None where it can't be."""
    try:
        format = read_text(storage, child(housekeeping, "format")).strip()
    except FileNotFoundError:
        return None
    return _store(format, housekeeping.rpartition("/")[0], plugins, storage)


def _store(scheme: str, address: str, plugins: Plugins, storage: Storage = LOCAL) -> QuarantineStore | None:
    try:
        declared = plugins.writer(scheme)
        made = plugins.call(declared, declared.make, address, {} if storage.is_local else {"storage": storage})
    except MlbsdkError:
        return None  # a page without examples of that store is better than none
    return made if isinstance(made, QuarantineStore) else None


def _quarantined(run: SavedRun, store: QuarantineStore | None) -> tuple[list[Example], Settled | None]:
    """Return refused rows of the run as examples, and what has become of all that it refused."""
    if store is None or not (run.total("quarantined") or run.documents.rejected):
        return [], None
    query = QuarantineQuery(run_id=run.run_id, transform=run.transform, limit=_LOOKED_AT)
    try:
        entries = store.quarantined(query).to_pylist()
        if not entries:
            # The same refusal again stays the entry of the run that made it first.
            entries = store.quarantined(QuarantineQuery(transform=run.transform, limit=_LOOKED_AT)).to_pylist()
    except MlbsdkError:
        return [], None  # as for a store that can't be made
    outcomes = Counter(entry["resolution"] for entry in entries)
    settled = Settled(outcomes.pop(None, 0), {str(name): count for name, count in sorted(outcomes.items())})
    shown = {(one.table, check) for one in run.examples for check in one.checks}
    examples = [
        example_of(entry, _values(run, entry))
        for entry in entries
        if entry["row_json"] is not None
        and any((entry["table_name"], check) not in shown for check in (entry["checks"] or "").split(","))
    ]
    return examples, settled


def _values(run: SavedRun, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a refused row that say most: its key, and what its checks looked at."""
    try:
        row = json.loads(entry["row_json"])
    except (ValueError, RecursionError):
        return {}
    if not isinstance(row, dict):
        return {}
    asked = run.checks.get(entry["table_name"])
    checks = (entry["checks"] or "").split(",")
    texts = [rule.asks for rule in asked.rules if rule.rule in checks] if asked else []
    named = [name for name in row if any(check.endswith(f":{name}") for check in checks)]
    named += [name for name in row if any(name in text for text in texts)]
    wanted = list(dict.fromkeys([*(asked.unique if asked else ()), *named])) or list(row)
    return {name: row[name] for name in wanted[:_FEW_COLUMNS] if name in row}


def _housekeeping(location: str) -> str | None:
    path = split_address(location, "delta")[1]
    if "://" in path and is_local(path):
        return None
    return housekeeping_of(location)


def _reached(housekeeping: str | None, storages: Storages) -> Storage:
    """Return what keeps a folder, which can be reached."""
    if housekeeping is None:
        return LOCAL
    storage = storages.of(housekeeping)
    storage.check(housekeeping)
    return storage


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"'{path}' can't be read: {problem}") from problem


def _completeness_bar(share: float, column: str) -> Markup:
    return share_bar(share, f"{column}: {share:.1%} complete", "present")


def _completeness_strip(table: TableProfile) -> Markup:
    return strip(
        [(column.name, column.completeness) for column in table.columns],
        f"How complete the {len(table.columns)} columns of {table.table} are",
    )


def _shorter(name: str) -> str:
    """Return the last part of a long source, where the file's own name stands."""
    return name if len(name) <= 60 else f"…{name[-59:]}"
