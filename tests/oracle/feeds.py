"""Live game feeds of kinds that no kept capture shows, made by altering the real feed of game 747175.

Each function of :data:`FEEDS` gets a document of its own and alters it. Shapes follow what StatsAPI sends in that case.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

from tests.oracle.values import NO_RATE

Document = dict[str, Any]
Alter = Callable[[Document], None]
#: Game numbers of the feeds; real ones have six digits.
FIRST_GAME_PK = 9_000_001
PLAYS_KEPT = 6
PLAYERS_KEPT = 5
#: Feeds that it takes to tell every yes or no from every other.
YES_OR_NO = 9
FEEDS: dict[str, Alter] = {}


def feed(alter: Alter) -> Alter:
    """Register a feed under the name of its function."""
    FEEDS[alter.__name__.replace("_", " ")] = alter
    return alter


def made(real: Document) -> dict[str, Document]:
    """Return all feeds by name, each with a game_pk of its own. ``real`` is the finished game 747175."""
    small = cut_down(real)
    found = {name: altered(real, alter) for name, alter in FEEDS.items()}
    found |= {f"values of its own {number}": values_of_its_own(complete(small), number) for number in range(YES_OR_NO)}
    found |= {f"{path} null": altered(small, lambda doc, p=path: put_null(doc, p)) for path in BRANCHES}
    found |= {f"{path} absent": altered(small, lambda doc, p=path: take_away(doc, p)) for path in BRANCHES}
    for number, document in enumerate(found.values()):
        document["gamePk"] = FIRST_GAME_PK + number
    return found


def altered(real: Document, alter: Alter) -> Document:
    """Return a copy with the alteration."""
    document = copy.deepcopy(real)
    alter(document)
    return document


def cut_down(real: Document) -> Document:
    """Return the feed with its first plays and a few players: the same shapes, an eighth of the size."""
    document = copy.deepcopy(real)
    keep_plays(document, PLAYS_KEPT)
    data, box = document["gameData"], document["liveData"]["boxscore"]
    data["players"] = dict(list(data["players"].items())[:PLAYERS_KEPT])
    for team in box["teams"].values():
        team["players"] = dict(list(team["players"].items())[:PLAYERS_KEPT])
    return document


def keep_plays(document: Document, count: int) -> None:
    """Drop all plays but the first ones."""
    plays = document["liveData"]["plays"]
    plays["allPlays"] = plays["allPlays"][:count]
    plays["scoringPlays"] = [number for number in plays["scoringPlays"] if number < count]
    plays["playsByInning"] = []
    plays["currentPlay"] = copy.deepcopy(plays["allPlays"][-1]) if count else None


def state(document: Document, abstract: str, detailed: str, code: str, reason: str | None = None) -> None:
    """Set the status of the game."""
    document["gameData"]["status"] = {
        "abstractGameState": abstract,
        "codedGameState": code[0],
        "detailedState": detailed,
        "statusCode": code,
        "startTimeTBD": False,
        "abstractGameCode": abstract[0],
    } | ({"reason": reason} if reason else {})


# States of a game


@feed
def not_started(document: Document) -> None:
    """Before the start: no plays, innings, umpires or batting order; the bench holds the roster."""
    state(document, "Preview", "Scheduled", "S")
    data, live = document["gameData"], document["liveData"]
    data |= {"weather": {}, "gameInfo": {}}
    live["plays"] = {"allPlays": [], "scoringPlays": [], "playsByInning": []}
    live["linescore"] = {
        "scheduledInnings": 9,
        "innings": [],
        "teams": {"home": {}, "away": {}},
        "defense": {"team": {"id": 109}},
        "offense": {"team": {"id": 141}},
    }
    live.pop("decisions")
    live["boxscore"] |= {"officials": [], "info": [], "pitchingNotes": [], "topPerformers": []}
    for team in live["boxscore"]["teams"].values():
        ids = [player["person"]["id"] for player in team["players"].values()]
        team |= {"batters": [], "pitchers": [], "battingOrder": [], "info": [], "note": [], "bench": ids, "bullpen": []}
        for player in team["players"].values():
            player["stats"] = {"batting": {}, "pitching": {}, "fielding": {}}
            player.pop("battingOrder", None)
            player.pop("allPositions", None)


@feed
def start_time_to_be_decided(document: Document) -> None:
    not_started(document)
    document["gameData"]["status"]["startTimeTBD"] = True
    document["gameData"]["datetime"].pop("time")
    document["gameData"]["datetime"].pop("ampm")
    document["gameData"]["probablePitchers"] = {}


@feed
def teams_to_be_decided(document: Document) -> None:
    """A playoff game before its teams are known: both are the team without a club."""
    not_started(document)
    for side, team in document["gameData"]["teams"].items():
        team.clear()
        team |= {"id": 4614, "name": "TBD", "link": "/api/v1/teams/4614", "allStarStatus": "N", "active": False}
        document["liveData"]["boxscore"]["teams"][side] |= {"team": {"id": 4614}, "players": {}, "bench": []}
    document["gameData"]["players"] = {}
    document["gameData"]["probablePitchers"] = {}


@feed
def postponed(document: Document) -> None:
    """The day came and nobody played: over, with a reason, without a score."""
    not_started(document)
    state(document, "Final", "Postponed", "DR", "Rain")
    document["gameData"]["datetime"] |= {"originalDate": "2024-07-12", "officialDate": "2024-08-20"}


@feed
def cancelled_in_an_old_season(document: Document) -> None:
    """No official date, no linescore totals, venue without details."""
    not_started(document)
    state(document, "Final", "Cancelled", "CR", "Rain")
    document["gameData"]["datetime"] = {"dateTime": "1974-09-28T03:00:00Z"}
    document["gameData"]["venue"] = {"id": 15, "name": "Chase Field"}
    document["gameData"]["game"]["id"] = None


@feed
def date_in_the_game_id_alone(document: Document) -> None:
    document["gameData"]["datetime"] = {"time": "1:05"}


@feed
def suspended(document: Document) -> None:
    """Stopped in the third; it goes on another day."""
    state(document, "Live", "Suspended: Rain", "UR", "Rain")
    keep_plays(document, 15)
    document["liveData"]["linescore"]["innings"] = document["liveData"]["linescore"]["innings"][:2]
    document["liveData"].pop("decisions")
    document["gameData"]["datetime"] |= {"resumeDate": "2024-07-13", "resumeDateTime": "2024-07-13T19:10:00Z"}


@feed
def resumed_with_a_player_on_both_teams(document: Document) -> None:
    """A player who was traded in between plays for both sides."""
    document["gameData"]["datetime"] |= {
        "resumedFromDate": "2024-06-26",
        "resumedFromDateTime": "2024-06-26T23:10:00Z",
    }
    document["gameData"]["gameInfo"]["delayDurationMinutes"] = 87
    teams = document["liveData"]["boxscore"]["teams"]
    key, traded = next(iter(teams["away"]["players"].items()))
    teams["home"]["players"][key] = copy.deepcopy(traded) | {"parentTeamId": 109}
    for team in teams.values():
        team["bench"] = [*team["bench"], traded["person"]["id"]]


@feed
def play_in_progress(document: Document) -> None:
    """The last play has a batter and two pitches, and no result yet."""
    state(document, "Live", "In Progress", "I")
    keep_plays(document, 22)
    document["liveData"].pop("decisions")
    for key in ("attendance", "gameDurationMinutes"):
        document["gameData"]["gameInfo"].pop(key)
    play = document["liveData"]["plays"]["allPlays"][-1]
    play["result"] = {"type": "atBat", "awayScore": 0, "homeScore": 1}
    play["about"] |= {"isComplete": False}
    play["about"].pop("endTime")
    play.pop("playEndTime", None)
    play |= {"runners": [], "runnerIndex": [], "playEvents": play["playEvents"][:2]}
    for event in play["playEvents"]:
        event.pop("endTime", None)
        event.pop("hitData", None)
    document["liveData"]["linescore"]["innings"][-1]["home"].pop("runs")


@feed
def mound_visit_in_progress(document: Document) -> None:
    """The last play's result is, for the moment, what happens on the field."""
    play_in_progress(document)
    play = document["liveData"]["plays"]["allPlays"][-1]
    play["result"] |= {
        "event": "Mound Visit",
        "eventType": "mound_visit",
        "description": "Mound visit.",
        "isOut": False,
    }
    play["playEvents"] = []
    play["matchup"] |= {
        "batterHotColdZones": [{"zone": "01", "color": "rgba(234, 147, 153, .55)", "temp": "warm", "value": ".333"}],
        "pitcherHotColdZoneStats": {"stats": [{"type": {"displayName": "hotColdZones"}}]},
        "batterHotColdZoneStats": {"stats": [{"type": {"displayName": "hotColdZones"}, "splits": []}]},
    }


