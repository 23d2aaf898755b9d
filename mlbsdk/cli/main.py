"""The command line: sub-commands joined, and errors turned into one sentence and an exit code."""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
from types import FrameType
from typing import Annotated

import typer

from mlbsdk.errors import MlbsdkError

INTERNAL_ERROR = 1
_INTERRUPTED = 128 + signal.SIGINT
# A filter sees only what is logged to its own logger; py4j logs to the root's too.
_LOGGERS_OF_JAVA_CALLS = (None, "py4j.clientserver", "py4j.java_gateway")
_HELP = "Turn raw MLB StatsAPI captures into clean, related tables."

app = typer.Typer(
    name="mlbsdk", help=_HELP, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None
)


def _show_version(wanted: bool) -> None:
    if wanted:
        import mlbsdk

        typer.echo(mlbsdk.__version__)
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if debug:
        os.environ["MLBSDK_DEBUG"] = "1"


def build() -> typer.Typer:
    """Return the whole command line: the core's commands and those of plugins."""
    from mlbsdk.cli.derive_command import derive
    from mlbsdk.cli.doctor_command import doctor
    from mlbsdk.cli.export_command import export
    from mlbsdk.cli.lineage_command import app as lineage_app
    from mlbsdk.cli.mapping_command import app as mapping_app
    from mlbsdk.cli.plugin_command import app as plugin_app
    from mlbsdk.cli.plugins_command import app as plugins_app
    from mlbsdk.cli.quality_command import app as quality_app
    from mlbsdk.cli.retention_command import retention
    from mlbsdk.cli.run_command import run
    from mlbsdk.cli.stream_command import stream
    from mlbsdk.cli.table_command import app as table_app

    if not app.registered_commands:
        app.command("run")(run)
        app.command("stream")(stream)
        app.command("export")(export)
        app.command("retention")(retention)
        app.command("derive")(derive)
        app.command("doctor")(doctor)
        app.add_typer(plugins_app, name="plugins")
        app.add_typer(plugin_app, name="plugin")
        app.add_typer(mapping_app, name="mapping")
        app.add_typer(lineage_app, name="lineage")
        app.add_typer(table_app, name="table")
        app.add_typer(quality_app, name="quality")
        _add_plugin_commands()
    return app


def _add_plugin_commands() -> None:
    from mlbsdk.plugins import Plugins

    plugins = Plugins.load()
    own = {group.name for group in app.registered_groups} | {command.name for command in app.registered_commands}
    for declared in plugins.commands():
        if declared.name in own:
            typer.echo(f"warning: a plugin's command '{declared.name}' hides behind mlbsdk's own", err=True)
            continue
        try:
            made = plugins.call(declared, declared.make)
        except MlbsdkError as problem:  # a broken plugin takes no other command down
            typer.echo(f"warning: {problem}", err=True)
            continue
        app.add_typer(made, name=declared.name, help=declared.summary)


def main() -> None:
    """Run the command line; exit codes are 0 done, 1 failed, 2 usage or configuration, 3 quality gate closed."""
    terminated = False

    def terminate(number: int, frame: FrameType | None) -> None:
        """Interrupt what is done, so that a run tells of its end; streams take the signal in their own way."""
        nonlocal terminated
        terminated = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, terminate)
    for logger in _LOGGERS_OF_JAVA_CALLS:
        logging.getLogger(logger).addFilter(_is_no_interruption)
    try:
        build()()
    except SystemExit as end:
        if terminated and end.code == _INTERRUPTED:  # so typer ends for any interruption
            sys.exit(128 + signal.SIGTERM)
        raise
    except MlbsdkError as problem:
        _tell(problem, str(problem))
        sys.exit(problem.exit_code)
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        sys.exit(128 + signal.SIGTERM if terminated else _INTERRUPTED)
    except Exception as problem:  # the last edge: a person gets a sentence, --debug the traceback
        reason = str(problem).strip().splitlines()[0] if str(problem).strip() else "no message"
        _tell(
            problem, f"[MLBSDK100] unexpected {type(problem).__name__}: {reason} Run again with --debug and report it."
        )
        sys.exit(INTERNAL_ERROR)


def _is_no_interruption(record: logging.LogRecord) -> bool:
    """Tell whether a record is other than what py4j logs, with a traceback, where it is interrupted during a call."""
    problem = record.exc_info[1] if record.exc_info else None
    while problem is not None and not isinstance(problem, KeyboardInterrupt):
        problem = problem.__context__
    return problem is None and "KeyboardInterrupt" not in record.getMessage()


def _tell(problem: BaseException, sentence: str) -> None:
    if os.environ.get("MLBSDK_DEBUG"):
        traceback.print_exception(problem)
    typer.echo(f"error: {sentence}", err=True)


if __name__ == "__main__":
    main()
