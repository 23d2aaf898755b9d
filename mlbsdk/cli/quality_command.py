"""``mlbsdk quality``: check, profile and suggest for the tables of a target, and their figures over time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlbsdk.cli.columns import aligned
from mlbsdk.cli.report_command import replay, report

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mlbsdk.quality.metrics import Figure
    from mlbsdk.quality.profile import ColumnProfile, TableProfile
    from mlbsdk.runtime.table_quality import TableCheck, TableQuality
    from mlbsdk.settings import Settings

GATE_CLOSED = 3
#: Characters of a value and of a reason, and values of a histogram, that a person is shown.
_WIDTH, _LONG, _VALUES = 40, 200, 3

app = typer.Typer(help="Check stored tables, see what runs found, and try refused rows again.", no_args_is_help=True)
app.command("report")(report)
app.command("replay")(replay)
Tables = Annotated[list[str], typer.Argument(metavar="TABLE...", help="Tables of a mapping, or patterns: 'game.*'.")]
OneTable = Annotated[str, typer.Argument(metavar="TABLE", help="Such as game.live_game_plays.")]
Target = Annotated[
    str | None,
    typer.Option(help="delta:PATH, parquet:PATH, avro:PATH or postgresql://... Default: as for 'mlbsdk run'."),
]
MappingOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE", help="The mapping whose rules hold. Default: the installed one that has the table."
    ),
]
EngineOption = Annotated[str, typer.Option(metavar="ENGINE", help="native, or a plugin's engine such as deequ.")]
HistoryOption = Annotated[
    str | None,
    typer.Option(metavar="FOLDER", help="Where figures are kept. Default: below the target; a database has no place."),
]
Keep = Annotated[bool, typer.Option("--keep/--no-keep", help="Whether the figures are added to the history.")]
Config = Annotated[Path | None, typer.Option(help="Settings file. Default: mlbsdk.yaml, if there is one.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON object to standard output.")]


@app.command("check")
def check(
    tables: Tables,
    target: Target = None,
    mapping: MappingOption = None,
    engine: EngineOption = "native",
    examples: Annotated[int, typer.Option(min=0, max=100, help="Failing rows that are shown of each check.")] = 3,
    keep: Keep = True,
    history: HistoryOption = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Judge stored tables by the rules of their mapping; exit code 3 where a check of severity error fails."""
    from mlbsdk.plugins import Plugins
    from mlbsdk.runtime.table_quality import chosen_tables, known_tables

    plugins = Plugins.load()
    chosen = chosen_tables(tables, known_tables(mapping, plugins))
    quality, spark = _started(target, engine, history, config, plugins)
    found = []
    for table in chosen:
        found.append(quality.check(spark, table, examples))
        if keep:
            _kept(lambda: quality.keep(found[-1]))
    if as_json:
        _print_json(quality, tables=[_check_json(one) for one in found])
    else:
        for one in found:
            _show_check(one)
    if any(one.errors for one in found):
        raise typer.Exit(GATE_CLOSED)