# Lengths of a game


@feed
def extra_innings(document: Document) -> None:
    """Two more innings, each with a runner placed on second."""
    linescore, plays = document["liveData"]["linescore"], document["liveData"]["plays"]["allPlays"]
    halves = {"runs": 0, "hits": 1, "errors": 0, "leftOnBase": 2}
    for number in (10, 11):
        inning = {"num": number, "ordinalNum": f"{number}th", "home": dict(halves), "away": dict(halves)}
        linescore["innings"].append(inning)
        for half in ("top", "bottom"):
            plays.append(extra_inning_play(plays[2], len(plays), number, half))
    linescore |= {"currentInning": 11, "currentInningOrdinal": "11th"}


def extra_inning_play(like: Document, index: int, inning: int, half: str) -> Document:
    """Return a single that drives in the runner who was placed on second."""
    play = copy.deepcopy(like)
    play["about"] |= {"atBatIndex": index, "inning": inning, "halfInning": half, "isTopInning": half == "top"}
    placed: Document = {
        "details": {
            "description": "Ketel Marte starts inning at 2nd base.",
            "event": "Runner Placed On Base",
            "eventType": "runner_placed",
            "awayScore": 4,
            "homeScore": 4,
            "isScoringPlay": False,
            "isOut": False,
            "hasReview": False,
        },
        "count": {"balls": 0, "strikes": 0, "outs": 0},
        "index": 0,
        "startTime": "2024-07-13T04:20:00.000Z",
        "endTime": "2024-07-13T04:20:01.000Z",
        "isPitch": False,
        "type": "action",
        "player": {"id": 606466, "link": "/api/v1/people/606466"},
        "base": 2,
        "isBaseRunningPlay": True,
    }
    for event in play["playEvents"]:
        event["index"] += 1
    play["playEvents"] = [placed, *play["playEvents"]]
    runner = copy.deepcopy(play["runners"][0])
    runner["movement"] = {
        "originBase": "2B",
        "start": "2B",
        "end": "score",
        "outBase": None,
        "isOut": False,
        "outNumber": None,
    }
    runner["details"] |= {"earned": False, "teamUnearned": True, "rbi": True, "isScoringEvent": True, "credits": []}
    runner["details"]["responsiblePitcher"] = {"id": 679885, "link": "/api/v1/people/679885"}
    play["runners"].append(runner)
    return play


