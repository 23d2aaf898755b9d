"""``mlbsdk fetch``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mlbsdk.plugin import ConfigurationError, MlbsdkError, aligned, did_you_mean, seconds_of
from mlbsdk_plugin_statsapi.options import DEFAULT_RATE, VARIABLE, FetchOptions
from mlbsdk_plugin_statsapi.progress import Progress
from mlbsdk_plugin_statsapi.report import FetchReport

_ONE = "endpoint.method"


class FetchGroup(TyperGroup):
    """Sub-commands, and any ``ENDPOINT.METHOD`` in their place."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # typer brings a click of its own, or takes another
        """Return the command to run: a name with a dot is a method of the API."""
        name = args[0]
        if name not in self.commands and "." in name:
            return name, self.commands[_ONE], args
        if name not in self.commands and not name.startswith("-"):
            known = [each for each in self.commands if each != _ONE]
            raise ConfigurationError(
                f"'mlbsdk fetch' has no '{name}'.{did_you_mean(name, known)}",
                fix=f"Name one of {', '.join(known)}, or a method such as game.live_game_v1.",
            )
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=FetchGroup, no_args_is_help=True, rich_markup_mode=None)

_To = Annotated[
    str,
    typer.Option(
        help="A folder of captures, s3a://BUCKET/PATH, delta:PATH, avro:PATH, or postgresql://USER@HOST/DATABASE."
    ),
]
_Url = Annotated[
    str | None, typer.Option(metavar="URL", help=f"Address of the API. Default: ${VARIABLE}, else the real one.")
]
_Rate = Annotated[str, typer.Option(metavar="N/s", help="Requests at most, such as 5/s or 30/m.")]
_Timeout = Annotated[str, typer.Option(help="How long the API may keep silent, such as 30s.")]
_Attempts = Annotated[int, typer.Option(help="How often a request is tried.")]
_Again = Annotated[bool, typer.Option("--again", help="Ask also for what is stored and final.")]
_Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object to standard output, and nothing else there.")
]


@app.callback()
def _group() -> None:
    """Ask the StatsAPI, and keep its responses in a raw store, as they came.

    mlbsdk fetch ENDPOINT.METHOD --param NAME=VALUE ... asks for one document: game.live_game_v1, schedule.schedule,
    person.person, team.roster, or any method of the API by its own name.
    """


@app.command(_ONE, hidden=True)
def one(
    name: Annotated[str, typer.Argument(help="A method, such as game.live_game_v1.")],
    param: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter. May be repeated.")] = None,
    to: _To = "captures",
    base_url: _Url = None,
    rate: _Rate = DEFAULT_RATE,
    timeout: _Timeout = "30s",
    attempts: _Attempts = 5,
    again: _Again = False,
    as_json: _Json = False,
) -> None:
    """Fetch one document."""
    from mlbsdk_plugin_statsapi.composites import fetch

    options = _options(to, base_url, rate, timeout, attempts, again)
    params = _params(param or [])
    _run(as_json, lambda progress: fetch(name, params, options=options, progress=progress))


@app.command("season")
def season(
    season: Annotated[int, typer.Option(help="The year.")],
    start: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="First day.")] = None,
    end: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Last day.")] = None,
    games: Annotated[
        bool, typer.Option("--games", help="Fetch all days from --start to --end too, by default the whole season.")
    ] = False,
    to: _To = "captures",
    base_url: _Url = None,
    rate: _Rate = DEFAULT_RATE,
    timeout: _Timeout = "30s",
    attempts: _Attempts = 5,
    again: _Again = False,
    as_json: _Json = False,
) -> None:
    """Fetch a season's dates, and its teams with their ballparks; with --games all its days as well.

    Interrupted, it goes on where it was when it is called again.
    """
    from mlbsdk_plugin_statsapi.composites import fetch_season

    options = _options(to, base_url, rate, timeout, attempts, again)
    _run(
        as_json,
        lambda progress: fetch_season(
            season, start=start, end=end, with_games=games, options=options, progress=progress
        ),
    )


