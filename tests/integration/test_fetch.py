"""mlbsdk fetch against a replay of captures, over real sockets. Waiting takes no time: the clock is the test's."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from mlbsdk_plugin_statsapi import FetchOptions, fetch, fetch_day, fetch_game, fetch_season
from mlbsdk_plugin_statsapi.composites import request

from mlbsdk.plugin import ConfigurationError, RawRequest, StorageError, open_raw_store, response_of
from mlbsdk.runtime.raw_folder import Files
from mlbsdk.testing import ReplayServer
from tests.object_store import SECRET_KEY, Bucket
from tests.statsapi import (
    FINAL,
    FIRST_DAY,
    LIVE,
    OVER,
    POSTPONED,
    PREVIEW,
    SUSPENDED,
    TestClock,
    feed,
    listing,
    save_day,
    save_game,
    save_week,
)

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
STORES = ("{}", "delta:{}", "avro:{}")
GAME = "/api/v1.1/game/1/feed/live"


@pytest.fixture(scope="session")
def week(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[int]]:
    folder = tmp_path_factory.mktemp("week")
    return folder, save_week(folder)


def options(server: ReplayServer, to: str | Path, clock: TestClock | None = None, **more: Any) -> FetchOptions:
    return FetchOptions(to=str(to), base_url=server.url, clock=clock or TestClock(), **more)


def stored(to: str | Path) -> set[tuple[str, str]]:
    """Return what a store of files holds: (request, digest) of each capture, read as the store itself would not."""
    scheme, _, path = str(to).rpartition(":")
    if scheme == "delta":
        from deltalake import DeltaTable

        known = DeltaTable(path).to_pyarrow_table(columns=["fetched"])["fetched"].to_pylist()
        return {(one["request"], one["digest"]) for one in map(json.loads, known)}
    if scheme == "avro":
        from fastavro import reader

        rows = [row for file in Path(path).glob("*.avro") for row in reader(file.open("rb"))]
        return {(one["request"], one["digest"]) for one in (json.loads(row["fetched"]) for row in rows)}
    captures = [json.loads(gzip.decompress(file.read_bytes())) for file in files(path)]
    return {(one["fetched"]["request"], one["fetched"]["digest"]) for one in captures}


def files(to: str | Path) -> list[Path]:
    return sorted(Path(to).rglob("*.json.gz"))


# Composites


def test_a_week_is_fetched_once_and_never_again(week: tuple[Path, set[int]], tmp_path: Path) -> None:
    folder, played = week
    with ReplayServer(folder) as server:
        first = fetch_day(FIRST_DAY, days=7, options=options(server, tmp_path))
        again = fetch_day(FIRST_DAY, days=7, options=options(server, tmp_path))
        asked = server.count()
        forced = fetch_day(FIRST_DAY, days=7, options=options(server, tmp_path, again=True))
    assert (first.status, first.stored, first.failed, first.missing) == ("completed", 7 + len(played), 0, 0)
    assert len(played) == 43
    assert first.skipped == 1  # the postponed game, under its former date
    assert asked == first.requests == 7 + len(played)
    assert (again.requests, again.stored, again.status) == (0, 0, "completed")
    assert (forced.requests, forced.unchanged, forced.stored) == (first.requests, first.requests, 0)


def test_a_season_brings_its_dates_and_teams_and_on_demand_all_its_days(
    week: tuple[Path, set[int]], tmp_path: Path
) -> None:
    folder, played = week
    with ReplayServer(folder) as server:
        metadata = fetch_season(2024, start="2024-07-02", end="2024-07-03", options=options(server, tmp_path / "a"))
        outside = fetch_season(2024, start="2023-07-02", end="2023-07-03", options=options(server, tmp_path / "a"))
        everything = fetch_season(2024, with_games=True, options=options(server, tmp_path / "b"))
        part = fetch_season(2024, start="2024-07-06", with_games=True, options=options(server, tmp_path / "c"))
    assert (metadata.requests, metadata.stored, metadata.notes) == (2, 2, [])
    assert [path.parent.name for path in files(tmp_path / "a")] == ["seasons", "teams"]
    assert "are not in it" in outside.notes[0]
    assert everything.stored == 2 + 7 + len(played)
    assert part.stored == 2 + 2 + 14


def test_only_what_has_begun_is_asked_for_and_only_what_changed_is_stored(tmp_path: Path) -> None:
    captures, to, day = tmp_path / "api", tmp_path / "to", FIRST_DAY
    games = [listing(1, PREVIEW), listing(2, LIVE), listing(3, FINAL), listing(4, OVER), listing(5, POSTPONED)]
    save_day(captures, day, games)
    for pk, state in ((1, PREVIEW), (2, LIVE), (3, FINAL), (4, OVER), (5, POSTPONED)):
        save_game(captures, pk, feed(pk, state))
    evening = TestClock(datetime(2024, 7, 1, 23, tzinfo=timezone.utc))
    with ReplayServer(captures) as server:
        first = fetch_day(day, options=options(server, to, evening))
        again = fetch_day(day, options=options(server, to, evening))
    assert (first.stored, first.skipped) == (4, 2)
    # Neither the schedule nor two of the games are final, so they are asked for; the API says that nothing changed.
    assert (again.requests, again.unchanged, again.stored, again.skipped) == (3, 3, 0, 3)
    save_game(captures, 2, feed(2, LIVE, plays=9), NOW + timedelta(days=9999))
    with ReplayServer(captures) as server:
        assert fetch_day(day, options=options(server, to, evening)).stored == 1
        everything = fetch_day(day, not_begun=True, options=options(server, to, evening))
    assert (everything.stored, everything.skipped) == (2, 1)


def test_a_suspended_game_is_asked_for_until_it_is_final(tmp_path: Path) -> None:
    captures, to = tmp_path / "api", tmp_path / "to"
    second = FIRST_DAY + timedelta(days=1)
    save_day(captures, FIRST_DAY, [listing(1, SUSPENDED, resumeDate=str(second))])
    save_day(captures, second, [listing(1, SUSPENDED, resumedFrom=str(FIRST_DAY))])
    game = save_game(captures, 1, feed(1, SUSPENDED))
    with ReplayServer(captures) as server:
        first = fetch_day(FIRST_DAY, days=2, options=options(server, to))
        assert (server.count(GAME), first.stored) == (1, 3)  # it is listed twice, and is one document
    game.unlink()
    save_game(captures, 1, feed(1, FINAL))
    with ReplayServer(captures) as server:
        fetch_day(FIRST_DAY, days=2, options=options(server, to))
        assert fetch_day(FIRST_DAY, days=2, options=options(server, to)).requests == 1  # the day it is still listed so
        assert server.count(GAME) == 1


# Resume


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("address", STORES)
def test_killed_anywhere_and_called_again_the_result_is_the_same(
    week: tuple[Path, set[int]], tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = week
    whole, broken = address.format(tmp_path / "whole"), address.format(tmp_path / "broken")
    chance = random.Random(7)
    with ReplayServer(folder) as server:
        wanted = fetch_day(FIRST_DAY, days=7, options=options(server, whole))
        kills = 0
        for _ in range(40):
            left = [chance.randint(1, 25)]

            def count_down(left: list[int] = left) -> None:
                left[0] -= 1
                if left[0] == 0:
                    raise Killed

            class Deadly(TestClock):
                def monotonic(self, count_down: Any = count_down) -> float:
                    count_down()
                    return super().monotonic()

            real = Path.replace

            def replace(path: Path, target: Path, count_down: Any = count_down, real: Any = real) -> Path:
                count_down()  # between the draft and its name
                return real(path, target)

            with monkeypatch.context() as patch:
                patch.setattr(Path, "replace", replace)
                try:
                    fetch_day(FIRST_DAY, days=7, options=options(server, broken, Deadly()))
                    break
                except Killed:
                    kills += 1
        report = fetch_day(FIRST_DAY, days=7, options=options(server, broken))
    assert kills > 3
    assert report.failed == 0
    assert stored(broken) == stored(whole)
    if address == "{}":
        assert len(files(broken)) == len(files(whole)) == wanted.stored


@pytest.mark.integration
def test_a_process_killed_by_the_system_leaves_whole_captures_and_the_next_goes_on(
    week: tuple[Path, set[int]], tmp_path: Path
) -> None:
    folder, _ = week
    with ReplayServer(folder) as server:
        fetch_day(FIRST_DAY, days=7, options=options(server, tmp_path / "whole"))
        asked = server.count()
        command = [sys.executable, "-m", "mlbsdk.cli.main", "fetch", "day", "--date", str(FIRST_DAY), "--days", "7"]
        command += ["--to", str(tmp_path / "to"), "--base-url", server.url, "--rate", "200/s", "--json"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while len(files(tmp_path / "to")) < 11 and process.poll() is None:
            time.sleep(0.005)
        process.kill()
        process.wait()
        done = len(files(tmp_path / "to"))
        assert 11 <= done < asked
        before = server.count()
        report = fetch_day(FIRST_DAY, days=7, options=options(server, tmp_path / "to"))
    assert server.count() - before == report.requests == asked - done
    assert stored(tmp_path / "to") == stored(tmp_path / "whole")


@pytest.mark.integration
def test_ctrl_c_ends_cleanly(week: tuple[Path, set[int]], tmp_path: Path) -> None:
    folder, _ = week
    with ReplayServer(folder) as server:
        command = [sys.executable, "-m", "mlbsdk.cli.main", "fetch", "day", "--date", str(FIRST_DAY), "--days", "7"]
        command += ["--to", f"avro:{tmp_path}/to", "--base-url", server.url, "--rate", "20/s", "--json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while server.count() < 5 and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    told = json.loads(out)
    assert (process.returncode, told["status"], told["errors"]) == (130, "stopped", ["stopped"])
    assert "Traceback" not in err
    # What had come was stored, though the batch was not full.
    assert len(stored(f"avro:{tmp_path}/to")) == told["stored"] >= 4


# Conditions


def test_unchanged_documents_are_not_stored_again_also_where_the_server_can_not_tell(tmp_path: Path) -> None:
    captures, to = tmp_path / "api", tmp_path / "to"
    game = save_game(captures, 1, feed(1, LIVE))
    with ReplayServer(captures) as server:
        fetch_game(1, options=options(server, to))
        assert fetch_game(1, options=options(server, to)).unchanged == 1
        assert [one.status for one in server.requests] == [200, 304]
        assert server.requests[1].headers["If-None-Match"]
    game.unlink()
    same = dict(reversed(list(feed(1, LIVE, stamp="20240701_200010").items()))) | {"copyright": "Copyright 2025"}
    save_game(captures, 1, same)
    with ReplayServer(captures, validators=False) as server:
        report = fetch_game(1, options=options(server, to))
        assert [one.status for one in server.requests] == [200]
    assert (report.unchanged, report.stored) == (1, 0)
    assert len(files(to)) == 1


def test_the_body_is_kept_byte_for_byte_and_the_request_beside_it(tmp_path: Path) -> None:
    body = '{ "copyright":"©", "gamePk":1,\r\n  "a":95.0, "b":1e2, "c":"\\u00e9\\/", "gameData":{} }'
    clock = TestClock()
    with ReplayServer(answers=lambda path, query: body) as server:
        for to in (tmp_path / "to", f"avro:{tmp_path}/avro", f"delta:{tmp_path}/delta"):
            fetch("game.boxscore", {"game_pk": 1, "timecode": "20240701_200000"}, options=options(server, to, clock))
            raw = RawRequest("game", "boxscore", {"game_pk": "1"}, {"timecode": "20240701_200000"})
            assert open_raw_store(str(to)).body(raw) == body
        url = server.url
    (file,) = files(tmp_path / "to")
    text = gzip.decompress(file.read_bytes()).decode()
    assert body in text
    envelope = json.loads(text)
    known = envelope.pop("fetched")
    response = response_of(envelope)
    assert response["gamePk"] == 1
    assert {key: value for key, value in envelope.items() if key != "response"} == {
        "endpoint": "game",
        "method": "boxscore",
        "path_params": {"game_pk": "1"},
        "query_params": {"timecode": "20240701_200000"},
        "url": f"{url}/api/v1/game/1/boxscore?timecode=20240701_200000",
        "status_code": 200,
        "captured_at": envelope["captured_at"],
    }
    assert datetime.fromisoformat(envelope["captured_at"].replace("Z", "+00:00")) >= NOW
    assert known["etag"]
    assert file.parent == tmp_path / "to" / "game" / "boxscore"
    assert file.name.startswith(clock.begin.strftime("%Y%m%dT%H%M%S."))


def test_order_by_name_is_order_by_time_and_no_two_captures_collide(tmp_path: Path) -> None:
    bodies = iter(json.dumps(feed(1, LIVE, plays=n)) for n in range(12))
    with ReplayServer(answers=lambda path, query: next(bodies)) as server:
        for _ in range(12):
            fetch_game(1, options=options(server, tmp_path, TestClock(NOW + timedelta(seconds=len(files(tmp_path))))))
    captures = [json.loads(gzip.decompress(file.read_bytes())) for file in files(tmp_path)]
    assert [len(one["response"]["liveData"]["plays"]["allPlays"]) for one in captures] == list(range(12))


# Faults


def test_what_may_pass_is_tried_again(tmp_path: Path) -> None:
    save_game(tmp_path / "api", 1, feed(1, FINAL))
    clock = TestClock()
    with ReplayServer(tmp_path / "api") as server:
        server.fail(503, times=1)
        server.truncate(times=1)
        server.garble(times=1)
        server.hang_up(times=1)
        report = fetch_game(1, options=options(server, tmp_path / "to", clock))
    assert (report.status, report.stored, report.retries, report.requests) == ("completed", 1, 4, 5)
    waits = [one for one in clock.slept if one > 0.5]
    assert len(waits) == 4
    assert waits[3] > waits[0]  # they get longer


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(tmp_path: Path, form: str) -> None:
    save_game(tmp_path / "api", 1, feed(1, FINAL))
    clock = TestClock()
    wait = "77" if form == "seconds" else (clock.begin + timedelta(seconds=77)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    with ReplayServer(tmp_path / "api") as server:
        server.fail(429, retry_after=wait)
        report = fetch_game(1, options=options(server, tmp_path / "to", clock))
    assert (report.stored, report.retries) == (1, 1)
    assert 76 < max(clock.slept) < 79


@pytest.mark.parametrize(
    ("fault", "requests", "told"),
    [
        (lambda server: server.fail(500, times=9), 3, "status 500 (tried 3 times)"),
        (lambda server: server.fail(429, retry_after=9000), 1, "wants to be left alone for 9000 s"),
        (lambda server: server.fail(403, times=9), 1, "refused game.liveGameV1 game_pk=1 with status 403: a fault"),
        (lambda server: server.delay(0.3, times=9), 3, "no answer in time (tried 3 times)"),
        (lambda server: server.truncate(times=9), 3, "the body was cut off"),
        (lambda server: server.garble(times=9), 3, "the body is no JSON"),
        (lambda server: server.fail(404), 1, "has no game.liveGameV1 game_pk=1 (status 404)"),
        (lambda server: server.stop(), 3, "the connection was refused"),
    ],
)
def test_what_does_not_pass_is_told_and_nothing_is_stored(tmp_path: Path, fault: Any, requests: int, told: str) -> None:
    save_game(tmp_path / "api", 1, feed(1, FINAL))
    with ReplayServer(tmp_path / "api") as server:
        chosen = options(server, tmp_path / "to", attempts=3, timeout_s=0.1)
        fault(server)
        report = fetch_game(1, options=chosen)
    assert (report.status, report.failed, report.stored, report.requests) == ("failed", 1, 0, requests)
    assert told in report.errors[0]
    assert files(tmp_path / "to") == []


def test_one_game_that_fails_or_is_not_there_keeps_no_other_from_being_fetched(tmp_path: Path) -> None:
    save_day(tmp_path / "api", FIRST_DAY, [listing(pk, FINAL) for pk in (1, 2, 3, 4)])
    for pk in (1, 3, 4):
        save_game(tmp_path / "api", pk, feed(pk, FINAL))
    with ReplayServer(tmp_path / "api") as server:
        server.fail(500, times=2, path=GAME)
        report = fetch_day(FIRST_DAY, options=options(server, tmp_path / "to", attempts=2))
        assert (report.status, report.stored, report.failed, report.missing) == ("failed", 3, 1, 1)
        assert "game_pk=2 (status 404)" in report.notes[0]
        later = fetch_day(FIRST_DAY, options=options(server, tmp_path / "to"))
    assert (later.status, later.stored, later.skipped) == ("completed", 1, 3)


def test_when_the_api_is_down_a_fetch_gives_up(week: tuple[Path, set[int]], tmp_path: Path) -> None:
    folder, _ = week
    with ReplayServer(folder) as server:
        server.fail(503, times=10_000)
        report = fetch_day(FIRST_DAY, days=7, options=options(server, tmp_path, attempts=2))
    assert (report.status, report.failed, report.requests) == ("failed", 3, 6)
    assert report.errors[-1] == "given up: 3 requests in a row failed"


def test_requests_are_never_closer_than_the_rate_allows(week: tuple[Path, set[int]], tmp_path: Path) -> None:
    folder, _ = week
    times: list[float] = []
    clock = TestClock()

    def answer(path: str, query: Any) -> None:
        times.append(clock.passed)

    with ReplayServer(folder, answers=answer) as server:
        server.fail(500, times=2)
        fetch_day(FIRST_DAY, days=2, options=options(server, tmp_path, clock, rate="30/m"))
    assert len(times) == 2 + 14
    # The clock adds up fractions of seconds.
    assert min(later - sooner for sooner, later in itertools.pairwise(times)) >= 2.0 - 1e-9


# Mistakes


@pytest.mark.parametrize(
    ("name", "params", "told"),
    [
        ("game.livegame", {"game_pk": 1}, "Did you mean 'game.liveGameV1'?"),
        ("games.live", {}, "the StatsAPI has no 'games.live'"),
        ("game.boxscore", {"gamePk": 1}, "no parameter 'gamePk'. Did you mean 'game_pk'?"),
        ("game.boxscore", {}, "needs game_pk"),
        ("team.roster", {"teamId": 147}, "needs rosterType"),
        ("schedule.schedule", {"date": "yesterday"}, "date is 'yesterday'; it must be a date"),
        ("team.leaders", {"teamId": 1, "sportId": 1}, "no parameter 'sportId'"),
        ("team.teams", {"sportId": "one"}, "it must be a whole number"),
    ],
)
def test_a_wrong_request_is_never_sent(tmp_path: Path, name: str, params: dict[str, object], told: str) -> None:
    with ReplayServer(answers=lambda path, query: "{}") as server:
        with pytest.raises(ConfigurationError) as caught:
            fetch(name, params, options=options(server, tmp_path))
        assert server.count() == 0
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("name", "params", "path"),
    [
        ("game.live_game_v1", {"game_pk": 1}, "/v1.1/game/1/feed/live"),
        (
            "game.LiveGameV1",
            {"game_pk": 1, "timecode": "20240701_2"},
            "/v1.1/game/1/feed/live?timecode=20240701_2",
        ),
        (
            "team.team",
            {"season": 2024, "hydrate": "venue(x)"},
            "/v1/teams?season=2024&hydrate=venue%28x%29",
        ),
        ("season.season", {"sportId": 1}, "/v1/seasons?sportId=1"),
        ("season.season", {"seasonId": 2024, "sportId": 1}, "/v1/seasons/2024?sportId=1"),
        ("schedule.postseason", {"season": 2024}, "/v1/schedule/postseason/series?season=2024"),
        ("person.person", {"personIds": [1, 2]}, "/v1/people?personIds=1%2C2"),
        ("team.roster", {"teamId": 147, "rosterType": "a/../b?c"}, "/v1/teams/147/roster/a%2F..%2Fb%3Fc"),
        ("schedule.schedule", {"sportId": 1, "date": "2024-07-01"}, "/v1/schedule?sportId=1&date=2024-07-01"),
    ],
)
def test_names_of_transforms_and_of_methods_lead_to_paths(name: str, params: dict[str, object], path: str) -> None:
    assert request(name, params).path == path


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"rate": "fast"}, "--rate is 'fast'"),
        ({"rate": "0/s"}, "--rate is '0/s'"),
        ({"attempts": 0}, "0 attempts"),
        ({"timeout_s": 0.0}, "no time to answer"),
    ],
)
def test_wrong_options_are_told(more: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        FetchOptions(**more)


@pytest.mark.parametrize("url", ["statsapi.mlb.com", "ftp://x", "http://", "http://x:port", "http://x/?a=b"])
def test_a_wrong_base_address_is_told(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no address"):
        _ = FetchOptions(base_url=url).api


def test_the_address_comes_from_the_variable_and_its_password_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ReplayServer(answers=lambda path, query: '{"teams": []}') as server:
        monkeypatch.setenv("MLBSDK_STATSAPI_URL", server.url.replace("://", "://me:secret@") + "/api/")
        report = fetch("team.teams", {}, options=FetchOptions(to=str(tmp_path), clock=TestClock()))
        assert server.requests[0].path == "/api/v1/teams"
        assert "Authorization" in server.requests[0].headers
    (file,) = files(tmp_path)
    text = gzip.decompress(file.read_bytes()).decode()
    assert report.stored == 1
    assert server._address[0] in text
    assert "secret" not in text + json.dumps(report.to_json())


# A game as it is played


def save_live_game(folder: Path) -> list[datetime]:
    """Write the captures of a game of three hours, and return when each was made."""
    begin = datetime(2024, 7, 1, 20, tzinfo=timezone.utc)
    states = [(0, PREVIEW, 0), (30, LIVE, 1), (60, LIVE, 4), (61, LIVE, 5), (150, OVER, 9), (160, FINAL, 9)]
    moments = [begin + timedelta(minutes=minutes) for minutes, *_ in states]
    for moment, (_, state, plays) in zip(moments, states, strict=True):
        save_game(folder, 1, feed(1, state, plays), moment)
    return moments


def test_a_game_is_followed_from_before_its_start_to_final(tmp_path: Path) -> None:
    moments = save_live_game(tmp_path / "api")
    clock = TestClock()
    with ReplayServer(tmp_path / "api", speed=60, clock=clock.monotonic) as server:
        server.fail(503, times=2)  # also a stumble is no end
        report = fetch_game(1, follow=True, every_s=0.5, options=options(server, tmp_path / "to", clock, attempts=2))
        again = fetch_game(1, follow=True, options=options(server, tmp_path / "to", clock))
    captures = [json.loads(gzip.decompress(file.read_bytes())) for file in files(tmp_path / "to")]
    assert [len(one["response"]["liveData"]["plays"]["allPlays"]) for one in captures] == [0, 1, 4, 5, 9, 9]
    assert captures[-1]["response"]["gameData"]["status"] == FINAL
    assert captures[-1]["fetched"]["is_final"]
    assert (report.status, report.stored, report.failed, len(report.notes)) == ("completed", len(moments), 0, 1)
    assert report.unchanged > 200
    assert (again.requests, again.skipped, again.status) == (0, 1, "completed")


def test_following_may_end_before_the_result_is_official(tmp_path: Path) -> None:
    save_live_game(tmp_path / "api")
    with ReplayServer(tmp_path / "api", by_requests=True) as server:
        report = fetch_game(1, follow=True, until="game over", options=options(server, tmp_path / "to"))
    assert report.stored == 5


@pytest.mark.parametrize("state", [POSTPONED, SUSPENDED])
def test_a_game_that_is_called_off_is_not_followed_for_ever(tmp_path: Path, state: dict[str, str]) -> None:
    for plays, one in enumerate((PREVIEW, state)):
        save_game(tmp_path / "api", 1, feed(1, one, plays), NOW + timedelta(hours=plays))
    with ReplayServer(tmp_path / "api", by_requests=True) as server:
        report = fetch_game(1, follow=True, options=options(server, tmp_path / "to"))
    assert (report.status, report.stored) == ("completed", 2)
    assert state["detailedState"] in report.notes[0]


def test_following_gives_up_when_the_api_stays_away(tmp_path: Path) -> None:
    save_game(tmp_path / "api", 1, feed(1, LIVE))
    clock = TestClock()
    with ReplayServer(tmp_path / "api") as server:
        server.fail(503, times=10_000)
        report = fetch_game(1, follow=True, options=options(server, tmp_path / "to", clock, attempts=2))
    assert (report.status, report.failed) == ("failed", 1)
    assert 600 < clock.passed < 700


# Stores


def test_a_database_keeps_captures_in_the_tables_of_their_mappings(
    week: tuple[Path, set[int]], tmp_path: Path, database: str
) -> None:
    import psycopg

    folder, played = week
    with ReplayServer(folder) as server:
        first = fetch_season(2024, with_games=True, options=options(server, database))
        again = fetch_season(2024, with_games=True, options=options(server, database))
        with pytest.raises(ConfigurationError, match=r"no plugin has a mapping of game\.content"):
            fetch("game.content", {"game_pk": 1}, options=options(server, database))
    assert (first.status, first.stored) == ("completed", 2 + 7 + len(played))
    assert (again.requests, again.unchanged, again.stored) == (2, 2, 0)
    with psycopg.connect(database) as connection:
        query = "SELECT captured_at, endpoint, method, params, url, status_code, data -> 'gamePk', fetched FROM {}"
        rows = connection.execute(query.format("game.live_game_v1")).fetchall()
        schedules = connection.execute("SELECT count(*) FROM schedule.schedule_raw").fetchone()
    assert {row[6] for row in rows} == played
    captured_at, endpoint, method, params, url, status, game_pk, known = rows[0]
    assert (endpoint, method, params, status) == ("game", "liveGameV1", {"game_pk": str(game_pk)}, 200)
    assert captured_at >= NOW
    assert url.endswith(f"/api/v1.1/game/{game_pk}/feed/live")
    assert known["is_final"] is True
    assert schedules == (7,)


def test_a_folder_that_was_fetched_can_be_loaded_and_fetched_on_in_a_database(
    week: tuple[Path, set[int]], tmp_path: Path, database: str
) -> None:
    from mlbsdk_plugin_postgres.connection import Database
    from mlbsdk_plugin_postgres.raw_load import Loader

    from mlbsdk.plugin import Plugins, load_mapping

    folder, _ = week
    mappings = {one.name: load_mapping(one).mapping for one in Plugins.load().transforms()}
    with ReplayServer(folder) as server:
        fetch_day(FIRST_DAY, options=options(server, tmp_path))
        loaded = Loader(Database.parse(database), mappings, None).load([str(file) for file in files(tmp_path)])
        report = fetch_day(FIRST_DAY, options=options(server, database))
    assert loaded.tables["game.live_game_v1"].loaded == 7
    assert (report.requests, report.skipped) == (0, 8)


def test_a_table_that_is_no_raw_table_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    from deltalake import write_deltalake

    write_deltalake(str(tmp_path / "t"), pa.table({"x": [1]}))
    from mlbsdk.plugin import RawSchemaError

    with pytest.raises(RawSchemaError, match="it is no raw table"):
        open_raw_store(f"delta:{tmp_path}/t")


def test_a_folder_that_can_not_be_written_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    from mlbsdk.plugin import TargetUnwritableError

    (tmp_path / "file").write_text("x", encoding="utf-8")
    with ReplayServer(answers=lambda path, query: "{}") as server:
        for to in ("{}", "delta:{}", "avro:{}"):
            with pytest.raises(TargetUnwritableError):
                fetch_game(1, options=options(server, to.format(tmp_path / "file" / "below")))
        assert server.count() == 0


@pytest.mark.integration
@pytest.mark.parametrize("scheme", ["", "delta:", "avro:"])
def test_a_week_is_fetched_into_an_object_store_once_and_no_key_is_told(
    week: tuple[Path, set[int]], bucket: Bucket, scheme: str
) -> None:
    folder, played = week
    to = f"{scheme}{bucket.address('raw/captures')}"
    with ReplayServer(folder) as server:
        first = fetch_day(FIRST_DAY, days=7, options=options(server, to))
        again = fetch_day(FIRST_DAY, days=7, options=options(server, to))
        forced = fetch_day(FIRST_DAY, days=7, options=options(server, to, again=True))
        raw = RawRequest("game", "liveGameV1", {"game_pk": "1000"}, {})
        body = open_raw_store(to).body(raw)
        (kept,) = open_raw_store(to).newest([raw]).values()
        with pytest.raises(StorageError, match="has no bucket 'no-such-bucket'") as refused:
            fetch_day(FIRST_DAY, options=options(server, f"{scheme}s3a://no-such-bucket/x"))
    assert (first.status, first.stored, first.failed) == ("completed", 7 + len(played), 0)
    assert (again.requests, again.stored) == (0, 0)
    assert (forced.unchanged, forced.stored) == (forced.requests, 0)
    assert body is not None
    assert json.loads(body) == feed(1000, FINAL, plays=5)
    assert kept.is_final
    assert "draft" not in " ".join(bucket.keys("raw/"))
    assert SECRET_KEY not in f"{first.to_json()}{refused.value}"


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Files(str(tmp_path))
    store.prepare()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    from mlbsdk.plugin import TargetUnwritableError

    with pytest.raises(TargetUnwritableError, match="No space left"):
        store.write("game/a.json.gz", b"x")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


# The command line


def test_the_command_line_tells_what_happened_and_its_exit_code(week: tuple[Path, set[int]], tmp_path: Path) -> None:
    folder, _ = week
    with ReplayServer(folder) as server:

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "mlbsdk.cli.main", "fetch", *arguments, "--base-url", server.url]
            return subprocess.run(
                [*command, "--to", str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
            )

        one = run("game.live_game_v1", "--param", "game_pk=1000", "--json")
        missing = run("game", "--game-pk", "1", "--json")
        wrong = run("game.live_game_v1", "--param", "gamepk=1")
        unknown = run("gmae")
    assert one.returncode == 0, one.stderr
    told = json.loads(one.stdout)
    assert {key: told[key] for key in ("version", "status", "requests", "stored", "unchanged", "failed", "errors")} == {
        "version": 1,
        "status": "completed",
        "requests": 1,
        "stored": 1,
        "unchanged": 0,
        "failed": 0,
        "errors": [],
    }
    assert (missing.returncode, json.loads(missing.stdout)["missing"]) == (1, 1)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "Did you mean 'game_pk'?" in wrong.stderr
    assert (unknown.returncode, "Did you mean 'game'?" in unknown.stderr) == (2, True)