@feed
def bottom_of_the_ninth_not_played(document: Document) -> None:
    last = document["liveData"]["linescore"]["innings"][-1]
    last["home"] = {"hits": 0, "errors": 0, "leftOnBase": 0}
    document["liveData"]["linescore"] |= {"inningState": "End", "inningHalf": "Top", "isTopInning": True}


@feed
def half_inning_absent_or_null(document: Document) -> None:
    innings = document["liveData"]["linescore"]["innings"]
    innings[-1].pop("home")
    innings[-2]["home"] = None
    innings[-3]["home"]["runs"] = None
    innings[-4] = None


@feed
def seven_innings(document: Document) -> None:
    linescore = document["liveData"]["linescore"]
    linescore |= {"scheduledInnings": 7, "currentInning": 7, "currentInningOrdinal": "7th"}
    linescore["innings"] = linescore["innings"][:7]
    document["gameData"]["game"] |= {"doubleHeader": "S", "gameNumber": 2}
    keep_plays(document, 55)


@feed
def called_after_five(document: Document) -> None:
    state(document, "Final", "Completed Early: Rain", "FR", "Rain")
    document["liveData"]["linescore"]["innings"] = document["liveData"]["linescore"]["innings"][:5]
    document["liveData"]["linescore"] |= {"currentInning": 5, "currentInningOrdinal": "5th"}
    keep_plays(document, 40)


@feed
def tie_without_decisions(document: Document) -> None:
    state(document, "Final", "Final: Tied", "FT")
    document["liveData"]["decisions"] = {}
    document["liveData"]["linescore"]["teams"]["home"]["runs"] = 4


