"""``mlbsdk mapping``: check, show and judge mappings, and what is made from them. Starts no Spark."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlbsdk.cli.columns import aligned
from mlbsdk.cli.diff_command import diff
from mlbsdk.cli.docs_command import docs
from mlbsdk.cli.infer_command import infer
from mlbsdk.cli.mappings import compiled as _plan
from mlbsdk.cli.mappings import is_file as _is_file
from mlbsdk.cli.mappings import loaded as _loaded
from mlbsdk.errors import ConfigurationError, MappingError, MlbsdkError, did_you_mean

if TYPE_CHECKING:
    from mlbsdk.mapping.coverage import Coverage
    from mlbsdk.mapping.plan import Plan, Table

app = typer.Typer(help="Check, show and judge mappings.", no_args_is_help=True)
app.command("infer")(infer)
app.command("diff")(diff)
app.command("docs")(docs)

_WHICH = "A transform such as game.live_game_v1, or a mapping file."
Which = Annotated[str, typer.Argument(metavar="NAME|FILE", help=_WHICH)]
OneTable = Annotated[str | None, typer.Option("--table", help="Only this table.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON object to standard output.")]


@app.command("lint")
def lint(
    which: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME|FILE]...", help=f"{_WHICH} Default: all installed ones.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check mappings, and tell every mistake of every file with its place."""
    from mlbsdk.plugins import Plugins

    names = which or [transform.name for transform in Plugins.load().transforms()]
    results = [_linted(name) for name in names]
    if as_json:
        ok = all(result["ok"] for result in results)
        typer.echo(json.dumps({"version": 1, "ok": ok, "mappings": results}, indent=2))
    else:
        for result in results:
            if result["ok"]:
                typer.echo(f"ok: {result['mapping']}: {result['tables']} tables, {result['columns']} columns")
            for problem in result["problems"]:
                typer.echo(problem, err=True)
    wrong = [result for result in results if not result["ok"]]
    if wrong:
        count = sum(len(result["problems"]) for result in wrong)
        typer.echo(f"{count} mistakes in {len(wrong)} of {len(results)} mappings", err=True)
        raise typer.Exit(MappingError.exit_code)


def _linted(which: str) -> dict[str, Any]:
    try:
        plan = _plan(_loaded(which))
    except MlbsdkError as problem:
        problems = list(problem.problems) if isinstance(problem, MappingError) else [str(problem)]
        return {"mapping": which, "ok": False, "problems": problems}
    columns = sum(len(table.columns) for table in plan.tables)
    return {"mapping": which, "ok": True, "tables": len(plan.tables), "columns": columns, "problems": []}


@app.command("show")
def show(which: Which, table: OneTable = None, as_json: AsJson = False) -> None:
    """Show the tables of a mapping: keys, columns, types and where each comes from."""
    plan = _plan(_loaded(which))
    tables = _tables(plan, table)
    if as_json:
        head = {"version": 1, "transform": plan.name, "description": plan.description, "raw_table": plan.raw_table}
        head |= {"key": plan.key, "fingerprint": plan.fingerprint}
        typer.echo(json.dumps(head | {"tables": [_described(each) for each in tables]}, indent=2))
        return
    typer.echo(f"{plan.name}: {plan.description}\nraw table {plan.raw_table}, document key {', '.join(plan.key)}")
    for each in tables:
        typer.echo("")
        typer.echo("\n".join(_lines(each)))


def _described(table: Table) -> dict[str, Any]:
    columns = [
        {
            "name": column.name,
            "type": str(column.type),
            "nullable": column.nullable,
            "source": [f"$.{path}" for path in table.source_paths(column)],
            "description": column.description,
        }
        for column in table.columns
    ]
    return {
        "name": table.name,
        "description": table.description,
        "primary_key": table.primary_key,
        "partition_by": table.partition_by,
        "on_missing": table.on_missing,
        "filter": table.filter.text if table.filter else None,
        "columns": columns,
        "relationships": [asdict(each) for each in table.relationships],
        "indexes": [asdict(each) for each in table.indexes],
        "rules": [{"name": r.name, "severity": r.severity, "rule": r.text, "reason": r.reason} for r in table.rules],
    }


def _lines(table: Table) -> list[str]:
    facts = [f"primary key {', '.join(table.primary_key)}"]
    facts += [f"partitioned by {', '.join(table.partition_by)}"] if table.partition_by else []
    facts += [f"filter {table.filter.text}"] if table.filter else []
    facts += [f"{len(table.rules)} rules", f"on_missing {table.on_missing}"]
    rows = [
        (column.name, str(column.type), "" if column.nullable else "not null", _origin(table, column.name))
        for column in table.columns
    ]
    return [f"{table.name}: {table.description}", f"  {'; '.join(facts)}", *aligned(rows, "  ")]


def _origin(table: Table, name: str) -> str:
    return ", ".join(f"$.{path}" for path in table.source_paths(table.column(name)))


@app.command("avro")
def avro(
    which: Which,
    table: OneTable = None,
    output: Annotated[
        Path | None, typer.Option(help="Write one file a table, SCHEMA.TABLE.avsc, into this folder instead.")
    ] = None,
) -> None:
    """Print the Avro schemas of a mapping's tables: one schema with --table, otherwise a JSON array."""
    from mlbsdk.mapping.avro import avro_schema

    schemas = {each.name: avro_schema(each) for each in _tables(_plan(_loaded(which)), table)}
    if output is None:
        typer.echo(json.dumps(schemas[table] if table else list(schemas.values()), indent=2))
        return
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, schema in schemas.items():
            (output / f"{name}.avsc").write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
    except OSError as problem:
        raise ConfigurationError(f"can't write to '{output}': {problem.strerror or problem}") from problem
    typer.echo(f"{len(schemas)} schemas written to {output}")