@app.command("day")
def day(
    date: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="The first day.")],
    days: Annotated[int, typer.Option(help="How many days.")] = 1,
    not_begun: Annotated[
        bool, typer.Option("--not-begun", help="Ask also for games that have not begun or were called off.")
    ] = False,
    to: _To = "captures",
    base_url: _Url = None,
    rate: _Rate = DEFAULT_RATE,
    timeout: _Timeout = "30s",
    attempts: _Attempts = 5,
    again: _Again = False,
    as_json: _Json = False,
) -> None:
    """Fetch the schedule of some days, then each of their games that has begun, where it changed."""
    from mlbsdk_plugin_statsapi.composites import fetch_day

    options = _options(to, base_url, rate, timeout, attempts, again)
    _run(
        as_json,
        lambda progress: fetch_day(date, days=days, not_begun=not_begun, options=options, progress=progress),
    )


@app.command("game")
def game(
    game_pk: Annotated[str, typer.Option(help="The game.")],
    follow: Annotated[bool, typer.Option("--follow", help="Ask again and again until the game is over.")] = False,
    every: Annotated[str, typer.Option(help="With --follow: from one request to the next, such as 30s.")] = "30s",
    until: Annotated[
        str, typer.Option(help="With --follow: the state to wait for. Final: the result is official.")
    ] = "Final",
    to: _To = "captures",
    base_url: _Url = None,
    rate: _Rate = DEFAULT_RATE,
    timeout: _Timeout = "30s",
    attempts: _Attempts = 5,
    again: _Again = False,
    as_json: _Json = False,
) -> None:
    """Fetch a game's live feed, once or until it is over; only captures that changed are stored."""
    from mlbsdk_plugin_statsapi.composites import fetch_game

    options = _options(to, base_url, rate, timeout, attempts, again)
    every_s = seconds_of(every, "--every")
    _run(
        as_json,
        lambda progress: fetch_game(
            game_pk, follow=follow, every_s=every_s, until=until, options=options, progress=progress
        ),
    )


def _options(to: str, base_url: str | None, rate: str, timeout: str, attempts: int, again: bool) -> FetchOptions:
    return FetchOptions(
        to=to, base_url=base_url, rate=rate, timeout_s=seconds_of(timeout, "--timeout"), attempts=attempts, again=again
    )


def _params(given: list[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise ConfigurationError(f"--param is NAME=VALUE, such as game_pk=747175, not '{text}'")
        if name in found:
            raise ConfigurationError(f"--param {name} is given twice", fix=f"Several values: {name}=A,B.")
        found[name] = value
    return found


def _run(as_json: bool, work: Callable[[Progress], FetchReport]) -> None:
    progress = Progress(quiet=as_json)
    try:
        report = work(progress)
    except (MlbsdkError, KeyboardInterrupt) as problem:
        if as_json:
            typer.echo(json.dumps(_interrupted(progress.report, problem)))
        elif progress.report is not None:
            _show(progress.report)
        raise
    if as_json:
        typer.echo(json.dumps(report.to_json()))
    else:
        _show(report)
    if report.status != "completed":
        raise typer.Exit(1)


def _interrupted(report: FetchReport | None, problem: BaseException) -> dict[str, Any]:
    known: dict[str, Any] = report.to_json() if report else {"version": 1, "status": "failed", "errors": []}
    reasons = [str(problem)] if isinstance(problem, MlbsdkError) else ["stopped"]
    return {**known, "errors": [*known["errors"], *reasons]}


def _show(report: FetchReport) -> None:
    columns = ("stored", "unchanged", "skipped", "missing", "failed", "requests", "retries")
    head = tuple(name.upper() for name in columns)
    for line in aligned([head, tuple(str(getattr(report, name)) for name in columns)]):
        typer.echo(line)
    typer.echo(f"{report.name}: {report.status} in {report.duration_s:.1f} s. Stored in {_shown(report.to)}")
    for text in report.notes:
        typer.echo(f"note: {text}", err=True)
    for text in report.errors:
        typer.echo(f"error: {text}", err=True)


def _shown(address: str) -> str:
    return MlbsdkError(address).message