# Seasons


@feed
def before_pitch_tracking(document: Document) -> None:
    """Seasons before 2008: pitches by call alone; no ids, speeds, coordinates or batted balls."""
    for play in document["liveData"]["plays"]["allPlays"]:
        for number, event in enumerate(play["playEvents"]):
            event.pop("playId", None)
            event.pop("hitData", None)
            event["details"].pop("type", None)
            if event["isPitch"] and number % 2:
                event.pop("pitchData", None)
            elif event["isPitch"]:
                event["pitchData"] = {"strikeZoneTop": 3.5, "strikeZoneBottom": 1.6, "coordinates": {}, "breaks": {}}
    document["gameData"]["moundVisits"] = None
    document["liveData"]["boxscore"].pop("topPerformers")


@feed
def before_pitch_by_pitch(document: Document) -> None:
    """Seasons before 1988: plays with no events, few matchup details and no times."""
    for play in document["liveData"]["plays"]["allPlays"]:
        play |= {"playEvents": [], "pitchIndex": [], "actionIndex": []}
        for key in ("startTime", "endTime", "captivatingIndex"):
            play["about"].pop(key, None)
        play.pop("playEndTime", None)
        play["matchup"].pop("batSide")
        play["matchup"].pop("pitchHand")
        for runner in play["runners"]:
            runner["movement"]["isOut"] = None
            runner["credits"] = []
    document["gameData"]["weather"] = {}
    document["gameData"]["datetime"].pop("officialDate")
    document["gameData"]["gameInfo"] = {"attendance": 8123}


@feed
def pitchfx(document: Document) -> None:
    """Seasons 2008 to 2016: a PITCHf/x id, speeds, no launch figures, no extension or plate time."""
    for event in pitches(document):
        event["pfxId"] = "100405_130512"
        for key in ("extension", "plateTime", "typeConfidence"):
            event["pitchData"].pop(key, None)
        event["pitchData"]["breaks"] = {"breakAngle": 24.0, "breakLength": 4.3, "breakY": 23.7}
        if "hitData" in event:
            event["hitData"] = {"trajectory": "ground_ball", "hardness": "medium", "location": "6", "coordinates": {}}


@feed
def live_tracking(document: Document) -> None:
    """Live, some figures are not there yet: no break length, no confidence, speed off the bat missing."""
    for event in pitches(document):
        for key in ("typeConfidence", "extension"):
            event["pitchData"].pop(key, None)
        for key in ("breakLength", "breakY"):
            event["pitchData"]["breaks"].pop(key, None)
        event.get("hitData", {}).pop("launchSpeed", None)


@feed
def season_of_2026(document: Document) -> None:
    """Ball-strike challenges, and the plate's size with every pitch."""
    document["gameData"]["absChallenges"] = {
        "hasChallenges": True,
        "away": {"usedSuccessful": 1, "usedFailed": 2, "remaining": 0},
        "home": {"usedSuccessful": 0, "usedFailed": 0, "remaining": 2},
    }
    for number, event in enumerate(pitches(document)):
        event["pitchData"] |= {"strikeZoneWidth": 17.0, "strikeZoneDepth": 8.5}
        if number % 40 == 0:
            event["details"]["hasReview"] = True
            event["reviewDetails"] = {
                "isOverturned": True,
                "inProgress": False,
                "reviewType": "MJ",
                "challengeTeamId": 141,
                "player": {"id": 543807, "link": "/api/v1/people/543807"},
            }


def pitches(document: Document) -> Iterator[Document]:
    """Return all pitches."""
    for play in document["liveData"]["plays"]["allPlays"]:
        yield from (event for event in play["playEvents"] if event["isPitch"])


# What comes and goes


