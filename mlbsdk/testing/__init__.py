"""The suites and fixtures that plugin authors import."""
