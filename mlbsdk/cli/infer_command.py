"""``mlbsdk mapping infer``: captures in, a draft of a mapping out. Starts no Spark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlbsdk.errors import ConfigurationError


def infer(
    source: Annotated[
        list[str], typer.Option(help="A file, folder or glob of captures, bare or in envelopes; may be repeated.")
    ],
    name: Annotated[
        str | None,
        typer.Option(metavar="ENDPOINT.METHOD", help="The transform's name. Default: what the envelopes say."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write the draft to this file instead.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Draft a mapping from captures: tables, columns, types and keys, and a comment wherever a person should look.

    The draft loads and runs as it is. Captures of other endpoints in the same folder are left out, and counted.
    """
    from mlbsdk.mapping.compile import compile_mapping
    from mlbsdk.mapping.infer.text import CHECK, yaml_text
    from mlbsdk.mapping.load import load_text
    from mlbsdk.runtime.inference import infer as infer_mapping

    if output is not None and output.exists() and not force:
        raise ConfigurationError(
            f"'{output}' exists, and may have been edited", fix="Choose another file, or give --force."
        )
    found = infer_mapping(source, name)
    text = yaml_text(found.draft)
    plan = compile_mapping(load_text(text, str(output or "draft.yaml")))
    if output is None:
        typer.echo(text, nl=False)
    else:
        _write(output, text)
    columns = sum(len(table.columns) for table in plan.tables)
    typer.echo(
        f"draft of {plan.name} from {found.draft.documents} captures: {len(plan.tables)} tables, {columns} columns; "
        f"{found.draft.doubts} places to look at, marked {CHECK}",
        err=True,
    )
    for reason, count in found.skipped.most_common():
        typer.echo(f"note: {count} captures left out: {reason}", err=True)


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise ConfigurationError(f"can't write to '{file}': {problem.strerror or problem}") from problem
