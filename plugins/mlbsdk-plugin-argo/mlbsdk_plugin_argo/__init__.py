"""Argo Workflows: seasons and live games as workflows, checked here and run here or on a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlbsdk import CommandDecl, hookimpl

if TYPE_CHECKING:
    import typer

MLBSDK_PLUGIN_API = 1


@hookimpl
def mlbsdk_commands() -> Iterable[CommandDecl]:
    """``mlbsdk workflow`` and ``mlbsdk season``."""
    return [
        CommandDecl(name="workflow", summary="Argo Workflows: make, check and run them.", make=_workflow_command),
        CommandDecl(name="season", summary="A season on this machine.", make=_season_command),
    ]


def _workflow_command() -> typer.Typer:
    from mlbsdk_plugin_argo.workflow_command import app

    return app


def _season_command() -> typer.Typer:
    from mlbsdk_plugin_argo.season_command import app

    return app
