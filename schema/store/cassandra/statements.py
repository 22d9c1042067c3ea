"""CQL made from `schema/tables.py`: what writes, finds and deletes rows of a table."""

from functools import cache

from schema.tables import Table


@cache
def insert_of(table: Table) -> str:
    """Write one row with its attempt's timestamp and what is left of its lifetime."""
    marks = ", ".join("?" * len(table.names))
    return f"INSERT INTO pcapline.{table.name} ({', '.join(table.names)}) VALUES ({marks}) USING TIMESTAMP ? AND TTL ?"


@cache
def row_of(table: Table) -> str:
    """One row by its key."""
    return f"SELECT {', '.join(table.names)} FROM pcapline.{table.name} WHERE {_by_key(table)}"


@cache
def keys_of_capture(table: Table) -> str:
    """Keys of one capture's rows in one partition."""
    return f"SELECT {', '.join(table.key)} FROM pcapline.{table.name} WHERE {_in_partition(table)}"


@cache
def rows_of(table: Table) -> str:
    """One capture's rows in one partition."""
    return f"SELECT {', '.join(table.names)} FROM pcapline.{table.name} WHERE {_in_partition(table)}"


@cache
def count_of_capture(table: Table, sums: tuple[str, ...] = (), *, between: bool = False) -> str:
    """How many rows of one capture are in one partition, or of a part of it, `between` two times; and sums of columns."""
    wanted = ", ".join(["count(*)", *(f"sum({name})" for name in sums)])
    time = f" AND {table.clustering[0]} >= ? AND {table.clustering[0]} <= ?" if between else ""
    return f"SELECT {wanted} FROM pcapline.{table.name} WHERE {_in_partition(table, time)}"


@cache
def delete_of(table: Table) -> str:
    """Delete one row as of a timestamp: what was written later stays."""
    return f"DELETE FROM pcapline.{table.name} USING TIMESTAMP ? WHERE {_by_key(table)}"


def _by_key(table: Table) -> str:
    return " AND ".join(f"{name} = ?" for name in table.key)


def _in_partition(table: Table, time: str = "") -> str:
    partition = " AND ".join(f"{name} = ?" for name in table.partition)
    return f"{partition}{time} AND capture_id = ? ALLOW FILTERING"  # within one partition: that is no scan
