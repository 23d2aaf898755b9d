"""``mlbsdk fetch``: responses of the MLB StatsAPI into raw stores.

From Python::

    from mlbsdk_plugin_statsapi import FetchOptions, fetch, fetch_day, fetch_game, fetch_season

    report = fetch_day("2024-07-01", days=7, options=FetchOptions(to="captures"))
    report.stored
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlbsdk import CommandDecl, hookimpl

if TYPE_CHECKING:
    import typer

    from mlbsdk_plugin_statsapi.composites import fetch, fetch_day, fetch_game, fetch_season
    from mlbsdk_plugin_statsapi.options import FetchOptions
    from mlbsdk_plugin_statsapi.report import FetchReport

MLBSDK_PLUGIN_API = 1

__all__ = ["FetchOptions", "FetchReport", "fetch", "fetch_day", "fetch_game", "fetch_season"]

#: public name -> module
_LAZY = {
    "FetchOptions": "mlbsdk_plugin_statsapi.options",
    "FetchReport": "mlbsdk_plugin_statsapi.report",
    "fetch": "mlbsdk_plugin_statsapi.composites",
    "fetch_day": "mlbsdk_plugin_statsapi.composites",
    "fetch_game": "mlbsdk_plugin_statsapi.composites",
    "fetch_season": "mlbsdk_plugin_statsapi.composites",
}


@hookimpl
def mlbsdk_commands() -> Iterable[CommandDecl]:
    """``mlbsdk fetch``."""
    return [CommandDecl(name="fetch", summary="Ask the StatsAPI, and keep its responses in a raw store.", make=_make)]


def _make() -> typer.Typer:
    from mlbsdk_plugin_statsapi.fetch_command import app

    return app


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
