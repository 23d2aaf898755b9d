"""The command line: turns objects into text and nothing more."""
