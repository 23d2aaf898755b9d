"""``mlbsdk mapping diff``: what a change of a mapping means, for a target as well. Starts no Spark."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlbsdk.errors import ConfigurationError

if TYPE_CHECKING:
    from mlbsdk.mapping.differences import Change
    from mlbsdk.mapping.plan import Plan

_WHICH = "A transform such as game.live_game_v1, or a mapping file."


def diff(
    old: Annotated[str, typer.Argument(metavar="NAME|FILE", help=f"{_WHICH} With --target, the mapping to compare.")],
    new: Annotated[str | None, typer.Argument(metavar="[NAME|FILE]", help="The mapping that takes its place.")] = None,
    target: Annotated[
        str | None,
        typer.Option(help="Compare with the tables of a target: delta:PATH, parquet:PATH, avro:PATH, postgresql://..."),
    ] = None,
    fail_on: Annotated[
        str | None, typer.Option(metavar="breaking", help="Exit with 1 when there is a breaking change.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON object to standard output.")] = False,
) -> None:
    """Compare two mappings, or a mapping with the tables of a target: what changes, whom it breaks, what to do.

    Two mappings: what the second changes of the first. A target: what the next run would find different there.
    """
    from mlbsdk.cli.mapping_argument import loaded_mapping, plan_of
    from mlbsdk.mapping.differences import differences

    if fail_on not in (None, "breaking"):
        raise ConfigurationError(f"--fail-on is 'breaking', not '{fail_on}'")
    if (new is None) == (target is None):
        raise ConfigurationError("a mapping is compared with another one, or with a --target: give one of the two")
    plan = plan_of(loaded_mapping(old))
    if target is not None:
        to, changes = target, _in_target(plan, target)
    else:
        assert new is not None
        to, changes = new, differences(plan, plan_of(loaded_mapping(new)))
    if as_json:
        typer.echo(json.dumps(_json(old, to, changes), indent=2))
    else:
        _show(old, to, changes)
    if fail_on and any(change.is_breaking for change in changes):
        raise typer.Exit(1)


def _in_target(plan: Plan, target: str) -> tuple[Change, ...]:
    from mlbsdk.hookspecs import TableInspector
    from mlbsdk.mapping.differences import differences_in_store
    from mlbsdk.plugins import Plugins
    from mlbsdk.runtime.addresses import split_address

    plugins = Plugins.load()
    scheme, rest = split_address(target, "delta")
    declared = plugins.writer(scheme)
    writer = plugins.call(declared, declared.make, rest, {})
    if not isinstance(writer, TableInspector):
        raise ConfigurationError(f"the writer '{declared.name}' can't say how it holds tables")
    try:
        return differences_in_store(plan.tables, lambda table: plugins.call(declared, writer.stored, table))
    finally:
        close = getattr(writer, "close", None)
        if close is not None:
            plugins.call(declared, close)


def _json(old: str, to: str, changes: Sequence[Change]) -> dict[str, Any]:
    from mlbsdk.errors import redact

    breaking = sum(change.is_breaking for change in changes)
    listed = [{"breaking": change.is_breaking, **asdict(change)} for change in changes]
    return {"version": 1, "from": old, "to": redact(to), "breaking": breaking, "changes": listed}


def _show(old: str, to: str, changes: Sequence[Change]) -> None:
    from rich.console import Console
    from rich.text import Text

    from mlbsdk.errors import redact

    console = Console(soft_wrap=True, highlight=False)
    breaking = sum(change.is_breaking for change in changes)
    count = f"{len(changes)} {'difference' if len(changes) == 1 else 'differences'}, {breaking} breaking"
    console.print(Text(f"{old} -> {redact(to)}: {count if changes else 'no difference'}", style="bold"))
    table = None
    for change in changes:
        if change.table != table:
            table = change.table
            console.print(Text(f"\n{table or 'The mapping'}", style="bold"))
        subject = f"{change.part} {change.name}" if change.name else change.part
        mark = Text("  BREAKING  ", style="bold red") if change.is_breaking else Text("  ok        ", style="green")
        console.print(mark + Text(f"{subject}: {change.text}"))
        who = f" Breaks: {', '.join(change.breaks)}." if change.breaks else ""
        if change.why:
            console.print(Text(f"            {_sentence(change.why)}{who}", style="dim"))
        if change.fix:
            console.print(Text(f"            Do: {change.fix}", style="cyan"))


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
