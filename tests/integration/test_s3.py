"""The storage of s3a:// paths on a real object store: files, locks, writers without Spark, and what goes wrong."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from mlbsdk_plugin_s3 import lease
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from mlbsdk.cli.main import build
from mlbsdk.errors import ConfigurationError, MlbsdkError, StorageError, WriteError
from mlbsdk.plugins import Plugins
from mlbsdk.runtime.captures import documents
from mlbsdk.runtime.run import RunRequest, run
from mlbsdk.runtime.sources import FileSource
from mlbsdk.runtime.storage import read_text, storage_of
from mlbsdk.runtime.stream import StreamRequest, stream
from mlbsdk.testing.contracts.of_writers import comparable
from mlbsdk.testing.mini import MAPPING, TABLES, Capture, expected
from mlbsdk.writers.delta_care import DeltaTarget
from mlbsdk.writers.staging import as_spark_spells
from tests.conftest import REPOSITORY, SAMPLES
from tests.contract.test_writers import _arrow_batch
from tests.object_store import ACCESS_KEY, SECRET_KEY, Bucket

pytestmark = pytest.mark.integration
CAPTURES = [Capture(1, 1), Capture(2, 0)]
#: Seconds in which what is wrong must be told.
SOON = 12


def test_objects_are_files(bucket: Bucket) -> None:
    root = bucket.address("a b/é")
    storage = storage_of(root)
    assert (storage.files(root), storage.exists(root)) == ([], False)
    one, other = f"{root}/x%3A1#?.txt", f"{root}/inner/y.txt"
    storage.write(one, b"first\nsecond")
    storage.write(f"{root}/inner/z.txt", b"")
    assert [(file.path, file.size) for file in storage.files(root)] == [(f"{root}/inner/z.txt", 0), (one, 12)]
    assert abs(storage.files(one)[0].modified_at.timestamp() - time.time()) < 60
    assert (storage.exists(root), storage.exists(f"{root}/inn"), storage.exists(one)) == (True, False, True)
    with storage.open(one) as stream:
        assert stream.readlines() == [b"first\n", b"second"]
    storage.move(one, other)
    assert (read_text(storage, other), bucket.keys()) == ("first\nsecond", ["a b/é/inner/y.txt", "a b/é/inner/z.txt"])
    for missing in (lambda: storage.move(one, other), lambda: storage.open(one)):
        with pytest.raises(FileNotFoundError):
            missing()
    storage.delete([one, other])
    storage.delete_folder(root)
    assert bucket.keys() == []


def test_objects_are_listed_and_deleted_page_by_page(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlbsdk_plugin_s3.storage._MOST", 2)
    names = [f"in/{number}.json" for number in range(5)]
    for name in names:
        bucket.put(name, b"{}")
    storage = storage_of(bucket.address("in"))
    assert [file.path for file in storage.files(bucket.address("in"))] == [bucket.address(name) for name in names]
    storage.delete_folder(bucket.address("in"))
    assert bucket.keys() == []


PATTERNS = {
    "in": 3,
    "in/": 3,
    "in/2024/a.json": 1,
    "in/*/*.json": 2,  # what a pattern names is taken, also with a leading _
    "in/202[5-9]": 1,
    "in/202[!5]": 2,
    "in/**/*.json*": 4,
    "in/????/?.jsonl": 1,
    "in/2*": 3,
    "in/**": 4,
}


def test_captures_are_found_as_on_disk(bucket: Bucket, tmp_path: Path) -> None:
    for name in ("in/2024/a.json", "in/2024/deep/b.json.gz", "in/2025/c.jsonl", "in/2024/_x.json", "in/2024/.y.json"):
        bucket.put(name, b"{}")
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"{}")
    for pattern, count in PATTERNS.items():
        here = [Path(file).relative_to(tmp_path) for file in FileSource(str(tmp_path / pattern), {}).files()]
        there = FileSource(bucket.address(pattern), {}).files()
        assert there == [bucket.address(str(path)) for path in here], pattern
        assert len(there) == count, pattern


def test_captures_are_read_without_spark(bucket: Bucket) -> None:
    bucket.put("in/1.json", json.dumps(Capture(1, 0).document()).encode())
    bucket.put("in/2.jsonl", "\n".join(json.dumps(one.document()) for one in CAPTURES).encode())
    read = [(file, response["gamePk"]) for file, response in documents(bucket.address("in"))]
    assert read == [(bucket.address("in/1.json"), 1), *((bucket.address("in/2.jsonl"), game) for game in (1, 2))]
    with pytest.raises(MlbsdkError, match="does not exist"):
        FileSource(bucket.address("nothing"), {}).files()


# The lock


def test_one_holds_a_lock_and_the_next_waits_for_it(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEWAL_S", 0.5)
    path, done = bucket.address("lock"), []

    def next_one() -> None:
        with storage_of(path).locked(path):
            done.append("next")

    with storage_of(path).locked(path) as still_held:
        waiting = threading.Thread(target=next_one)
        waiting.start()
        with (
            pytest.raises(BlockingIOError, match=f"process {os.getpid()} on "),
            storage_of(path).locked(path, wait=False),
        ):
            pass
        still_held()
        done.append("first")
    waiting.join()
    assert (done, bucket.keys()) == (["first", "next"], [])


def test_a_lock_that_is_not_renewed_is_lost_and_becomes_free(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LEASE_S", 1.5)
    path = bucket.address("lock")
    # The first is renewed after 8 s: too late.
    with storage_of(path).locked(path) as still_held, storage_of(path).locked(path, wait=False) as taken:
        taken()
        with pytest.raises(WriteError, match="was lost"):
            still_held()


# Writers, without Spark


def write(address: str, captures: Sequence[Capture], number: int = 0) -> None:
    """Write a batch as a run of its own does."""
    plugins = Plugins.load()
    scheme, _, path = address.partition(":")
    writer = plugins.writer(scheme).make(path, {})
    writer.prepare()
    writer.write(_arrow_batch(captures, number))


def check(bucket: Bucket, address: str, captures: Sequence[Capture]) -> None:
    """Check that a target holds what it must."""
    for table in _arrow_batch(captures, 0).plan.tables:
        wanted = comparable(table, expected(captures)[table.name])
        assert comparable(table, bucket.rows(address, table.name)) == wanted, table.name


@pytest.mark.parametrize("scheme", ["delta", "parquet"])
def test_the_newest_capture_wins_in_a_bucket_too(bucket: Bucket, scheme: str) -> None:
    address = f"{scheme}:{bucket.address('warehouse')}"
    batches = [CAPTURES, [Capture(2, 2)], [Capture(1, 0)], [Capture(1, 3)]]
    for number, captures in enumerate(batches):
        write(address, captures, number)
    check(bucket, address, [capture for captures in batches for capture in captures])
    left = bucket.keys("warehouse/_mlbsdk/")
    assert [key for key in left if "documents/" not in key] == ["warehouse/_mlbsdk/format"]
    with pytest.raises(ConfigurationError, match=f"holds {scheme} tables"):
        write(f"{'parquet' if scheme == 'delta' else 'delta'}:{bucket.address('warehouse')}", CAPTURES)


def test_a_partition_of_text_is_spelt_as_spark_does() -> None:
    for path in ("p=%C3%A9%20b%2Fc/part-1.parquet", "p=é b%2Fc/part-1.parquet"):
        assert as_spark_spells(path) == "p=é b%2Fc/part-1.parquet"


#: Writes captures and kills itself in the middle of the publication: after its first move, or after half of one.
VICTIM = """
import os, signal, sys
from mlbsdk_plugin_s3 import storage
from tests.integration.test_s3 import write
from mlbsdk.testing.mini import Capture

