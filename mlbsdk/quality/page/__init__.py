"""The quality report of one run as a self-contained HTML page, made without Spark."""
