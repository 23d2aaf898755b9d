"""``mlbsdk mapping coverage``: hold a mapping against captures. Starts no Spark."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlbsdk.cli.mapping_argument import Which, loaded_mapping, plan_of, sample_of
from mlbsdk.errors import ConfigurationError

if TYPE_CHECKING:
    from mlbsdk.mapping.coverage import Coverage
    from mlbsdk.mapping.load import LoadedMapping
    from mlbsdk.mapping.plan import Plan


class Format(str, enum.Enum):
    """What is written."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"


def coverage(
    which: Which,
    source: Annotated[
        list[str] | None,
        typer.Option(help="A file, folder or glob of captures; may be repeated. Default: the plugin's sample."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="In text, list every field, and the unmapped paths with a reason.")
    ] = False,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What earlier runs saw, YAML or JSON: tell what is new or vanished."),
    ] = None,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Add what this run saw to the file of --baseline, or make it.")
    ] = False,
    fail_under: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="Exit with 1 when a smaller percentage of paths is accounted for."),
    ] = None,
    fail_on_change: Annotated[
        bool, typer.Option("--fail-on-change", help="Exit with 1 when a path is new or vanished against --baseline.")
    ] = False,
    format: Annotated[Format, typer.Option("--format", help="How to write the findings.")] = Format.TEXT,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the findings to a file instead of standard output.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Judge a mapping against captures: which paths resolve, which values fit, and what no field maps.

    A path is accounted for when it resolves and its values fit, in this run or one of the baseline, or when the mapping
    gives a reason for it.
    """
    if (update_baseline or fail_on_change) and baseline is None:
        flag = "--update-baseline" if update_baseline else "--fail-on-change"
        raise ConfigurationError(f"{flag} needs the file of a baseline", fix="Give it with --baseline FILE.")
    loaded = loaded_mapping(which)
    plan = plan_of(loaded)
    found = _covered(which, loaded, plan, source)
    if baseline is not None:
        found = _held_against(found, plan, baseline, may_be_missing=update_baseline)
    _write(_text(found, Format.JSON if as_json else format, plan, every), output)
    if baseline is not None and update_baseline:
        _update(found, baseline)
    _judge(found, fail_under, fail_on_change)


def _covered(which: str, loaded: LoadedMapping, plan: Plan, sources: Sequence[str] | None) -> Coverage:
    from mlbsdk.mapping.coverage import CoverageCounter
    from mlbsdk.runtime.captures import documents

    counter = CoverageCounter(plan, loaded.mapping.coverage)
    for source in sources or [sample_of(which)]:
        for file, document in documents(source):
            if not isinstance(document, dict):
                raise ConfigurationError(f"'{file}' is no JSON object, so it is no capture of {which}")
            counter.add(document)
    return counter.result()


def _held_against(found: Coverage, plan: Plan, file: Path, *, may_be_missing: bool) -> Coverage:
    from mlbsdk.mapping.baseline import load_baseline
    from mlbsdk.mapping.coverage import held_against

    if may_be_missing and not file.exists():
        return found
    return held_against(found, load_baseline(file, plan.name), plan)


def _text(found: Coverage, format: Format, plan: Plan, every: bool) -> str:
    if format is Format.HTML:
        from mlbsdk.cli.coverage_page import page

        return page(found, plan)
    from mlbsdk.cli import coverage_text

    return coverage_text.as_json(found) if format is Format.JSON else "\n".join(coverage_text.lines(found, every))


def _write(text: str, output: Path | None) -> None:
    if output is None:
        typer.echo(text)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as problem:
        raise ConfigurationError(f"can't write to '{output}': {problem.strerror or problem}") from problem
    typer.echo(f"written to {output}", err=True)


def _update(found: Coverage, file: Path) -> None:
    from mlbsdk.mapping.baseline import save_baseline

    changed = save_baseline(file, found.seen)
    typer.echo(f"{file} {'updated' if changed else 'says so already'}", err=True)


def _judge(found: Coverage, fail_under: float | None, fail_on_change: bool) -> None:
    """End with exit code 1 where the findings are not as asked: a check failed, while 3 means that data was refused."""
    from mlbsdk.cli.coverage_text import percent

    reasons = []
    if fail_under is not None and found.accounted < fail_under:
        reasons.append(f"{percent(found.accounted)} % of paths are accounted for, less than {fail_under:g} %")
    if fail_on_change and found.changed:
        reasons.append(f"{len(found.changed)} paths are new or vanished against the baseline")
    for reason in reasons:
        typer.echo(reason, err=True)
    if reasons:
        raise typer.Exit(1)
