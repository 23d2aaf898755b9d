"""The analytics layer: the tables that plugins derive, built from the normalized ones where these have changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlbsdk.errors import ConfigurationError, did_you_mean
from mlbsdk.hookspecs import DerivedDecl
from mlbsdk.lineage.context import JobRun
from mlbsdk.plugins import Plugins
from mlbsdk.runtime import derived
from mlbsdk.runtime.derived import DerivedReport
from mlbsdk.runtime.stored_tables import StoredTables
from mlbsdk.settings import LineageSettings
from mlbsdk.writers.lakehouse import Lakehouse

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mlbsdk.layers.model import AnalyticsLayer
    from mlbsdk.layers.places import LayerPlace
    from mlbsdk.runtime.storage import Storages


def tables_of(place: LayerPlace, layer: AnalyticsLayer, plugins: Plugins) -> list[DerivedDecl]:
    """Return the derived tables that the layer holds.

    Raises:
        ConfigurationError: no plugin offers a table that it names, or the layer's path can't hold one.
    """
    known = {one.name: one for one in plugins.derived_tables()}
    if not layer.tables:
        return [one for one in known.values() if place.schema in (None, one.name.partition(".")[0])]
    found = []
    for name in layer.tables:
        whole = name if "." in name else f"{place.schema or place.name}.{name}"
        if whole not in known:
            raise ConfigurationError(
                f"layers.analytics.tables: no plugin offers '{whole}'.{did_you_mean(whole, known)}",
                fix=f"There are {', '.join(known)}." if known else "Install mlbsdk-plugin-analytics.",
            )
        if place.schema not in (None, whole.partition(".")[0]):
            raise ConfigurationError(
                f"layers.analytics.path: '{layer.path}' can't hold {whole}",
                fix=f"End it in '{whole.partition('.')[0]}/{{table}}' or in '{{schema}}/{{table}}'.",
            )
        found.append(known[whole])
    return found


def build(
    place: LayerPlace,
    layer: AnalyticsLayer,
    normalized: LayerPlace,
    *,
    plugins: Plugins,
    storages: Storages,
    spark: SparkSession,
    spark_settings: Mapping[str, str],
    lineage: LineageSettings | None = None,
    parent: JobRun | None = None,
) -> DerivedReport:
    """Build the layer's tables, or bring them up to date.

    A table whose inputs are not there is left out, unless the configuration names it.

    Raises:
        MlbsdkError: as :func:`mlbsdk.runtime.derived.build`.
    """
    wanted = tables_of(place, layer, plugins)
    house = Lakehouse(normalized.target, storages.of(normalized.target))
    # Files of the normalized layer must stay while they are read.
    with house.locked():
        stored = StoredTables.at(normalized.address, plugins, storages)
        missing = {one.name: [name for name in one.inputs if name not in stored.names] for one in wanted}
        names = [one.name for one in wanted if layer.tables or not missing[one.name]]
        report = DerivedReport(normalized.address, place.address)
        if names:
            report = derived.build(
                names,
                normalized.address,
                place.address,
                partition_by=layer.partition_by or None,
                z_order_by=layer.z_order_by or None,
                plugins=plugins,
                spark=spark,
                settings=spark_settings,
                storage=storages.settings,
                lenient=True,
                lineage=lineage,
                parent=parent,
            )
    report.notes += [
        f"{name} was left out: there is no {lacking[0]}" for name, lacking in missing.items() if name not in names
    ]
    return report