moved = storage.S3Storage.move
moves = []

def move(self, path, to):
    moves.append(path)
    if sys.argv[2] == "after a move" and len(moves) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[2] == "after a copy":
        self.connection.client.delete_object = lambda **place: os.kill(os.getpid(), signal.SIGKILL)
    moved(self, path, to)

storage.S3Storage.move = move
import mlbsdk.writers.files
mlbsdk.writers.files._REQUESTS_AT_ONCE = 1
write(sys.argv[1], [Capture(1, 2)], 1)
"""


@pytest.mark.parametrize("when", ["after a move", "after a copy"])
def test_a_publication_that_a_crash_cut_short_is_finished_by_the_next_run(
    bucket: Bucket, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"parquet:{bucket.address('warehouse')}"
    write(address, CAPTURES)
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    killed = subprocess.run([sys.executable, "-c", VICTIM, address, when], env=environment, check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert len(bucket.keys("warehouse/_mlbsdk/publications/")) == 1
    assert bucket.keys("warehouse/_mlbsdk/lock")
    monkeypatch.setattr(lease, "LEASE_S", 2.0)
    Plugins.load().writer("parquet").make(bucket.address("warehouse"), {}).prepare()
    check(bucket, address, [*CAPTURES, Capture(1, 2)])
    housekeeping = bucket.keys("warehouse/_mlbsdk/")
    assert [key for key in housekeeping if "documents/" not in key] == ["warehouse/_mlbsdk/format"]


def test_two_processes_write_one_target_at_once(bucket: Bucket) -> None:
    captures = [Capture(game, minute) for minute in range(2) for game in (1, 2)]
    address = f"delta:{bucket.address('warehouse')}"
    code = (
        "import sys; from tests.integration.test_s3 import write; from mlbsdk.testing.mini import Capture\n"
        "for n, text in enumerate(sys.argv[2:]): write(sys.argv[1], [Capture(*map(int, text.split('.')))], n)"
    )
    shares = [[f"{one.game}.{one.minute}" for one in captures[n::2]] for n in range(2)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    commands = [[sys.executable, "-c", code, address, *share] for share in shares]
    writers = [subprocess.Popen(command, env=environment) for command in commands]
    assert [process.wait(180) for process in writers] == [0, 0]
    check(bucket, address, captures)


def test_tables_are_looked_after_in_a_bucket(bucket: Bucket) -> None:
    address = f"delta:{bucket.address('warehouse')}"
    for number, capture in enumerate([Capture(1, 0), Capture(2, 0), Capture(3, 0)]):
        write(address, [capture], number)
    care = DeltaTarget(address)
    assert care.tables() == tuple(sorted(TABLES))
    assert [commit.version for commit in care.history("mini.games")] == [2, 1, 0]
    (optimized,) = care.optimize(["mini.games"])
    assert optimized.files_before > optimized.files_after
    assert len(care.vacuum("mini.games", 0, dry_run=False).files) >= optimized.files_before - optimized.files_after
    check(bucket, address, [Capture(1, 0), Capture(2, 0), Capture(3, 0)])


# What goes wrong, and is told at once


def wrong_key(bucket: Bucket, environment: Callable[[str, str], None]) -> str:
    environment("AWS_ACCESS_KEY_ID", "NOBODYKNOWSTHIS")
    return bucket.address("w")


def wrong_secret(bucket: Bucket, environment: Callable[[str, str], None]) -> str:
    environment("AWS_SECRET_ACCESS_KEY", "another-secret-that-no-output-shows")
    return bucket.address("w")


def no_bucket(bucket: Bucket, environment: Callable[[str, str], None]) -> str:
    return "s3a://there-is-no-such-bucket/w"


def nobody_listens(bucket: Bucket, environment: Callable[[str, str], None]) -> str:
    environment("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    return bucket.address("w")


def nobody_answers(bucket: Bucket, environment: Callable[[str, str], None]) -> str:
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen()
    _SILENT.append(silent)
    environment("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{silent.getsockname()[1]}")
    return bucket.address("w")


def no_credentials(bucket: Bucket, environment: Callable[[str, str], None]) -> str:
    environment("AWS_ACCESS_KEY_ID", "")
    environment("AWS_SECRET_ACCESS_KEY", "")
    environment("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    environment("AWS_CONFIG_FILE", "/nowhere")
    return bucket.address("w")


_SILENT: list[socket.socket] = []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (wrong_key, "does not accept the credentials (InvalidAccessKeyId)"),
        (wrong_secret, "does not accept the credentials (SignatureDoesNotMatch)"),
        (no_bucket, "has no bucket 'there-is-no-such-bucket'"),
        (nobody_listens, "http://127.0.0.1:1 can't be reached: there is no connection"),
        (nobody_answers, "can't be reached: it does not answer in time"),
        (no_credentials, "there are no credentials for the bucket"),
    ],
)
@pytest.mark.parametrize("side", ["source", "target"])
def test_what_is_wrong_is_told_in_one_sentence_before_spark_starts(
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    wrong: Callable[[Bucket, Callable[[str, str], None]], str],
    told: str,
    side: str,
) -> None:
    if wrong in (wrong_key, wrong_secret) and not _knows_keys():
        pytest.skip("moto's server takes any key")
    path = wrong(bucket, monkeypatch.setenv)
    capture = tmp_path / "1.json"
    capture.write_text(json.dumps(Capture(1, 0).document()))
    source, target = (path, str(tmp_path / "out")) if side == "source" else (str(capture), path)
    begun = time.monotonic()
    with pytest.raises(StorageError) as raised:
        run(RunRequest(name="mini.game", mapping=MAPPING, source=source, target=target))
    assert time.monotonic() - begun < SOON
    text = str(raised.value)
    assert told in text
    assert raised.value.fix
    assert not [secret for secret in (ACCESS_KEY, SECRET_KEY, "another-secret", "NOBODYKNOWSTHIS") if secret in text]


def layered(bucket: str) -> list[str]:
    layers: dict[str, Any] = {
        "raw": {"retention_days": 9},
        "normalized": {"retention_days": 9},
        "analytics": {"retention_days": 9, "partition_by": ["season"]},
    }
    storage = {"backend": "s3", "bucket": bucket}
    found = {"version": "1.0", "storage": storage, "layers": layers, "transforms": ["game.live_game_v1"]}
    Path("exports.yaml").write_text(yaml.safe_dump(found))
    return ["--config", "exports.yaml"]


#: Commands that read or write a target, by what they are given after its address.
COMMANDS: dict[str, Callable[[str], list[str]]] = {
    "export": lambda path: ["export", *layered(urlsplit(path).netloc), "--source", str(SAMPLES)],
    "analytics layer": lambda path: ["export", *layered(urlsplit(path).netloc), "--layer", "analytics"],
    "retention": lambda path: ["retention", *layered(urlsplit(path).netloc)],
    "derive": lambda path: ["derive", "analytics.team_travel", "--target", f"delta:{path}"],
    "check": lambda path: ["quality", "check", "game.live_game_plays", "--target", f"delta:{path}"],
    "profile": lambda path: ["quality", "profile", "game.live_game_plays", "--target", f"parquet:{path}"],
    "history": lambda path: ["quality", "history", "game.live_game_plays", "--target", f"delta:{path}"],
    "report": lambda path: ["quality", "report", "--location", f"delta:{path}"],
    "replay": lambda path: ["quality", "replay", "--target", f"delta:{path}"],
}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (wrong_secret, "does not accept the credentials (SignatureDoesNotMatch)"),
        (no_bucket, "has no bucket 'there-is-no-such-bucket'"),
        (nobody_listens, "http://127.0.0.1:1 can't be reached: there is no connection"),
        (nobody_answers, "can't be reached: it does not answer in time"),
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_tells_what_is_wrong_before_java_starts(
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: str,
    wrong: Callable[[Bucket, Callable[[str, str], None]], str],
    told: str,
) -> None:
    if wrong is wrong_secret and not _knows_keys():
        pytest.skip("moto's server takes any key")
    if wrong is nobody_answers and command not in ("export", "retention"):
        pytest.skip("it waits ten seconds, as the others do by the same check")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLBSDK_HOME", str(tmp_path / "home"))
    arguments = COMMANDS[command](wrong(bucket, monkeypatch.setenv))

    def no_java() -> None:
        raise AssertionError("Java was started")

    monkeypatch.setattr(SparkSession, "getActiveSession", no_java)
    begun = time.monotonic()
    done = CliRunner().invoke(build(), arguments)
    assert time.monotonic() - begun < SOON
    assert isinstance(done.exception, StorageError), done.output
    assert told in str(done.exception)
    assert done.exception.fix
    files = [file.read_text() for file in tmp_path.rglob("*") if file.is_file()]
    text = "\n".join([done.output, str(done.exception), done.exception.fix, *files])
    assert not [secret for secret in (SECRET_KEY, "another-secret") if secret in text]


def test_a_stream_is_told_before_spark_starts_too(bucket: Bucket) -> None:
    source = "s3a://there-is-no-such-bucket/in"
    wanted = {"name": "mini.game", "mapping": MAPPING, "target": f"delta:{bucket.address('w')}"}
    for more in ({"source": source}, {"source": bucket.address("in"), "checkpoint": source}):
        with pytest.raises(StorageError, match="has no bucket"):
            stream(StreamRequest(**wanted, **more))


def _knows_keys() -> bool:
    from tests.object_store import minio

    return minio() is not None


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"endpont": "x"}, "setting 'storage.endpont': is no setting of s3a. Did you mean 'endpoint'?"),
        ({"endpoint": "http://store.example:9000"}, "is not encrypted"),
        ({"endpoint": "store.example"}, "is no URL"),
        ({"profile": "nobody"}, "(nobody) could not be found"),
        ({"path_style": "perhaps"}, "setting 'storage.path_style'"),
    ],
)
def test_a_wrong_setting_is_told(bucket: Bucket, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        storage_of(bucket.address("w"), settings)
    assert told in str(raised.value)


def test_an_older_name_of_the_scheme_is_corrected() -> None:
    with pytest.raises(ConfigurationError, match="Write it as s3a://bucket/w"):
        storage_of("s3://bucket/w")


def test_settings_reach_every_library(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a profile's keys and a session token, and an endpoint from the settings alone."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3", "AWS_REGION"):
        monkeypatch.delenv(name)
    keys = (
        f"[games]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\naws_session_token = t0ken\n"
    )
    (tmp_path / "credentials").write_text(keys)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    endpoint = "http://10.0.0.1:9000"
    settings = {"endpoint": endpoint, "profile": "games", "region": "eu-west-1", "allow_http": True}
    path = bucket.address("w")
    storage = storage_of(path, settings)
    delta = storage.delta_options(path)
    assert delta["aws_endpoint"] == endpoint
    assert (delta["aws_region"], delta["aws_virtual_hosted_style_request"]) == ("eu-west-1", "false")
    assert (delta["aws_access_key_id"], delta["aws_session_token"]) == (ACCESS_KEY, "t0ken")
    prefix = f"fs.s3a.bucket.{bucket.name}."
    spark = {name.removeprefix(prefix): value for name, value in storage.spark_settings(path).items()}
    assert spark["endpoint"] == endpoint
    assert (spark["secret.key"], spark["session.token"]) == (SECRET_KEY, "t0ken")
    assert spark["aws.credentials.provider"].endswith(".TemporaryAWSCredentialsProvider")
    assert storage.arrow(path)[1] == f"{bucket.name}/w"
    assert SECRET_KEY not in f"{storage} {vars(storage)} {storage.connection.credentials()}"  # type: ignore[attr-defined]


def test_commands_tell_what_is_wrong_without_a_traceback(bucket: Bucket, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("mlbsdk")), "table", "history", "mini.games"]
    command += ["--target", "delta:s3a://there-is-no-such-bucket/w"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "has no bucket 'there-is-no-such-bucket'" in done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET_KEY not in done.stdout + done.stderr