@feed
def rare_facts(document: Document) -> None:
    """Whatever the real feed lacks: reviews of reviews, violations, ejections, injuries, deaths, second datacaster."""
    data, plays = document["gameData"], document["liveData"]["plays"]["allPlays"]
    data["secondaryDatacaster"] = {"id": 700001, "fullName": "Second Caster"}
    data["alerts"] = [{"category": "scoring_position_extra", "description": "Runner on third, one out."}]
    data["venue"]["location"]["address2"] = "Gate K"
    player = next(iter(data["players"].values()))
    player |= {"deathDate": "2023-01-09", "deathCity": "Toronto", "deathStateProvince": "ON", "deathCountry": "Canada"}
    player |= {"nameTitle": "Jr.", "nameSuffix": "III", "lastPlayedDate": "2022-10-05", "nickName": "Ace"}
    review = {"isOverturned": False, "inProgress": True, "reviewType": "MA", "challengeTeamId": 109}
    plays[0]["reviewDetails"] = review | {
        "additionalReviews": [review | {"player": {"id": 1}}],
        "player": {"id": 606466},
    }
    event = next(event for play in plays for event in play["playEvents"] if not event["isPitch"])
    event["reviewDetails"] = review | {"additionalReviews": [review]}
    event["details"]["violation"] = {
        "type": "batter_pitch_timer",
        "description": "Batter Pitch Timer Violation",
        "player": {"id": 606466, "fullName": "Ketel Marte"},
    }
    event |= {"umpire": {"id": 427013}, "base": 1, "injuryType": "Hamstring", "replacedPlayer": {"id": 606466}}
    event |= {"battingOrder": "301", "isSubstitution": True, "actionPlayId": "a-b-c", "pitchNumber": 3}
    event["position"] = {"code": "12", "name": "Pinch Runner", "type": "Runner", "abbreviation": "PR"}
    pitch = next(pitches(document))
    pitch["credits"] = [{"player": {"id": 1}, "credit": "f_foul_error"}]
    pitch["details"] |= {"runnerGoing": True, "disengagementNum": 2}
    document["metaData"]["logicalEvents"] = ["midInning", "countChange"]
    document["liveData"]["boxscore"]["topPerformers"][0] |= {"hittingGameScore": 61, "pitchingGameScore": 8.5}


@feed
def players_without_numbers(document: Document) -> None:
    for player in document["gameData"]["players"].values():
        player.pop("primaryNumber", None)
    for team in document["liveData"]["boxscore"]["teams"].values():
        for number, player in enumerate(team["players"].values()):
            player["jerseyNumber"] = "" if number % 2 else None


@feed
def players_of_whom_little_is_known(document: Document) -> None:
    for key, player in document["gameData"]["players"].items():
        document["gameData"]["players"][key] = {"id": player["id"], "fullName": player["fullName"], "height": "unknown"}


@feed
def nulls_within_arrays(document: Document) -> None:
    """An element that is null has no row, and the others keep their positions."""
    live = document["liveData"]
    live["plays"]["allPlays"][1] = None
    live["plays"]["allPlays"][3]["playEvents"][2] = None
    live["plays"]["allPlays"][3]["runners"].insert(0, None)
    live["plays"]["allPlays"][0]["runners"][0]["credits"].insert(0, None)
    live["plays"]["scoringPlays"].insert(0, None)
    live["boxscore"]["officials"].insert(1, None)
    live["boxscore"]["teams"]["away"]["battingOrder"][4] = None
    document["gameData"]["players"]["ID0"] = None


@feed
def events_without_a_kind(document: Document) -> None:
    """Neither pitch nor not: it is no pitch, and nothing is lost."""
    events = document["liveData"]["plays"]["allPlays"][0]["playEvents"]
    events[0].pop("isPitch")
    events[1]["isPitch"] = None


# How programs print


@feed
def numbers_that_went_through_javascript(document: Document) -> None:
    """95.0 became 95 and, in places, 95 became 95.0; big and small ones have exponents."""
    document["gameData"]["gameInfo"]["attendance"] = 2.4441e4
    document["gameData"]["venue"]["location"] |= {"azimuthAngle": 0, "elevation": 1086.0}
    document["gameData"]["venue"]["timeZone"]["offset"] = -7.0
    document["gameData"]["venue"]["fieldInfo"]["capacity"] = 4.8e4
    document["metaData"]["wait"] = 1e1
    for number, event in enumerate(pitches(document)):
        data = event["pitchData"]
        data |= {"startSpeed": round(data["startSpeed"]), "endSpeed": 85.125, "zone": float(data["zone"])}
        data["coordinates"] |= {"pX": 1.5e-7 * number, "pZ": 2, "x": 0.1 + 0.2, "aY": -0.0}
        data["breaks"]["spinRate"] = float(data["breaks"].get("spinRate") or 2100)
        event["count"]["balls"] = float(event["count"]["balls"])
        if "hitData" in event:
            event["hitData"] |= {"launchSpeed": 100, "launchAngle": -0.005, "totalDistance": 1e2}


