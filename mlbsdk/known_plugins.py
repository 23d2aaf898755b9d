"""Which distribution provides what, so that an error can say what to install.

The core knows these distributions by name only: it never imports one, and none of them has a right that another
plugin has not. A name that is not here works all the same once a plugin that declares it is installed.
"""

from __future__ import annotations

#: (kind, name or ``prefix.*``) -> distribution.
KNOWN: dict[tuple[str, str], str] = {
    ("transform", "game.*"): "mlbsdk-plugin-game",
    ("transform", "person.*"): "mlbsdk-plugin-person",
    ("transform", "schedule.*"): "mlbsdk-plugin-schedule",
    ("transform", "season.*"): "mlbsdk-plugin-schedule",
    ("transform", "team.*"): "mlbsdk-plugin-team",
    ("source", "postgresql"): "mlbsdk-plugin-postgres",
    ("raw_store", "postgresql"): "mlbsdk-plugin-postgres",
    ("command", "fetch"): "mlbsdk-plugin-statsapi",
    ("writer", "postgresql"): "mlbsdk-plugin-postgres",
    ("storage", "s3a"): "mlbsdk-plugin-s3",
    ("quality", "deequ"): "mlbsdk-plugin-deequ",
    ("derived", "analytics.*"): "mlbsdk-plugin-analytics",
    ("reporter", "atlas"): "mlbsdk-plugin-atlas",
}


def distribution_for(kind: str, name: str) -> str | None:
    """Return the distribution known to provide a name of this kind (``transform``, ``source``, ``writer``, ...)."""
    return KNOWN.get((kind, name)) or KNOWN.get((kind, f"{name.partition('.')[0]}.*"))


def known_names(kind: str) -> list[str]:
    """Return the whole names known of a kind, without those that are prefixes."""
    return [name for known_kind, name in KNOWN if known_kind == kind and not name.endswith(".*")]
