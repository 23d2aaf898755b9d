"""A draft of a mapping from captures: tables, columns, types and keys as the data suggest them. Knows no Spark."""
