"""What every transform keeps: its mapping fits its sample, keys are unique, and running again changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlbsdk.hookspecs import TransformDecl
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.coverage import CoverageCounter
from mlbsdk.mapping.load import LoadedMapping
from mlbsdk.mapping.plan import Plan
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.captures import documents
from mlbsdk.runtime.run import RunRequest, load_mapping, run
from mlbsdk.testing.warehouse import Warehouse

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture
def transform(contract_transform_name: str) -> TransformDecl:
    """Return the transform under test."""
    return Plugins.load().transform(contract_transform_name)


@pytest.fixture
def loaded(transform: TransformDecl) -> LoadedMapping:
    """Return its mapping; a mistake in it is told with its line."""
    return load_mapping(transform)


@pytest.fixture
def plan(loaded: LoadedMapping) -> Plan:
    """Return its compiled mapping."""
    return compile_mapping(loaded)


@pytest.fixture
def sample(contract_transform_name: str, mlbsdk_sample_captures: Mapping[str, Path]) -> Path:
    """Return its sample capture."""
    assert contract_transform_name in mlbsdk_sample_captures, "declare a sample: a small real capture in the package"
    return mlbsdk_sample_captures[contract_transform_name]


def test_the_mapping_is_the_one_that_is_declared(transform: TransformDecl, plan: Plan) -> None:
    assert plan.name == transform.name


def test_every_table_has_a_description(plan: Plan) -> None:
    assert [table.name for table in plan.tables if not table.description] == []


def test_the_sample_is_accounted_for(loaded: LoadedMapping, plan: Plan, sample: Path) -> None:
    counter = CoverageCounter(plan, loaded.mapping.coverage)
    for _, document in documents(str(sample)):
        counter.add(document)
    found = counter.result()
    assert [(each.table, each.field) for each in found.dead] == []
    assert [(each.table, each.field, each.examples) for each in found.misfitting] == []
    assert [each.path for each in found.unexplained] == [], "map these paths, or ignore them with a reason"


def test_the_sample_runs_and_running_again_changes_nothing(
    transform: TransformDecl, plan: Plan, sample: Path, mlbsdk_spark: SparkSession, mlbsdk_warehouse: Warehouse
) -> None:
    request = RunRequest(name=transform.name, target=mlbsdk_warehouse.target)
    first = run(request, spark=mlbsdk_spark)
    assert first.status == "completed"
    assert {name: table.quarantined for name, table in first.tables.items()} == dict.fromkeys(first.tables, 0)
    assert {table.name for table in plan.tables} <= set(first.tables)
    for table in plan.tables:
        rows = mlbsdk_warehouse.rows(table.name)
        assert len(rows) == first.tables[table.name].inserted, table.name
        keys = [_key(row, table.primary_key) for row in rows]
        assert len(set(keys)) == len(keys), f"{table.name}: rows with the same primary key"
    assert any(table.inserted for table in first.tables.values()), "the sample gives no row at all"
    again = run(request, spark=mlbsdk_spark)
    changes = {name: (table.inserted, table.updated, table.deleted) for name, table in again.tables.items()}
    assert changes == dict.fromkeys(changes, (0, 0, 0))


def _key(row: Mapping[str, Any], columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(repr(row[column]) for column in columns)