@feed
def numbers_in_strings(document: Document) -> None:
    for number, team in enumerate(document["gameData"]["teams"].values()):
        team["id"] = str(team["id"])
        team["firstYearOfPlay"] = "" if number else "1977"
        record = team["record"]
        record |= {"wins": "55", "winningPercentage": "1.000", "divisionGamesBack": "-", "leagueGamesBack": "+2.5"}
        record["leagueRecord"] |= {"pct": ".---" if number else ".000"}
    document["gameData"]["game"]["season"] = 2024
    document["gameData"]["weather"] |= {"temp": 78, "wind": "12 mph, Out To CF"}


@feed
def rates_without_a_denominator(document: Document) -> None:
    """A player with no chances has dashes, stars or infinity where a rate stands."""
    nothing = ["-.--", ".---", "-", "*.**", "*", "INF", "", "0.00", ".000", "1.000", "27.00", "108.00", "5.333"]
    for team in document["liveData"]["boxscore"]["teams"].values():
        for number, player in enumerate(team["players"].values()):
            for block in (*player["stats"].values(), *player["seasonStats"].values()):
                for key, value in block.items():
                    if isinstance(value, str) and key not in ("summary", "note", "inningsPitched"):
                        block[key] = nothing[number % len(nothing)]


@feed
def weather_that_is_not_known(document: Document) -> None:
    document["gameData"]["weather"] = {"condition": "Unknown", "temp": "", "wind": ""}


@feed
def wind_of_other_words(document: Document) -> None:
    document["gameData"]["weather"] = {"condition": "Dome", "temp": "Unknown", "wind": "Calm"}


@feed
def wind_without_a_direction(document: Document) -> None:
    document["gameData"]["weather"] |= {"wind": "3 mph"}


@feed
def names_of_every_script(document: Document) -> None:
    names = [
        "José Ramírez",
        "大谷 翔平",
        'Ægir O\'Neil-"Ace"',
        "류현진",
        "Zoë\u0301 \U0001f9e2",
        "\u05d0\u05d1",
        "a\\b\n\tc",
    ]
    for number, player in enumerate(document["gameData"]["players"].values()):
        player |= {"fullName": names[number % len(names)], "nickName": names[-1 - number % len(names)]}
    for number, play in enumerate(document["liveData"]["plays"]["allPlays"]):
        play["result"]["description"] = names[number % len(names)] * 200
        play["matchup"]["batter"]["fullName"] = names[number % len(names)]
    document["gameData"]["venue"]["name"] = "Estadio Alfredo Harp Helú – ¡México! }{ [] , : null"


@feed
def fields_nobody_knows(document: Document) -> None:
    """New keys at every level, some named like columns, some holding what looks like rows."""
    new = {"id": -1, "runs": "x", "game_pk": "y", "nested": {"deep": [[1], {}, None]}}
    document |= {"newBranch": new, "row_id": 5, "origin": "elsewhere"}
    document["gameData"] |= {"newBranch": new, "teams": document["gameData"]["teams"] | {"third": new}}
    document["liveData"]["boxscore"]["teams"] |= {"third": new}
    document["liveData"]["linescore"]["innings"][0]["third"] = new
    for play in document["liveData"]["plays"]["allPlays"]:
        play |= {"newBranch": new, "game_date": "nonsense"}
        for event in play["playEvents"]:
            event["newBranch"] = [new, new]


@feed
def keys_in_another_order(document: Document) -> None:
    backwards(document)


def backwards(item: Any) -> None:
    """Turn the order of keys around, at every level."""
    if isinstance(item, dict):
        for key in reversed(list(item)):
            item[key] = item.pop(key)
    for child in item.values() if isinstance(item, dict) else item if isinstance(item, list) else ():
        backwards(child)


# Values of their own: no two facts are alike, so that a column read from a wrong place shows


