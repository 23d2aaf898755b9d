"""Write the documentation pages that are made from the code and from the mappings.

    python tools/docs/generate.py            write them
    python tools/docs/generate.py --check    only say which are out of date; exit code 1 if any is

The pages are committed, so that they can be read in the repository; a test runs ``--check``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import cli_page
import code_pages
import table_pages

from mlbsdk.mapping.json_schema import mapping_schema

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page.page,
    "errors.md": code_pages.errors,
    "functions.md": code_pages.functions,
    "hooks.md": code_pages.hooks,
    "types.md": code_pages.types,
}


def pages() -> dict[Path, str]:
    """Return the text of every generated file by its path."""
    found = {DOCS / name: make() for name, make in PAGES.items()}
    found[DOCS / "mapping-1.0.schema.json"] = json.dumps(mapping_schema(), indent=2) + "\n"
    return found | {DOCS / "tables" / name: text for name, text in table_pages.pages(ROOT / "mappings").items()}


def main(arguments: list[str]) -> int:
    """Write or check the pages and return the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write(__doc__ or "")
        return 2
    # The pages describe this repository, whatever else is installed beside it.
    os.environ["MLBSDK_LOAD_PLUGINS"] = ""
    wanted = pages()
    surplus = [path for path in (DOCS / "tables").glob("*") if path not in wanted]
    changed = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in [*changed, *surplus]:
        sys.stdout.write(f"{'out of date' if arguments else 'written'}: {path.relative_to(ROOT)}\n")
    if arguments:
        if changed or surplus:
            sys.stdout.write("Run: python3 dev.py run python tools/docs/generate.py\n")
        return 1 if changed or surplus else 0
    for path in surplus:
        path.unlink()
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
