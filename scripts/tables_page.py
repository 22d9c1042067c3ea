"""Writes docs/reference/tables.md from the tables' description: what each is for, its key, how long its rows live.

Run it after a change of any table: .venv/bin/python scripts/tables_page.py
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "tables.md"
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
    sys.path.insert(0, str(ROOT))
    from schema.tables import TABLES, Ownership

    lines = []
    for table in TABLES:
        days = f"{table.ttl_seconds / DAY:g} day{'' if table.ttl_seconds == DAY else 's'}"
        shared = ", shared" if table.ownership is Ownership.SHARED else ""
        keys = (", ".join(f"`{name}`" for name in part) for part in (table.partition, table.clustering))
        lines.append(f"| `{table.name}` | {days}{shared} | {' | '.join(keys)} | {table.serves} |\n")
    return INTRODUCTION + "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
