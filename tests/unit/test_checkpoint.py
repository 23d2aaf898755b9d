"""The checkpoint of a stream: what it is bound to, who holds it, and ranges that are written ahead. No Spark."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlbsdk.errors import ConfigurationError, UnknownNameError
from mlbsdk.mapping.compile import compile_mapping
from mlbsdk.mapping.load import load_text
from mlbsdk.plugins import Plugins
from mlbsdk.runtime import spark_offsets
from mlbsdk.runtime.checkpoint import MARKER, Checkpoint, Marker, canonical
from mlbsdk.runtime.storage import LOCAL, Storages
from tests.conftest import REPOSITORY
from tests.mini import MAPPING

STREAM = Marker("mini.game", "file:/in", "delta:/out", "before")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    made = Checkpoint(str(tmp_path / "checkpoint"))
    Path(made.folder).mkdir()
    return made


# The marker


def test_a_new_checkpoint_is_bound_to_the_stream(checkpoint: Checkpoint) -> None:
    marker = checkpoint.claim(replace(STREAM), False)
    stored = json.loads((Path(checkpoint.folder) / MARKER).read_text())
    assert stored == {
        "version": 1,
        "transform": "mini.game",
        "source": "file:/in",
        "target": "delta:/out",
        "fingerprint": "before",
        "id": marker.id,
        "created_at": marker.created_at,
        "accepted": [],
    }
    assert checkpoint.claim(Marker("mini.game", "file:/in", "delta:/out", "before"), False).id == marker.id


@pytest.mark.parametrize("what", ["transform", "source", "target"])
def test_another_stream_is_refused(checkpoint: Checkpoint, what: str) -> None:
    checkpoint.claim(replace(STREAM), False)
    changes: dict[str, Any] = {what: "other"}
    with pytest.raises(ConfigurationError, match=f"is of the {what} '.*', not 'other'"):
        checkpoint.claim(replace(STREAM, **changes), True)


def test_a_changed_mapping_is_refused_until_it_is_accepted(checkpoint: Checkpoint) -> None:
    checkpoint.claim(replace(STREAM), False)
    changed = replace(STREAM, fingerprint="after")
    with pytest.raises(ConfigurationError) as caught:
        checkpoint.claim(changed, False)
    assert "--accept-mapping-change" in str(caught.value)
    assert "empty --checkpoint" in str(caught.value)
    (accepted,) = checkpoint.claim(changed, True).accepted
    assert (accepted["before"], accepted["fingerprint"]) == ("before", "after")
    assert checkpoint.claim(changed, False).fingerprint == "after"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "damaged: mlbsdk.json can't be used"),
        ("{", "damaged: mlbsdk.json can't be used"),
        ("[]", "it is not what mlbsdk writes"),
        ('{"version": 1}', "it is not what mlbsdk writes"),
        ('{"version": 1, "transform": "x", "colour": 1}', "it is not what mlbsdk writes"),
        (b"\xff\xfe", "damaged: mlbsdk.json can't be used"),
        ('{"version": 2}', "has format 2; this mlbsdk knows format 1"),
    ],
)
def test_a_marker_that_cannot_be_read_is_told(checkpoint: Checkpoint, content: str | bytes, told: str) -> None:
    (Path(checkpoint.folder) / MARKER).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError) as caught:
        checkpoint.claim(replace(STREAM), True)
    assert told in str(caught.value)
    assert "empty --checkpoint" in str(caught.value)


def test_a_checkpoint_that_lost_its_marker_is_not_taken_for_a_new_one(checkpoint: Checkpoint) -> None:
    (Path(checkpoint.folder) / "offsets").mkdir()
    with pytest.raises(ConfigurationError, match="it is missing, and the folder holds a checkpoint"):
        checkpoint.claim(replace(STREAM), True)


# Addresses


@pytest.mark.parametrize(
    ("address", "default", "kept"),
    [
        ("in", "file", "file:{here}/in"),
        ("in/../in/", "file", "file:{here}/in"),
        ("file:in", "file", "file:{here}/in"),
        ("in/*.json", "file", "file:{here}/in/*.json"),
        ("delta:raw", "file", "delta:{here}/raw"),
        ("out", "delta", "delta:{here}/out"),
        ("s3a://bucket/out", "delta", "delta:s3a://bucket/out"),
        ("postgresql://me:secret@host:1/db?table=a.b", "file", "postgresql://me@host:1/db?table=a.b"),
        ("postgresql://host/db?password=secret&table=a.b", "file", "postgresql://host/db?table=a.b"),
        ("postgresql://host/db?sslpassword=secret", "delta", "postgresql://host/db"),
    ],
)
def test_an_address_is_kept_absolute_and_without_passwords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, default: str, kept: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert canonical(address, default) == kept.format(here=tmp_path)


def test_the_default_folder_is_with_the_target_and_else_with_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLBSDK_HOME", str(tmp_path / "home"))

    def folder(source: str, target: str, location: str | None) -> Path:
        return Path(Checkpoint.default("mini.game", source, target, location).folder)

    here = folder("file:/in", "delta:/out", "/out/_mlbsdk")
    assert here.parent == Path("/out/_mlbsdk/checkpoints")
    assert here.name.startswith("mini.game-")
    assert here != folder("file:/other", "delta:/out", "/out/_mlbsdk")
    away = folder("file:/in", "postgresql://host/db", None)
    assert away.parent == tmp_path / "home" / "checkpoints"
    assert away != folder("file:/in", "postgresql://host/other", None)
    in_store = Checkpoint.default("mini.game", "file:/in", "delta:s3a://b/out", "s3a://b/out/_mlbsdk")
    assert in_store.folder == f"s3a://b/out/_mlbsdk/checkpoints/{here.name}"


def test_a_checkpoint_in_a_store_that_no_plugin_knows_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="storage 'gs'"):
        Checkpoint.at("gs://bucket/checkpoint", Storages(Plugins.load({"MLBSDK_LOAD_PLUGINS": ""})))


# The lock

HOLD = """
import sys
from mlbsdk.runtime.checkpoint import Checkpoint
with Checkpoint(sys.argv[1]).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_streams_never_share_a_checkpoint_and_a_killed_one_lets_go(checkpoint: Checkpoint) -> None:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", HOLD, str(checkpoint)]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True)
    assert other.stdout
    assert other.stdout.readline() == "held\n"
    with (
        pytest.raises(ConfigurationError, match=f"process {other.pid} streams with the checkpoint"),
        checkpoint.locked(),
    ):
        pass
    other.kill()
    other.communicate()
    with checkpoint.locked():
        pass


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="can't be written"), Checkpoint(str(tmp_path / "file" / "x")).locked():
        pass


