"""What people fetch: one document, a season, days with their games, a game as it is played."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from mlbsdk.plugin import ConfigurationError, FetchError
from mlbsdk_plugin_statsapi import games
from mlbsdk_plugin_statsapi.client import NotThereError
from mlbsdk_plugin_statsapi.endpoints import Request, request
from mlbsdk_plugin_statsapi.fetcher import Fetcher, never
from mlbsdk_plugin_statsapi.options import FetchOptions
from mlbsdk_plugin_statsapi.progress import Progress
from mlbsdk_plugin_statsapi.report import FetchReport

#: sportId of Major League Baseball.
_MLB = 1
#: So long may the API fail while a game is followed.
_PATIENCE_S = 600.0
_VENUES = "venue(location,timezone,fieldInfo)"


def fetch(
    name: str,
    params: Mapping[str, object] | None = None,
    *,
    options: FetchOptions | None = None,
    progress: Progress | None = None,
) -> FetchReport:
    """Fetch one document.

    Args:
        name: ``game.live_game_v1``, ``schedule.schedule``, ... or a method's own name: ``game.liveGameV1``.
        params: values by the API's names of parameters.
        options: from where, to where, how.
        progress: what a person sees.

    Returns:
        What happened; ``status`` is "failed" where the API has no such document or did not answer.

    Raises:
        ConfigurationError: there is no such method or parameter, or an option is wrong.
        WriteError: the store can't be written.
    """
    asked = request(name, params or {})
    with _fetcher(str(asked.raw), options, progress) as fetcher:
        fetcher.show(name)
        _only(fetcher, asked)
    return fetcher.report


def fetch_season(
    season: int | str,
    *,
    start: date | str | None = None,
    end: date | str | None = None,
    with_games: bool = False,
    options: FetchOptions | None = None,
    progress: Progress | None = None,
) -> FetchReport:
    """Fetch a season's dates, and its teams with their ballparks; and, if asked for, all its days with their games.

    Args:
        season: the year.
        start: the first day; None: the season's. It may not be after ``end``.
        end: the last day; None: the season's, or today where that is earlier.
        with_games: whether the days from ``start`` to ``end`` are fetched as :func:`fetch_day` does.
        options: from where, to where, how.
        progress: what a person sees.

    Returns:
        What happened; raises as :func:`fetch`.
    """
    first, last = _day(start, "--start"), _day(end, "--end")
    if first and last and first > last:
        raise ConfigurationError(f"--start {first} is after --end {last}")
    about = request("season.seasons", {"seasonId": season, "sportId": _MLB})
    teams = request("team.teams", {"sportId": _MLB, "season": season, "hydrate": _VENUES})
    with _fetcher(f"season {season}", options, progress) as fetcher:
        fetcher.show(f"season {season}", 0, 2)
        found = fetcher.document(about, read=True)
        fetcher.show(f"season {season}", 1, 2)
        fetcher.document(teams)
        dates = games.season_dates(found.parsed) if found else None
        if not with_games:
            _note_outside(fetcher, season, dates, first, last)
        elif (first or dates) and (last or dates):
            first = first or (dates or (fetcher.clock.now().date(),) * 2)[0]
            last = last or min((dates or (first, first))[1], fetcher.clock.now().date())
            _days(fetcher, first, (last - first).days + 1, not_begun=False)
        elif found:
            fetcher.failed(FetchError(f"the season {season} has no dates", fix="Give --start and --end."))
    return fetcher.report


def fetch_day(
    day: date | str,
    *,
    days: int = 1,
    not_begun: bool = False,
    options: FetchOptions | None = None,
    progress: Progress | None = None,
) -> FetchReport:
    """Fetch the schedule of some days, then each of their games that has begun or is over, where it changed.

    Games that are stored and final are not asked for again.

    Args:
        day: the first day.
        days: how many.
        not_begun: whether games that have not begun, are postponed or cancelled are asked for too.
        options: from where, to where, how.
        progress: what a person sees.

    Returns:
        What happened; raises as :func:`fetch`.
    """
    first = _day(day, "--date")
    if first is None or days < 1:
        raise ConfigurationError(f"--days is {days}: that is no day", fix="Give 1 or more.")
    name = f"day {first}" if days == 1 else f"{days} days from {first}"
    with _fetcher(name, options, progress) as fetcher:
        _days(fetcher, first, days, not_begun=not_begun)
    return fetcher.report


def fetch_game(
    game_pk: int | str,
    *,
    follow: bool = False,
    every_s: float = 30.0,
    until: str = "Final",
    options: FetchOptions | None = None,
    progress: Progress | None = None,
) -> FetchReport:
    """Fetch a game's live feed once, or again and again until it is over; only captures that changed are stored.

    Args:
        game_pk: the game.
        follow: whether to go on until the state is ``until``. It ends too when the game is called off or suspended.
        every_s: seconds from one request to the next.
        until: a detailed or abstract state: ``Final`` (the default: the result is official), ``Game Over``, ``Live``.
        options: from where, to where, how.
        progress: what a person sees.

    Returns:
        What happened; raises as :func:`fetch`.
    """
    if every_s <= 0:
        raise ConfigurationError(f"--every is {every_s:g} s; it must be longer than nothing")
    if not until.strip():
        raise ConfigurationError("--until is empty", fix="Give a state, such as Final.")
    asked = _game(game_pk)
    with _fetcher(f"game {game_pk}", options, progress) as fetcher:
        fetcher.show(f"game {game_pk}")
        if follow:
            _follow(fetcher, asked, every_s, until)
        else:
            _only(fetcher, asked)
    return fetcher.report


def _fetcher(name: str, options: FetchOptions | None, progress: Progress | None) -> Fetcher:
    return Fetcher(name, options or FetchOptions(), progress or Progress())


def _only(fetcher: Fetcher, asked: Request) -> None:
    """Fetch the one document that was asked for: where it is not there, that is a failure."""
    is_game = asked.raw.endpoint == "game" and asked.raw.method == "liveGameV1" and not asked.raw.query_params
    if fetcher.document(asked, _game_is_final if is_game else never) is None and fetcher.report.missing:
        fetcher.failed(FetchError(fetcher.report.notes.pop()))


def _days(fetcher: Fetcher, first: date, days: int, *, not_begun: bool) -> None:
    asked_for: set[int] = set()
    for number in range(days):
        day = first + timedelta(days=number)
        fetcher.show(str(day), number, days)

        def is_settled(parsed: Any, captured_at: datetime, day: date = day) -> bool:
            return games.is_settled(parsed, day, captured_at)

        asked = request("schedule.schedule", {"sportId": _MLB, "date": day.isoformat()})
        schedule = fetcher.document(asked, is_settled, read=True)
        if schedule is None:
            continue
        # A game may be listed twice on a date, and again on another one.
        listed = {game.game_pk: game for game in games.listed(schedule.parsed) if game.game_pk not in asked_for}
        wanted = {key: _game(key) for key, game in listed.items() if not_begun or game.state.has_begun}
        fetcher.report.skipped += len(listed) - len(wanted)
        fetcher.prepare(wanted.values())
        for game_pk, game in wanted.items():
            fetcher.show(f"{day}, game {game_pk}", number, days)
            fetcher.document(game, _game_is_final)
        asked_for |= set(wanted)


def _follow(fetcher: Fetcher, asked: Request, every_s: float, until: str) -> None:
    clock = fetcher.clock
    answered = clock.monotonic()
    state: games.State | None = None
    polls = 0
    while True:
        begun = clock.monotonic()
        polls += 1
        try:
            found = fetcher.ask(asked, _game_is_final, read=state is None)
        except NotThereError as problem:
            fetcher.report.missing += 1
            fetcher.failed(problem)
            return
        except FetchError as problem:
            if clock.monotonic() - answered > _PATIENCE_S:
                fetcher.failed(problem)
                return
            fetcher.report.notes.append(f"went on after an error: {problem.message}")
        else:
            fetcher.flush()
            answered = clock.monotonic()
            state = games.feed_state(found.parsed) if found.parsed is not None else state
            fetcher.show(f"{asked.raw}, {state.detailed if state else ''}", polls, None)
            if state is not None and _ends(fetcher, state, until):
                return
        clock.sleep(max(0.0, every_s - (clock.monotonic() - begun)))


def _ends(fetcher: Fetcher, state: games.State, until: str) -> bool:
    if state.meets(until) or state.is_final:
        return True
    if state.is_called_off or state.is_suspended:
        fetcher.report.notes.append(f"the game is {state.detailed or 'called off'}: it is not followed any longer")
        return True
    return False


def _game(game_pk: int | str) -> Request:
    return request("game.liveGameV1", {"game_pk": _whole_number(game_pk)})


def _game_is_final(parsed: Any, captured_at: datetime) -> bool:
    return games.feed_state(parsed).is_final


def _note_outside(
    fetcher: Fetcher, season: int | str, dates: tuple[date, date] | None, first: date | None, last: date | None
) -> None:
    """Tell of days that are not in the season: a wrong year is seen before all its days are fetched."""
    if dates is not None and ((last and last < dates[0]) or (first and first > dates[1])):
        fetcher.report.notes.append(
            f"the season {season} is from {dates[0]} to {dates[1]}, the days asked for are not in it"
        )


def _whole_number(game_pk: int | str) -> str:
    text = str(game_pk).strip()
    if not text.isdecimal():
        raise ConfigurationError(f"--game-pk is '{text}', which is no game's number", fix="Write it as 747175.")
    return text


def _day(value: date | str | None, option: str) -> date | None:
    if value is None or isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value.strip())
    except ValueError:
        raise ConfigurationError(f"{option} is '{value}', which is no date", fix="Write it as 2024-07-01.") from None
