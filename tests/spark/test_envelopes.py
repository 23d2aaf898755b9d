"""One parse reads a bare response and every envelope alike, and what only an envelope tells."""

from __future__ import annotations

import gzip
import json
from datetime import datetime, timezone
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlbsdk.mapping.choice import chosen
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.plan import Plan
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.captures import envelope_of, response_of
from mlbsdk.runtime.cut import RunStamp
from mlbsdk.runtime.parse import parse
from mlbsdk.runtime.raw_capture import RawCapture, RawRequest
from mlbsdk.runtime.raw_delta import DeltaStore
from mlbsdk.runtime.raw_folder import AvroStore, FolderStore
from mlbsdk.runtime.run import load_mapping
from mlbsdk.runtime.selection import OwnCaptures, conditions, matching
from mlbsdk.runtime.sources import FileSource, TableSource

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MOMENT = datetime(2024, 7, 14, 4, 30, 1, 250_000, tzinfo=timezone.utc)
STAMP = RunStamp("run", "game.live_game_v1", "game.live_game_v1", MOMENT)
TOLD = ["endpoint", "method", "params", "url", "status_code", "captured_at", "captured_from", "problem"]


def saved(envelope: dict[str, Any], response: Any) -> dict[str, Any]:
    """Return a capture as pymlb-statsapi 1.4 saves it."""
    request = {
        "endpoint_name": envelope["endpoint"],
        "method_name": envelope["method"],
        "path_params": envelope["path_params"],
        "query_params": envelope["query_params"],
        "url": envelope.get("url"),
        "scheme": "https",
        "timestamp": MOMENT.isoformat(),
    }
    told = {"request": request, "response": {"status_code": 200, "ok": True, "headers": {"a": "b"}}}
    return {"metadata": told, "data": {key: value for key, value in response.items() if key != "copyright"}}


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Return the plan of some tables, which has the time in metaData that Spark can't tell from metadata."""
    whole = compile_mapping(load_mapping(Plugins.load().transform("game.live_game_v1")))
    return chosen(whole, ["live_game_metadata", "live_game_plays"])


def test_every_envelope_gives_the_same_document(
    spark: SparkSession, tmp_path: Path, live_game: Path, plan: Plan
) -> None:
    from pyspark.sql import functions as F

    text = gzip.decompress(live_game.read_bytes()).decode()
    capture = json.loads(text)
    envelope, response = envelope_of(capture), response_of(capture)
    as_saved = saved(envelope, response)
    assert response_of(as_saved)["gamePk"] == 747175
    assert envelope_of(as_saved)["method"] == "liveGameV1"
    request = RawRequest("game", "liveGameV1", {"game_pk": "747175"})
    fetched = RawCapture(request, MOMENT, envelope["url"], 200, json.dumps(response), "d")
    stores = {
        "folder": FolderStore(str(tmp_path / "folder"), {}),
        "delta": DeltaStore(str(tmp_path / "delta"), {}),
        "avro": AvroStore(str(tmp_path / "avro"), {}),
    }
    for store in stores.values():
        store.prepare()
        store.append([fetched])
    (tmp_path / "bare.json").write_text(json.dumps(response), encoding="utf-8")
    (tmp_path / "old.json").write_text(text, encoding="utf-8")
    (tmp_path / "saved.json").write_text(json.dumps(as_saved, indent=2), encoding="utf-8")
    mapping = load_mapping(Plugins.load().transform("game.live_game_v1")).mapping
    sources = {
        "bare": FileSource(str(tmp_path / "bare.json"), {}),
        "old": FileSource(str(tmp_path / "old.json"), {}),
        "saved": FileSource(str(tmp_path / "saved.json"), {}),
        "folder": FileSource(str(tmp_path / "folder"), {}),
        "delta": TableSource("delta", str(tmp_path / "delta"), {}),
        "avro": TableSource("avro", str(tmp_path / "avro"), {}),
    }
    raw = [source.read(spark, mapping).frame.withColumn("row_id", F.lit(name)) for name, source in sources.items()]
    parsed = parse(reduce(lambda one, other: one.unionByName(other), raw), plan, STAMP)
    rows = parsed.selectExpr("row_id", *TOLD, "document_columns", "sha2(to_json(document), 256) AS document").collect()
    found = {row.row_id: row.asDict(recursive=True) for row in rows}
    assert set(found) == set(sources)
    assert {row["problem"] for row in found.values()} == {None}
    assert {str(row["document_columns"]) for row in found.values()} == {str(found["bare"]["document_columns"])}
    # The library leaves the copyright out.
    assert len({row["document"] for name, row in found.items() if name != "saved"}) == 1
    assert found["bare"]["captured_from"] == found["old"]["captured_from"] == "document"
    for name in ("saved", "folder", "delta", "avro"):
        row = found[name]
        assert (row["captured_from"], row["captured_at"].astimezone(timezone.utc)) == ("raw", MOMENT)
        assert (row["endpoint"], row["method"], row["status_code"]) == ("game", "liveGameV1", 200)
        assert json.loads(row["params"])["game_pk"] == "747175"
        assert row["url"] == envelope["url"]


def test_a_saved_envelope_is_chosen_and_refused_by_its_words(spark: SparkSession, tmp_path: Path, plan: Plan) -> None:
    mapping = load_mapping(Plugins.load().transform("game.live_game_v1")).mapping
    about = {
        "endpoint": "game",
        "method": "liveGameV1",
        "path_params": {"game_pk": "1"},
        "query_params": {},
        "url": "u",
    }
    documents = {
        "one": saved(about, {"gamePk": 1, "metaData": {"timeStamp": "20240701_200000"}}),
        "two": saved(about | {"path_params": {"game_pk": "2"}}, {"gamePk": 2}),
        "other": saved(about | {"method": "boxscore"}, {"gamePk": 3}),
        # A bare response with some metadata of its own is no envelope.
        "bare": {"gamePk": 4, "metadata": ["x"], "metaData": {"timeStamp": "20240701_200001"}},
    }
    for name, document in documents.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
    source = FileSource(str(tmp_path), {})
    raw = source.read(spark, mapping).frame
    rows = parse(raw, plan, STAMP).selectExpr("document_columns.game_pk", "problem", "captured_from").collect()
    assert sorted((row.game_pk, row.problem or "", row.captured_from) for row in rows) == [
        (1, "", "raw"),
        (2, "", "raw"),
        (3, "it is a response of game.boxscore, not of game.live_game_v1", "raw"),
        (4, "", "document"),
    ]
    found = matching(raw, conditions(mapping, {"game_pk": "2"})).collect()
    assert [json.loads(row.data)["data"]["gamePk"] for row in found] == [2]
    assert OwnCaptures(source).read(spark, mapping).frame.count() == 3