# Ranges, written ahead


def test_a_range_that_was_begun_is_known_until_it_is_committed(checkpoint: Checkpoint) -> None:
    assert checkpoint.last_range() is None
    checkpoint.begin_range(0, '{"to": 5}')
    assert checkpoint.last_range() == (0, '{"to": 5}', False)
    checkpoint.commit_range(0)
    checkpoint.begin_range(1, '{"to": 9}')
    assert checkpoint.last_range() == (1, '{"to": 9}', False)
    checkpoint.commit_range(1)
    assert checkpoint.last_range() == (1, '{"to": 9}', True)


def test_what_a_crash_left_half_written_is_no_range(checkpoint: Checkpoint) -> None:
    checkpoint.begin_range(0, "a")
    (Path(checkpoint.folder) / "offsets" / ".1.77").write_text("{")
    assert checkpoint.last_range() == (0, "a", False)


def test_old_ranges_are_forgotten_and_numbers_are_no_texts(checkpoint: Checkpoint) -> None:
    for batch_id in range(112):
        checkpoint.begin_range(batch_id, str(batch_id))
        checkpoint.commit_range(batch_id)
    assert checkpoint.last_range() == (111, "111", True)
    assert len(list((Path(checkpoint.folder) / "offsets").iterdir())) == 100


def test_a_damaged_range_is_told(checkpoint: Checkpoint) -> None:
    checkpoint.begin_range(0, "a")
    (Path(checkpoint.folder) / "offsets" / "0").write_text("[]")
    with pytest.raises(ConfigurationError, match="offsets/0 can't be used: it has no range"):
        checkpoint.last_range()


# The fingerprint

