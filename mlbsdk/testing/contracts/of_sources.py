"""What every source keeps: all captures, each once, as raw rows; and a clear word where there is nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from mlbsdk.errors import ConfigurationError, MlbsdkError
from mlbsdk.hookspecs import Source, SourceDecl
from mlbsdk.mapping.avro import raw_avro_schema
from mlbsdk.mapping.load import load_file
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.addresses import split_address
from mlbsdk.runtime.raw import RAW_SCHEMA, RawBatch
from mlbsdk.runtime.run import RunRequest, run
from mlbsdk.testing.contracts.batches import mini_plan
from mlbsdk.testing.contracts.of_writers import comparable
from mlbsdk.testing.mini import MAPPING, Capture, expected
from mlbsdk.testing.warehouse import Warehouse

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Fill = Callable[[Sequence[Any]], str]
CAPTURES = [Capture(game, minute) for game in (1, 2) for minute in (0, 1)]


def _made(declared: SourceDecl, address: str, **options: object) -> Source:
    plugins = Plugins.load()
    rest = split_address(address, "file")[1]
    return plugins.call(declared, declared.make, rest, {"plan": mini_plan(), **options})


def _read(source: Source, spark: SparkSession) -> RawBatch:
    source.prepare()
    return source.read(spark, load_file(MAPPING).mapping)


@pytest.fixture
def address(contract_source: Fill) -> str:
    """Return the address of a place that holds the captures."""
    return contract_source([capture.document() for capture in CAPTURES])


def test_a_place_that_is_not_there_is_told_before_spark_starts(
    contract_source_decl: SourceDecl, contract_missing_source: str
) -> None:
    with pytest.raises(MlbsdkError) as raised:
        _made(contract_source_decl, contract_missing_source).prepare()
    assert type(raised.value).code.startswith(("MLBSDK2", "MLBSDK3")), "raise SourceError in prepare()"
    assert raised.value.message


def test_prepare_gives_a_size_or_none(contract_source_decl: SourceDecl, address: str) -> None:
    size = _made(contract_source_decl, address).prepare()
    assert size is None or (type(size) is int and size >= 0)


def test_raw_rows_have_exactly_the_raw_columns(
    contract_source_decl: SourceDecl, address: str, mlbsdk_spark: SparkSession
) -> None:
    from mlbsdk.runtime.schemas import schema_differences

    frame = _read(_made(contract_source_decl, address), mlbsdk_spark).frame
    assert schema_differences(frame, raw_avro_schema(RAW_SCHEMA)) == []


def test_every_capture_is_a_row_of_its_own_with_its_text(
    contract_source_decl: SourceDecl, address: str, mlbsdk_spark: SparkSession
) -> None:
    rows = _read(_made(contract_source_decl, address), mlbsdk_spark).frame.collect()
    found = sorted((_response(row["data"]) for row in rows), key=json.dumps)
    assert found == sorted((capture.document() for capture in CAPTURES), key=json.dumps)
    ids = [row["row_id"] for row in rows]
    assert None not in ids
    assert len(set(ids)) == len(CAPTURES)


def _response(text: str) -> Any:
    data = json.loads(text)
    return data["response"] if isinstance(data.get("response"), dict) else data


def test_reading_again_gives_the_same_rows_of_the_same_dataset(
    contract_source_decl: SourceDecl, address: str, mlbsdk_spark: SparkSession
) -> None:
    one, other = (_read(_made(contract_source_decl, address), mlbsdk_spark) for _ in range(2))
    assert one.dataset == other.dataset
    assert all(one.dataset)
    assert "@" not in one.dataset[0]

    def rows(batch: RawBatch) -> list[tuple[str, str]]:
        return sorted((row["row_id"], row["data"]) for row in batch.frame.collect())

    assert rows(one) == rows(other)


def test_where_is_kept_or_refused(contract_source_decl: SourceDecl, address: str, mlbsdk_spark: SparkSession) -> None:
    try:
        batch = _read(_made(contract_source_decl, address, where={"game_pk": "2"}), mlbsdk_spark)
    except ConfigurationError:
        return
    games = {_response(row["data"])["gamePk"] for row in batch.frame.collect()}
    assert games == {2}, "keep only the captures that 'where' asks for, or raise ConfigurationError"


def test_a_run_makes_the_tables_of_all_captures(
    address: str, mlbsdk_spark: SparkSession, mlbsdk_warehouse: Warehouse
) -> None:
    request = RunRequest(name="mini.game", mapping=MAPPING, source=address, target=mlbsdk_warehouse.target)
    report = run(request, spark=mlbsdk_spark)
    assert (report.documents.read, report.documents.rejected) == (len(CAPTURES), 0)
    wanted = expected(CAPTURES)
    for table in mini_plan().tables:
        assert comparable(table, mlbsdk_warehouse.rows(table.name)) == comparable(table, wanted[table.name]), table.name