def complete(real: Document) -> Document:
    """Return the feed with all facts that it lacks put in, so that no column is null everywhere."""
    document = altered(altered(real, season_of_2026), rare_facts)
    document["copyright"] = "c"
    live = document["liveData"]
    live["decisions"]["save"] = {"id": 1, "fullName": "a"}
    complete_linescore(live["linescore"])
    complete_boxscore(live["boxscore"])
    review = {"isOverturned": True, "inProgress": True, "reviewType": "a", "challengeTeamId": 1, "player": {"id": 1}}
    for play in live["plays"]["allPlays"]:
        play["reviewDetails"] = review | {"additionalReviews": [dict(review)]}
        for event in play["playEvents"]:
            event["reviewDetails"] = copy.deepcopy(play["reviewDetails"])
            event["details"] |= {"isInPlay": True, "isStrike": True, "isBall": True, "fromCatcher": True}
            event["details"] |= {"code": "a", "call": {"code": "a", "description": "a"}, "disengagementNum": 1}
        for runner in play["runners"]:
            runner["movement"] = dict.fromkeys(("originBase", "start", "end", "outBase"), "a")
            runner["movement"] |= {"isOut": True, "outNumber": 1}
            runner["details"] |= {"movementReason": "a", "responsiblePitcher": {"id": 1}}
    return document


def complete_linescore(linescore: Document) -> None:
    """Put a runner on third, and say who won."""
    linescore["copyright"] = "c"
    linescore["offense"]["third"] = {"id": 1, "fullName": "a"}
    for total in linescore["teams"].values():
        total["isWinner"] = True


def complete_boxscore(box: Document) -> None:
    """Give every player all statistics that any player has, and performers both scores."""
    box["copyright"] = "c"
    for performer in box["topPerformers"]:
        performer |= {"hittingGameScore": 1, "pitchingGameScore": 1}
    players = [player for team in box["teams"].values() for player in team["players"].values()]
    for block in ("stats", "seasonStats"):
        for kind in ("batting", "pitching", "fielding"):
            known = {key: value for player in players for key, value in player[block][kind].items()}
            for player in players:
                player[block][kind] = known | player[block][kind]


#: What decides about the shape of tables, or has a meaning of its own, stays.
KEPT = {"isPitch", "timeStamp", "gamePk"}


def values_of_its_own(real: Document, number: int) -> Document:
    """Return the document with another value for every fact, each of its kind.

    Truths can't all differ within one document: each has a binary number, of which document ``number`` shows one digit.
    """
    document = copy.deepcopy(real)
    facts = list(_facts(document))
    truths = 0
    for order, (holder, key) in enumerate(facts, start=1):
        value = holder[key]
        if isinstance(value, bool) or key == "halfInning":
            truths += 1
            is_so = bool(truths >> number & 1)
            holder[key] = is_so if isinstance(value, bool) else "top" if is_so else "bottom"
        else:
            holder[key] = _another(value, order)
    return document


def _facts(item: Any) -> Iterator[tuple[Any, Any]]:
    """Return (object or array, key or position) of every value that is neither object, array nor null."""
    for key, value in list(item.items() if isinstance(item, dict) else enumerate(item)):
        if isinstance(value, (dict, list)):
            yield from _facts(value)
        elif value is not None and key not in KEPT:
            yield item, key


def _another(value: Any, order: int) -> Any:
    """Return a value of the same kind that no other ``order`` gives."""
    if isinstance(value, int):
        return order
    if isinstance(value, float):
        return order % 999 + order // 999 / 100
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return (date(1950, 1, 1) + timedelta(days=order)).isoformat()
    if re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", value):
        return f"{(datetime(2024, 1, 1) + timedelta(seconds=order)).isoformat()}.000Z"
    if re.fullmatch(r"\d+", value):
        return str(1000 + order % 9000)
    if value in NO_RATE or re.fullmatch(r"\d*\.\d+", value):
        return f"{order % 10000}.5"
    if re.fullmatch(r"\d' \d+\"", value):
        return f"{order}' 1\""
    return f"{order} mph, {order:x}" if value.endswith(" mph, None") else f"{order:x}"


# Branches that are null or not there


