"""SQL made from `schema/tables.py`: one insert and one delete a table."""

from functools import cache

from schema.tables import Kind, Ownership, Table


@cache
def insert_of(table: Table) -> str:
    """Write one row; the last writer of a key wins. Dictionary rows say at the end when they were loaded."""
    names = [*table.names, "loaded_at"] if table.ownership is Ownership.SHARED else list(table.names)
    marks = ", ".join("?" * len(names))
    return f"INSERT OR REPLACE INTO {table.name} ({', '.join(names)}) VALUES ({marks})"


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
