"""Layered export: raw captures, normalized tables and what is derived from them, kept by one configuration."""
