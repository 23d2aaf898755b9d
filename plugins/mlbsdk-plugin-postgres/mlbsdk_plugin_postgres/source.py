"""A raw table in PostgreSQL."""
