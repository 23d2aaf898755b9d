"""The analytics tables and how derived tables are built: against a plain reading of the feeds and their boxscores."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlbsdk.runtime.derived import DerivedReport, build
from mlbsdk.runtime.interpreting import interpreting
from mlbsdk.runtime.run import RunRequest, run
from tests.openlineage_schemas import events_below, parents_by_job
from tests.oracle.analytics import boxscore, distance_km, games_of, lines
from tests.season import TEAMS, Game, Venue, season, write_games
from tests.unit.test_analytics_oracle import REAL, response

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

Row = dict[str, Any]
TRAVEL, PERFORMANCE = "analytics.team_travel", "analytics.player_performance"
#: What both are made from.
INPUTS = (
    "live_game_metadata",
    "live_game_venue_details",
    "live_game_player_stats",
    "live_game_plays",
    "live_game_play_actions",
    "live_game_pitch_events",
    "live_game_hit_data",
    "live_game_runners",
)
GAMES = season(games=18, days=8, teams=4)
_WEIGHTS_2024 = {"walk": 0.689, "hbp": 0.720, "single": 0.882, "double": 1.254, "triple": 1.590, "home_run": 2.050}


@dataclass
class Season:
    """A warehouse with a small season, and the analytics that were built from it."""

    spark: SparkSession
    folder: Path

    @property
    def target(self) -> str:
        return f"delta:{self.folder / 'warehouse'}"

    def take(self, name: str, *texts: str) -> None:
        source = self.folder / name
        source.mkdir()
        for number, text in enumerate(texts):
            (source / f"{number}.json").write_text(text, encoding="utf-8")
        self.run(source)

    def run(self, source: Path) -> None:
        run(
            RunRequest(name="game.live_game_v1", source=str(source), target=self.target, tables=INPUTS),
            spark=self.spark,
        )

    def build(self, *names: str, target: str | None = None, **more: Any) -> DerivedReport:
        return build(names or (TRAVEL, PERFORMANCE), self.target, target or self.target, spark=self.spark, **more)

    def rows(self, name: str, target: str | None = None) -> list[Row]:
        from deltalake import DeltaTable

        folder = Path((target or self.target).removeprefix("delta:"))
        return list(DeltaTable(folder.joinpath(*name.split("."))).to_pyarrow_table().to_pylist())


@pytest.fixture(scope="module", autouse=True)
def few_rows(spark: SparkSession) -> Iterator[None]:
    """Interpret expressions: making code for few rows takes longer than computing them."""
    with interpreting(spark, 0):
        yield


@pytest.fixture(scope="module")
def made(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Season:
    found = Season(spark, tmp_path_factory.mktemp("season"))
    write_games(found.folder / "captures", GAMES)
    found.run(found.folder / "captures")
    report = found.build()
    events = events_below(found.folder / "warehouse" / "_mlbsdk")
    parents = parents_by_job(events)
    assert (parents["mlbsdk.derive"], parents[TRAVEL]) == (None, "mlbsdk.derive")
    built = next(event for event in reversed(events) if event["job"]["name"] == TRAVEL)
    assert {Path(dataset["name"]).name for dataset in built["inputs"]} >= {"live_game_metadata"}
    (table,) = built["outputs"]
    assert {"team_id", "distance_km"} <= {field["name"] for field in table["facets"]["schema"]["fields"]}
    assert table["outputFacets"]["outputStatistics"]["rowCount"] == report.tables[TRAVEL].rows_written
    assert report.tables[TRAVEL].figures == {
        "legs": 2 * len([one for one in GAMES if one.game_type == "R" and not one.is_postponed]) - len(TEAMS[:4]),
        "legs_without_distance": 4,
        "venues_without_coordinates": 1,
        "games_without_time_zone": 0,
    }
    assert report.tables[PERFORMANCE].figures["lines_that_differ_from_their_plays"] == 0
    return found


# Real games


def test_every_line_of_the_real_games_is_the_boxscores_and_what_plays_say(spark: SparkSession, tmp_path: Path) -> None:
    """The inputs are Parquet here, and Delta in the other tests."""
    source = tmp_path / "captures"
    source.mkdir()
    for path in REAL:
        (source / path.name).write_bytes(path.read_bytes())
    tables = f"parquet:{tmp_path / 'tables'}"
    run(RunRequest(name="game.live_game_v1", source=str(source), target=tables, tables=INPUTS), spark=spark)
    target = Season(spark, tmp_path)
    build("analytics.player*", tables, target.target, spark=spark)
    rows = {(row["game_pk"], row["side"], row["player_id"]): row for row in target.rows(PERFORMANCE)}
    feeds = [response(path) for path in REAL if "In_Progress" not in path.name]
    wrong, compared = [], 0
    expected = {(feed["gamePk"], *player) for feed in feeds for player in boxscore(feed)}
    assert rows.keys() == expected
    for feed in feeds:
        counted = lines(feed)
        for player, figures in boxscore(feed).items():
            row = rows[(feed["gamePk"], *player)]
            assert row["differences"] == []
            theirs = {name: value for name, value in figures.items() if name in row and name != "pitching_era"}
            own = _measured(counted.get(player, Counter()), row)
            compared += len(theirs) + len(own)
            wrong += [
                f"{player} {name}: {row[name]}, not {value}"
                for name, value in (theirs | own).items()
                if not _same(row[name], value)
            ]
    assert wrong == []
    assert compared > 2200


def _measured(line: Counter[str], row: Row) -> Row:
    """Return what only pitches tell, by the oracle, for what a player did."""
    found: Row = {}
    for kind in ("batting", "pitching"):
        if row[f"{kind}_games"]:
            names = ("batted_balls", "hard_hit_balls", "sweet_spot_balls", "barrels")
            found |= {f"{kind}_{name}": line[f"{kind}_{name}"] for name in names}
            balls = line[f"{kind}_batted_balls"]
            found[f"{kind}_exit_velocity_mean"] = line[f"{kind} velocity"] / 100 / balls if balls else None
    if row["pitching_games"]:
        found |= {name: line[name] for name in ("pitching_swings", "pitching_whiffs")}
        types = {name.removeprefix("type ") for name in line if name.startswith("type ")}
        assert [one["pitch_type"] for one in row["pitch_types"] or []] == sorted(types)
        for one in row["pitch_types"] or []:
            kind = one["pitch_type"]
            assert one["pitches"] == line[f"type {kind}"]
            assert one["speed_mean"] == pytest.approx(line[f"speed {kind}"] / 100 / line[f"measured {kind}"])
    return found


def _same(found: Any, expected: Any) -> bool:
    if expected is None or found is None:
        return found is expected
    if isinstance(expected, str):  # "5.1" innings
        return str(found) == expected
    return bool(float(found) == pytest.approx(expected))


# The season to date


def test_the_season_to_date_is_the_sum_of_the_games_so_far(made: Season) -> None:
    rows = made.rows(PERFORMANCE)
    by_player: dict[int, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row["game_date"], row["game_number"], row["start_time"])):
        by_player.setdefault(row["player_id"], []).append(row)
    assert {row["game_pk"] for row in rows} == {
        one.game_pk for one in GAMES if one.game_type == "R" and not one.is_postponed
    }
    for games in by_player.values():
        total: Counter[str] = Counter()
        for number, row in enumerate(games, 1):
            counts = [name for name in row if name.startswith(("batting_", "pitching_")) and isinstance(row[name], int)]
            total.update({name: row[name] for name in counts})
            assert row["season_game_number"] == number
            assert {name: row[f"season_{name}"] for name in counts} == {name: total[name] for name in counts}
            _check_rates(row, total)


def _check_rates(row: Row, total: Counter[str]) -> None:
    if row["season_batting_at_bats"]:
        b = {name.removeprefix("batting_"): count for name, count in total.items()}
        on_base = b["hits"] + b["base_on_balls"] + b["hit_by_pitch"]
        obp = on_base / (b["at_bats"] + b["base_on_balls"] + b["hit_by_pitch"] + b["sac_flies"])
        slg = b["total_bases"] / b["at_bats"]
        unintended = b["base_on_balls"] - b["intentional_walks"]
        singles = b["hits"] - b["doubles"] - b["triples"] - b["home_runs"]
        worth = (unintended, b["hit_by_pitch"], singles, b["doubles"], b["triples"], b["home_runs"])
        weighted = sum(weight * count for weight, count in zip(_WEIGHTS_2024.values(), worth, strict=True))
        chances = b["at_bats"] + unintended + b["sac_flies"] + b["hit_by_pitch"]
        found = [row[f"season_batting_{name}"] for name in ("avg", "obp", "slg", "ops", "woba")]
        assert found == pytest.approx([b["hits"] / b["at_bats"], obp, slg, obp + slg, weighted / chances])
    if row["season_pitching_outs"]:
        p = {name.removeprefix("pitching_"): count for name, count in total.items()}
        innings = p["outs"] / 3
        found = [row[f"season_pitching_{name}"] for name in ("era", "whip", "strikeout_minus_walk_rate", "whiff_rate")]
        assert found == pytest.approx(
            [
                9 * p["earned_runs"] / innings,
                (p["base_on_balls"] + p["hits"]) / innings,
                (p["strike_outs"] - p["base_on_balls"]) / p["batters_faced"],
                p["whiffs"] / p["swings"],
            ]
        )
        assert str(row["season_pitching_innings_pitched"]) == f"{p['outs'] // 3}.{p['outs'] % 3}"


# Travel


def test_each_leg_is_from_the_game_before(made: Season) -> None:
    rows = {(row["team_id"], row["game_pk"]): row for row in made.rows(TRAVEL)}
    expected = {(team.team_id, one.game_pk) for team in TEAMS[:4] for one in games_of(team, GAMES)}
    assert rows.keys() == expected
    for team in TEAMS[:4]:
        games, total = games_of(team, GAMES), 0.0
        stays = 0
        for number, game in enumerate(games):
            row, before = rows[team.team_id, game.game_pk], games[number - 1] if number else None
            stays += int(before is None or (before.home is team) != (game.home is team))
            assert row["leg_number"] == number
            assert (row["stay"], row["stay_number"]) == ("home_stand" if game.home is team else "road_trip", stays)
            assert row["is_doubleheader"] == (game.double_header == "S")
            leg = _leg(before, game) if before else dict.fromkeys(_leg(game, game))
            total += leg["distance_km"] or 0.0
            assert {name: row[name] for name in leg} == pytest.approx(leg)
            assert row["cumulative_distance_km"] == pytest.approx(total)
            assert row["cumulative_distance_miles"] == pytest.approx(total / 1.609344)


def _leg(before: Game, game: Game) -> Row:
    one, other = _place(before.venue), _place(game.venue)
    distance = distance_km(one, other) if one and other else None
    change = (_offset(game, game.venue) - _offset(game, before.venue)) / timedelta(hours=1)
    return {
        "previous_game_pk": before.game_pk,
        "previous_venue_id": before.venue.venue_id,
        "distance_km": distance,
        "distance_miles": distance / 1.609344 if distance is not None else None,
        "time_zone_change_hours": change,
        "time_zones_crossed": abs(change),
        "rest_hours_from_start": (game.start - before.start) / timedelta(hours=1),
        # The feed counts whole minutes: 159.
        "rest_hours_from_end": (game.start - before.start - timedelta(minutes=159)) / timedelta(hours=1),
        "days_off": (game.day - before.day).days - 1,
    }


def _place(venue: Venue) -> tuple[float, float] | None:
    return None if venue.latitude is None or venue.longitude is None else (venue.latitude, venue.longitude)


def _offset(game: Game, venue: Venue) -> timedelta:
    from zoneinfo import ZoneInfo

    return game.start.astimezone(ZoneInfo(venue.time_zone)).utcoffset() or timedelta()


# Again, and again


@pytest.mark.slow
def test_only_what_a_change_touches_is_made_again_and_the_result_is_that_of_a_new_build(
    made: Season, tmp_path: Path
) -> None:
    before = {name: made.rows(name) for name in (TRAVEL, PERFORMANCE)}
    again = made.build()
    assert [(table.groups_built, table.version) for table in again.tables.values()] == [(0, None), (0, None)]
    changed, gone = GAMES[4], GAMES[9]
    made.take("corrected", _corrected(made.folder / "captures" / f"live_game_{changed.game_pk}.json"))
    _remove(made.folder / "warehouse", gone.game_pk)
    report = made.build()
    teams = {team.team_id for one in (changed, gone) for team in (one.home, one.away)}
    assert report.tables[TRAVEL].groups_built == len(teams)
    assert report.tables[TRAVEL].version is not None
    players = {row["player_id"] for row in before[PERFORMANCE] if row["game_pk"] in (changed.game_pk, gone.game_pk)}
    assert report.tables[PERFORMANCE].groups_built == len(players)
    assert 0 < len(players) < report.tables[PERFORMANCE].groups
    assert report.tables[PERFORMANCE].figures["lines_that_differ_from_their_plays"] == 2
    after = {name: made.rows(name) for name in (TRAVEL, PERFORMANCE)}
    assert gone.game_pk not in {row["game_pk"] for row in after[TRAVEL] + after[PERFORMANCE]}
    differing = [row for row in after[PERFORMANCE] if row["differences"]]
    assert {row["game_pk"] for row in differing} == {changed.game_pk}
    figures = {one["figure"] for row in differing for one in row["differences"]}
    assert figures == {"batting_hits", "batting_total_bases", "pitching_hits"}
    untouched = [row for row in before[TRAVEL] if row["team_id"] not in teams]
    assert all(row in after[TRAVEL] for row in untouched)
    fresh = f"delta:{tmp_path / 'fresh'}"
    made.build(target=fresh)
    for name in (TRAVEL, PERFORMANCE):
        assert _sorted(made.rows(name, fresh)) == _sorted(after[name])


def _corrected(path: Path) -> str:
    """Return a later capture of a game in which a single is an out, and the boxscore does not say so."""
    document = json.loads(path.read_text(encoding="utf-8"))
    feed = document["response"]
    play = next(one for one in feed["liveData"]["plays"]["allPlays"] if one["result"]["eventType"] == "single")
    play["result"] |= {"event": "Field Error", "eventType": "field_error"}
    feed["metaData"]["timeStamp"] = "20241101_000000"
    return json.dumps(document)


def _remove(warehouse: Path, game_pk: int) -> None:
    from deltalake import DeltaTable

    for name in INPUTS:
        DeltaTable(warehouse / "game" / name).delete(f"game_pk = {game_pk}")


def _sorted(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["game_pk"], row.get("player_id") or row["team_id"]))
