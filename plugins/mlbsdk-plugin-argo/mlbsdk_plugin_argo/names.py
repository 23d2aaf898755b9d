"""What names, quantities and durations may look like, in Kubernetes and in Argo."""

from __future__ import annotations

import re

#: A label of RFC 1123: what Kubernetes takes as the name of nearly everything.
LABEL = re.compile(r"^(?=.{1,63}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
#: A name of RFC 1123: labels with dots between them (ConfigMaps, secrets).
SUBDOMAIN = re.compile(r"^(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
#: The value of a label.
LABEL_VALUE = re.compile(r"^(?=.{0,63}\Z)([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?\Z")
#: The key of a label or annotation.
LABEL_KEY = re.compile(r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?(?=.{1,63}\Z)[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?\Z")
#: The name of a parameter or artifact.
PARAMETER = re.compile(r"^[A-Za-z0-9_][-A-Za-z0-9_]*\Z")
#: An amount of a resource: ``500m``, ``1.5``, ``2Gi``.
QUANTITY = re.compile(r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][-+]?[0-9]+)?\Z")
#: A duration as Go writes it, or seconds.
DURATION = re.compile(r"^([0-9]+|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)\Z")
#: A variable whose value nobody should read.
SECRET_NAME = re.compile(r"password|passwd|secret|token|api_?key|access_?key|credential|private", re.IGNORECASE)

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: str) -> float:
    """Return a duration in seconds: ``90``, ``30s``, ``1h30m``, ``2d``.

    Raises:
        ValueError: it is no duration.
    """
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return float(text)
    if not re.fullmatch(r"([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d))+", text):
        raise ValueError(f"'{text}' is no duration such as 90s, 30m or 1h30m")
    return sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"([0-9.]+)(ns|us|µs|ms|s|m|h|d)", text))
