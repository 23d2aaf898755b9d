"""``mlbsdk mapping``: check, show and judge mappings, and what is made from them. Starts no Spark."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlbsdk.cli.columns import aligned
from mlbsdk.cli.coverage_command import coverage
from mlbsdk.cli.diff_command import diff
from mlbsdk.cli.docs_command import docs
from mlbsdk.cli.infer_command import infer
from mlbsdk.cli.mapping_argument import WHICH, Which, loaded_mapping, plan_of
from mlbsdk.errors import ConfigurationError, MappingError, MlbsdkError, did_you_mean

if TYPE_CHECKING:
    from mlbsdk.mapping.plan import Plan, Table

app = typer.Typer(help="Check, show, draft and compare mappings.", no_args_is_help=True)
app.command("coverage")(coverage)
app.command("infer")(infer)
app.command("diff")(diff)
app.command("docs")(docs)

OneTable = Annotated[str | None, typer.Option("--table", help="Only this table.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON object to standard output.")]


@app.command("lint")
def lint(
    which: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME|FILE]...", help=f"{WHICH} Default: all installed ones.")
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
        plan = plan_of(loaded_mapping(which))
    except MlbsdkError as problem:
        problems = list(problem.problems) if isinstance(problem, MappingError) else [str(problem)]
        return {"mapping": which, "ok": False, "problems": problems}
    columns = sum(len(table.columns) for table in plan.tables)
    return {"mapping": which, "ok": True, "tables": len(plan.tables), "columns": columns, "problems": []}


@app.command("show")
def show(which: Which, table: OneTable = None, as_json: AsJson = False) -> None:
    """Show the tables of a mapping: keys, columns, types and where each comes from."""
    plan = plan_of(loaded_mapping(which))
    tables = _tables(plan, table)
    if as_json:
        head = {"version": 1, "transform": plan.name, "description": plan.description, "raw_table": plan.raw_table}
        head |= {"key": plan.key, "fingerprint": plan.fingerprint}
        typer.echo(json.dumps(head | {"tables": [_described(each) for each in tables]}, indent=2))
        return
    key = f"document key {', '.join(plan.key)}" if plan.key else "no document key"
    typer.echo(f"{plan.name}: {plan.description}\nraw table {plan.raw_table}, {key}")
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

    schemas = {each.name: avro_schema(each) for each in _tables(plan_of(loaded_mapping(which)), table)}
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

    typer.echo(script(plan_of(loaded_mapping(which)), [quarantine_table()]), nl=False)


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of the mapping language, for editors."""
    from mlbsdk.mapping.json_schema import mapping_schema

    typer.echo(json.dumps(mapping_schema(), indent=2))


def _tables(plan: Plan, wanted: str | None) -> tuple[Table, ...]:
    if wanted is None:
        return plan.tables
    names = [table.name for table in plan.tables]
    found = tuple(table for table in plan.tables if table.name == wanted)
    if not found:
        raise ConfigurationError(f"{plan.name} has no table '{wanted}'.{did_you_mean(wanted, names)}")
    return found
