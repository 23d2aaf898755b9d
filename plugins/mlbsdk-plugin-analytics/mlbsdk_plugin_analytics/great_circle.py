"""The distance between two places on a sphere.

A sphere of the Earth's mean radius (IUGG: 6371.0088 km) and the haversine formula: R. W. Sinnott, "Virtues of the
Haversine", Sky and Telescope 68 (1984), 159. The Earth is no sphere: distances on the WGS84 ellipsoid differ by up to
0.56 %, between places in America by up to 0.3 %.
"""

from __future__ import annotations

#: Mean radius R1 of the International Union of Geodesy and Geophysics, km.
EARTH_RADIUS_KM = 6371.0088
#: The international mile, exactly.
KM_PER_MILE = 1.609344


def distance_km(latitude: str, longitude: str, other_latitude: str, other_longitude: str) -> str:
    """Return SQL for the distance in km between two places whose columns hold degrees; null if one is not known."""
    half_chord = (
        f"pow(sin(radians({other_latitude} - {latitude}) / 2), 2) + cos(radians({latitude})) "
        f"* cos(radians({other_latitude})) * pow(sin(radians({other_longitude} - {longitude}) / 2), 2)"
    )
    # Rounding may bring the sum just beyond 1 for places opposite each other.
    return f"{2 * EARTH_RADIUS_KM} * asin(sqrt(if({half_chord} > 1, 1D, {half_chord})))"
