"""The mappings of the schedule plugin against real captures, and what it declares. Starts no Spark."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from mlbsdk.errors import ConfigurationError
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.coverage import CoverageCounter
from mlbsdk.mapping.load import LoadedMapping
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.run import load_mapping
from mlbsdk.runtime.selection import conditions
from tests.conftest import DATA, REPOSITORY

CAPTURES = DATA / "schedule"
SAMPLES = REPOSITORY / "plugins" / "mlbsdk-plugin-schedule" / "mlbsdk_plugin_schedule" / "samples"
REAL = {
    "schedule.schedule": [
        SAMPLES / "schedule_2024-10-25.json.gz",
        *(path for path in sorted(CAPTURES.glob("*.json.gz")) if not path.name.startswith("seasons")),
    ],
    "schedule.postseason": [SAMPLES / "postseason_2024.json.gz"],
    "season.season": [SAMPLES / "all_seasons.json.gz", *sorted(CAPTURES.glob("seasons*.json.gz"))],
}


def mapping(name: str) -> LoadedMapping:
    return load_mapping(Plugins.load().transform(name))


@pytest.mark.parametrize("name", REAL)
def test_the_mapping_accounts_for_every_path_of_real_captures(name: str) -> None:
    loaded = mapping(name)
    counter = CoverageCounter(compile_mapping(loaded), loaded.mapping.coverage)
    for path in REAL[name]:
        counter.add(response(path))
    found = counter.result()
    assert not [path.path for path in found.unexplained]
    assert not [(wrong.table, wrong.field, wrong.examples) for wrong in found.misfitting]
    assert found.accounted == 100.0
    assert not found.notes


def response(path: Path) -> object:
    with gzip.open(path) as stream:
        found = json.load(stream)
    return found.get("response", found)


@pytest.mark.parametrize("name", REAL)
def test_every_column_is_described_and_rows_are_kept(name: str) -> None:
    plan = compile_mapping(mapping(name))
    assert plan.key == ()
    for table in plan.tables:
        assert table.on_missing == "keep"
        assert table.rules
        assert not [column.name for column in table.columns if not column.description]


def test_no_field_of_a_schedule_is_a_captures() -> None:
    with pytest.raises(ConfigurationError, match="schedule_date"):
        conditions(mapping("schedule.schedule").mapping, {"schedule_date": "2024-10-25"})
    assert conditions(mapping("schedule.schedule").mapping, {"team_id": "147"})[0].place.parameter == "teamId"
