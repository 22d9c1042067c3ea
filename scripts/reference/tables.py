"""tables.md, from the tables' description: what each is for, its key, how long its rows live."""

from schema.tables import TABLES, Ownership
from scripts.reference.markdown import row

DAY = 86_400
INTRODUCTION = """# Tables

Both stores have the same tables with the same keys (`pcapline schema show` has the statements). A row expires so
long after its capture was loaded, whatever the packets' own time is: a capture of last year that is loaded today is there for
as long as one of today. Rows that captures share (`shared`) live on from the last load that brought them. The ledgers'
totals, which counters and `status` show, and the list of captures, by which a capture is known again, do not expire.

Cassandra lets rows expire by itself; of SQLite `watch` deletes them (`loader.retention_s`, `loader.retention_rows`).

| table | rows live | partition | then by | for |
|---|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    lines = []
    for table in TABLES:
        days = f"{table.ttl_seconds / DAY:g} day{'' if table.ttl_seconds == DAY else 's'}"
        shared = ", shared" if table.ownership is Ownership.SHARED else ""
        keys = (", ".join(f"`{name}`" for name in part) for part in (table.partition, table.clustering))
        lines.append(row(f"`{table.name}`", f"{days}{shared}", *keys, table.serves))
    return INTRODUCTION + "".join(lines)
