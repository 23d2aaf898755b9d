"""A plan becomes DataFrames: read, parse once, cut tables, in batch and in streaming."""
