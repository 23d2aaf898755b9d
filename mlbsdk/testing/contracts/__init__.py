"""The contract suites, a module a kind: what every plugin of the kind keeps.

They are run by ``pytest --mlbsdk-contract``; see :mod:`mlbsdk.testing.pytest_plugin` for what a project tells them.
"""