@app.command("profile")
def profile(
    table: OneTable,
    target: Target = None,
    engine: EngineOption = "native",
    keep: Keep = True,
    history: HistoryOption = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Describe the columns of a stored table: how complete, how many values, which, least, greatest, mean, spread."""
    from mlbsdk.plugins import Plugins

    quality, spark = _started(target, engine, history, config, Plugins.load())
    found = quality.profile(spark, table)
    unusual = quality.unusual(found)
    if keep:
        _kept(lambda: quality.keep(found))
    if as_json:
        _print_json(quality, table=found.table, rows=found.rows, columns=_columns_json(found), unusual=unusual)
        return
    typer.echo(f"{found.table}: {found.rows} rows")
    heads = ("COLUMN", "TYPE", "COMPLETE", "DISTINCT", "MINIMUM", "MAXIMUM", "MEAN", "STD DEV", "MOST FREQUENT")
    typer.echo("\n".join(aligned([heads, *(_profile_row(column) for column in found.columns)])))
    for text in unusual:
        typer.echo(f"warning: {text}", err=True)


@app.command("suggest")
def suggest(
    table: OneTable,
    target: Target = None,
    mapping: MappingOption = None,
    engine: Annotated[
        str | None,
        typer.Option(metavar="ENGINE", help="Default: deequ where its plugin is installed and works, else native."),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Print rules that a stored table keeps and its mapping does not have, as YAML for its data_quality."""
    import yaml

    from mlbsdk.plugins import Plugins
    from mlbsdk.runtime.table_quality import chosen_tables, known_tables, working_engine

    plugins = Plugins.load()
    (chosen,) = chosen_tables([table], known_tables(mapping, plugins))[:1]
    wanted = engine or working_engine("deequ", plugins)
    quality, spark = _started(target, wanted, None, config, plugins)
    rules = [rule.to_mapping() for rule in quality.suggest(spark, chosen)]
    if as_json:
        _print_json(quality, table=chosen.name, data_quality=rules)
        return
    typer.echo(f"# Rules that {chosen.name} suggests by {wanted}: keep those that hold for ever.")
    typer.echo(yaml.safe_dump({"data_quality": rules}, sort_keys=False, allow_unicode=True, width=120), nl=False)


@app.command("history")
def history_of(
    table: OneTable,
    target: Target = None,
    metric: Annotated[str | None, typer.Option(help="Such as compliance, completeness, mean or rows.")] = None,
    of: Annotated[str | None, typer.Option(metavar="NAME", help="Only figures of this check or column.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many figures, the newest.")] = 50,
    history: HistoryOption = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show the figures that checks, profiles and runs have kept of a table, the newest last. Starts no Java."""
    from mlbsdk.errors import ConfigurationError
    from mlbsdk.plugins import Plugins
    from mlbsdk.runtime.storage import Storages
    from mlbsdk.runtime.table_quality import TableQuality

    settings = _settings(target, config)
    plugins = Plugins.load()
    storages = Storages(plugins, settings.storage)
    figures = TableQuality(settings.target, plugins=plugins, history=history, storages=storages).figures
    if figures is None:
        raise ConfigurationError("this target has no place for figures", fix="Name it: --history FOLDER.")
    storages.check()
    found = [one for one in figures.of([table], metric) if of is None or one.instance == of][-limit:]
    if as_json:
        listed = [_figure_json(one) for one in found]
        typer.echo(json.dumps({"version": 1, "table": table, "figures": listed}))
        return
    if not found:
        typer.echo(f"no figures of '{table}' are kept: 'mlbsdk quality check' and 'profile' keep some", err=True)
        return
    rows = [("RECORDED (UTC)", "SCOPE", "ENGINE", "METRIC", "OF", "VALUE")]
    rows += [
        (f"{one.recorded_at:%Y-%m-%d %H:%M:%S}", one.scope, one.engine, one.metric, one.instance, f"{one.value:.6g}")
        for one in found
    ]
    typer.echo("\n".join(aligned(rows)))


def _settings(target: str | None, config: Path | None) -> Settings:
    from mlbsdk.settings import load_settings

    return load_settings(config, {"target": target})


def _started(
    target: str | None, engine: str, history: str | None, config: Path | None, plugins: Any
) -> tuple[TableQuality, SparkSession]:
    """Return what looks at the target's tables, and a session with what it needs."""
    from mlbsdk.runtime.session import session
    from mlbsdk.runtime.storage import Storages
    from mlbsdk.runtime.table_quality import TableQuality

    settings = _settings(target, config)
    quality = TableQuality(settings.target, engine, plugins, history, Storages(plugins, settings.storage))
    quality.require_tables()
    return quality, session(quality.needs, settings.spark, settings.spark_log)


def _kept(keep: Callable[[], None]) -> None:
    """Keep figures; where that can't be done the result is as good, so it is only told."""
    from deltalake.exceptions import DeltaError

    try:
        keep()
    except (OSError, DeltaError) as problem:
        typer.echo(f"warning: the figures could not be kept: {problem}", err=True)


def _print_json(quality: TableQuality, **more: Any) -> None:
    from mlbsdk.errors import redact

    found = {"version": 1, "target": redact(quality.target), "engine": quality.engine} | more
    typer.echo(json.dumps(found, default=str))


def _check_json(one: TableCheck) -> dict[str, Any]:
    checks = [
        {
            "check": result.check,
            "severity": result.severity,
            "failed": result.failed,
            "reason": one.reason(result.check),
            "examples": one.examples.get(result.check, []),
        }
        for result in one.verification.results
    ]
    return {
        "table": one.table.name,
        "rows": one.verification.rows,
        "passed": not one.errors,
        "checks": checks,
        "unusual": list(one.unusual),
    }


def _show_check(one: TableCheck) -> None:
    count = len(one.verification.results)
    failed = f"{len(one.failed)} of {count} checks failed" if one.failed else f"all {count} checks passed"
    typer.echo(f"{one.table.name}: {one.verification.rows} rows, {failed}")
    for result in one.failed:
        reason = _shown(one.reason(result.check), _LONG) if one.reason(result.check) else ""
        typer.echo(f"  {result.severity}: {result.check}: {result.failed} rows{f' ({reason})' if reason else ''}")
        for row in one.examples.get(result.check, []):
            typer.echo("    " + ", ".join(f"{name}={_shown(value)}" for name, value in row.items()))
    for text in one.unusual:
        typer.echo(f"warning: {text}", err=True)


def _columns_json(found: TableProfile) -> list[dict[str, Any]]:
    from dataclasses import asdict

    columns = []
    for column in found.columns:
        histogram = None
        if column.histogram is not None:
            histogram = [{"value": value, "rows": rows} for value, rows in column.histogram]
        columns.append({**asdict(column), "histogram": histogram})
    return columns


def _profile_row(column: ColumnProfile) -> tuple[str, ...]:
    figures = (column.minimum, column.maximum, column.mean, column.standard_deviation)
    frequent = ", ".join(f"{_shown(value)} ({rows})" for value, rows in (column.histogram or ())[:_VALUES])
    return (
        column.name,
        column.type,
        f"{100 * column.completeness:.1f} %",
        str(column.distinct),
        *("" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value) for value in figures),
        frequent,
    )


def _figure_json(one: Figure) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(one) | {"recorded_at": one.recorded_at.isoformat().replace("+00:00", "Z")}


def _shown(value: object, width: int = _WIDTH) -> str:
    """Return a value on one line; long ones are cut, and control characters can't reach the terminal."""
    text = "null" if value is None else str(value)
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= width else text[: width - 3] + "..."
