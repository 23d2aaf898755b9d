"""Small documents for tests: those of the public suites."""

from mlbsdk.testing.mini import MAPPING, TABLES, Capture, expected, newest, ordered, save

__all__ = ["MAPPING", "TABLES", "Capture", "expected", "newest", "ordered", "save"]
