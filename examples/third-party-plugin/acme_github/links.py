"""The quality engine: what is called a link is one."""

from pyspark.sql import functions as F

_LINK = r"^https://[^\s/]+(/\S*)?$"


class LinkEngine:
    """Checks each text column whose name is ``url`` or ends in ``_url``; nulls are fine."""

    def check(self, rows, table):
        """Return (check, failed rows) for each such column with a value that is no absolute https link."""
        columns = [column.name for column in table.columns if column.name == "url" or column.name.endswith("_url")]
        if not columns:
            return []
        wrong = [F.count(F.when(~F.col(f"`{name}`").rlike(_LINK), 1)) for name in columns]
        (found,) = rows.agg(*wrong).collect()
        return [(f"is_https:{name}", failed) for name, failed in zip(columns, found, strict=True) if failed]