@app.command("ddl")
def ddl(which: Which) -> None:
    """Print what makes a mapping's tables in PostgreSQL, as a script for psql; a run makes what is missing."""
    from mlbsdk.mapping.ddl import script
    from mlbsdk.quality.quarantine import quarantine_table

    typer.echo(script(_plan(_loaded(which)), [quarantine_table()]), nl=False)


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of the mapping language, for editors."""
    from mlbsdk.mapping.json_schema import mapping_schema

    typer.echo(json.dumps(mapping_schema(), indent=2))


@app.command("coverage")
def coverage(
    which: Which,
    source: Annotated[
        list[str] | None,
        typer.Option(help="A file, folder or glob of captures; may be repeated. Default: the plugin's sample."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="List every field, and the unmapped paths with a reason.")
    ] = False,
    fail_under: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="Exit with 1 when a smaller percentage of paths is accounted for."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge a mapping against captures: which paths resolve, which values fit, and what no field maps.

    A path is accounted for when it resolves and its values fit, or when the mapping gives a reason for it.
    """
    found = _covered(which, source)
    if as_json:
        typer.echo(json.dumps(_coverage_json(found), indent=2))
    else:
        typer.echo("\n".join(_coverage_lines(found, every)))
    if fail_under is not None and found.accounted < fail_under:
        typer.echo(f"{found.accounted:.1f} % of paths are accounted for, less than {fail_under:g} %", err=True)
        raise typer.Exit(1)


def _covered(which: str, sources: Sequence[str] | None) -> Coverage:
    from mlbsdk.mapping.coverage import CoverageCounter
    from mlbsdk.runtime.captures import documents

    loaded = _loaded(which)
    counter = CoverageCounter(_plan(loaded), loaded.mapping.coverage)
    for source in sources or [_sample(which)]:
        for file, document in documents(source):
            if not isinstance(document, dict):
                raise ConfigurationError(f"'{file}' is no JSON object, so it is no capture of {which}")
            counter.add(document)
    return counter.result()


def _coverage_json(found: Coverage) -> dict[str, Any]:
    fields = [asdict(each) | {"absent": each.absent, "status": each.status} for each in found.fields]
    return {
        "version": 1,
        "transform": found.transform,
        "documents": found.documents,
        "accounted_percent": round(found.accounted, 2),
        "fields": fields,
        "unmapped": [asdict(each) for each in found.unmapped],
        "notes": list(found.notes),
    }


def _coverage_lines(found: Coverage, every: bool) -> list[str]:
    by_status: dict[str, int] = {}
    for each in found.fields:
        by_status[each.status] = by_status.get(each.status, 0) + 1
    told = ", ".join(f"{count} {_STATUS[status]}" for status, count in by_status.items())
    ignored = len(found.unmapped) - len(found.unexplained)
    lines = [
        f"{found.transform} over {found.documents} documents: {found.accounted:.1f} % of paths accounted for",
        f"{len(found.fields)} fields: {told or 'none'}; {len(found.misfitting)} with values that do not fit",
        f"{len(found.unmapped)} paths that no field maps, {ignored} of them ignored with a reason",
    ]
    lines += [f"note: {note}" for note in found.notes]
    dead = [(f"{f.table}.{f.field}", f.path, f"0 of {f.items} items") for f in found.dead]
    lines += _part("Never resolves", dead)
    unseen = [(f"{f.table}.{f.field}", f.path) for f in found.fields if f.status == "no items"]
    lines += _part("Table without an item in these captures", unseen)
    misfits = [
        (f"{f.table}.{f.field}", f"{f.misfits} of {f.resolved} values", f"such as {', '.join(map(repr, f.examples))}")
        for f in found.misfitting
    ]
    lines += _part("Does not fit its type", misfits)
    unmapped = found.unmapped if every else found.unexplained[:_SHOWN]
    lines += _part("Mapped by no field", [(str(each.count), each.path, each.reason or "") for each in unmapped])
    if not every and len(found.unexplained) > _SHOWN:
        lines.append(f"  and {len(found.unexplained) - _SHOWN} more: --all lists them")
    if every:
        rows = [
            (f"{f.table}.{f.field}", f.status, f"{f.resolved} of {f.items}", f.path, f.reason or "")
            for f in found.fields
        ]
        lines += _part("Every field", rows)
    return lines


#: Unmapped paths listed without ``--all``.
_SHOWN = 20
_STATUS = {
    "resolves": "resolve",
    "excused": "never, with a reason",
    "null": "always null",
    "never": "never",
    "no items": "without an item",
}


def _part(title: str, rows: Sequence[tuple[str, ...]]) -> list[str]:
    return ["", f"{title} ({len(rows)}):", *aligned(rows, "  ")] if rows else []


# Finding mappings


def _sample(which: str) -> str:
    """Return the path of a transform's sample capture."""
    from importlib import resources

    from mlbsdk.plugins import Plugins

    transform = None if _is_file(which) else Plugins.load().transform(which)
    if transform is None or transform.sample is None:
        raise ConfigurationError(
            f"{which} has no sample capture", fix="Say what to read: --source FILE, FOLDER or GLOB."
        )
    package, path = transform.sample
    return str(resources.files(package).joinpath(path))


def _tables(plan: Plan, wanted: str | None) -> tuple[Table, ...]:
    if wanted is None:
        return plan.tables
    names = [table.name for table in plan.tables]
    found = tuple(table for table in plan.tables if table.name == wanted)
    if not found:
        raise ConfigurationError(f"{plan.name} has no table '{wanted}'.{did_you_mean(wanted, names)}")
    return found
