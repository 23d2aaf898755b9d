"""What every plugin keeps, whatever it declares."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from importlib.metadata import distribution
from typing import Any

from mlbsdk.hookspecs import HOOKSPEC_VERSION
from mlbsdk.plugins import GROUP, LOAD, Plugins

#: Packages that a listing of plugins must not import: they take seconds, or start Java.
HEAVY = ("pyspark", "py4j", "pandas", "delta", "deltalake")
_LISTING = """
import json, sys
from mlbsdk.plugins import Plugins
records = [record.to_json() for record in Plugins.load().records()]
print(json.dumps([records, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def test_listing_the_plugin_imports_nothing_heavy(contract_plugin_name: str) -> None:
    environment = os.environ | {LOAD: contract_plugin_name}
    done = subprocess.run(
        [sys.executable, "-c", _LISTING], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    records, modules = json.loads(done.stdout)
    (found,) = {record["status"] for record in records if record["distribution"] == contract_plugin_name}
    assert found == "ready"
    heavy = [name for name in HEAVY if name in modules]
    assert heavy == [], f"import {', '.join(heavy)} inside the factories, not in the module of the entry point"


def test_the_plugin_says_which_version_of_the_interface_it_was_built_for(contract_plugin_name: str) -> None:
    modules = [
        _module(entry.value) for entry in distribution(contract_plugin_name).entry_points if entry.group == GROUP
    ]
    assert [getattr(module, "MLBSDK_PLUGIN_API", None) for module in modules] == [HOOKSPEC_VERSION] * len(modules), (
        f"say it in the module of the entry point: MLBSDK_PLUGIN_API = {HOOKSPEC_VERSION}"
    )


def test_every_declaration_has_a_summary_of_one_line(contract_plugin_name: str) -> None:
    records = [one for one in Plugins.load().records() if one.distribution == contract_plugin_name]
    summaries = {each.name: each.summary for record in records for each in record.declarations}
    assert summaries
    assert [name for name, text in summaries.items() if not text.strip() or "\n" in text] == []


def _module(value: str) -> Any:
    return import_module(value.partition(":")[0])
