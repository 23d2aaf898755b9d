"""Rules judged on the rows of a table, and what is done with rows that break them."""