#: Paths; ``*`` is every element, of which every second one is altered.
BRANCHES = [
    "metaData",
    "gameData.game",
    "gameData.datetime",
    "gameData.status",
    "gameData.venue",
    "gameData.venue.location",
    "gameData.venue.location.defaultCoordinates",
    "gameData.venue.timeZone",
    "gameData.venue.fieldInfo",
    "gameData.officialVenue",
    "gameData.weather",
    "gameData.gameInfo",
    "gameData.review",
    "gameData.review.away",
    "gameData.flags",
    "gameData.alerts",
    "gameData.probablePitchers",
    "gameData.probablePitchers.home",
    "gameData.officialScorer",
    "gameData.primaryDatacaster",
    "gameData.moundVisits",
    "gameData.players",
    "gameData.players.*.primaryPosition",
    "gameData.players.*.batSide",
    "gameData.players.*.pitchHand",
    "gameData.players.*.height",
    "gameData.teams.home.record",
    "gameData.teams.away.record.leagueRecord",
    "gameData.teams.*.division",
    "gameData.teams.*.springLeague",
    "gameData.teams.*.venue",
    "liveData",
    "liveData.decisions",
    "liveData.decisions.winner",
    "liveData.linescore",
    "liveData.linescore.innings",
    "liveData.linescore.teams",
    "liveData.linescore.teams.away",
    "liveData.linescore.offense",
    "liveData.linescore.defense",
    "liveData.boxscore",
    "liveData.boxscore.officials",
    "liveData.boxscore.officials.*.official",
    "liveData.boxscore.topPerformers",
    "liveData.boxscore.topPerformers.*.player",
    "liveData.boxscore.teams",
    "liveData.boxscore.teams.away",
    "liveData.boxscore.teams.home.team",
    "liveData.boxscore.teams.home.players",
    "liveData.boxscore.teams.home.battingOrder",
    "liveData.boxscore.teams.away.bench",
    "liveData.boxscore.teams.away.bullpen",
    "liveData.boxscore.teams.home.pitchers",
    "liveData.boxscore.teams.home.teamStats",
    "liveData.boxscore.teams.away.players.*.position",
    "liveData.boxscore.teams.away.players.*.allPositions",
    "liveData.boxscore.teams.away.players.*.status",
    "liveData.boxscore.teams.away.players.*.gameStatus",
    "liveData.boxscore.teams.away.players.*.stats",
    "liveData.boxscore.teams.home.players.*.seasonStats",
    "liveData.boxscore.teams.home.players.*.seasonStats.batting",
    "liveData.plays",
    "liveData.plays.allPlays",
    "liveData.plays.scoringPlays",
    "liveData.plays.allPlays.*.result",
    "liveData.plays.allPlays.*.about",
    "liveData.plays.allPlays.*.count",
    "liveData.plays.allPlays.*.matchup",
    "liveData.plays.allPlays.*.matchup.batter",
    "liveData.plays.allPlays.*.playEvents",
    "liveData.plays.allPlays.*.runners",
    "liveData.plays.allPlays.*.playEvents.*.details",
    "liveData.plays.allPlays.*.playEvents.*.count",
    "liveData.plays.allPlays.*.playEvents.*.pitchData",
    "liveData.plays.allPlays.*.playEvents.*.pitchData.coordinates",
    "liveData.plays.allPlays.*.playEvents.*.pitchData.breaks",
    "liveData.plays.allPlays.*.playEvents.*.hitData",
    "liveData.plays.allPlays.*.playEvents.*.hitData.coordinates",
    "liveData.plays.allPlays.*.runners.*.movement",
    "liveData.plays.allPlays.*.runners.*.details",
    "liveData.plays.allPlays.*.runners.*.details.runner",
    "liveData.plays.allPlays.*.runners.*.credits",
    "liveData.plays.allPlays.*.runners.*.credits.*.player",
    "liveData.plays.allPlays.*.runners.*.credits.*.position",
]


def put_null(document: Document, path: str) -> None:
    for holder, key in places(document, path):
        holder[key] = None


def take_away(document: Document, path: str) -> None:
    for holder, key in places(document, path):
        holder.pop(key)


def places(document: Document, path: str) -> list[tuple[Document, str]]:
    """Return (the object that holds it, its key) for what a path leads to: every second one where there are several."""
    *way, key = path.split(".")
    holders = [document]
    for step in way:
        holders = [child for holder in holders for child in _below(holder, step)]
    found = [(holder, key) for holder in holders if key in holder]
    assert found, f"the real feed has no {path}"
    return found[::2]


def _below(holder: Any, step: str) -> list[Any]:
    if step == "*":
        return [*holder.values()] if isinstance(holder, dict) else [*holder]
    return [holder[step]] if step in holder else []
