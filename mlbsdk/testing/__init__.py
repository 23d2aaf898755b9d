"""What authors of plugins test with: fixtures, golden files, and the contract suite of each kind.

Installing ``mlbsdk`` gives pytest the fixtures ``mlbsdk_spark``, ``mlbsdk_sample_captures``, ``mlbsdk_warehouse`` and
``mlbsdk_golden``; ``pytest --mlbsdk-contract`` adds the contract suites for all that the project's own plugin declares.
The fixtures that tell a suite about a store or a source are in :mod:`mlbsdk.testing.pytest_plugin`.

Importing this package imports neither pyspark nor pytest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlbsdk.testing.golden import Golden
    from mlbsdk.testing.mini import MAPPING, Capture, expected, save
    from mlbsdk.testing.replay import ReplayServer
    from mlbsdk.testing.running import run_listeners
    from mlbsdk.testing.warehouse import Warehouse

__all__ = ["MAPPING", "Capture", "Golden", "ReplayServer", "Warehouse", "expected", "run_listeners", "save"]

_LAZY = {
    "MAPPING": "mlbsdk.testing.mini",
    "Capture": "mlbsdk.testing.mini",
    "Golden": "mlbsdk.testing.golden",
    "ReplayServer": "mlbsdk.testing.replay",
    "Warehouse": "mlbsdk.testing.warehouse",
    "expected": "mlbsdk.testing.mini",
    "run_listeners": "mlbsdk.testing.running",
    "save": "mlbsdk.testing.mini",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
