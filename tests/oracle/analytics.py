"""Players' lines and teams' ways, counted from the feed by plain Python: no table, no Spark, no code of the plugin."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.season import Game, Team

Line = Counter[str]
Player = tuple[str, int]
_WALKS, _HITS = {"walk", "intent_walk"}, {"single": 1, "double": 2, "triple": 3, "home_run": 4}
_NO_AT_BAT = {"hit_by_pitch", "sac_fly", "sac_fly_double_play", "sac_bunt", "sac_bunt_double_play", "catcher_interf"}
#: Results that end a half inning on the bases, or that are none.
_NO_PLATE_APPEARANCE = re.compile(r"caught_stealing|pickoff|stolen_base|wild_pitch|passed_ball|other_out|balk|runner_")


def boxscore(response: dict[str, Any]) -> dict[Player, dict[str, Any]]:
    """Return what the boxscore says of who played: his figures by ``batting_hits`` and the like."""
    found = {}
    for side, team in response["liveData"]["boxscore"]["teams"].items():
        for player in team["players"].values():
            figures = {
                f"{kind}_{re.sub('[A-Z]', lambda one: '_' + one[0].lower(), name)}": value
                for kind in ("batting", "pitching")
                for name, value in player["stats"][kind].items()
            }
            if figures:
                found[side, player["person"]["id"]] = figures
    return found


def lines(response: dict[str, Any]) -> dict[Player, Line]:
    """Return each player's counts as the plays tell them, one event after the other."""
    found: dict[Player, Line] = {}
    teams = response["liveData"]["boxscore"]["teams"]
    pitcher = {side: team["pitchers"][0] if team["pitchers"] else None for side, team in teams.items()}
    for play in response["liveData"]["plays"]["allPlays"]:
        bats, fields = ("away", "home") if play["about"]["halfInning"] == "top" else ("home", "away")
        at = {}
        for event in play["playEvents"]:
            if event["details"].get("eventType") == "pitching_substitution":
                pitcher[fields] = event["player"]["id"]
            at[event["index"]] = pitcher[fields]
            if event["isPitch"]:
                _pitch(found.setdefault((fields, pitcher[fields]), Counter()), event)
            hit = event.get("hitData", {})
            if "launchSpeed" in hit and event["details"]["call"]["code"] in "XDE":
                _batted(found.setdefault((fields, pitcher[fields]), Counter()), "pitching", hit)
                _batted(found.setdefault((bats, play["matchup"]["batter"]["id"]), Counter()), "batting", hit)
        for runner in play["runners"]:
            _movement(found, runner, bats, fields, at.get(runner["details"]["playIndex"], pitcher[fields]))
        _result(found, play, (bats, play["matchup"]["batter"]["id"]), (fields, play["matchup"]["pitcher"]["id"]))
    return found


def _pitch(line: Line, event: dict[str, Any]) -> None:
    details = event["details"]
    code = details["call"]["code"]
    swing = code in ("S", "W", "T", "Q", "F", "X", "D", "E")
    line.update(
        pitching_pitches_thrown=1,
        pitching_strikes=int(details["isStrike"] or details["isInPlay"]),
        pitching_balls=int(details["isBall"]),
        pitching_swings=int(swing),
        pitching_whiffs=int(code in ("S", "W", "T", "Q")),
    )
    kind, speed = details.get("type", {}).get("code"), event.get("pitchData", {}).get("startSpeed")
    if kind:
        line[f"type {kind}"] += 1
    if kind and speed is not None:
        line[f"speed {kind}"] += round(speed * 100)
        line[f"measured {kind}"] += 1


def _batted(line: Line, kind: str, hit: dict[str, Any]) -> None:
    speed, angle = hit["launchSpeed"], hit.get("launchAngle", math.nan)
    # MLB's glossary in words: 26 to 30 degrees at 98 mph; the measured limits widen by 1.5 above and 1 below a mph.
    barrel = speed >= 98 and max(8, 26 - (speed - 98)) <= angle <= min(50, 30 + 1.5 * (speed - 98))
    line.update(
        {
            f"{kind}_batted_balls": 1,
            f"{kind}_hard_hit_balls": int(speed >= 95),
            f"{kind}_sweet_spot_balls": int(8 <= angle <= 32),
            f"{kind}_barrels": int(barrel),
            f"{kind} velocity": round(speed * 100),
        }
    )


def _movement(found: dict[Player, Line], runner: dict[str, Any], bats: str, fields: str, pitcher: int) -> None:
    movement, details = runner["movement"], runner["details"]
    person = found.setdefault((bats, details["runner"]["id"]), Counter())
    event = details["eventType"]
    person["batting_stolen_bases"] += int(event.startswith("stolen_base") and not movement["isOut"])
    person["batting_caught_stealing"] += int("caught_stealing" in event and bool(movement["isOut"]))
    if movement["isOut"]:
        found.setdefault((fields, pitcher), Counter())["pitching_outs"] += 1
    elif movement["end"] == "score":
        person["batting_runs"] += 1
        responsible = (details.get("responsiblePitcher") or {}).get("id", pitcher)
        charged = found.setdefault((fields, responsible), Counter())
        charged.update(pitching_runs=1, pitching_earned_runs=int(details["earned"]))


def _result(found: dict[Player, Line], play: dict[str, Any], batter: Player, pitcher: Player) -> None:
    event = play["result"].get("eventType", "")
    if not play["about"]["isComplete"] or not event or _NO_PLATE_APPEARANCE.search(event):
        return
    strike_out = int(event.startswith("strikeout"))
    shared = {
        "hits": int(event in _HITS),
        "home_runs": int(event == "home_run"),
        "base_on_balls": int(event in _WALKS),
        "intentional_walks": int(event == "intent_walk"),
        "strike_outs": strike_out,
    }
    at_bat = int(event not in _WALKS and event not in _NO_AT_BAT)
    own = {"plate_appearances": 1, "at_bats": at_bat, "doubles": int(event == "double")}
    own |= {"triples": int(event == "triple"), "total_bases": _HITS.get(event, 0), "rbi": play["result"].get("rbi", 0)}
    own |= {"hit_by_pitch": int(event == "hit_by_pitch"), "sac_flies": int(event.startswith("sac_fly"))}
    own |= {"sac_bunts": int(event.startswith("sac_bunt"))}
    found.setdefault(batter, Counter()).update({f"batting_{name}": n for name, n in (shared | own).items()})
    allowed = shared | {"batters_faced": 1, "hit_batsmen": int(event == "hit_by_pitch")}
    found.setdefault(pitcher, Counter()).update({f"pitching_{name}": n for name, n in allowed.items()})


# Travel


def distance_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the distance on a sphere by the angle between two vectors, which is not the haversine formula."""

    def vector(place: tuple[float, float]) -> tuple[float, float, float]:
        latitude, longitude = map(math.radians, place)
        return (
            math.cos(latitude) * math.cos(longitude),
            math.cos(latitude) * math.sin(longitude),
            math.sin(latitude),
        )

    (x1, y1, z1), (x2, y2, z2) = vector(one), vector(other)
    cross = math.hypot(y1 * z2 - z1 * y2, z1 * x2 - x1 * z2, x1 * y2 - y1 * x2)
    return 6371.0088 * math.atan2(cross, x1 * x2 + y1 * y2 + z1 * z2)


def games_of(team: Team, games: Iterable[Game]) -> list[Game]:
    """Return the games that a team's travel is made of, in order."""
    own = [one for one in games if team in (one.home, one.away) and one.game_type == "R" and not one.is_postponed]
    return sorted(own, key=lambda one: (one.day, one.game_number))
