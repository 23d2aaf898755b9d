"""Deequ: the rules of a mapping as gates of a run, profiles of tables, and rules that their data suggests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlbsdk import QualityDecl, SparkRequirements, hookimpl
from mlbsdk.plugin import EnvironmentProblem, installed_spark

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
_LINE = "3.5"


@hookimpl
def mlbsdk_quality() -> Iterable[QualityDecl]:
    """Deequ's checks, profiles and suggestions."""
    # Of another Spark nothing is asked: the jar is of another Scala, and would break a session that loads it.
    needs = REQUIREMENTS if installed_spark().name == _LINE else SparkRequirements()
    return [
        QualityDecl(name="deequ", summary="Deequ: rules as checks, profiles, suggestions.", make=_engine, spark=needs)
    ]


def refuse_other_spark(line: str) -> None:
    """Refuse a Spark that Deequ has no build for, by its line such as ``4.1``.

    Raises:
        EnvironmentProblem: it is not 3.5.
    """
    if line != _LINE:
        raise EnvironmentProblem(
            f"Deequ has no build for Spark {line}",
            fix=f"Leave the engine out (rules of the mapping are judged without it), or install Spark {_LINE}: "
            "pip install 'pyspark>=3.5.3,<3.6' 'delta-spark<4'.",
        )


def _engine(options: Mapping[str, object]) -> QualityEngine:
    from mlbsdk_plugin_deequ.engine import DeequEngine

    refuse_other_spark(installed_spark().name)
    return DeequEngine()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("mlbsdk_plugin_deequ.validator"), name)