TEXT = MAPPING.read_text(encoding="utf-8")


def fingerprint(text: str) -> str:
    return compile_mapping(load_text(text, "mini.yaml")).fingerprint


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("One row a game", "A row for each game"),
        ("ids start at 1", "no id is 0"),
        ("# A small mapping", "# A tiny mapping"),
        ("name: state, type: VARCHAR(10),", "name: state, type: VARCHAR(10), description: how it stands,"),
        ('"speed BETWEEN 0 AND 120"', '"speed   between 0 and 120"'),
    ],
)
def test_what_is_only_for_people_is_no_change_of_the_mapping(before: str, after: str) -> None:
    assert before in TEXT
    assert fingerprint(TEXT.replace(before, after)) == fingerprint(TEXT)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("VARCHAR(10)", "VARCHAR(11)"),
        ("json_path: $.state", "json_path: $.status"),
        ("speed BETWEEN 0 AND 120", "speed BETWEEN 0 AND 121"),
        ("severity: warning", "severity: error"),
        ("partition_by: game_date", "partition_by: game_pk"),
        ("yyyyMMdd_HHmmss", "yyyyMMddHHmmss"),
        ("on_missing: delete", "on_missing: keep"),
    ],
)
def test_what_can_change_a_table_is_a_change_of_the_mapping(before: str, after: str) -> None:
    assert before in TEXT
    assert fingerprint(TEXT.replace(before, after)) != fingerprint(TEXT)


# Spark's own notes


def spark_notes(folder: Path, offsets: dict[str, str], sources: dict[str, str]) -> str:
    for name, text in ({f"offsets/{n}": t for n, t in offsets.items()} | sources).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return str(folder)


def file_entry(path: str, number: int) -> str:
    return json.dumps({"path": f"file:///in/{path}", "timestamp": 1, "batchId": number})


def test_the_files_of_a_batch_are_those_between_two_offsets_of_every_source(tmp_path: Path) -> None:
    head = 'v1\n{"batchWatermarkMs":0,"batchTimestampMs":1700000000000,"conf":{}}\n'
    folder = spark_notes(
        tmp_path,
        {
            "0": f'{head}{{"logOffset":0}}\n-',
            "1": f'{head}{{"logOffset":2}}\n{{"logOffset":0}}',
            "2": f'{head}{{"logOffset":2}}\n{{"logOffset":1}}',
        },
        {
            "sources/0/0": f"v1\n{file_entry('a.json', 0)}",
            "sources/0/1": f"v1\n{file_entry('b%20%5B1%5D.json', 1)}",
            "sources/0/2.compact": "v1\n" + "\n".join(file_entry(f"{n}.json", n) for n in range(3)),
            "sources/0/.3.tmp": "v1\nhalf",
            "sources/1/0": f"v1\n{file_entry('l.jsonl', 0)}",
            "sources/1/1": f"v1\n{file_entry('m.jsonl', 1)}",
        },
    )
    assert set(spark_offsets.files_of(LOCAL, folder, 0)) == {"/in/a.json", "/in/0.json"}
    assert set(spark_offsets.files_of(LOCAL, folder, 1)) == {
        "/in/b [1].json",
        "/in/1.json",
        "/in/2.json",
        "/in/l.jsonl",
    }
    assert set(spark_offsets.files_of(LOCAL, folder, 2)) == {"/in/m.jsonl"}
    assert spark_offsets.triggered_at(LOCAL, folder, 0).timestamp() == 1_700_000_000


def test_a_source_that_is_no_files_has_none(tmp_path: Path) -> None:
    folder = spark_notes(tmp_path, {"0": 'v1\n{}\n{"sourceVersion":1,"reservoirId":"x","index":3}'}, {})
    assert spark_offsets.files_of(LOCAL, folder, 0) == ()
    with pytest.raises(ValueError, match="no time"):
        spark_offsets.triggered_at(LOCAL, folder, 0)


def test_notes_of_another_version_are_not_guessed_at(tmp_path: Path) -> None:
    folder = spark_notes(tmp_path, {"0": 'v2\n{}\n{"logOffset":0}'}, {})
    with pytest.raises(ValueError, match="version 'v2'"):
        spark_offsets.files_of(LOCAL, folder, 0)
