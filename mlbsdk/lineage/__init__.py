"""What is told about each record and each run, and to whom."""
