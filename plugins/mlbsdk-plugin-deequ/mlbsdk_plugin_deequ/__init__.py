"""Deequ: the rules of a mapping as gates of a run, profiles of tables, and rules that their data suggests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlbsdk import QualityDecl, SparkRequirements, hookimpl

if TYPE_CHECKING:
    from mlbsdk.plugin import QualityEngine
    from mlbsdk_plugin_deequ.validator import (
        DataQualityValidator,
        ValidationError,
        ValidationResult,
        profile_data,
        suggest_constraints,
    )

MLBSDK_PLUGIN_API = 1

__all__ = [
    "REQUIREMENTS",
    "DataQualityValidator",
    "ValidationError",
    "ValidationResult",
    "profile_data",
    "suggest_constraints",
]

REQUIREMENTS = SparkRequirements(
    packages=("com.amazon.deequ:deequ:2.0.7-spark-3.5",),
    # Spark 3.5 has all that Deequ needs, some of it newer: scala-reflect 2.12.18, breeze 2.1.0 with netlib 3.0.3,
    # commons-math3 3.6.1, slf4j 2. Without these two Deequ brings 19 jars of its own for the same classes.
    session={"spark.jars.excludes": "org.scala-lang:scala-reflect,org.scalanlp:breeze_2.12"},
)
"""What a Spark session must have for Deequ."""


@hookimpl
def mlbsdk_quality() -> Iterable[QualityDecl]:
    """Deequ's checks, profiles and suggestions."""
    return [
        QualityDecl(
            name="deequ", summary="Deequ: rules as checks, profiles, suggestions.", make=_engine, spark=REQUIREMENTS
        )
    ]


def _engine(options: Mapping[str, object]) -> QualityEngine:
    from mlbsdk_plugin_deequ.engine import DeequEngine

    return DeequEngine()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("mlbsdk_plugin_deequ.validator"), name)
