"""SQL made from `schema/tables.py`: one insert and one delete a table."""

from functools import cache

from schema.tables import Kind, Ownership, Table


@cache
def insert_of(table: Table) -> str:
    """Write one row; the last writer of a key wins. Dictionary rows say at the end when they were loaded."""
    names = [*table.names, "loaded_at"] if table.ownership is Ownership.SHARED else list(table.names)
    marks = ", ".join("?" * len(names))
    row = f"INTO {table.name} ({', '.join(names)}) VALUES ({marks})"
    return f"INSERT {row} ON CONFLICT DO UPDATE SET {_widened(table)}" if table.spans else f"INSERT OR REPLACE {row}"


def _widened(table: Table) -> str:
    """What becomes of a row that says from when to when it was seen: captures come in any order."""
    spans = ("first_seen", "last_seen")
    seen_last = [name for name in table.names if name not in (*table.key, *spans)]
    return ", ".join(
        [
            "first_seen = min(first_seen, excluded.first_seen)",
            "last_seen = max(last_seen, excluded.last_seen)",
            *map(_of_the_last, seen_last),
            "loaded_at = max(loaded_at, excluded.loaded_at)",
        ]
    )


def _of_the_last(name: str) -> str:
    """A column as the greatest `last_seen` has it; of equals the greater value, so that order decides nothing."""
    older = f"WHEN excluded.last_seen < last_seen THEN {name}"
    newer = f"WHEN excluded.last_seen > last_seen THEN excluded.{name}"
    return f"{name} = CASE {older} {newer} ELSE max({name}, excluded.{name}) END"


def time_column(table: Table) -> str | None:
    """The time that a table's partitions are ordered by, where they are."""
    first = table.clustering[0]
    return first if table.columns[table.index(first)].kind is Kind.TIMESTAMP else None


@cache
def own_rows_of(table: Table) -> str:
    """Condition that finds one capture's rows in one partition: the partition's key, first and last time, the capture."""
    time = time_column(table)
    bounds = f"{time} BETWEEN ? AND ?" if time else "? <= ?"  # without a time to bound: the same bindings, always true
    return " AND ".join([*(f"{name} = ?" for name in table.partition), bounds, "capture_id = ?"])


@cache
def delete_row(table: Table) -> str:
    """Delete one row by its key."""
    return f"DELETE FROM {table.name} WHERE {' AND '.join(f'{name} = ?' for name in table.key)}"


@cache
def delete_own(table: Table) -> str:
    """Delete at most so many of one capture's rows in one partition."""
    return _delete_some(table, own_rows_of(table))


@cache
def delete_loaded_before(table: Table) -> str:
    """Delete at most so many dictionary rows that were loaded before a time."""
    return _delete_some(table, "loaded_at <= ?")


def _delete_some(table: Table, condition: str) -> str:
    key = ", ".join(table.key)
    return f"DELETE FROM {table.name} WHERE ({key}) IN (SELECT {key} FROM {table.name} WHERE {condition} LIMIT ?)"
